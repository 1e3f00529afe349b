package jwtauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/MicahParks/jwkset"
)

// ParseJWKS reads a set of public keys, RFC 7517. A key without "alg" is
// pinned to RS256, ES256 or EdDSA, whichever its type says. Keys that are for
// something else than signatures of our methods are passed over, and so are
// secrets, which have no place in a document that is published. It is an error
// if no key is left.
func ParseJWKS(data []byte) ([]Key, error) {
	var doc jwkset.JWKSMarshal
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, errors.New("not a JSON Web Key Set")
	}
	if len(doc.Keys) > maxKeys {
		return nil, fmt.Errorf("%d keys: want at most %d", len(doc.Keys), maxKeys)
	}
	var set keySet
	var passed []error
	for _, j := range doc.Keys {
		k, err := fromJWK(j)
		if err == nil {
			err = set.add(k)
		}
		if err != nil {
			passed = append(passed, err)
		}
	}
	if len(set) == 0 {
		return nil, errors.Join(append([]error{errors.New("there is no key for signatures in the set")}, passed...)...)
	}
	return set, nil
}

func fromJWK(j jwkset.JWKMarshal) (Key, error) {
	if j.USE != "" && j.USE != jwkset.UseSig || len(j.KEYOPS) > 0 && !slices.Contains(j.KEYOPS, jwkset.KeyOpsVerify) {
		return Key{}, fmt.Errorf("key %q is not for signatures", clip(j.KID))
	}
	m := Method(j.ALG)
	if m == "" {
		m = map[jwkset.KTY]Method{jwkset.KtyRSA: RS256, jwkset.KtyEC: ES256, jwkset.KtyOKP: EdDSA}[j.KTY]
	}
	if m.symmetric() > 0 || j.KTY == jwkset.KtyOct {
		return Key{}, fmt.Errorf("key %q is a secret", clip(j.KID))
	}
	parsed, err := jwkset.NewJWKFromMarshal(j, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return Key{}, fmt.Errorf("key %q: %w", clip(j.KID), err)
	}
	return NewKey(j.KID, m, parsed.Key())
}
