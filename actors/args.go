package actors

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// Raw is a JSON value as it stands on the wire, with the binary attachments
// it refers to by {"_placeholder":true,"num":n}. As an argument of Emit or
// the result of a handler it passes unchanged, but for the numbers of its
// attachments, and so it does inside another value there. In state and logs
// it is JSON in which attachments are base64 strings. Nobody may modify it.
type Raw struct {
	JSON        json.RawMessage
	Attachments [][]byte
}

// Args is the untyped payload of an event: a handler that takes Args gets
// every argument as it stands on the wire. Given to Emit, or as a result, it
// stands for all of its arguments.
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

// Decode unmarshals argument i, from 0, into v as Raw.Decode does. It returns
// an *Error with CodeBadPayload if there is no such argument.
func (a Args) Decode(i int, v any) error {
	if i < 0 || i >= len(a.List) {
		return Errorf(CodeBadPayload, "argument %d is missing", i+1)
	}
	return a.At(i).Decode(v)
}

// Decode unmarshals the value into v, which must be a pointer, with its
// attachments in their places: as Binary or []byte, or as a base64 string
// where v asks for no bytes. An empty Raw is null. v does not share memory
// with r, unless it is a *Raw.
//
// If the value does not fit it returns an *Error with CodeBadPayload that a
// client can read, or the *Error that an UnmarshalJSON of v returned.
func (r Raw) Decode(v any) error {
	b := []byte(r.JSON)
	if len(b) == 0 {
		b = []byte("null")
	}
	if p, ok := v.(*Raw); ok && p != nil {
		*p = r
		return nil
	}
	if len(r.Attachments) > 0 {
		var done bool
		var err error
		if b, done, err = r.inline(v); err != nil {
			return Errorf(CodeBadPayload, "payload: %v", err)
		}
		if done {
			return nil
		}
	}
	return decodeJSON(CodeBadPayload, b, v)
}

// inline returns the JSON with base64 strings for placeholders. If it is one
// placeholder and v points to bytes, they are put there and done is true.
func (r Raw) inline(v any) (b []byte, done bool, err error) {
	if len(r.Attachments) == 0 {
		return r.JSON, false, nil // a placeholder in it is data
	}
	found := placeholders(r.JSON)
	if len(found) == 0 {
		return r.JSON, false, nil
	}
	for _, p := range found {
		if p.num >= len(r.Attachments) {
			return nil, false, fmt.Errorf("attachment %d is missing", p.num)
		}
	}
	if whole := bytes.TrimSpace(r.JSON); found[0].end-found[0].start == len(whole) {
		content := r.Attachments[found[0].num]
		switch v := v.(type) {
		case *Binary:
			*v = append(make(Binary, 0, len(content)), content...)
			return nil, true, nil
		case *[]byte:
			*v = append(make([]byte, 0, len(content)), content...)
			return nil, true, nil
		}
	}
	at := 0
	for _, p := range found {
		b = append(append(b, r.JSON[at:p.start]...), '"')
		b = append(base64.StdEncoding.AppendEncode(b, r.Attachments[p.num]), '"')
		at = p.end
	}
	return append(b, r.JSON[at:]...), false, nil
}

// MarshalJSON implements json.Marshaler: the value with its attachments as
// base64 strings.
func (r Raw) MarshalJSON() ([]byte, error) {
	if len(r.JSON) == 0 {
		return []byte("null"), nil
	}
	b, _, err := r.inline(nil)
	return b, err
}

// UnmarshalJSON implements json.Unmarshaler: it takes the value as it stands.
func (r *Raw) UnmarshalJSON(b []byte) error {
	if r == nil {
		return errors.New("actors: UnmarshalJSON on a nil *Raw")
	}
	*r = Raw{JSON: bytes.Clone(b)}
	return nil
}
