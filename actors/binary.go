package actors

import (
	"bytes"
	"crypto/rand"
	"encoding"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync"
)

// Binary is bytes that travel as a Socket.IO attachment wherever they stand
// in the arguments of an event or in an acknowledgement: as an argument, or
// inside one in exported fields, maps, slices, pointers and interfaces, as far
// as encoding/json itself goes; a type with a MarshalJSON or MarshalText of
// its own decides alone. Everywhere else, as in state and logs, Binary is what
// []byte is to encoding/json: a base64 string. A nil Binary is null.
type Binary []byte

var (
	binaryType        = reflect.TypeFor[Binary]()
	rawType           = reflect.TypeFor[Raw]()
	jsonMarshalerType = reflect.TypeFor[json.Marshaler]()
	textMarshalerType = reflect.TypeFor[encoding.TextMarshaler]()
)

// maxNesting bounds the search for Binary, so that a value that contains
// itself ends. encoding/json looks for cycles at the same depth.
const maxNesting = 1000

// carriers remembers by type what carries found out.
var carriers sync.Map // reflect.Type → bool

// carries reports whether a value of type t may hold a Binary or Raw.
func carries(t reflect.Type) bool {
	if known, ok := carriers.Load(t); ok {
		return known.(bool)
	}
	found := findCarried(t, make(map[reflect.Type]bool))
	carriers.Store(t, found)
	return found
}

func findCarried(t reflect.Type, seen map[reflect.Type]bool) bool {
	if t == binaryType || t == rawType {
		return true
	}
	if seen[t] {
		return false
	}
	seen[t] = true
	if t.Kind() == reflect.Pointer {
		return findCarried(t.Elem(), seen)
	}
	if encodesItself(t) || encodesItself(reflect.PointerTo(t)) {
		return false
	}
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Slice, reflect.Array, reflect.Map:
		return findCarried(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); reached(f) && findCarried(f.Type, seen) {
				return true
			}
		}
	}
	return false
}

func encodesItself(t reflect.Type) bool {
	return t.Implements(jsonMarshalerType) || t.Implements(textMarshalerType)
}

// reached reports whether encoding/json looks into a field.
func reached(f reflect.StructField) bool {
	return f.Tag.Get("json") != "-" && (f.IsExported() || f.Anonymous && f.Type.Kind() == reflect.Struct)
}

// holds reports whether v holds a Binary, or a Raw with attachments.
func holds(v reflect.Value, depth int) bool {
	found, _ := search(v, depth)
	return found
}

// search stops at what it looks for and, by tooDeep, at a likely cycle: going
// on in every branch of it would not end in time.
func search(v reflect.Value, depth int) (found, tooDeep bool) {
	if !v.IsValid() || !carries(v.Type()) {
		return false, false
	}
	if depth > maxNesting {
		return false, true
	}
	switch v.Type() {
	case binaryType:
		return !v.IsNil(), false
	case rawType:
		return v.FieldByName("Attachments").Len() > 0, false
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		return search(v.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if found, tooDeep = search(v.Index(i), depth+1); found || tooDeep {
				return found, tooDeep
			}
		}
	case reflect.Map:
		for entry := v.MapRange(); entry.Next(); {
			if found, tooDeep = search(entry.Value(), depth+1); found || tooDeep {
				return found, tooDeep
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if !reached(v.Type().Field(i)) {
				continue
			}
			if found, tooDeep = search(v.Field(i), depth+1); found || tooDeep {
				return found, tooDeep
			}
		}
	}
	return false, false
}

// extraction encodes a value that holds Binary: in a copy of the value each
// Binary is replaced by a token, encoding/json makes base64 of it, and where
// the token stands in the result the attachment belongs. Tokens begin with
// random bytes of this one extraction, so that no client can send one.
type extraction struct {
	nonce   [18]byte // 24 characters of base64, without padding
	content [][]byte
	tooDeep bool
}

func extract(v any) (*extraction, any, error) {
	x := new(extraction)
	_, _ = rand.Read(x.nonce[:]) // never fails
	c := addressable(reflect.ValueOf(v))
	x.replace(c, 0)
	if x.tooDeep {
		return nil, nil, errors.New("nested too deep, or within itself")
	}
	return x, c.Interface(), nil
}

// token stands for content. Its last 6 bytes are 8 characters of base64.
func (x *extraction) token(content []byte) []byte {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(x.content)))
	x.content = append(x.content, content)
	return append(x.nonce[:len(x.nonce):len(x.nonce)], n[2:]...)
}

// each splits JSON at the tokens.
func (x *extraction) each(b []byte, text func([]byte), attach func([]byte)) {
	head := []byte(`"` + base64.StdEncoding.EncodeToString(x.nonce[:]))
	for {
		i := bytes.Index(b, head)
		if i < 0 {
			text(b)
			return
		}
		text(b[:i])
		b = b[i+len(head):]
		var n [8]byte
		_, _ = base64.StdEncoding.Decode(n[2:], b[:8]) // token wrote it
		attach(x.content[binary.BigEndian.Uint64(n[:])])
		b = b[8+len(`"`):]
	}
}

func addressable(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	return c
}

// replace puts tokens into v, which can be set, and copies what v shares with
// the user's value on the way there.
func (x *extraction) replace(v reflect.Value, depth int) {
	if x.tooDeep = x.tooDeep || depth > maxNesting; x.tooDeep || !carries(v.Type()) {
		return
	}
	switch v.Type() {
	case binaryType:
		if !v.IsNil() {
			v.SetBytes(x.token(clone(v.Bytes())))
		}
		return
	case rawType:
		v.Set(reflect.ValueOf(x.replaceRaw(v.Interface().(Raw))))
		return
	}
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			c := addressable(v.Elem())
			x.replace(c, depth+1)
			v.Set(c)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			c := addressable(v.Elem())
			x.replace(c, depth+1)
			v.Set(c.Addr())
		}
	case reflect.Slice:
		if !v.IsNil() {
			c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
			reflect.Copy(c, v)
			v.Set(c)
		}
		x.replaceElements(v, depth)
	case reflect.Array:
		x.replaceElements(v, depth)
	case reflect.Map:
		x.replaceMap(v, depth)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); reached(f) && !omitted(f, v.Field(i)) {
				x.replace(v.Field(i), depth+1)
			}
		}
	}
}

func (x *extraction) replaceElements(v reflect.Value, depth int) {
	for i := range v.Len() {
		x.replace(v.Index(i), depth+1)
	}
}

func (x *extraction) replaceMap(v reflect.Value, depth int) {
	if v.IsNil() {
		return
	}
	c := reflect.MakeMapWithSize(v.Type(), v.Len())
	for entry := v.MapRange(); entry.Next(); {
		e := addressable(entry.Value())
		x.replace(e, depth+1)
		c.SetMapIndex(entry.Key(), e)
	}
	v.Set(c)
}

// replaceRaw leaves a Raw that cannot be encoded as it is: its MarshalJSON
// reports what is wrong.
func (x *extraction) replaceRaw(r Raw) Raw {
	var out []byte
	at := 0
	for _, p := range placeholders(r.JSON) {
		if p.num >= len(r.Attachments) {
			return r
		}
		out = append(append(out, r.JSON[at:p.start]...), '"')
		out = append(base64.StdEncoding.AppendEncode(out, x.token(r.Attachments[p.num])), '"')
		at = p.end
	}
	return Raw{JSON: append(out, r.JSON[at:]...)}
}

// omitted reports whether encoding/json leaves an empty Binary out, which a
// token in its place would prevent.
func omitted(f reflect.StructField, v reflect.Value) bool {
	_, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	return v.Type() == binaryType && v.Len() == 0 && strings.Contains(options, "omitempty")
}
