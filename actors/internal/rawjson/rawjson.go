// Package rawjson takes JSON apart without understanding it: values stay the
// bytes they were. Its input has been validated by whoever decoded the packet.
// On anything else its functions do not panic, run in linear time and return
// an error or pieces that are not JSON themselves.
package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"
)

// Errors of this package.
var (
	ErrNotArray  = errors.New("rawjson: not an array")
	ErrNotObject = errors.New("rawjson: not an object")
	ErrNotName   = errors.New("rawjson: neither a string nor a number")
)

// Split returns the elements of a JSON array, which share b's memory; nil if
// it is empty. It returns ErrNotArray for anything else.
func Split(b []byte) ([]json.RawMessage, error) { return AppendSplit(nil, b) }

// AppendSplit appends the elements of a JSON array to dst. Otherwise it is
// Split.
func AppendSplit(dst []json.RawMessage, b []byte) ([]json.RawMessage, error) {
	b, ok := inside(b, '[', ']')
	if !ok {
		return nil, ErrNotArray
	}
	if dst == nil && len(b) > 0 {
		dst = make([]json.RawMessage, 0, 4)
	}
	for len(b) > 0 {
		var elem []byte
		elem, b = next(b)
		dst = append(dst, elem)
	}
	return dst, nil
}

// SplitEvent takes an EVENT payload apart: the name as Name returns it, and
// the arguments, which share b's memory. It returns ErrNotArray, or what Name
// returns.
func SplitEvent(b []byte) (name string, args []json.RawMessage, err error) {
	elems, err := Split(b)
	if err != nil || len(elems) == 0 {
		return "", nil, ErrNotArray
	}
	name, err = Name(elems[0])
	return name, elems[1:], err
}

// Name returns what the first element of an EVENT payload names: a string's
// text, or a number as it stands. It returns ErrNotName for anything else.
func Name(elem []byte) (string, error) {
	switch {
	case len(elem) == 0:
		return "", ErrNotName
	case elem[0] == '"':
		return text(elem)
	case elem[0] == '-' || elem[0] >= '0' && elem[0] <= '9':
		return string(elem), nil
	}
	return "", ErrNotName
}

// text returns the text of a JSON string.
func text(s []byte) (string, error) {
	if plain(s) {
		return string(s[1 : len(s)-1]), nil
	}
	var decoded string
	if json.Unmarshal(s, &decoded) != nil {
		return "", ErrNotName
	}
	return decoded, nil
}

// plain reports whether s is a string that stands for itself between quotes.
func plain(s []byte) bool {
	return len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' && bytes.IndexByte(s, '\\') < 0
}

// AppendElement returns the array b with one more element, which must be JSON.
// b is an array and is not modified.
func AppendElement(b []byte, elem string) []byte {
	end := bytes.LastIndexByte(b, ']')
	out := make([]byte, 0, len(b)+len(elem)+1)
	out = append(out, b[:end]...)
	if before := bytes.TrimSpace(out); len(before) > 1 {
		out = append(out, ',')
	}
	out = append(out, elem...)
	return append(out, ']')
}

// EndsInString reports whether the last element of the array b is a string.
func EndsInString(b []byte) bool {
	b = bytes.TrimSpace(b)
	b = bytes.TrimSpace(b[:max(len(b)-1, 0)])
	return len(b) > 0 && b[len(b)-1] == '"'
}

// inside returns what stands between two brackets, without surrounding space.
func inside(b []byte, left, right byte) ([]byte, bool) {
	b = bytes.TrimSpace(b)
	if len(b) < 2 || b[0] != left || b[len(b)-1] != right {
		return nil, false
	}
	return bytes.TrimSpace(b[1 : len(b)-1]), true
}

// next returns the first element of what stands between brackets, and what
// stands behind the comma after it.
func next(b []byte) (elem, rest []byte) {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = endOfString(b, i)
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case ',':
			if depth == 0 {
				return bytes.TrimSpace(b[:i:i]), b[i+1:]
			}
		}
	}
	return bytes.TrimSpace(b[:len(b):len(b)]), nil
}

// endOfString returns the index of the quote that closes the string that b[i]
// opens, or that of the last byte of b.
func endOfString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i
		case '\\':
			i++
		}
	}
	return len(b) - 1
}
