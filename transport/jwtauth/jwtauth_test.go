package jwtauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/jwtauth"
	"github.com/parlor-rooms/parlor/transport/jwtauth/jwtauthtest"
)

var (
	now    = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	issuer = jwtauthtest.NewIssuer(now)
)

// authenticator accepts the tokens of issuer at now.
func authenticator(t testing.TB, change ...func(*jwtauth.Config)) *jwtauth.Authenticator {
	t.Helper()
	c := jwtauth.Config{
		Issuer: jwtauthtest.Name, Audience: jwtauthtest.Audience, Keys: issuer.Keys(), Now: func() time.Time { return now },
	}
	for _, f := range change {
		f(&c)
	}
	a, err := jwtauth.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// code is what a client is told; empty for no error.
func code(err error) actors.Code {
	if err == nil {
		return ""
	}
	return actors.AsError(err).Code
}

func TestBadTokensAreRefused(t *testing.T) {
	a := authenticator(t, func(c *jwtauth.Config) { c.Leeway = 30 * time.Second })
	corpus := issuer.Corpus()
	if len(corpus) < 54 {
		t.Errorf("the corpus has %d tokens", len(corpus))
	}
	for _, bad := range corpus {
		t.Run(bad.Name, func(t *testing.T) {
			id, err := a.Authenticate(t.Context(), &actors.AuthRequest{Token: bad.Token})
			if code(err) != bad.Code || id.Subject != "" {
				t.Fatalf("got %+v, %v, want %s", id, err, bad.Code)
			}
			if told := actors.AsError(err).Message; told != "a valid token is needed" && told != "the token has expired" {
				t.Errorf("the client is told %q", told)
			}
			if len(bad.Token) > 100 && strings.Contains(err.Error(), bad.Token[len(bad.Token)/2:]) {
				t.Errorf("the token is in the error: %v", err)
			}
		})
	}
}

func TestGoodTokensAreAcceptedWithEveryMethod(t *testing.T) {
	a := authenticator(t)
	claims, err := json.Marshal(issuer.Claims())
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"HS256":           issuer.Sign(jwtauth.HS256, `{"alg":"HS256","kid":"hs"}`, string(claims)),
		"RS256":           issuer.Sign(jwtauth.RS256, `{"alg":"RS256","kid":"rs","typ":"JWT"}`, string(claims)),
		"ES256":           issuer.Sign(jwtauth.ES256, `{"kid":"es","alg":"ES256","typ":"at+jwt"}`, string(claims)),
		"EdDSA":           issuer.Sign(jwtauth.EdDSA, `{"alg":"EdDSA","kid":"ed","typ":"jwt"}`, string(claims)),
		"without a kid":   issuer.Sign(jwtauth.EdDSA, `{"alg":"EdDSA"}`, string(claims)),
		"unknown headers": issuer.Sign(jwtauth.EdDSA, `{"alg":"EdDSA","x5t":"abc","cat":"cl_B7d4PD111AAA"}`, string(claims)),
	} {
		id, err := a.Authenticate(t.Context(), &actors.AuthRequest{Token: token})
		if err != nil || id.Subject != "u-7" || id.TokenID != "t-1" || !id.Issued.Equal(now.Add(-time.Minute)) || !id.Expires.Equal(now.Add(time.Hour+10*time.Second)) || id.Grants != nil || id.Claims != nil {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
}

func TestSecretsOfEveryLengthSign(t *testing.T) {
	for _, m := range jwtauth.Methods() {
		text, err := jwtauth.GenerateKey(m)
		if err != nil {
			t.Fatal(err)
		}
		k, err := jwtauth.ParseSigningKey("dev", m, text)
		if err != nil {
			t.Fatal(err)
		}
		token, err := k.Sign(jwtauth.Token{
			Issuer: "me", Audience: "you", Subject: "u", Issued: now, Expires: now.Add(time.Minute), More: map[string]any{"name": "Ada"},
		})
		if err != nil {
			t.Fatal(err)
		}
		public := k.Public()
		if m != jwtauth.HS256 && m != jwtauth.HS384 && m != jwtauth.HS512 {
			pem, err := k.PublicPEM()
			if err != nil {
				t.Fatal(err)
			}
			if public, err = jwtauth.ParseKey("dev", m, pem); err != nil {
				t.Fatal(err)
			}
			if _, err := jwtauth.ParseKey("dev", m, text); err == nil || !strings.Contains(err.Error(), "private") {
				t.Errorf("%s: a private key is taken for a public one: %v", m, err)
			}
		} else if _, err := k.PublicPEM(); err == nil {
			t.Errorf("%s: a secret has a public half", m)
		}
		a := authenticator(t, func(c *jwtauth.Config) { c.Issuer, c.Audience, c.Keys = "me", "you", []jwtauth.Key{public} })
		if id, err := a.Verify(t.Context(), token); err != nil || id.Subject != "u" || string(id.Claims) != `{"name":"Ada"}` {
			t.Errorf("%s: %+v, %v", m, id, err)
		}
	}
}

func TestClaimsBecomeTheIdentity(t *testing.T) {
	token := issuer.Good(issuer.With(
		"aud", []string{"billing", jwtauthtest.Audience},
		"rooms", []any{map[string]any{"p": "board/*", "ops": []string{"join", "publish:add"}, "seat": map[string]string{"role": "editor"}}},
		"name", "Ada", "plan", map[string]int{"n": 1},
		"nbf", now.Unix(), "exp", float64(now.Unix())+1.5,
	))
	id, err := authenticator(t).Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if string(id.Claims) != `{"name":"Ada","plan":{"n":1}}` || !id.Expires.Equal(now.Add(1500*time.Millisecond+10*time.Second)) {
		t.Errorf("claims %s, expires %v", id.Claims, id.Expires)
	}
	p := id.In("/board/q3")
	if !p.May(actors.OpJoin) || !p.MayPublish("add") || p.MayPublish("other") || string(p.Seat) != `{"role":"editor"}` || id.In("/lobby/x").May(actors.OpJoin) {
		t.Errorf("permit %+v", p)
	}
}

func TestAClaimWithoutGrantsAllowsNothing(t *testing.T) {
	id, err := authenticator(t).Verify(t.Context(), issuer.Good(issuer.With("rooms", []any{})))
	if err != nil || id.In("/board/q3").May(actors.OpJoin) {
		t.Errorf("%+v, %v", id, err)
	}
}

func handshake(values ...string) *actors.Handshake {
	return &actors.Handshake{Header: http.Header{"Authorization": values}}
}

func TestWhereTheTokenIs(t *testing.T) {
	good, other := issuer.Good(issuer.Claims()), issuer.Good(issuer.With("sub", "u-8"))
	for name, c := range map[string]struct {
		request   actors.AuthRequest
		anonymous bool
		subject   string
		code      actors.Code
	}{
		"the CONNECT payload":           {actors.AuthRequest{Token: good}, false, "u-7", ""},
		"the handshake":                 {actors.AuthRequest{Handshake: handshake("Bearer " + good)}, false, "u-7", ""},
		"a scheme in another case":      {actors.AuthRequest{Handshake: handshake("bearer  " + good)}, false, "u-7", ""},
		"the payload goes first":        {actors.AuthRequest{Token: other, Handshake: handshake("Bearer " + good)}, false, "u-8", ""},
		"a bad one is not passed over":  {actors.AuthRequest{Token: "x", Handshake: handshake("Bearer " + good)}, true, "", actors.CodeUnauthorized},
		"an empty header":               {actors.AuthRequest{Handshake: handshake("Bearer ")}, true, "", actors.CodeUnauthorized},
		"two headers":                   {actors.AuthRequest{Handshake: handshake("Bearer "+good, "Bearer "+good)}, true, "", actors.CodeUnauthorized},
		"another scheme":                {actors.AuthRequest{Handshake: handshake("Basic dTpw")}, false, "", actors.CodeUnauthorized},
		"another scheme, anonymous":     {actors.AuthRequest{Handshake: handshake("Basic dTpw")}, true, "", ""},
		"nowhere":                       {actors.AuthRequest{Handshake: handshake()}, false, "", actors.CodeUnauthorized},
		"nowhere, anonymous":            {actors.AuthRequest{Handshake: handshake()}, true, "", ""},
		"nowhere, no handshake":         {actors.AuthRequest{}, false, "", actors.CodeUnauthorized},
		"the query does not count":      {actors.AuthRequest{Handshake: &actors.Handshake{Query: map[string][]string{"token": {good}}}}, false, "", actors.CodeUnauthorized},
		"the rest of the auth does not": {actors.AuthRequest{Auth: json.RawMessage(`{"jwt":"` + good + `"}`)}, false, "", actors.CodeUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			a := authenticator(t, func(cfg *jwtauth.Config) { cfg.Anonymous = c.anonymous })
			id, err := a.Authenticate(t.Context(), &c.request)
			if code(err) != c.code || id.Subject != c.subject {
				t.Errorf("got %+v, %v", id, err)
			}
		})
	}
}

func TestAnonymousClientsHaveTheGrantsOfTheConfiguration(t *testing.T) {
	g, err := actors.NewGrants(actors.Grant{Pattern: "lobby/*", Ops: []actors.Op{actors.OpJoin}})
	if err != nil {
		t.Fatal(err)
	}
	a := authenticator(t, func(c *jwtauth.Config) { c.Anonymous, c.AnonymousGrants = true, g })
	id, err := a.Authenticate(t.Context(), &actors.AuthRequest{})
	if err != nil || !id.In("/lobby/a").May(actors.OpJoin) || id.In("/board/q3").May(actors.OpJoin) {
		t.Errorf("%+v, %v", id, err)
	}
}

func TestLeewayIsHonouredAndNoMore(t *testing.T) {
	a := authenticator(t, func(c *jwtauth.Config) { c.Leeway = 30 * time.Second })
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for name, c := range map[string]struct {
		pairs []any
		want  actors.Code
	}{
		"just expired":       {[]any{"iat", at(-time.Hour), "exp", at(-29 * time.Second)}, ""},
		"expired":            {[]any{"iat", at(-time.Hour), "exp", at(-30 * time.Second)}, actors.CodeTokenExpired},
		"issued soon":        {[]any{"iat", at(30 * time.Second)}, ""},
		"issued later":       {[]any{"iat", at(31 * time.Second)}, actors.CodeUnauthorized},
		"valid soon":         {[]any{"nbf", at(30 * time.Second)}, ""},
		"valid later":        {[]any{"nbf", at(31 * time.Second)}, actors.CodeUnauthorized},
		"a day":              {[]any{"iat", at(0), "exp", at(24 * time.Hour)}, ""},
		"a day and a second": {[]any{"iat", at(0), "exp", at(24*time.Hour + time.Second)}, actors.CodeUnauthorized},
		"a day from now on":  {[]any{"iat", nil, "exp", at(24*time.Hour + 30*time.Second)}, ""},
	} {
		if _, err := a.Verify(t.Context(), issuer.Good(issuer.With(c.pairs...))); code(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestErrorsSayWhyToTheLogOnly(t *testing.T) {
	a := authenticator(t)
	_, err := a.Verify(t.Context(), issuer.Good(issuer.With("aud", "billing")))
	if err == nil || !strings.Contains(err.Error(), "audience") {
		t.Errorf("the log does not say why: %v", err)
	}
	var e *actors.Error
	if !errors.As(err, &e) || strings.Contains(fmt.Sprint(e), "audience") {
		t.Errorf("the client is told %v", e)
	}
}

func TestConfigurationsThatAreNotSafeAreRefused(t *testing.T) {
	grants, err := actors.NewGrants()
	if err != nil {
		t.Fatal(err)
	}
	good := jwtauth.Config{Issuer: "i", Audience: "a", Keys: issuer.Keys()}
	for want, change := range map[string]func(*jwtauth.Config){
		"the issuer is missing":   func(c *jwtauth.Config) { c.Issuer = "" },
		"the audience is missing": func(c *jwtauth.Config) { c.Audience = "" },
		"there is no key":         func(c *jwtauth.Config) { c.Keys = nil },
		"a key is empty":          func(c *jwtauth.Config) { c.Keys = []jwtauth.Key{{}} },
		"two keys are called":     func(c *jwtauth.Config) { c.Keys = slices.Concat(c.Keys, c.Keys[:1]) },
		"the leeway is 31s":       func(c *jwtauth.Config) { c.Leeway = 31 * time.Second },
		"the leeway is -1s":       func(c *jwtauth.Config) { c.Leeway = -time.Second },
		"longest lifetime is 25h": func(c *jwtauth.Config) { c.MaxLifetime = 25 * time.Hour },
		"none is let in":          func(c *jwtauth.Config) { c.AnonymousGrants = grants },
		"want a URL":              func(c *jwtauth.Config) { c.JWKS = &jwtauth.JWKS{} },
		"without user":            func(c *jwtauth.Config) { c.JWKS = &jwtauth.JWKS{URL: "https://u:p@id.example.org/"} },
		"want https":              func(c *jwtauth.Config) { c.JWKS = &jwtauth.JWKS{URL: "http://id.example.org/", LoopbackHTTP: true} },
		"whoever can change keys": func(c *jwtauth.Config) { c.JWKS = &jwtauth.JWKS{URL: "http://127.0.0.1/"} },
		"the interval is 1s":      func(c *jwtauth.Config) { c.JWKS = &jwtauth.JWKS{URL: "https://h/", Every: time.Second} },
		"keys are kept for 169h":  func(c *jwtauth.Config) { c.JWKS = &jwtauth.JWKS{URL: "https://h/", KeepFor: 169 * time.Hour} },
		"be anybody":              func(c *jwtauth.Config) { c.JWKS = &jwtauth.JWKS{URL: "file://h/etc/keys"} },
	} {
		c := good
		change(&c)
		if _, err := jwtauth.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func FuzzTokensNeverPanicNorPass(f *testing.F) {
	a := authenticator(f)
	good := issuer.Good(issuer.Claims())
	for _, bad := range issuer.Corpus() {
		f.Add(bad.Token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		id, err := a.Verify(context.Background(), token)
		if err == nil && token != good && id.Subject != "u-7" {
			t.Fatalf("%q is accepted: %+v", token, id)
		}
		if err != nil && id.Subject != "" {
			t.Fatalf("%q: %+v with %v", token, id, err)
		}
		_, _ = jwtauth.Explain(token)
	})
}

// FuzzHeadersAreReadInOneWay signs any header well. What is accepted must say
// its algorithm and key once, exactly, and nothing that is refused.
func FuzzHeadersAreReadInOneWay(f *testing.F) {
	a := authenticator(f)
	claims, err := json.Marshal(issuer.Claims())
	if err != nil {
		f.Fatal(err)
	}
	for _, h := range []string{
		`{"alg":"HS256","kid":"hs"}`, `{"alg":"HS256","Kid":"hs"}`, `{"alg":"HS256","crit":[]}`, `{"alg":"HS256","alg":"HS256"}`,
		`{"\u0061lg":"HS256"}`, ` {"alg" : "HS256" , "typ" : "JWT"} `, `{"alg":"HS256","x":{"jku":"u"}}`,
	} {
		f.Add(h)
	}
	refused := []string{"crit", "b64", "jku", "jwk", "x5u", "x5c", "cty", "zip", "enc"}
	f.Fuzz(func(t *testing.T, header string) {
		_, err := a.Verify(context.Background(), issuer.Sign(jwtauth.HS256, header, string(claims)))
		if err != nil {
			return
		}
		var h map[string]any
		if json.Unmarshal([]byte(header), &h) != nil || h["alg"] != "HS256" || h["kid"] != "hs" && h["kid"] != nil {
			t.Fatalf("%q is accepted", header)
		}
		for key := range h {
			if slices.ContainsFunc(refused, func(r string) bool { return strings.EqualFold(r, key) }) {
				t.Fatalf("%q is accepted", header)
			}
		}
	})
}
