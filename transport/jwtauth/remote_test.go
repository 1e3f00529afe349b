package jwtauth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parlor-rooms/parlor/actors"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// publisher is an issuer that publishes keys and signs with them.
type publisher struct {
	*httptest.Server
	t       *testing.T
	signing map[string]SigningKey
	fetches atomic.Int32

	mu     sync.Mutex // guards the following
	now    time.Time
	answer http.HandlerFunc // nil: the set
	names  []string         // of the keys in the set
}

func publish(t *testing.T, names ...string) *publisher {
	p := &publisher{t: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), names: names, signing: make(map[string]SigningKey)}
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.fetches.Add(1)
		p.mu.Lock()
		answer, set := p.answer, p.set()
		p.mu.Unlock()
		if answer != nil {
			answer(w, r)
			return
		}
		_, _ = w.Write([]byte(set))
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *publisher) key(name string) SigningKey {
	k, made := p.signing[name]
	if !made {
		text, err := GenerateKey(ES256)
		if err == nil {
			k, err = ParseSigningKey(name, ES256, text)
		}
		if err != nil {
			p.t.Fatal(err)
		}
		p.signing[name] = k
	}
	return k
}

func jwkOf(t *testing.T, k SigningKey) map[string]any {
	t.Helper()
	point, err := k.public.key.(*ecdsa.PublicKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	return map[string]any{"kty": "EC", "crv": "P-256", "kid": k.id, "x": b64(point[1:33]), "y": b64(point[33:])}
}

func (p *publisher) set() string {
	var keys []any
	for _, name := range p.names {
		keys = append(keys, jwkOf(p.t, p.key(name)))
	}
	b, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		p.t.Error(err)
	}
	return string(b)
}

// change has the issuer publish other keys, or answer otherwise.
func (p *publisher) change(answer http.HandlerFunc, names ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer, p.names = answer, names
	for _, name := range names {
		p.key(name)
	}
}

func (p *publisher) pass(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = p.now.Add(d)
}

func (p *publisher) time() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

func (p *publisher) authenticator(j JWKS) *Authenticator {
	p.t.Helper()
	j.URL = p.URL + "/jwks.json"
	j.RootCAs = x509.NewCertPool()
	j.RootCAs.AddCert(p.Certificate())
	a, err := New(Config{Issuer: "i", Audience: "a", JWKS: &j, Now: p.time, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		p.t.Fatal(err)
	}
	return a
}

// verify has a fresh token signed with a key and says what becomes of it.
func (p *publisher) verify(a *Authenticator, name string) string {
	p.t.Helper()
	p.mu.Lock()
	k, now := p.key(name), p.now
	p.mu.Unlock()
	token, err := k.Sign(Token{Issuer: "i", Audience: "a", Subject: "u", Issued: now, Expires: now.Add(time.Hour)})
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err = a.Verify(p.t.Context(), token); err != nil {
		return string(actors.AsError(err).Code)
	}
	return "accepted"
}

func (p *publisher) expect(a *Authenticator, name, want string, fetches int32) {
	p.t.Helper()
	if got := p.verify(a, name); got != want {
		p.t.Errorf("a token of key %s is %s, want %s", name, got, want)
	}
	if n := p.fetches.Load(); n != fetches {
		p.t.Errorf("%d fetches, want %d", n, fetches)
	}
}

func TestPublishedKeysAreFetchedOnceAndKept(t *testing.T) {
	p := publish(t, "k1")
	a := p.authenticator(JWKS{})
	p.expect(a, "k1", "accepted", 1)
	p.pass(14 * time.Minute)
	p.expect(a, "k1", "accepted", 1)
	p.pass(time.Minute)
	p.expect(a, "k1", "accepted", 2)
}

func TestARotatedKeyIsFoundAndUnknownOnesAreAskedForOnceAMinute(t *testing.T) {
	p := publish(t, "k1")
	a := p.authenticator(JWKS{})
	p.expect(a, "k1", "accepted", 1)
	p.change(nil, "k1", "k2")
	p.expect(a, "k2", "unauthorized", 1) // within the minute of the first fetch
	p.pass(time.Minute)
	p.expect(a, "k2", "accepted", 2)
	p.expect(a, "k1", "accepted", 2)
	for range 100 {
		p.expect(a, "nobody", "unauthorized", 2)
	}
	p.pass(59 * time.Second)
	p.expect(a, "nobody", "unauthorized", 2)
	p.pass(time.Second)
	p.expect(a, "nobody", "unauthorized", 3)
}

func TestAWithdrawnKeyIsNotUsedAnyMore(t *testing.T) {
	p := publish(t, "k1", "k2")
	a := p.authenticator(JWKS{})
	p.expect(a, "k1", "accepted", 1)
	p.change(nil, "k2")
	p.pass(15 * time.Minute)
	p.expect(a, "k1", "unauthorized", 2)
	p.expect(a, "k2", "accepted", 2)
}

func TestKeysOutliveAnIssuerThatFailsButNotForEver(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"an error":        func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadGateway) },
		"not JSON":        func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"an empty set":    func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"keys":[]}`) },
		"a set of others": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"keys":[{"kty":"oct","k":"AAAA"}]}`) },
		"no connection":   func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			p := publish(t, "k1")
			a := p.authenticator(JWKS{KeepFor: 20 * time.Minute})
			p.expect(a, "k1", "accepted", 1)
			p.change(answer)
			p.pass(15 * time.Minute)
			p.expect(a, "k1", "accepted", 2)
			p.expect(a, "k1", "accepted", 2) // not tried again at once
			p.pass(4 * time.Minute)
			p.expect(a, "k1", "accepted", 3)
			p.pass(time.Minute)
			p.expect(a, "k1", "unavailable", 4)
			p.pass(4 * time.Second)
			p.expect(a, "k1", "unavailable", 4)
			p.change(nil, "k1")
			p.pass(time.Second)
			p.expect(a, "k1", "accepted", 5)
		})
	}
}

func TestWithoutKeysNobodyIsAccepted(t *testing.T) {
	p := publish(t)
	p.change(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusNotFound) })
	a := p.authenticator(JWKS{})
	p.expect(a, "k1", "unavailable", 1)
	if err := a.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("Refresh: %v", err)
	}
}

func TestAFetchIsBoundedAndFollowsNobody(t *testing.T) {
	outer := t // its servers are closed after the release of their handlers
	elsewhere := publish(t, "k1")
	release := make(chan struct{})
	defer close(release)
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		}, "302"},
		"more than 1 MiB": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"keys":[`+strings.Repeat(" ", maxJWKS)+`]}`)
		}, "more than 1048576 bytes"},
		"an endless header": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 100<<10))
		}, "header"},
		"no end": {func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			<-release
		}, "exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			p := publish(outer)
			p.change(c.answer)
			a := p.authenticator(JWKS{})
			if a.remote.client.Timeout != 3*time.Second {
				t.Errorf("a fetch may take %v", a.remote.client.Timeout)
			}
			if name == "no end" {
				a.remote.client.Timeout = 50 * time.Millisecond
			}
			if err := a.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
	if elsewhere.fetches.Load() > 0 {
		t.Error("the redirect was followed")
	}
}

func TestAServerWithoutTheRightCertificateIsNotBelieved(t *testing.T) {
	p := publish(t, "k1")
	a, err := New(Config{Issuer: "i", Audience: "a", JWKS: &JWKS{URL: p.URL}, Now: p.time, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	p.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	p.expect(a, "k1", "unavailable", 0)
}

func TestManyTokensCauseOneFetch(t *testing.T) {
	p := publish(t, "k1")
	begun, release := make(chan struct{}, 1), make(chan struct{})
	set := p.set()
	p.change(func(w http.ResponseWriter, _ *http.Request) {
		begun <- struct{}{}
		<-release
		fmt.Fprint(w, set)
	}, "k1")
	a := p.authenticator(JWKS{})
	results := make(chan string)
	go func() { results <- p.verify(a, "k1") }()
	<-begun
	for range 20 {
		go func() { results <- p.verify(a, "k1") }()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := a.remote.find(ctx, ES256, "k1"); err == nil {
		t.Error("who does not want to wait waits")
	}
	close(release)
	for range 21 {
		if got := <-results; got != "accepted" {
			t.Errorf("a token is %s", got)
		}
	}
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

func TestAFetchOutlivesWhoCausedIt(t *testing.T) {
	p := publish(t, "k1")
	a := p.authenticator(JWKS{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, found, err := a.remote.find(ctx, ES256, "k1"); !found || err != nil {
		t.Errorf("found %v, %v: others wait for the same keys", found, err)
	}
}

func TestOnlyKeysForSignaturesOfOurMethodsAreTaken(t *testing.T) {
	text, err := GenerateKey(ES256)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseSigningKey("k", ES256, text)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := p384.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	good := jwkOf(t, k)
	for name, c := range map[string]struct {
		change map[string]any
		taken  bool
	}{
		"plain":                {nil, true},
		"for signatures":       {map[string]any{"use": "sig", "alg": "ES256", "key_ops": []string{"verify"}}, true},
		"for encryption":       {map[string]any{"use": "enc"}, false},
		"for signing":          {map[string]any{"key_ops": []string{"sign"}}, false},
		"of another method":    {map[string]any{"alg": "ES384"}, false},
		"of a secret's method": {map[string]any{"alg": "HS256"}, false},
		"of a method for RSA":  {map[string]any{"alg": "RS256"}, false},
		"beside the curve":     {map[string]any{"y": good["x"]}, false},
		"on another curve":     {map[string]any{"crv": "P-384", "x": b64(point[1:49]), "y": b64(point[49:])}, false},
		"a secret":             {map[string]any{"kty": "oct", "k": b64([]byte(strings.Repeat("0123456789", 5))), "alg": "HS256"}, false},
		"weak RSA":             {map[string]any{"kty": "RSA", "n": b64(append([]byte{0x80}, make([]byte, 127)...)), "e": "AQAB"}, false},
	} {
		jwk := jwkOf(t, k)
		for key, value := range c.change {
			jwk[key] = value
		}
		set, err := json.Marshal(map[string]any{"keys": []any{jwk}})
		if err != nil {
			t.Fatal(err)
		}
		if keys, err := ParseJWKS(set); (err == nil) != c.taken {
			t.Errorf("%s: %v, %v", name, keys, err)
		}
	}
	twice, err := json.Marshal(map[string]any{"keys": []any{good, map[string]any{"kty": "RSA"}, good}})
	if err != nil {
		t.Fatal(err)
	}
	if keys, err := ParseJWKS(twice); err != nil || len(keys) != 1 || keys[0].ID() != "k" || keys[0].Method() != ES256 {
		t.Errorf("%v, %v", keys, err)
	}
}

func FuzzKeySetsNeverPanicAndHoldNoSecret(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"oct","k":"AA"},{"kty":"OKP","crv":"Ed25519","x":"AA"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := ParseJWKS(data)
		if err == nil && len(keys) == 0 {
			t.Fatal("no key and no error")
		}
		for _, k := range keys {
			if k.method.symmetric() > 0 || k.check() != nil {
				t.Fatalf("%q gives %v", data, k)
			}
		}
	})
}
