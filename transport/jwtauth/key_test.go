package jwtauth_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/transport/jwtauth"
)

func TestKeysAreOfTheTypeAndStrengthOfTheirMethod(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}
	even := &rsa.PublicKey{N: issuer.RSA.N, E: 2}
	secret := []byte("0123456789abcdefghijklmnopqrstuvwxyz")
	for name, c := range map[string]struct {
		method jwtauth.Method
		key    any
		want   string
	}{
		"31 bytes":              {jwtauth.HS256, secret[:31], "at least 32"},
		"32 bytes for HS384":    {jwtauth.HS384, secret[:32], "at least 48"},
		"a PEM as a secret":     {jwtauth.HS256, issuer.PublicPEM(), "another sort"},
		"JSON as a secret":      {jwtauth.HS256, []byte(` {"kty":"oct","k":"0123456789abcdef"}`), "another sort"},
		"an ssh key":            {jwtauth.HS256, []byte("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI me@here"), "another sort"},
		"a guess":               {jwtauth.HS256, []byte(strings.Repeat("secret", 10)), "guessed"},
		"RSA for HS256":         {jwtauth.HS256, &issuer.RSA.PublicKey, "no key for HS256"},
		"a secret for RS256":    {jwtauth.RS256, secret, "no key for RS256"},
		"EC for RS256":          {jwtauth.RS256, &issuer.EC.PublicKey, "no key for RS256"},
		"RSA for ES256":         {jwtauth.ES256, &issuer.RSA.PublicKey, "no key for ES256"},
		"a private key":         {jwtauth.RS256, issuer.RSA, "no key for RS256"},
		"1024 bits":             {jwtauth.RS256, weak, "1024 bits"},
		"an even exponent":      {jwtauth.RS256, even, "exponent"},
		"no modulus":            {jwtauth.RS256, &rsa.PublicKey{}, "empty"},
		"P-384":                 {jwtauth.ES256, &p384.PublicKey, "P-256"},
		"a point off the curve": {jwtauth.ES256, &ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(1), Y: big.NewInt(1)}, "key"}, //nolint:staticcheck // no other way makes one
		"half an Ed25519 key":   {jwtauth.EdDSA, ed25519.PublicKey(secret[:16]), "no key for EdDSA"},
		"no key":                {jwtauth.HS256, nil, "no key for HS256"},
		"no method":             {"", secret, "want HS256"},
		"none":                  {"none", secret, "want HS256"},
		"PS256":                 {"PS256", &issuer.RSA.PublicKey, "want HS256"},
	} {
		if _, err := jwtauth.NewKey("k", c.method, c.key); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		} else if strings.Contains(err.Error(), string(secret[:16])) {
			t.Errorf("%s: the secret is in the error: %v", name, err)
		}
	}
}

func TestATokenWithoutAKidNeedsTheOnlyKeyOfItsMethod(t *testing.T) {
	other, err := jwtauth.NewKey("other", jwtauth.HS256, []byte("0123456789abcdefghijklmnopqrstuvwxyz"))
	if err != nil {
		t.Fatal(err)
	}
	nameless, err := jwtauth.NewKey("", jwtauth.HS256, issuer.Secret)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := json.Marshal(issuer.Claims())
	if err != nil {
		t.Fatal(err)
	}
	named := issuer.Sign(jwtauth.HS256, `{"alg":"HS256","kid":"hs"}`, string(claims))
	unnamed := issuer.Sign(jwtauth.HS256, `{"alg":"HS256"}`, string(claims))
	for name, c := range map[string]struct {
		keys           []jwtauth.Key
		named, unnamed bool
	}{
		"one key":              {issuer.Keys(), true, true},
		"two keys":             {append(issuer.Keys(), other), true, false},
		"one without a name":   {[]jwtauth.Key{nameless}, true, true},
		"that and another one": {[]jwtauth.Key{nameless, other}, true, false},
		"only another one":     {[]jwtauth.Key{other}, false, false},
	} {
		a := authenticator(t, func(cfg *jwtauth.Config) { cfg.Keys = c.keys })
		if _, err := a.Verify(t.Context(), named); (err == nil) != c.named {
			t.Errorf("%s: a token that names its key: %v", name, err)
		}
		if _, err := a.Verify(t.Context(), unnamed); (err == nil) != c.unnamed {
			t.Errorf("%s: a token that names none: %v", name, err)
		}
	}
}

func TestParseKeySaysWhatAFileIsNot(t *testing.T) {
	pem := string(issuer.PublicPEM())
	for name, c := range map[string]struct {
		method jwtauth.Method
		text   string
		want   string // empty: it is a key
	}{
		"a public key":         {jwtauth.RS256, "\n" + pem + "\n", ""},
		"a secret":             {jwtauth.HS256, " 0123456789abcdefghijklmnopqrstuvwxyz\n", ""},
		"a secret for RS256":   {jwtauth.RS256, "0123456789abcdefghijklmnopqrstuvwxyz", "as PEM"},
		"two keys":             {jwtauth.RS256, pem + pem, "behind"},
		"of another method":    {jwtauth.ES256, pem, "no key for ES256"},
		"an empty file":        {jwtauth.RS256, "", "as PEM"},
		"an empty secret":      {jwtauth.HS256, " \n", "at least 32"},
		"a broken key":         {jwtauth.RS256, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "asn1"},
		"something else":       {jwtauth.RS256, "-----BEGIN X-----\nAAAA\n-----END X-----\n", `"X"`},
		"a broken certificate": {jwtauth.RS256, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "x509"},
	} {
		_, err := jwtauth.ParseKey("k", c.method, []byte(c.text))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestExplainTakesTokensApart(t *testing.T) {
	e, err := jwtauth.Explain(issuer.Good(issuer.Claims()))
	if err != nil || !strings.Contains(string(e.Header), "HS256") || !strings.Contains(string(e.Claims), "u-7") {
		t.Errorf("%s %s %v", e.Header, e.Claims, err)
	}
	for _, bad := range []string{"", "a", "a.b", "a.b.c", "..", strings.Repeat("x", 9_000), "e30.e30"} {
		if e, err := jwtauth.Explain(bad); err == nil {
			t.Errorf("%.20q is %s %s", bad, e.Header, e.Claims)
		}
	}
}
