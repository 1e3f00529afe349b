package rawjson

import (
	"bytes"
	"encoding/json"
)

// Member is one member of a JSON object. It shares the object's memory.
type Member struct {
	Key   string          // decoded
	Value json.RawMessage // as it stands
	Text  []byte          // key, colon and value as they stand
}

// Object returns the members of a JSON object in their order, those with the
// same key too. It returns ErrNotObject for anything else.
func Object(b []byte) ([]Member, error) {
	b, ok := inside(b, '{', '}')
	if !ok {
		return nil, ErrNotObject
	}
	var members []Member
	for len(b) > 0 {
		var elem []byte
		elem, b = next(b)
		key, value, ok := cut(elem)
		if !ok {
			return nil, ErrNotObject
		}
		name, err := text(key)
		if err != nil {
			return nil, ErrNotObject
		}
		members = append(members, Member{Key: name, Value: value, Text: elem})
	}
	return members, nil
}

// Only returns the value of key if b is an object that has this one member and
// no other. It does not allocate for a key without escapes, and looks no
// further than the first key if that is another one.
func Only(b []byte, key string) (json.RawMessage, bool) {
	b, ok := inside(b, '{', '}')
	if !ok || len(b) == 0 || b[0] != '"' {
		return nil, false
	}
	first := b[:endOfString(b, 0)+1]
	if plain(first) {
		if string(first[1:len(first)-1]) != key {
			return nil, false
		}
	} else if name, err := text(first); err != nil || name != key {
		return nil, false
	}
	elem, rest := next(b)
	if len(elem) != len(bytes.TrimSpace(b)) || len(rest) > 0 {
		return nil, false
	}
	_, value, ok := cut(elem)
	return value, ok
}

// AppendObject appends an object of members, each as it stands, to dst.
func AppendObject(dst []byte, members []Member) []byte {
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, m.Text...)
	}
	return append(dst, '}')
}

// cut takes a member apart at its colon.
func cut(elem []byte) (key, value []byte, ok bool) {
	if len(elem) == 0 || elem[0] != '"' {
		return nil, nil, false
	}
	end := endOfString(elem, 0) + 1
	rest := bytes.TrimSpace(elem[end:])
	if len(rest) == 0 || rest[0] != ':' {
		return nil, nil, false
	}
	return elem[:end:end], bytes.TrimSpace(rest[1:]), true
}
