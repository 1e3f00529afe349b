package app

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/transport/transporttest"
)

// connect enters a room and returns the code it is refused with.
func connect(t *testing.T, r *running, o transporttest.Options, room, token string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var auth any
	if token != "" {
		auth = map[string]string{"token": token}
	}
	_, err := dial(t, r, o).Connect(ctx, room, auth)
	var refused *transporttest.ConnectError
	switch {
	case err == nil:
		return "entered"
	case errors.As(err, &refused):
		return refused.Code()
	}
	t.Fatal(err)
	return ""
}

func tokenOf(t *testing.T, args ...string) string {
	t.Helper()
	out, err := run(t, nil, append([]string{"token", "make"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

const secured = lobby + `
auth:
  issuer: dev
  audience: parlor
  keys:
    k1: {method: EdDSA, file: KEY.pub}
`

func TestTokensDecideWhoEnters(t *testing.T) {
	key := filepath.Join(t.TempDir(), "dev.key")
	if _, err := run(t, nil, "token", "key", "--method=EdDSA", "--out", key); err != nil {
		t.Fatal(err)
	}
	path := file(t, strings.ReplaceAll(secured, "KEY", key))
	r := start(t, "--config", path)
	ada := tokenOf(t, "--config", path, "--key-file", key, "--key-id=k1", "--method=EdDSA", "--subject=ada")
	old := tokenOf(t, "--config", path, "--key-file", key, "--key-id=k1", "--method=EdDSA", "--subject=ada", "--expires-in=-1h")
	elsewhere := tokenOf(t, "--config", path, "--key-file", key, "--key-id=k1", "--method=EdDSA", "--subject=ada", "--audience=billing")
	header := func(token string) transporttest.Options {
		return transporttest.Options{Header: http.Header{"Authorization": {"Bearer " + token}}}
	}
	for name, c := range map[string]struct {
		options transporttest.Options
		token   string
		want    string
	}{
		"no token":          {want: "unauthorized"},
		"a token":           {token: ada, want: "entered"},
		"in the handshake":  {options: header(ada), want: "entered"},
		"both":              {options: header(ada), token: old, want: "token_expired"},
		"an old one":        {token: old, want: "token_expired"},
		"for somebody else": {token: elsewhere, want: "unauthorized"},
		"in the query":      {options: transporttest.Options{Query: map[string][]string{"token": {ada}}}, want: "unauthorized"},
		"none of ours":      {token: "x", want: "unauthorized"},
	} {
		if got := connect(t, r, c.options, "/lobby/main", c.token); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if strings.Contains(r.log.String(), ada[len(ada)/2:]) {
		t.Error("the log has a token in it")
	}
}

func TestGuestsMayEnterWhereTheConfigurationSaysSo(t *testing.T) {
	r := start(t, "--config", file(t, lobby), "--auth-anonymous=allow", "--listen=127.0.0.1:0")
	if got := connect(t, r, transporttest.Options{}, "/lobby/main", ""); got != "entered" {
		t.Errorf("a guest is answered %s", got)
	}
	m := &Main{Args: []string{"serve", "--listen=0.0.0.0:0"}, Stdout: new(log), Stderr: new(log)}
	if err := m.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "others can reach this address and may do everything") {
		t.Errorf("everybody is let in to everything: %v", err)
	}
}

func TestKeysThatCannotBeUsedKeepTheServerFromStarting(t *testing.T) {
	dir := t.TempDir()
	private := filepath.Join(dir, "dev.key")
	if _, err := run(t, nil, "token", "key", "--method=ES256", "--out", private); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ auth, want string }{
		"no file":           {"key_file: " + dir + "/none", "no such file"},
		"a private key":     {"{method: ES256, key_file: " + private + "}", "this is a private key"},
		"of another method": {"{method: RS256, key_file: " + private + ".pub}", "no key for RS256"},
		"a PEM as a secret": {"key_file: " + private + ".pub", "another sort"},
		"a short secret":    {"key: hunter2", "at least 32"},
		"no certificates":   {"{jwks: 'https://127.0.0.1:1/', jwks_ca: " + private + "}", "want certificates"},
	} {
		text := strings.Trim(c.auth, "{}")
		m := &Main{
			Args:   []string{"serve", "--listen=127.0.0.1:0", "--config", file(t, "auth: {issuer: dev, audience: parlor, "+text+"}\n")},
			Stdout: new(log), Stderr: new(log),
		}
		if err := m.Run(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestAnIssuerThatDoesNotAnswerRefusesTokensAndNothingElse(t *testing.T) {
	r := start(t, "--config", file(t, lobby+"auth: {issuer: dev, audience: parlor, jwks: 'https://127.0.0.1:1/jwks.json'}\n"))
	key := filepath.Join(t.TempDir(), "dev.key")
	if _, err := run(t, nil, "token", "key", "--method=ES256", "--out", key); err != nil {
		t.Fatal(err)
	}
	token := tokenOf(t, "--issuer=dev", "--audience=parlor", "--subject=ada", "--key-file", key, "--method=ES256")
	if got := connect(t, r, transporttest.Options{}, "/lobby/main", token); got != "unavailable" {
		t.Errorf("a token is answered %s", got)
	}
	if !strings.Contains(r.log.String(), "the keys of the token issuer cannot be fetched") {
		t.Error("the log does not say so")
	}
	if status, _ := get(t, r.url+"/readyz"); status != 200 {
		t.Errorf("the server is not ready: %d", status)
	}
}

// TestKeysThatAnIssuerPublishesAreUsed has an issuer on https with a
// certificate of its own.
func TestKeysThatAnIssuerPublishesAreUsed(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "dev.key")
	if _, err := run(t, nil, "token", "key", "--method=EdDSA", "--out", key); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	issuer := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","use":"sig","x":%q}]}`, base64.RawURLEncoding.EncodeToString(public.(ed25519.PublicKey)))
	}))
	defer issuer.Close()
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuer.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, "--config", file(t, lobby+"auth: {issuer: dev, audience: parlor, jwks: '"+issuer.URL+"/jwks.json', jwks_ca: "+ca+"}\n"))
	of := func(kid string) string {
		return tokenOf(t, "--issuer=dev", "--audience=parlor", "--subject=ada", "--key-file", key, "--method=EdDSA", "--key-id", kid)
	}
	for kid, want := range map[string]string{"k1": "entered", "k2": "unauthorized"} {
		if got := connect(t, r, transporttest.Options{}, "/lobby/main", of(kid)); got != want {
			t.Errorf("a token of key %s: %s, want %s", kid, got, want)
		}
	}
	if strings.Contains(r.log.String(), "cannot be fetched") {
		t.Error("the log complains")
	}
}
