package actors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"reflect"
)

// Map is a tagged field of a room that holds values by key. The tag
//
//	room:"name[,durable][,synced][,member]"
//
// names it on the wire, [A-Za-z_][A-Za-z0-9_-]{0,63}, and says what becomes of
// it: durable entries survive the room leaving memory; synced entries are
// mirrored to members, with "member" only to the member whose id is the key.
// The field is exported and stands in the room struct itself or in a struct
// that it embeds.
//
// K is a string or integer type, or implements encoding.TextMarshaler and
// TextUnmarshaler as encoding/json asks of map keys; different keys have
// different texts. V is anything encoding/json can encode and decode; it is
// encoded within Set.
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
	undo    []undo[K, V] // what the current turn replaced, oldest first
}

type entry[V any] struct {
	value V
	raw   []byte // its JSON; shared with changes and never modified
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
	m.tx.reads(m.field)
	e, ok := m.entries[key]
	return e.value, ok
}

// Has reports whether there is a value for key.
func (m *Map[K, V]) Has(key K) bool { m.tx.reads(m.field); _, ok := m.entries[key]; return ok }

// Len is the number of entries.
func (m *Map[K, V]) Len() int { m.tx.reads(m.field); return len(m.entries) }

// All iterates over the entries, in no particular order. Entries may be set
// and deleted meanwhile, as with Go's map.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		m.tx.reads(m.field)
		for k, e := range m.entries {
			if !yield(k, e.value) {
				return
			}
		}
	}
}

// Set stores value under key. A value whose JSON is what the entry has already
// is no change: it takes the other's place in memory, and nothing is sent. Set
// panics, which fails the turn, if value cannot be encoded or the room is not
// in a turn; the entry then is as it was.
func (m *Map[K, V]) Set(key K, value V) {
	m.tx.writable(m.field, "Set")
	encoded, err := m.tx.encode(&value)
	if err != nil {
		panic(fmt.Sprintf("actors: Set of field %q: %v", m.tx.name(m.field), err))
	}
	old, existed := m.entries[key]
	if existed && bytes.Equal(old.raw, encoded) {
		m.remember(undo[K, V]{key, old, true})
		m.entries[key] = entry[V]{value, old.raw}
		return
	}
	change := Change{Field: m.field, Key: m.keys.text(key), Value: bytes.Clone(encoded)}
	m.remember(undo[K, V]{key, old, existed})
	m.entries[key] = entry[V]{value, change.Value}
	m.tx.change(change, old.raw)
}

// Delete removes key and reports whether it was there. It panics outside a
// turn.
func (m *Map[K, V]) Delete(key K) bool {
	m.tx.writable(m.field, "Delete")
	m.tx.reads(m.field)
	return m.remove(key)
}

// Clear removes every entry. It panics outside a turn.
func (m *Map[K, V]) Clear() {
	m.tx.writable(m.field, "Clear")
	for k := range m.entries {
		m.remove(k)
	}
}

func (m *Map[K, V]) remove(key K) bool {
	old, existed := m.entries[key]
	if !existed {
		return false
	}
	change := Change{Field: m.field, Key: m.keys.text(key)}
	m.remember(undo[K, V]{key, old, true})
	delete(m.entries, key)
	m.tx.change(change, old.raw)
	return true
}

func (m *Map[K, V]) remember(u undo[K, V]) {
	if len(m.undo) == 0 {
		m.tx.touched = append(m.tx.touched, m)
	}
	m.undo = append(m.undo, u)
}

func (m *Map[K, V]) commit() { m.undo = emptied(m.undo) }

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

func (m *Map[K, V]) bound() bool { return m.tx != nil }

func (m *Map[K, V]) check(spec FieldSpec) error {
	if t := reflect.TypeFor[K](); spec.Audience == KeyMember && t.Kind() != reflect.String {
		return fmt.Errorf("\"member\" needs a Map whose key is the member id, not %v", t)
	}
	return checkKeyType(reflect.TypeFor[K]())
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
