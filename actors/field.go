package actors

import (
	"encoding"
	"encoding/json"
	"fmt"
	"iter"
	"reflect"
	"strconv"
)

// Map is a tagged field of a room that holds values by key. The tag
//
//	room:"name[,durable][,synced][,member]"
//
// names it on the wire and says what becomes of it: durable entries survive
// the room leaving memory; synced entries are mirrored to members, with
// "member" only to the member whose id is the key. K is a string or integer
// type, or implements encoding.TextMarshaler and TextUnmarshaler as
// encoding/json asks of map keys. V is anything encoding/json can encode and
// decode; it is encoded within Set.
//
// A Map must not be copied. Before the room is opened it is empty and refuses
// writes; outside a turn it refuses writes. A value from Get or All is shared:
// change a copy and Set it.
type Map[K comparable, V any] struct {
	_ noCopy

	tx      *transaction // nil until bound
	field   int
	keys    keyCodec[K]
	entries map[K]entry[V]
	undo    []undo[K, V]
}

type entry[V any] struct {
	value V
	raw   []byte
}

type undo[K comparable, V any] struct {
	key     K
	old     entry[V]
	existed bool
}

type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// Get returns the value of key and whether there is one.
func (m *Map[K, V]) Get(key K) (V, bool) {
	e, ok := m.entries[key]
	return e.value, ok
}

// Has reports whether there is a value for key.
func (m *Map[K, V]) Has(key K) bool { _, ok := m.entries[key]; return ok }

// Len is the number of entries.
func (m *Map[K, V]) Len() int { return len(m.entries) }

// All iterates over the entries, in no particular order. Entries may be set
// and deleted meanwhile, as with Go's map.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for k, e := range m.entries {
			if !yield(k, e.value) {
				return
			}
		}
	}
}

// Set stores value under key. It panics, which fails the turn, if value
// cannot be encoded or the room is not in a turn. Setting what is already
// there, byte for byte, changes nothing and sends nothing.
func (m *Map[K, V]) Set(key K, value V) {
	m.tx.writable("Set")
	raw, err := encodeState(value)
	if err != nil {
		panic(fmt.Sprintf("actors: %s: %v", m.tx.fields[m.field].spec.Name, err))
	}
	old, existed := m.entries[key]
	if existed && string(old.raw) == string(raw) {
		return
	}
	m.remember(undo[K, V]{key, old, existed})
	m.entries[key] = entry[V]{value, raw}
	m.tx.changes = append(m.tx.changes, Change{Field: m.field, Key: m.keys.text(key), Value: raw})
}

// Delete removes key and reports whether it was there. It panics outside a
// turn.
func (m *Map[K, V]) Delete(key K) bool {
	m.tx.writable("Delete")
	old, existed := m.entries[key]
	if !existed {
		return false
	}
	m.remember(undo[K, V]{key, old, true})
	delete(m.entries, key)
	m.tx.changes = append(m.tx.changes, Change{Field: m.field, Key: m.keys.text(key)})
	return true
}

// Clear removes every entry. It panics outside a turn.
func (m *Map[K, V]) Clear() {
	m.tx.writable("Clear")
	for k := range m.entries {
		m.Delete(k)
	}
}

func (m *Map[K, V]) remember(u undo[K, V]) {
	if len(m.undo) == 0 {
		m.tx.touched = append(m.tx.touched, m)
	}
	m.undo = append(m.undo, u)
}

func (m *Map[K, V]) commit() {
	clear(m.undo)
	if m.undo = m.undo[:0]; cap(m.undo) > 1024 {
		m.undo = nil
	}
}

func (m *Map[K, V]) rollback() {
	for i := len(m.undo) - 1; i >= 0; i-- {
		if u := m.undo[i]; u.existed {
			m.entries[u.key] = u.old
		} else {
			delete(m.entries, u.key)
		}
	}
	m.commit()
}

func (m *Map[K, V]) bind(tx *transaction, field int) {
	m.tx, m.field = tx, field
	m.keys = newKeyCodec[K]()
	m.entries = make(map[K]entry[V])
}

func (m *Map[K, V]) check() error {
	if err := checkKeyType(reflect.TypeFor[K]()); err != nil {
		return err
	}
	return nil
}

func (m *Map[K, V]) restore(key string, raw []byte) error {
	k, err := m.keys.parse(key)
	if err != nil {
		return err
	}
	var v V
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	m.entries[k] = entry[V]{v, raw}
	return nil
}

func (m *Map[K, V]) each(f func(string, []byte)) {
	for k, e := range m.entries {
		f(m.keys.text(k), e.raw)
	}
}

func (m *Map[K, V]) single() bool { return false }

// Value is a tagged field that holds one value. It follows the rules of Map.
type Value[V any] struct {
	_ noCopy
	m Map[string, V]
}

// Get returns the value; the zero V if none was set.
func (v *Value[V]) Get() V { x, _ := v.m.Get(""); return x }

// Set stores the value. See Map.Set.
func (v *Value[V]) Set(value V) { v.m.Set("", value) }

// IsSet reports whether a value was set.
func (v *Value[V]) IsSet() bool { return v.m.Has("") }

// Clear removes the value.
func (v *Value[V]) Clear() { v.m.Delete("") }

func (v *Value[V]) bind(tx *transaction, field int)      { v.m.bind(tx, field) }
func (v *Value[V]) check() error                         { return nil }
func (v *Value[V]) restore(key string, raw []byte) error { return v.m.restore(key, raw) }
func (v *Value[V]) each(f func(key string, raw []byte))  { v.m.each(f) }
func (v *Value[V]) single() bool                         { return true }

// keyCodec turns keys into text and back, as encoding/json does.
type keyCodec[K comparable] struct {
	text  func(K) string
	parse func(string) (K, error)
}

func newKeyCodec[K comparable]() keyCodec[K] {
	t := reflect.TypeFor[K]()
	c := keyCodec[K]{}
	c.parse = func(s string) (k K, err error) {
		err = parseKey(reflect.ValueOf(&k).Elem(), s)
		return k, err
	}
	switch {
	case t.Kind() == reflect.String:
		c.text = func(k K) string { return reflect.ValueOf(k).String() }
		if t == reflect.TypeFor[string]() {
			c.text = func(k K) string { return any(k).(string) }
		}
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		c.text = func(k K) string {
			b, err := any(k).(encoding.TextMarshaler).MarshalText()
			if err != nil {
				panic("actors: key: " + err.Error())
			}
			return string(b)
		}
	case reflect.Zero(t).CanInt():
		c.text = func(k K) string { return strconv.FormatInt(reflect.ValueOf(k).Int(), 10) }
	default:
		c.text = func(k K) string { return strconv.FormatUint(reflect.ValueOf(k).Uint(), 10) }
	}
	return c
}

func checkKeyType(t reflect.Type) error {
	if t.Kind() == reflect.String || reflect.Zero(t).CanInt() || reflect.Zero(t).CanUint() {
		return nil
	}
	if t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) &&
		reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return nil
	}
	return fmt.Errorf("key type %v is neither string nor integer and has no text form", t)
}

func parseKey(v reflect.Value, s string) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok && v.Kind() != reflect.String {
		return u.UnmarshalText([]byte(s))
	}
	switch {
	case v.Kind() == reflect.String:
		v.SetString(s)
		return nil
	case v.CanInt():
		n, err := strconv.ParseInt(s, 10, v.Type().Bits())
		v.SetInt(n)
		return err
	default:
		n, err := strconv.ParseUint(s, 10, v.Type().Bits())
		v.SetUint(n)
		return err
	}
}
