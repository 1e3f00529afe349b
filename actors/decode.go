package actors

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
)

// maxReason bounds the texts about a payload, in bytes: encoding/json quotes
// numbers and keys of the client, however long.
const maxReason = 200

// decodeJSON unmarshals b into v. What does not fit is reported to the client
// as an *Error with this code; a v that nothing can be decoded into is the
// program's fault and some other error.
func decodeJSON(code Code, b []byte, v any) error {
	err := json.Unmarshal(b, v)
	if err == nil {
		return nil
	}
	var known *Error
	var target *json.InvalidUnmarshalError
	switch {
	case errors.As(err, &target):
		return fmt.Errorf("actors: decode into %T: want a pointer that is not nil", v)
	case errors.As(err, &known) && known != nil:
		return known
	}
	return &Error{Code: code, Message: clip(reason(err), maxReason)}
}

// reason says in a client's words what does not fit.
func reason(err error) string {
	var mismatch *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	var at *time.ParseError
	var notBase64 base64.CorruptInputError
	switch {
	case errors.As(err, &mismatch):
		field := mismatch.Field
		if field == "" {
			field = "payload"
		}
		got := mismatch.Value
		if got == "bool" {
			got = "boolean"
		}
		return fmt.Sprintf("%s: want %s, got %s", field, jsonName(mismatch.Type), got)
	case errors.As(err, &syntax):
		return fmt.Sprintf("payload: not JSON at byte %d", syntax.Offset)
	case errors.As(err, &at):
		return "payload: want a time as in RFC 3339"
	case errors.As(err, &notBase64):
		return "payload: want binary or a base64 string"
	}
	return "payload: does not fit"
}

// clip shortens s to n bytes of valid UTF-8 and an ellipsis.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// jsonName names the JSON that a Go type is decoded from.
func jsonName(t reflect.Type) string {
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return "string"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "string"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		most := int64(math.MaxInt64) >> (64 - t.Bits())
		return fmt.Sprintf("integer from %d to %d", -most-1, most)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return fmt.Sprintf("integer from 0 to %d", uint64(math.MaxUint64)>>(64-t.Bits()))
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Slice, reflect.Array:
		if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 {
			return "binary or base64 string"
		}
		return "array"
	case reflect.Map, reflect.Struct:
		return "object"
	case reflect.Pointer:
		return jsonName(t.Elem())
	}
	return "another type"
}
