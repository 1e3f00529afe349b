package jwtauth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/parlor-rooms/parlor/actors"
)

// SigningKey signs tokens: for development, tests, and programs that issue
// their own.
type SigningKey struct {
	id     string
	method Method
	key    any // []byte or a private key
	public Key
}

// GenerateKey returns a new key as text that ParseSigningKey reads: a secret
// of letters and digits for HS256, HS384 and HS512, else a private key as PEM.
func GenerateKey(m Method) ([]byte, error) {
	var key any
	var err error
	switch m {
	case HS256, HS384, HS512:
		var secret []byte
		for len(secret) < m.symmetric() {
			secret = append(secret, rand.Text()...) // 128 bits in 26 letters
		}
		return append(secret, '\n'), nil
	case RS256:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		return nil, fmt.Errorf("method %q: want one of %v", m, Methods())
	}
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

// ParseSigningKey reads a secret, or PEM of a private key (PKCS #8). The key
// has to be as good as one that tokens are checked with: see NewKey.
func ParseSigningKey(id string, m Method, text []byte) (SigningKey, error) {
	k := SigningKey{id: id, method: m}
	text = bytes.TrimSpace(text)
	var public any
	if m.symmetric() > 0 {
		k.key, public = bytes.Clone(text), bytes.Clone(text)
	} else {
		block, _ := pem.Decode(text)
		if block == nil || block.Type != "PRIVATE KEY" {
			return SigningKey{}, fmt.Errorf("key %q: want a private key as PEM, -----BEGIN PRIVATE KEY-----", id)
		}
		private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return SigningKey{}, fmt.Errorf("key %q: %w", id, err)
		}
		signer, is := private.(crypto.Signer)
		if !is {
			return SigningKey{}, fmt.Errorf("key %q: %T does not sign", id, private)
		}
		k.key, public = private, signer.Public()
	}
	var err error
	k.public, err = NewKey(id, m, public)
	return k, err
}

// Public returns the key that checks what k signs. For HS256, HS384 and HS512
// it is the secret itself.
func (k SigningKey) Public() Key { return k.public }

// PublicPEM returns the public key as text that ParseKey reads. It is an error
// for a secret, which has no public half.
func (k SigningKey) PublicPEM() ([]byte, error) {
	if k.method.symmetric() > 0 {
		return nil, errors.New("a secret has no public half")
	}
	der, err := x509.MarshalPKIXPublicKey(k.public.key)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), err
}

// Token is what a token says. Empty fields are left out, which an
// Authenticator refuses for Issuer, Audience, Subject and Expires.
type Token struct {
	Issuer, Audience, Subject, ID string
	Issued, NotBefore, Expires    time.Time
	Grants                        *actors.Grants // nil: everything that rooms and guards allow
	More                          map[string]any // further claims
}

// Sign returns a token.
func (k SigningKey) Sign(t Token) (string, error) {
	c := jwt.MapClaims{}
	for key, value := range t.More {
		c[key] = value
	}
	for key, value := range map[string]string{"iss": t.Issuer, "aud": t.Audience, "sub": t.Subject, "jti": t.ID} {
		if value != "" {
			c[key] = value
		}
	}
	for key, value := range map[string]time.Time{"iat": t.Issued, "nbf": t.NotBefore, "exp": t.Expires} {
		if !value.IsZero() {
			c[key] = value.Unix()
		}
	}
	if t.Grants != nil {
		c["rooms"] = t.Grants
	}
	token := jwt.NewWithClaims(jwt.GetSigningMethod(string(k.method)), c)
	if k.id != "" {
		token.Header["kid"] = k.id
	}
	return token.SignedString(k.key)
}

// Explained is what a token says, without a word on whether it is true.
type Explained struct {
	Header, Claims json.RawMessage
}

// Explain takes a token apart without checking it. The error says what keeps
// it from being one.
func Explain(token string) (Explained, error) {
	if len(token) > MaxToken {
		return Explained{}, fmt.Errorf("the token has %d bytes: want at most %d", len(token), MaxToken)
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return Explained{}, fmt.Errorf("the token has %d parts: want three with dots between them", len(parts))
	}
	p := jwt.NewParser(jwt.WithStrictDecoding())
	var said [2]json.RawMessage
	for i, name := range []string{"header", "claims"} {
		text, err := p.DecodeSegment(parts[i])
		if err != nil || !json.Valid(text) {
			return Explained{}, fmt.Errorf("the %s of the token: want JSON in base64url", name)
		}
		said[i] = text
	}
	return Explained{Header: said[0], Claims: said[1]}, nil
}
