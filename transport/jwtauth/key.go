package jwtauth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// Method is how tokens are signed.
type Method string

// The methods. There is no other.
const (
	HS256 Method = "HS256" // a secret of at least 32 bytes
	HS384 Method = "HS384" // a secret of at least 48 bytes
	HS512 Method = "HS512" // a secret of at least 64 bytes
	RS256 Method = "RS256" // RSA of 2,048 to 8,192 bits
	ES256 Method = "ES256" // ECDSA on P-256
	EdDSA Method = "EdDSA" // Ed25519
)

// Methods lists all methods.
func Methods() []Method { return []Method{HS256, HS384, HS512, RS256, ES256, EdDSA} }

func methodNames() []string {
	var names []string
	for _, m := range Methods() {
		names = append(names, string(m))
	}
	return names
}

// symmetric returns how long the secret of a method must be; 0 if it has none.
func (m Method) symmetric() int {
	return map[Method]int{HS256: 32, HS384: 48, HS512: 64}[m]
}

const (
	maxKeys  = 64
	maxKeyID = 256 // bytes
)

// Key checks signatures of one method and no other. Make it with NewKey,
// ParseKey or ParseJWKS.
type Key struct {
	id     string
	method Method
	key    any // of the type that the method wants
}

// ID is the "kid" that tokens name it by; empty if tokens need not name it.
func (k Key) ID() string { return k.id }

// Method is the one it is pinned to.
func (k Key) Method() Method { return k.method }

// NewKey returns a key: []byte for HS256, HS384 and HS512, *rsa.PublicKey for
// RS256, *ecdsa.PublicKey for ES256, ed25519.PublicKey for EdDSA. With an
// empty id the key is used for every token of its method, whatever "kid" says.
// The error says what is wrong with the key and does not contain it.
func NewKey(id string, m Method, key any) (Key, error) {
	k := Key{id: id, method: m, key: key}
	if len(id) > maxKeyID {
		return Key{}, fmt.Errorf("key %.20q…: the id has more than %d bytes", id, maxKeyID)
	}
	if err := k.check(); err != nil {
		return Key{}, fmt.Errorf("key %q: %w", id, err)
	}
	return k, nil
}

func (k Key) check() error {
	switch key := k.key.(type) {
	case []byte:
		if k.method.symmetric() > 0 {
			return checkSecret(key, k.method)
		}
	case *rsa.PublicKey:
		if k.method == RS256 {
			return checkRSA(key)
		}
	case *ecdsa.PublicKey:
		if k.method == ES256 && key != nil {
			if key.Curve != elliptic.P256() {
				return errors.New("want a key on the curve P-256")
			}
			_, err := key.ECDH() // that the point is on the curve
			return err
		}
	case ed25519.PublicKey:
		if k.method == EdDSA && len(key) == ed25519.PublicKeySize {
			return nil
		}
	}
	if k.method.symmetric() == 0 && k.method != RS256 && k.method != ES256 && k.method != EdDSA {
		return fmt.Errorf("method %q: want %s", k.method, strings.Join(methodNames(), ", "))
	}
	return fmt.Errorf("%T is no key for %s", k.key, k.method)
}

func checkSecret(secret []byte, m Method) error {
	least := m.symmetric()
	var seen [256]bool
	distinct := 0
	for _, b := range secret {
		if !seen[b] {
			seen[b] = true
			distinct++
		}
	}
	text := bytes.TrimSpace(secret)
	switch {
	case len(secret) < least:
		return fmt.Errorf("the secret has %d bytes: want at least %d for %s", len(secret), least, m)
	case bytes.Contains(text, []byte("-----BEGIN ")), bytes.HasPrefix(text, []byte("ssh-")), bytes.HasPrefix(text, []byte("{")):
		// A public key that is taken for a secret is one that everybody knows.
		return fmt.Errorf("this is a key of another sort, not a secret for %s", m)
	case distinct < 8:
		return errors.New("the secret can be guessed: it has fewer than 8 different bytes")
	}
	return nil
}

func checkRSA(key *rsa.PublicKey) error {
	if key == nil || key.N == nil {
		return errors.New("the key is empty")
	}
	if bits := key.N.BitLen(); bits < 2048 || bits > 8192 {
		return fmt.Errorf("the key has %d bits: want 2048 to 8192", bits)
	}
	if key.E < 3 || key.E%2 == 0 {
		return fmt.Errorf("the exponent %d is not one", key.E)
	}
	return nil
}

// ParseKey reads a key from a file or variable: the secret itself for HS256,
// HS384 and HS512, white space around it aside; for the others PEM of a public
// key (PKIX or PKCS #1) or a certificate, of which only the key counts.
// Otherwise it is NewKey.
func ParseKey(id string, m Method, text []byte) (Key, error) {
	text = bytes.TrimSpace(text)
	if m.symmetric() > 0 {
		return NewKey(id, m, bytes.Clone(text))
	}
	key, err := parsePEM(text)
	if err != nil {
		return Key{}, fmt.Errorf("key %q: %w", id, err)
	}
	return NewKey(id, m, key)
}

func parsePEM(text []byte) (any, error) {
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return nil, errors.New("want a public key as PEM, -----BEGIN PUBLIC KEY-----")
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("there is something behind the first PEM block: want one key")
	}
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return c.PublicKey, nil
	}
	if strings.Contains(block.Type, "PRIVATE") {
		return nil, errors.New("this is a private key, which only the issuer of tokens should have: want the public one")
	}
	return nil, fmt.Errorf("PEM block %q: want a public key", block.Type)
}

// keySet finds keys. The zero value is empty.
type keySet []Key

func (s *keySet) add(k Key) error {
	if k.key == nil {
		return errors.New("a key is empty: make it with NewKey, ParseKey or ParseJWKS")
	}
	for _, other := range *s {
		if other.id == k.id && other.method == k.method {
			return fmt.Errorf("two keys are called %q and for %s", k.id, k.method)
		}
	}
	*s = append(*s, k)
	return nil
}

// find returns the key for a token: the one of its method with that id; else
// the one of its method without an id. A token without an id gets the one key
// of its method, if there is only one.
func (s keySet) find(m Method, id string) (Key, bool) {
	var found Key
	fits := 0
	for _, k := range s {
		switch {
		case k.method != m:
		case id != "" && k.id == id:
			return k, true
		case id == "" || k.id == "":
			found = k
			fits++
		}
	}
	return found, fits == 1
}
