package actors

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"sync"
	"unicode/utf8"
)

// EncodeArgs returns args as one JSON array, preceded by event if it is not
// nil. Runtimes and adapters use it; Emitter.Emit says what becomes of args.
// It fails for a value that cannot be encoded, for a Raw that is not JSON,
// and for more than MaxAttachments attachments.
func EncodeArgs(event *string, args ...any) (Raw, error) {
	p := payload{json: append(make([]byte, 0, 64), '[')}
	if event != nil {
		p.json = appendString(p.json, *event)
	}
	for i, arg := range args {
		if err := p.append(arg); err != nil {
			return Raw{}, fmt.Errorf("argument %d: %w", i+1, err)
		}
	}
	p.json = append(p.json, ']')
	return p.finish()
}

// payload is the arguments of one packet in the making.
type payload struct {
	json        []byte
	attachments [][]byte
	at          []int // where in json the placeholder of each attachment begins
}

func (p *payload) append(arg any) error {
	if args, ok := arg.(Args); ok {
		for i := range args.List {
			if err := p.append(args.At(i)); err != nil {
				return err
			}
		}
		return nil
	}
	if len(p.json) > 1 {
		p.json = append(p.json, ',')
	}
	switch v := arg.(type) {
	case Raw:
		return p.appendRaw(v)
	case []byte:
		if v != nil {
			p.attach(clone(v))
			return nil
		}
	case Binary:
		if v != nil {
			p.attach(clone(v))
			return nil
		}
	}
	return p.appendValue(arg)
}

// clone is v in memory of its own and not nil.
func clone[B ~[]byte](v B) []byte { return append(make([]byte, 0, len(v)), v...) }

func (p *payload) attach(b []byte) {
	p.at = append(p.at, len(p.json))
	p.json = append(p.json, `{"_placeholder":true,"num":`...)
	p.json = strconv.AppendInt(p.json, int64(len(p.attachments)), 10)
	p.json = append(p.json, '}')
	p.attachments = append(p.attachments, b)
}

// appendRaw appends v, renumbering the attachments it refers to.
func (p *payload) appendRaw(v Raw) error {
	if len(v.JSON) == 0 {
		p.json = append(p.json, "null"...)
		return nil
	}
	if !json.Valid(v.JSON) {
		return errors.New("invalid JSON in a Raw")
	}
	at := 0
	if len(v.Attachments) > 0 {
		for _, found := range placeholders(v.JSON) {
			if found.num >= len(v.Attachments) {
				return fmt.Errorf("attachment %d of a Raw is missing", found.num)
			}
			p.json = append(p.json, v.JSON[at:found.start]...)
			p.attach(v.Attachments[found.num])
			at = found.end
		}
	}
	p.json = append(p.json, v.JSON[at:]...)
	return nil
}

// appendValue appends what encoding/json makes of v, with the Binary and Raw
// values in it as attachments.
func (p *payload) appendValue(v any) error {
	if v == nil || !holds(reflect.ValueOf(v), 0) {
		b, err := appendJSON(p.json, v)
		p.json = b
		return err
	}
	x, copied, err := extract(v)
	if err != nil {
		return err
	}
	b, err := appendJSON(nil, copied)
	if err != nil {
		return err
	}
	x.each(b, func(text []byte) { p.json = append(p.json, text...) }, p.attach)
	return nil
}

func (p *payload) finish() (Raw, error) {
	if !utf8.Valid(p.json) {
		return Raw{}, errors.New("JSON that is not UTF-8")
	}
	if len(p.attachments) > MaxAttachments {
		return Raw{}, fmt.Errorf("%d attachments: at most %d fit one packet", len(p.attachments), MaxAttachments)
	}
	if len(p.attachments) > 0 {
		p.json = defuse(p.json, p.at)
	}
	return Raw{JSON: p.json, Attachments: p.attachments}, nil
}

// appendJSON appends what encoding/json makes of v, without HTML escaping. If
// it fails it returns dst as it was.
func appendJSON(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case json.RawMessage:
		if len(v) == 0 {
			return append(dst, "null"...), nil
		}
		if !json.Valid(v) {
			return dst, errors.New("invalid JSON in a RawMessage")
		}
		return append(dst, v...), nil
	case string:
		if plainString(v) {
			return appendString(dst, v), nil
		}
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	}
	e := encoders.Get().(*encoder)
	e.out = dst
	err := e.json.Encode(v)
	out := e.out
	e.out = nil
	encoders.Put(e)
	if err != nil {
		return dst, err
	}
	return out[:len(out)-1], nil // without the newline
}

func appendString(dst []byte, s string) []byte {
	if plainString(s) {
		return append(append(append(dst, '"'), s...), '"')
	}
	dst, _ = appendJSON(dst, s) // never fails for a string
	return dst
}

// plainString reports whether s stands for itself between quotes.
func plainString(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// encoder is a json.Encoder that appends to out.
type encoder struct {
	json *json.Encoder
	out  []byte
}

func (e *encoder) Write(b []byte) (int, error) {
	e.out = append(e.out, b...)
	return len(b), nil
}

// encoders saves two allocations per value; it holds no data.
var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	e.json = json.NewEncoder(e)
	e.json.SetEscapeHTML(false)
	return e
}}
