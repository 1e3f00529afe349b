package jwtauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// member is one member of a JSON object.
type member struct {
	key   string
	value json.RawMessage
}

// object reads a JSON object. encoding/json takes the last of two equal keys
// and does not mind case, other readers take the first and do: a token must
// not mean different things to different readers, so keys that differ in
// nothing but case are an error, and so are spellings of the names in known
// that are not theirs.
func object(data []byte, known []string) ([]member, error) {
	if !utf8.Valid(data) || !json.Valid(data) {
		return nil, errors.New("not JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("not an object")
	}
	spelling := make(map[string]string, len(known))
	for _, name := range known {
		spelling[fold(name)] = name
	}
	seen := make(map[string]bool)
	var members []member
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, _ := token.(string)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		folded := fold(key)
		if seen[folded] {
			return nil, fmt.Errorf("the key %q comes twice", clip(key))
		}
		if name, is := spelling[folded]; is && name != key {
			return nil, fmt.Errorf("the key %q is not %q", clip(key), name)
		}
		seen[folded] = true
		members = append(members, member{key, value})
	}
	return members, nil
}

// fold maps keys that encoding/json takes for the same to the same text.
func fold(key string) string { return strings.ToLower(strings.ToUpper(key)) }

// text reads a JSON string.
func text(value json.RawMessage) (string, error) {
	var s *string
	if err := json.Unmarshal(value, &s); err != nil || s == nil {
		return "", errors.New("want a text")
	}
	return *s, nil
}

// clip shortens what a stranger wrote for a log.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
