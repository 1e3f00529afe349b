package socketio

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
)

// MaxArgs is how many arguments SplitEvent and SplitArgs return at most. A
// megabyte of `0,0,0` would otherwise cost twelve of slice.
const MaxArgs = 4096

// ErrTooManyArgs says that an event or acknowledgement has over MaxArgs arguments.
var ErrTooManyArgs = errors.New("socketio: too many arguments")

// splitDepth is the most that Limits.Depth can be.
const splitDepth = 1000

// SplitEvent splits the payload of an event into its name and its arguments,
// which alias data. An event name that is a number becomes the text JavaScript
// has for it, so that `1`, `1.0` and `"1"` name the same event. A lone surrogate
// in a name becomes U+FFFD.
//
// It takes any bytes and runs once over them. The errors are ErrJSON, ErrUTF8,
// ErrDepth, ErrTooManyArgs and, for what is no array with a name in front,
// ErrPayload. Reserved names and the length of names are the decoder's matter.
func SplitEvent(data json.RawMessage) (name string, args []json.RawMessage, err error) {
	var few [8]json.RawMessage
	elements, err := split(few[:0], data, MaxArgs+1)
	if err != nil {
		return "", nil, err
	}
	if len(elements) == 0 {
		return "", nil, ErrPayload
	}
	if name, err = eventName(elements[0]); err != nil {
		return "", nil, err
	}
	return name, own(elements[1:]), nil
}

// SplitArgs splits the payload of an acknowledgement into its arguments, which
// alias data. No data means no arguments. See SplitEvent for the errors.
func SplitArgs(data json.RawMessage) ([]json.RawMessage, error) {
	if data == nil {
		return nil, nil
	}
	var few [8]json.RawMessage
	elements, err := split(few[:0], data, MaxArgs)
	if err != nil {
		return nil, err
	}
	return own(elements), nil
}

// own copies elements off the caller's stack.
func own(elements []json.RawMessage) []json.RawMessage {
	if len(elements) == 0 {
		return nil
	}
	return append(make([]json.RawMessage, 0, len(elements)), elements...)
}

func split(dst []json.RawMessage, data []byte, most int) ([]json.RawMessage, error) {
	i := skipSpace(data, 0)
	if at(data, i) != '[' {
		return nil, ErrPayload
	}
	s := scanner{data: data, maxDepth: splitDepth}
	i = skipSpace(data, i+1)
	if at(data, i) == ']' {
		return dst, tail(data, i+1)
	}
	for {
		end, err := s.value(i, 2)
		if err != nil {
			return nil, err
		}
		if len(dst) == most {
			return nil, ErrTooManyArgs
		}
		dst = append(dst, data[i:end:end])
		i = skipSpace(data, end)
		switch at(data, i) {
		case ',':
			i = skipSpace(data, i+1)
		case ']':
			return dst, tail(data, i+1)
		default:
			return nil, ErrJSON
		}
	}
}

func tail(data []byte, i int) error {
	if skipSpace(data, i) != len(data) {
		return ErrJSON
	}
	return nil
}

// JoinArgs appends the payload of an event: the array of name and args. It is
// the inverse of SplitEvent. name is escaped as JSON.stringify does; args must
// be JSON and are copied as they stand, an empty one as null.
func JoinArgs(dst []byte, name string, args ...json.RawMessage) []byte {
	dst = append(dst, '[')
	dst = appendString(dst, name)
	for _, arg := range args {
		dst = append(dst, ',')
		if len(arg) == 0 {
			arg = json.RawMessage("null")
		}
		dst = append(dst, arg...)
	}
	return append(dst, ']')
}

// eventName is the text of the first element of an event, which is well-formed.
func eventName(element []byte) (string, error) {
	switch c := element[0]; {
	case c == '"':
		raw := element[1 : len(element)-1]
		if bytes.IndexByte(raw, '\\') < 0 {
			return string(raw), nil
		}
		return string(appendUnescaped(nil, raw)), nil
	case c == '-' || '0' <= c && c <= '9':
		return numberName(element)
	default:
		return "", ErrPayload
	}
}

// numberName is String(number) in JavaScript. A number beyond the largest float
// names nothing: JSON could not say "Infinity" again.
func numberName(literal []byte) (string, error) {
	if !bytes.ContainsAny(literal, ".eE") && len(literal) <= 15 && string(literal) != "-0" {
		return string(literal), nil
	}
	f, err := strconv.ParseFloat(string(literal), 64)
	if err != nil {
		return "", ErrPayload
	}
	return string(appendFloat(nil, f)), nil
}

// checkEventName checks the name in front of the payload of an event, which is a
// well-formed array, without allocating unless the name has escapes.
func checkEventName(data []byte, limits Limits) error {
	i := skipSpace(data, 1)
	switch c := data[i]; {
	case c == '"':
		end, err := skipString(data, i)
		if err != nil {
			return err
		}
		name := data[i+1 : end-1]
		if len(name) > 6*limits.EventName {
			return ErrEventName
		}
		if bytes.IndexByte(name, '\\') >= 0 {
			name = appendUnescaped(nil, name)
		}
		if len(name) > limits.EventName {
			return ErrEventName
		}
		return checkReserved(name)
	case c == '-' || '0' <= c && c <= '9':
		end, err := skipNumber(data, i)
		if err != nil {
			return err
		}
		if end-i > limits.EventName {
			return ErrEventName
		}
		_, err = numberName(data[i:end])
		return err
	default:
		return ErrPayload
	}
}

// checkReserved refuses the names that client and server libraries emit
// themselves, as socket.io-parser does.
func checkReserved(name []byte) error {
	switch string(name) {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return ErrReserved
	}
	return nil
}
