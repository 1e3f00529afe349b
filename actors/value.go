package actors

import "fmt"

// Value is a tagged field that holds one value. It follows the rules of Map,
// but cannot be for one member.
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

// Clear removes the value. It panics outside a turn.
func (v *Value[V]) Clear() { v.m.Clear() }

func (v *Value[V]) bind(tx *transaction, field int)     { v.m.bind(tx, field) }
func (v *Value[V]) bound() bool                         { return v.m.bound() }
func (v *Value[V]) each(f func(key string, raw []byte)) { v.m.each(f) }
func (v *Value[V]) single() bool                        { return true }

func (v *Value[V]) check(spec FieldSpec) error {
	if spec.Audience == KeyMember {
		return fmt.Errorf("\"member\" needs a Map whose key is the member id")
	}
	return nil
}

func (v *Value[V]) restore(key string, raw []byte) error {
	if key != "" {
		return fmt.Errorf("a single value has no key")
	}
	return v.m.restore(key, raw)
}
