// Package jwtauthtest makes tokens, good ones and every sort of bad one, for
// tests of whatever checks them.
package jwtauthtest

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/parlor-rooms/parlor/transport/jwtauth"
)

// Names of an Issuer and its keys.
const (
	Name     = "https://id.example.org/"
	Audience = "parlor-test"

	SecretID  = "hs"
	RSAID     = "rs"
	ECID      = "es"
	Ed25519ID = "ed"
)

// Issuer has one key of each sort, made for one test.
type Issuer struct {
	Secret []byte
	RSA    *rsa.PrivateKey
	EC     *ecdsa.PrivateKey
	Ed     ed25519.PrivateKey
	Now    time.Time
}

// NewIssuer makes keys. It panics if the machine has no randomness.
func NewIssuer(now time.Time) *Issuer {
	i := &Issuer{Secret: []byte(rand.Text() + rand.Text() + rand.Text()), Now: now}
	var err error
	must := func() {
		if err != nil {
			panic(err)
		}
	}
	i.RSA, err = rsa.GenerateKey(rand.Reader, 2048)
	must()
	i.EC, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must()
	_, i.Ed, err = ed25519.GenerateKey(rand.Reader)
	must()
	return i
}

// Keys are what an authenticator needs to check the issuer's tokens.
func (i *Issuer) Keys() []jwtauth.Key {
	var keys []jwtauth.Key
	for _, k := range []struct {
		id     string
		method jwtauth.Method
		key    any
	}{
		{SecretID, jwtauth.HS256, i.Secret}, {RSAID, jwtauth.RS256, &i.RSA.PublicKey},
		{ECID, jwtauth.ES256, &i.EC.PublicKey}, {Ed25519ID, jwtauth.EdDSA, i.Ed.Public()},
	} {
		key, err := jwtauth.NewKey(k.id, k.method, k.key)
		if err != nil {
			panic(err)
		}
		keys = append(keys, key)
	}
	return keys
}

// PublicPEM is the public RSA key as everybody may have it.
func (i *Issuer) PublicPEM() []byte {
	der, err := x509.MarshalPKIXPublicKey(&i.RSA.PublicKey)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// Claims are what a good token says.
func (i *Issuer) Claims() map[string]any {
	return map[string]any{
		"iss": Name, "aud": Audience, "sub": "u-7", "jti": "t-1",
		"iat": i.Now.Add(-time.Minute).Unix(), "exp": i.Now.Add(time.Hour).Unix(),
	}
}

// With is Claims with some replaced: key, value, key, value. A nil value
// removes the key.
func (i *Issuer) With(pairs ...any) map[string]any {
	c := i.Claims()
	for n := 0; n < len(pairs); n += 2 {
		key := pairs[n].(string)
		if c[key] = pairs[n+1]; pairs[n+1] == nil {
			delete(c, key)
		}
	}
	return c
}

// Good signs claims with the secret, as an issuer would.
func (i *Issuer) Good(claims map[string]any) string {
	return i.Sign(jwtauth.HS256, `{"alg":"HS256","typ":"JWT","kid":"`+SecretID+`"}`, text(claims))
}

// Sign signs any two texts as header and claims, with the key of a method,
// whatever the header says.
func (i *Issuer) Sign(m jwtauth.Method, header, claims string) string {
	input := encode(header) + "." + encode(claims)
	var key any = i.Secret
	switch m {
	case jwtauth.RS256:
		key = i.RSA
	case jwtauth.ES256:
		key = i.EC
	case jwtauth.EdDSA:
		key = i.Ed
	}
	signature, err := jwt.GetSigningMethod(string(m)).Sign(input, key)
	if err != nil {
		panic(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// signWith signs with HS256 and any secret.
func signWith(secret []byte, header, claims string) string {
	input := encode(header) + "." + encode(claims)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("%v: %v", v, err))
	}
	return string(b)
}
