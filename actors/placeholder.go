package actors

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
)

const placeholderKey = "_placeholder"

// placeholder is where a {"_placeholder":true,"num":n} stands in JSON.
type placeholder struct{ start, end, num int }

// placeholders finds them, in order, in whatever spelling: members in either
// order, spaces and escapes. An object with further members is none. b that
// is not JSON yields anything.
func placeholders(b []byte) []placeholder {
	var found []placeholder
	eachMarked(b, func(start, end int, _ []int) {
		var members map[string]json.RawMessage
		if json.Unmarshal(b[start:end], &members) != nil || len(members) != 2 || string(members[placeholderKey]) != "true" {
			return
		}
		if n, err := strconv.Atoi(string(members["num"])); err == nil && n >= 0 {
			found = append(found, placeholder{start, end, n})
		}
	})
	return found
}

// defuse renames the key "_placeholder" to "_placeholder_" in every object of
// b that does not begin at one of the positions ours. A client that could
// place such an object beside real attachments would have the decoder of
// every receiver replace it, or break the connection over its number.
func defuse(b []byte, ours []int) []byte {
	var quotes []int // closing quotes of the keys to rename
	eachMarked(b, func(start, _ int, keys []int) {
		if !slices.Contains(ours, start) {
			quotes = append(quotes, keys...)
		}
	})
	slices.Sort(quotes) // an inner object closes before its outer one
	for _, at := range slices.Backward(quotes) {
		b = slices.Insert(b, at, '_')
	}
	return b
}

// eachMarked calls f, as they close, for the objects that have a member named
// "_placeholder", with the positions of the closing quotes of these names.
func eachMarked(b []byte, f func(start, end int, keys []int)) {
	if !bytes.Contains(b, []byte(placeholderKey)) && !bytes.Contains(b, []byte(`\u`)) {
		return
	}
	type object struct {
		start int
		keys  []int
	}
	var open []object
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			open = append(open, object{start: i})
		case '}', ']':
			if len(open) == 0 {
				return
			}
			o := open[len(open)-1]
			open = open[:len(open)-1]
			if len(o.keys) > 0 {
				f(o.start, i+1, o.keys)
			}
		case '"':
			end := stringEnd(b, i)
			if end < 0 {
				return
			}
			if len(open) > 0 && isKey(b, end) && isPlaceholderKey(b[i:end]) {
				o := &open[len(open)-1]
				o.keys = append(o.keys, end-1)
			}
			i = end - 1
		}
	}
}

// stringEnd returns the position behind the string that begins at i, or -1.
func stringEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// isKey reports whether a string that ends before i is the name of a member.
func isKey(b []byte, i int) bool {
	for ; i < len(b); i++ {
		switch b[i] {
		case ' ', '\t', '\r', '\n':
		default:
			return b[i] == ':'
		}
	}
	return false
}

// isPlaceholderKey takes a JSON string with its quotes.
func isPlaceholderKey(quoted []byte) bool {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1:len(quoted)-1]) == placeholderKey
	}
	var s string
	return len(quoted) <= 2+6*len(placeholderKey) && json.Unmarshal(quoted, &s) == nil && s == placeholderKey
}
