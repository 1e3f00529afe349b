package actors

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
)

// keyCodec turns the keys of a Map into text and back, as encoding/json does
// with the keys of a Go map: strings are their own text whatever methods they
// have, then comes the text form, then decimal integers.
type keyCodec[K comparable] struct {
	text  func(K) string
	parse func(string) (K, error)
}

// newKeyCodec is for a K that checkKeyType has accepted.
func newKeyCodec[K comparable]() keyCodec[K] {
	t := reflect.TypeFor[K]()
	switch {
	case t.Kind() == reflect.String:
		return keyCodec[K]{text: stringText[K](t), parse: func(s string) (k K, _ error) {
			reflect.ValueOf(&k).Elem().SetString(s)
			return k, nil
		}}
	case t.Implements(textMarshalerType):
		return keyCodec[K]{text: marshalText[K], parse: unmarshalText[K]}
	case reflect.Zero(t).CanInt():
		return keyCodec[K]{
			text: func(k K) string { return strconv.FormatInt(reflect.ValueOf(k).Int(), 10) },
			parse: func(s string) (k K, err error) {
				n, err := strconv.ParseInt(s, 10, t.Bits())
				reflect.ValueOf(&k).Elem().SetInt(n)
				return k, err
			},
		}
	}
	return keyCodec[K]{
		text: func(k K) string { return strconv.FormatUint(reflect.ValueOf(k).Uint(), 10) },
		parse: func(s string) (k K, err error) {
			n, err := strconv.ParseUint(s, 10, t.Bits())
			reflect.ValueOf(&k).Elem().SetUint(n)
			return k, err
		},
	}
}

// stringText spares the two usual types the allocation of reflection.
func stringText[K comparable](t reflect.Type) func(K) string {
	switch t {
	case reflect.TypeFor[string]():
		return func(k K) string { return *any(&k).(*string) }
	case reflect.TypeFor[MemberID]():
		return func(k K) string { return string(*any(&k).(*MemberID)) }
	}
	return func(k K) string { return reflect.ValueOf(k).String() }
}

func marshalText[K comparable](k K) string {
	b, err := any(k).(encoding.TextMarshaler).MarshalText()
	if err != nil {
		panic(fmt.Sprintf("actors: key %v: %v", k, err))
	}
	return string(b)
}

func unmarshalText[K comparable](s string) (k K, err error) {
	err = any(&k).(encoding.TextUnmarshaler).UnmarshalText([]byte(s))
	return k, err
}

// checkKeyType refuses keys that would not come back from their text.
func checkKeyType(t reflect.Type) error {
	if t.Kind() == reflect.String {
		return nil
	}
	out := t.Implements(textMarshalerType)
	in := reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
	switch {
	case out && in:
		return nil
	case out || in:
		return fmt.Errorf("key type %v has one of MarshalText and UnmarshalText: want both, MarshalText on the value", t)
	case reflect.Zero(t).CanInt() || reflect.Zero(t).CanUint():
		return nil
	}
	return fmt.Errorf("key type %v is neither string nor integer and has no text form", t)
}
