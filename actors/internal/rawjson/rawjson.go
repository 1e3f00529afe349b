// Package rawjson takes JSON apart without understanding it: values stay the
// bytes they were. Its input has been validated by whoever decoded the packet.
package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"
)

// ErrNotArray is returned for anything that is not a JSON array.
var ErrNotArray = errors.New("rawjson: not an array")

// Split returns the elements of a JSON array, which share b's memory. It runs
// in linear time and never panics; on malformed input it returns ErrNotArray
// or elements that are not JSON themselves.
func Split(b []byte) ([]json.RawMessage, error) {
	b = bytes.TrimSpace(b)
	if len(b) < 2 || b[0] != '[' || b[len(b)-1] != ']' {
		return nil, ErrNotArray
	}
	b = b[1 : len(b)-1]
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, nil
	}
	elems := make([]json.RawMessage, 0, 4)
	depth, start, inString := 0, 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString:
			if c == '\\' {
				i++
			} else if c == '"' {
				inString = false
			}
		case c == '"':
			inString = true
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		case c == ',' && depth == 0:
			elems = append(elems, bytes.TrimSpace(b[start:i:i]))
			start = i + 1
		}
	}
	return append(elems, bytes.TrimSpace(b[start:len(b):len(b)])), nil
}

// SplitEvent takes an EVENT payload apart: the name, numbers as their text,
// and the arguments.
func SplitEvent(b []byte) (name string, args []json.RawMessage, err error) {
	elems, err := Split(b)
	if err != nil || len(elems) == 0 {
		return "", nil, ErrNotArray
	}
	head := elems[0]
	if len(head) >= 2 && head[0] == '"' {
		if bytes.IndexByte(head, '\\') < 0 {
			return string(head[1 : len(head)-1]), elems[1:], nil
		}
		if err := json.Unmarshal(head, &name); err != nil {
			return "", nil, err
		}
		return name, elems[1:], nil
	}
	return string(head), elems[1:], nil
}

// AppendElement returns the array b with one more element, which must be JSON.
// b is not modified.
func AppendElement(b []byte, elem string) []byte {
	end := bytes.LastIndexByte(b, ']')
	out := make([]byte, 0, len(b)+len(elem)+1)
	out = append(out, b[:end]...)
	if len(bytes.TrimSpace(b[1:end])) > 0 {
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
