package app

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/parlor-rooms/parlor/cmd/node/internal/certs"
)

// certsCommand makes the certificates by which nodes know each other.
func (m *Main) certsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "certs", Short: "Make the certificates by which nodes know each other", Args: cobra.NoArgs, RunE: help,
		Long: "Make the certificates by which nodes know each other.\n\n" +
			"  parlor certs init --dir certs\n" +
			"  parlor certs node --dir certs --host 10.0.0.1 --host node-1 node-1\n" +
			"  parlor serve --cluster-certs certs/node-1 ...\n\n" +
			"A node needs its own directory only; the key of the authority, ca-key.pem,\n" +
			"belongs where nothing runs.",
	}
	var dir string
	c.PersistentFlags().StringVar(&dir, "dir", "certs", "directory of the authority")
	c.AddCommand(&cobra.Command{
		Use: "init", Short: "Make an authority", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := certs.Init(dir, time.Now()); err != nil {
				return err
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "made an authority in %s\n", dir)
			return err
		},
	})
	var hosts []string
	issue := &cobra.Command{
		Use: "node NAME", Short: "Make the certificate of one node, in a directory of that name", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			to := filepath.Join(dir, filepath.Base(args[0]))
			if err := certs.Issue(dir, to, hosts, time.Now()); err != nil {
				return err
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "made %s; give it to the node as cluster.certs\n", to)
			return err
		},
	}
	issue.Flags().StringSliceVar(&hosts, "host", nil, "name or address by which other nodes reach it; several are allowed")
	c.AddCommand(issue)
	return c
}
