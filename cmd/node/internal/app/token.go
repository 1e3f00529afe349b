package app

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/cmd/node/internal/config"
	"github.com/parlor-rooms/parlor/cmd/node/internal/settings"
	"github.com/parlor-rooms/parlor/transport/jwtauth"
)

func (m *Main) tokenCommand(schema *settings.Schema[config.Config]) *cobra.Command {
	c := &cobra.Command{
		Use: "token", Short: "Make and explain tokens and keys, for development", Args: cobra.NoArgs, RunE: help,
		Long: "Make and explain tokens and keys, for development.\n\n" +
			"What the server accepts is in the section auth of its configuration, which make and\n" +
			"explain read from --config and PARLOR_ variables as serve does.",
	}
	c.AddCommand(keyCommand(), m.makeCommand(schema), m.explainCommand(schema))
	return c
}

// authLoader adds the flag for the configuration file to c and returns what
// loads the section auth.
func (m *Main) authLoader(c *cobra.Command, schema *settings.Schema[config.Config]) func() (config.Auth, error) {
	file := c.Flags().StringP("config", "c", "", "YAML file with the configuration of the server (variable PARLOR_CONFIG)")
	return func() (config.Auth, error) {
		loaded, err := schema.Load(settings.Sources{File: *file, Env: m.Env})
		if err != nil {
			return config.Auth{}, fmt.Errorf("the configuration is not valid:\n%w", err)
		}
		return loaded.Value.Auth, nil
	}
}

func keyCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "key", Short: "Make a key to sign tokens with", Args: cobra.NoArgs,
		Example: "  parlor token key --method EdDSA --out dev.key   # and dev.key.pub for the server\n  parlor token key --out dev.secret",
	}
	method := c.Flags().String("method", "HS256", "how tokens are signed: "+methodList())
	out := c.Flags().String("out", "", "file for the key, and with .pub behind for its public half; they must not exist yet. Empty writes the key to the standard output")
	c.RunE = func(c *cobra.Command, _ []string) error {
		m := jwtauth.Method(*method)
		text, err := jwtauth.GenerateKey(m)
		if err != nil {
			return fmt.Errorf("--method: %q: want %s", *method, methodList())
		}
		if *out == "" {
			_, err := c.OutOrStdout().Write(text)
			return err
		}
		if err := createFile(*out, text); err != nil {
			return err
		}
		checks := *out
		key, err := jwtauth.ParseSigningKey("", m, text)
		if err != nil {
			return err
		}
		if public, err := key.PublicPEM(); err == nil { // a secret has none
			checks += ".pub"
			if err := createFile(checks, public); err != nil {
				return err
			}
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s signs tokens: keep it with whoever issues them.\nThe server checks them with\n\n  auth: {issuer: dev, audience: parlor, method: %s, key_file: %s}\n\nand this makes one:\n\n  parlor token make --key-file %s --method %s --issuer dev --audience parlor --subject ada\n",
			*out, m, checks, *out, m)
		return err
	}
	return c
}

// createFile writes a file that nobody else may read and that was not there.
func createFile(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// making are the flags of parlor token make.
type making struct {
	keyFile, method, keyID        string
	issuer, audience, subject, id string
	expiresIn                     time.Duration
	grants, claims                []string
}

func (m *Main) makeCommand(schema *settings.Schema[config.Config]) *cobra.Command {
	c := &cobra.Command{
		Use: "make", Short: "Make a token", Args: cobra.NoArgs,
		Example: "  parlor token make --config parlor.yaml --subject ada\n" +
			"  parlor token make --key-file dev.key --method EdDSA --issuer dev --audience parlor --subject ada \\\n" +
			"    --grant 'board/*=join,presence' --grant 'board/q3=publish:add' --claim 'name=\"Ada\"'",
	}
	var f making
	load := m.authLoader(c, schema)
	flags := c.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.subject, "subject", "", "who the token is for; required")
	flags.StringArrayVar(&f.grants, "grant", nil, "PATTERN=OPERATION,… that the token allows; may be repeated. None allows everything that rooms allow")
	flags.StringArrayVar(&f.claims, "claim", nil, "NAME=JSON, a further claim; may be repeated")
	flags.DurationVar(&f.expiresIn, "expires-in", time.Hour, "how long it is valid; negative for one that has expired")
	flags.StringVar(&f.id, "id", "", "the token's id; empty makes one")
	flags.StringVar(&f.issuer, "issuer", "", "who says so; empty means auth.issuer")
	flags.StringVar(&f.audience, "audience", "", "for which server; empty means auth.audience")
	flags.StringVar(&f.keyFile, "key-file", "", "what signs it: a secret, or a private key as PEM; empty means auth.key or auth.key_file where that is a secret")
	flags.StringVar(&f.method, "method", "", "how it is signed: "+methodList()+"; empty means auth.method")
	flags.StringVar(&f.keyID, "key-id", "", "the kid that names the key; empty names none")
	c.RunE = func(c *cobra.Command, _ []string) error {
		auth, err := load()
		if err != nil {
			return err
		}
		token, err := f.token(auth, time.Now())
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.OutOrStdout(), token)
		return err
	}
	return c
}

func (f *making) token(auth config.Auth, now time.Time) (string, error) {
	first := func(given, configured string) string {
		if given != "" {
			return given
		}
		return configured
	}
	t := jwtauth.Token{
		Issuer: first(f.issuer, auth.Issuer), Audience: first(f.audience, auth.Audience), Subject: f.subject, ID: first(f.id, rand.Text()),
		Issued: now, Expires: now.Add(f.expiresIn),
	}
	if f.expiresIn <= 0 {
		t.Issued = t.Expires.Add(-time.Hour)
	}
	for flag, value := range map[string]string{"subject": t.Subject, "issuer": t.Issuer, "audience": t.Audience} {
		if value == "" {
			return "", fmt.Errorf("--%s: no token is accepted without", flag)
		}
	}
	var err error
	if t.Grants, err = readGrants(f.grants); err != nil {
		return "", err
	}
	if t.More, err = readClaims(f.claims); err != nil {
		return "", err
	}
	key, err := f.key(auth, jwtauth.Method(first(f.method, auth.Method)))
	if err != nil {
		return "", err
	}
	return key.Sign(t)
}

func (f *making) key(auth config.Auth, m jwtauth.Method) (jwtauth.SigningKey, error) {
	text, from, path := []byte(auth.Key.Reveal()), "auth.key", ""
	switch {
	case f.keyFile != "":
		from, path = "--key-file", f.keyFile
	case auth.KeyFile != "":
		from, path = "auth.key_file", auth.KeyFile
	case auth.Key == "":
		return jwtauth.SigningKey{}, errors.New("--key-file: there is no key to sign with (parlor token key makes one)")
	}
	if path != "" {
		var err error
		if text, err = os.ReadFile(path); err != nil {
			return jwtauth.SigningKey{}, fmt.Errorf("%s: %w", from, err)
		}
	}
	k, err := jwtauth.ParseSigningKey(f.keyID, m, text)
	switch {
	case err != nil && f.keyFile == "":
		return k, fmt.Errorf("%s only checks tokens, give --key-file: %w", from, err)
	case err != nil:
		return k, fmt.Errorf("%s: %w", from, err)
	}
	return k, nil
}

func readGrants(texts []string) (*actors.Grants, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	var list []actors.Grant
	for _, text := range texts {
		pattern, ops, ok := strings.Cut(text, "=")
		if !ok {
			return nil, fmt.Errorf("--grant: %q: want PATTERN=OPERATION,… such as board/*=join,publish", text)
		}
		g := actors.Grant{Pattern: pattern}
		for op := range strings.SplitSeq(ops, ",") {
			g.Ops = append(g.Ops, actors.Op(strings.TrimSpace(op)))
		}
		list = append(list, g)
	}
	grants, err := actors.NewGrants(list...)
	if err != nil {
		return nil, fmt.Errorf("--grant: %w", err)
	}
	return grants, nil
}

func readClaims(texts []string) (map[string]any, error) {
	claims := make(map[string]any)
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" || !json.Valid([]byte(value)) {
			return nil, fmt.Errorf(`--claim: %q: want NAME=JSON such as 'name="Ada"'`, text)
		}
		claims[name] = json.RawMessage(value)
	}
	return claims, nil
}

func (m *Main) explainCommand(schema *settings.Schema[config.Config]) *cobra.Command {
	c := &cobra.Command{
		Use: "explain TOKEN|-", Short: "Say what a token says, and whether the server would accept it", Args: cobra.ExactArgs(1),
		Long: "Say what a token says, and whether a server of this configuration would accept it.\n\n" +
			"- reads it from the standard input, where it stays out of the list of processes.",
	}
	load := m.authLoader(c, schema)
	c.RunE = func(c *cobra.Command, args []string) error {
		auth, err := load()
		if err != nil {
			return err
		}
		token := args[0]
		if token == "-" {
			in, err := io.ReadAll(io.LimitReader(c.InOrStdin(), 1<<20))
			if err != nil {
				return err
			}
			token = string(in)
		}
		return explain(c, auth, strings.TrimSpace(token))
	}
	return c
}

func explain(c *cobra.Command, auth config.Auth, token string) error {
	said, err := jwtauth.Explain(token)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for _, part := range []struct {
		name string
		text json.RawMessage
	}{{"header", said.Header}, {"claims", said.Claims}} {
		fmt.Fprintf(&out, "%s ", part.name)
		if err := json.Indent(&out, part.text, "", "  "); err != nil {
			return err
		}
		out.WriteByte('\n')
	}
	explainTimes(&out, said.Claims, time.Now())
	if _, err := c.OutOrStdout().Write(out.Bytes()); err != nil {
		return err
	}
	if !auth.WithTokens() {
		_, err := fmt.Fprintln(c.OutOrStdout(), "not checked: the configuration has no keys (--config)")
		return err
	}
	a, err := tokenAuthenticator(auth, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	id, err := a.Verify(c.Context(), token)
	if err != nil {
		return fmt.Errorf("refused with %s: %w", actors.AsError(err).Code, err)
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "accepted as %q until %s; %s\n", id.Subject, id.Expires.UTC().Format(time.RFC3339), explainGrants(id.Grants))
	return err
}

// explainTimes writes the moments of a token as people read them.
func explainTimes(out *bytes.Buffer, claims json.RawMessage, now time.Time) {
	var times struct{ Iat, Nbf, Exp *float64 }
	if json.Unmarshal(claims, &times) != nil {
		return // the check says what is wrong with them
	}
	for _, moment := range []struct {
		name    string
		seconds *float64
	}{{"issued", times.Iat}, {"not before", times.Nbf}, {"expires", times.Exp}} {
		if moment.seconds == nil || *moment.seconds < 0 || *moment.seconds > 253402300799 {
			continue
		}
		at := time.Unix(int64(*moment.seconds), 0).UTC()
		relation := "in " + at.Sub(now).Round(time.Second).String()
		if at.Before(now) {
			relation = now.Sub(at).Round(time.Second).String() + " ago"
		}
		fmt.Fprintf(out, "%s %s, %s\n", moment.name, at.Format(time.RFC3339), relation)
	}
}

func explainGrants(g *actors.Grants) string {
	switch {
	case g == nil:
		return "it may do everything that rooms allow"
	case len(g.List()) == 0:
		return "it may do nothing"
	}
	var parts []string
	for _, one := range g.List() {
		var ops []string
		for _, op := range one.Ops {
			ops = append(ops, string(op))
		}
		parts = append(parts, fmt.Sprintf("in %s it may %s", one.Pattern, strings.Join(ops, ", ")))
	}
	return strings.Join(parts, "; ")
}

func methodList() string {
	var names []string
	for _, m := range jwtauth.Methods() {
		names = append(names, string(m))
	}
	return strings.Join(names, ", ")
}
