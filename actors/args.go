package actors

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// Raw is a JSON value as it stands on the wire, with the binary attachments
// it refers to by {"_placeholder":true,"num":n}. As an argument of Emit or
// the result of a handler it passes unchanged. Nobody may modify it.
type Raw struct {
	JSON        json.RawMessage
	Attachments [][]byte
}

// Args is the untyped payload of an event: a handler that takes Args gets
// every argument as it stands on the wire.
type Args struct {
	List        []json.RawMessage
	Attachments [][]byte
}

// At returns argument i with the attachments; JSON is nil if there is none.
func (a Args) At(i int) Raw {
	if i < 0 || i >= len(a.List) {
		return Raw{Attachments: a.Attachments}
	}
	return Raw{JSON: a.List[i], Attachments: a.Attachments}
}

// Decode unmarshals argument i into v, with attachments in their places. It
// returns an *Error with CodeBadPayload if it is missing or does not fit.
func (a Args) Decode(i int, v any) error {
	if i >= len(a.List) {
		return Errorf(CodeBadPayload, "argument %d is missing", i+1)
	}
	return a.At(i).Decode(v)
}

// Binary is bytes that travel as a Socket.IO attachment wherever they stand
// in the arguments of an event. In state and claims they are base64.
type Binary []byte

// marker begins a string that stands for an attachment while arguments are
// encoded. It is random, so that no client can send one.
var marker = func() string {
	var b [16]byte
	rand.Read(b[:])
	return "\"bin-" + hex.EncodeToString(b[:]) + ":"
}()

// MarshalJSON implements json.Marshaler.
func (b Binary) MarshalJSON() ([]byte, error) {
	if b == nil {
		return []byte("null"), nil
	}
	out := append(make([]byte, 0, len(marker)+base64.StdEncoding.EncodedLen(len(b))+1), marker...)
	out = base64.StdEncoding.AppendEncode(out, b)
	return append(out, '"'), nil
}

// encodeJSON is encoding/json without HTML escaping and trailing newline.
func encodeJSON(v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return []byte("null"), nil
	case json.RawMessage:
		if len(v) == 0 {
			return []byte("null"), nil
		}
		if !json.Valid(v) {
			return nil, errors.New("invalid JSON in a RawMessage")
		}
		return v, nil
	case string:
		if plainString(v) {
			return append(append(append(make([]byte, 0, len(v)+2), '"'), v...), '"'), nil
		}
	case int:
		return strconv.AppendInt(nil, int64(v), 10), nil
	case bool:
		return strconv.AppendBool(nil, v), nil
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return buf.Bytes()[:buf.Len()-1], nil
}

func plainString(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// encodeState encodes a value of a tagged field.
func encodeState(v any) ([]byte, error) {
	b, err := encodeJSON(v)
	if err != nil || !bytes.Contains(b, []byte(marker)) {
		return b, err
	}
	return bytes.ReplaceAll(b, []byte(marker), []byte{'"'}), nil
}

// EncodeArgs returns args as one JSON array, preceded by event if it is not
// nil. Runtimes and adapters use it; Emitter.Emit says what becomes of args.
func EncodeArgs(event *string, args ...any) (Raw, error) {
	out := Raw{JSON: make([]byte, 0, 64)}
	out.JSON = append(out.JSON, '[')
	if event != nil {
		name, err := encodeJSON(*event)
		if err != nil {
			return Raw{}, err
		}
		out.JSON = append(out.JSON, name...)
	}
	for i, arg := range args {
		if i > 0 || event != nil {
			out.JSON = append(out.JSON, ',')
		}
		if err := out.append(arg); err != nil {
			return Raw{}, fmt.Errorf("argument %d: %w", i+1, err)
		}
	}
	out.JSON = append(out.JSON, ']')
	return out, nil
}

func (r *Raw) append(arg any) error {
	switch v := arg.(type) {
	case Raw:
		return r.appendRaw(v)
	case []byte:
		if v != nil {
			r.attach(v)
			return nil
		}
	case Binary:
		if v != nil {
			r.attach(v)
			return nil
		}
	}
	b, err := encodeJSON(arg)
	if err != nil {
		return err
	}
	return r.appendMarked(b)
}

func (r *Raw) attach(b []byte) {
	r.JSON = append(r.JSON, placeholderHead...)
	r.JSON = strconv.AppendInt(r.JSON, int64(len(r.Attachments)), 10)
	r.JSON = append(r.JSON, '}')
	r.Attachments = append(r.Attachments, b)
}

// appendMarked appends b, turning marked strings into attachments.
func (r *Raw) appendMarked(b []byte) error {
	for {
		i := bytes.Index(b, []byte(marker))
		if i < 0 {
			r.JSON = append(r.JSON, b...)
			return nil
		}
		r.JSON = append(r.JSON, b[:i]...)
		b = b[i+len(marker):]
		end := bytes.IndexByte(b, '"')
		bin, err := base64.StdEncoding.AppendDecode(nil, b[:end])
		if err != nil {
			return err
		}
		r.attach(bin)
		b = b[end+1:]
	}
}

const placeholderHead = `{"_placeholder":true,"num":`

// appendRaw appends v, renumbering the attachments it refers to.
func (r *Raw) appendRaw(v Raw) error {
	if len(v.JSON) == 0 {
		r.JSON = append(r.JSON, "null"...)
		return nil
	}
	if !json.Valid(v.JSON) {
		return errors.New("invalid JSON in a Raw")
	}
	if len(v.Attachments) == 0 {
		r.JSON = append(r.JSON, v.JSON...)
		return nil
	}
	return eachPlaceholder(v.JSON, func(text []byte) { r.JSON = append(r.JSON, text...) }, func(n int) error {
		if n >= len(v.Attachments) {
			return fmt.Errorf("attachment %d is missing", n)
		}
		r.attach(v.Attachments[n])
		return nil
	})
}

// eachPlaceholder splits JSON at its placeholders, which codecs hand over in
// the one form {"_placeholder":true,"num":n}. Inside a string its quotes
// would be escaped, so that every occurrence is a placeholder.
func eachPlaceholder(b []byte, text func([]byte), placeholder func(int) error) error {
	for {
		i := bytes.Index(b, []byte(placeholderHead))
		if i < 0 {
			text(b)
			return nil
		}
		text(b[:i])
		b = b[i+len(placeholderHead):]
		end := bytes.IndexByte(b, '}')
		if end < 0 {
			return errors.New("broken placeholder")
		}
		n, err := strconv.Atoi(string(b[:end]))
		if err != nil || n < 0 {
			return errors.New("broken placeholder")
		}
		if err := placeholder(n); err != nil {
			return err
		}
		b = b[end+1:]
	}
}

// Decode unmarshals the value into v with its attachments in their places:
// as Binary or []byte. It returns an *Error with CodeBadPayload.
func (r Raw) Decode(v any) error {
	b := []byte(r.JSON)
	if len(b) == 0 {
		b = []byte("null")
	}
	if len(r.Attachments) > 0 {
		var err error
		if b, err = r.inline(); err != nil {
			return Errorf(CodeBadPayload, "%v", err)
		}
	}
	if err := json.Unmarshal(b, v); err != nil {
		return Errorf(CodeBadPayload, "%s", readableJSONError(err))
	}
	return nil
}

// inline replaces placeholders by base64 strings.
func (r Raw) inline() ([]byte, error) {
	var out []byte
	err := eachPlaceholder(r.JSON, func(text []byte) { out = append(out, text...) }, func(n int) error {
		if n >= len(r.Attachments) {
			return fmt.Errorf("attachment %d is missing", n)
		}
		out = append(out, '"')
		out = base64.StdEncoding.AppendEncode(out, r.Attachments[n])
		out = append(out, '"')
		return nil
	})
	return out, err
}

// readableJSONError says in a client's words what does not fit.
func readableJSONError(err error) string {
	var te *json.UnmarshalTypeError
	if errors.As(err, &te) {
		at := te.Field
		if at == "" {
			at = "payload"
		}
		return fmt.Sprintf("%s: want %s, got %s", at, jsonName(te.Type), te.Value)
	}
	var se *json.SyntaxError
	if errors.As(err, &se) {
		return fmt.Sprintf("payload: not JSON at byte %d", se.Offset)
	}
	return "payload: does not fit"
}
