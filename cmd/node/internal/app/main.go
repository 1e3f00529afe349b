// Package app is the command parlor as a value: a test can start the whole
// program, on any free port, and stop it again.
package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/cmd/node/internal/config"
	"github.com/parlor-rooms/parlor/cmd/node/internal/settings"
)

// Main is one run of the program. Set its fields, then call Run once.
type Main struct {
	Args    []string  // without the program's name
	Env     []string  // as os.Environ
	Stdin   io.Reader // nil means none
	Stdout  io.Writer
	Stderr  io.Writer // also takes the log
	Version string    // empty means the one the build knows

	// Kinds are served besides those of the configuration.
	Kinds []actors.Behavior

	// Gateways are served besides the rooms.
	Gateways []actors.GatewayBehavior

	// Listen opens the listeners. Nil means net.Listen.
	Listen func(network, address string) (net.Listener, error)

	// Ready is called once the server serves, before Run blocks. Nil is allowed.
	Ready func(Addresses)
}

// Addresses are what the server listens on.
type Addresses struct {
	Public net.Addr
	Admin  net.Addr // nil if there is no admin listener
}

// Run runs the command that Args name. For serve it blocks until ctx ends, and
// then until the server has stopped; no goroutine of it is left when it
// returns. An error is what the program ends with.
func (m *Main) Run(ctx context.Context) error {
	schema, err := config.Schema()
	if err != nil {
		return err
	}
	root := &cobra.Command{
		Use:           "parlor",
		Short:         "Rooms that stock Socket.IO clients can walk into",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          help,
	}
	root.AddCommand(m.serveCommand(schema), m.configCommand(schema), m.certsCommand(), m.tokenCommand(schema), m.versionCommand())
	root.SetArgs(m.Args)
	if root.SetIn(m.Stdin); m.Stdin == nil {
		root.SetIn(strings.NewReader(""))
	}
	root.SetOut(m.Stdout)
	root.SetErr(m.Stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w (%s --help lists the flags)", err, c.CommandPath())
	})
	return root.ExecuteContext(ctx)
}

// help is what a command that only has commands does by itself. With it,
// NoArgs makes a misspelt one an error.
func help(c *cobra.Command, _ []string) error { return c.Help() }

// loader adds the flags of the configuration to c and returns what loads it.
func (m *Main) loader(c *cobra.Command, schema *settings.Schema[config.Config]) func() (*settings.Loaded[config.Config], error) {
	file := c.Flags().StringP("config", "c", "", "YAML file with the configuration (variable PARLOR_CONFIG)")
	schema.Flags(c.Flags())
	c.Flags().SortFlags = false
	return func() (*settings.Loaded[config.Config], error) {
		loaded, err := schema.Load(settings.Sources{File: *file, Env: m.Env, Flags: c.Flags()})
		if err != nil {
			return nil, fmt.Errorf("the configuration is not valid:\n%w", err)
		}
		return loaded, nil
	}
}

func (m *Main) serveCommand(schema *settings.Schema[config.Config]) *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve rooms until SIGINT or SIGTERM",
		Long: "Serve rooms until SIGINT or SIGTERM; a second signal ends the process at once.\n\n" +
			"A setting comes from its flag, else from its variable (--admin-listen is\n" +
			"PARLOR_ADMIN_LISTEN), else from the file (admin: {listen: ...}), else it has its default.",
		Args: cobra.NoArgs,
	}
	load := m.loader(c, schema)
	c.RunE = func(c *cobra.Command, _ []string) error {
		loaded, err := load()
		if err != nil {
			return err
		}
		return m.serve(c.Context(), loaded.Value)
	}
	return c
}

func (m *Main) configCommand(schema *settings.Schema[config.Config]) *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Show and check the configuration", Args: cobra.NoArgs, RunE: help}

	show := &cobra.Command{Use: "print", Short: "Print the configuration in effect, and where each value came from", Args: cobra.NoArgs}
	load := m.loader(show, schema)
	show.RunE = func(c *cobra.Command, _ []string) error {
		loaded, err := load()
		if err != nil {
			return err
		}
		return loaded.Print(c.OutOrStdout())
	}

	check := &cobra.Command{Use: "check", Short: "Say whether the configuration is valid", Args: cobra.NoArgs}
	loadToCheck := m.loader(check, schema)
	check.RunE = func(c *cobra.Command, _ []string) error {
		if _, err := loadToCheck(); err != nil {
			return err
		}
		_, err := fmt.Fprintln(c.OutOrStdout(), "the configuration is valid")
		return err
	}

	c.AddCommand(show, check, &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of the configuration file", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			text, err := schema.JSONSchema("Parlor configuration")
			if err == nil {
				_, err = c.OutOrStdout().Write(text)
			}
			return err
		},
	})
	return c
}

func (m *Main) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(c.OutOrStdout(), "parlor %s (%s %s/%s)\n", m.version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

func (m *Main) version() string {
	if m.Version != "" {
		return m.Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
