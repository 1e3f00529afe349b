package settings

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Text is implemented, on its pointer, by a type with a text form of its own.
// Its kind is string.
type Text interface {
	encoding.TextUnmarshaler
	// Want says what UnmarshalText accepts, to follow the word "want".
	Want() string
}

// Checker is implemented by a section whose keys depend on each other. Check
// is called once all layers are in place, and calls bad for every mistake:
// with what would be right, and the path of the key from this section.
type Checker interface {
	Check(bad func(want string, path ...string))
}

// Schema is what is known of the struct T. It is read-only and may be used
// from any goroutine.
type Schema[T any] struct {
	prefix string
	root   *node
}

// New reads the schema of T. prefix begins the names of environment variables,
// as in "PARLOR". An error is a mistake in the tags of T.
func New[T any](prefix string) (*Schema[T], error) {
	root := &node{typ: reflect.TypeFor[T]()}
	if err := root.read(""); err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	if root.form != group {
		return nil, fmt.Errorf("settings: %v is not a struct", root.typ)
	}
	return &Schema[T]{prefix: prefix, root: root}, nil
}

// form says how the value of a node is written.
type form uint8

const (
	leaf  form = iota // one scalar, or a list of scalars
	group             // a struct: known keys
	table             // a map: any keys, values alike
)

// node is one key of the schema, or the values of a table.
type node struct {
	key    string
	field  int // of the parent's struct
	doc    string
	typ    reflect.Type
	form   form
	fields []*node // of a group, in order
	elem   *node   // of a table

	// Of a leaf.
	def      string
	min, max string // empty: no bound
	oneof    []string
	bounds   [2]reflect.Value
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	stringsType  = reflect.TypeFor[[]string]()
	secretType   = reflect.TypeFor[Secret]()
	textType     = reflect.TypeFor[Text]()
)

// read completes n from its type; path is for errors.
func (n *node) read(path string) error {
	switch {
	case n.isText(), n.typ == stringsType, n.typ == durationType:
		return n.readLeaf(path)
	case n.typ.Kind() == reflect.Struct:
		n.form = group
		return n.readFields(path)
	case n.typ.Kind() == reflect.Map && n.typ.Key().Kind() == reflect.String:
		n.form = table
		n.elem = &node{typ: n.typ.Elem()}
		return n.elem.read(join(path, "*"))
	case n.typ.Kind() == reflect.String, n.typ.Kind() == reflect.Bool, n.typ.Kind() == reflect.Int:
		return n.readLeaf(path)
	}
	return fmt.Errorf("%s: a setting cannot be a %v", path, n.typ)
}

func (n *node) readFields(path string) error {
	for i := range n.typ.NumField() {
		sf := n.typ.Field(i)
		key, ok := sf.Tag.Lookup("key")
		if !ok {
			continue
		}
		at := join(path, key)
		f := &node{
			key: key, field: i, typ: sf.Type, doc: sf.Tag.Get("doc"),
			def: sf.Tag.Get("default"), min: sf.Tag.Get("min"), max: sf.Tag.Get("max"),
		}
		if list := sf.Tag.Get("oneof"); list != "" {
			f.oneof = strings.Split(list, ",")
		}
		switch {
		case f.doc == "":
			return fmt.Errorf("%s: no doc", at)
		case n.child(key) != nil:
			return fmt.Errorf("%s: the key is there twice", at)
		}
		if err := f.read(at); err != nil {
			return err
		}
		n.fields = append(n.fields, f)
	}
	return nil
}

// readLeaf checks what the tags say of a leaf: its default has to be valid.
func (n *node) readLeaf(path string) error {
	n.form = leaf
	for i, bound := range []string{n.min, n.max} {
		if bound == "" {
			continue
		}
		v, ok := n.scan(bound)
		if !ok || n.typ.Kind() != reflect.Int && n.typ != durationType {
			return fmt.Errorf("%s: %q cannot be a bound of a %v", path, bound, n.typ)
		}
		n.bounds[i] = v
	}
	if n.def == "" {
		return nil
	}
	if _, err := n.parse(n.def); err != nil {
		return fmt.Errorf("%s: its default: %w", path, err)
	}
	return nil
}

func (n *node) isText() bool   { return reflect.PointerTo(n.typ).Implements(textType) }
func (n *node) isSecret() bool { return n.typ == secretType }

func (n *node) child(key string) *node {
	for _, f := range n.fields {
		if f.key == key {
			return f
		}
	}
	return nil
}

// zero returns a value of n with every default in place.
func (n *node) zero() reflect.Value {
	v := reflect.New(n.typ).Elem()
	switch n.form {
	case group:
		for _, f := range n.fields {
			v.Field(f.field).Set(f.zero())
		}
	case leaf:
		if n.def != "" {
			d, err := n.parse(n.def)
			if err != nil {
				panic(errors.Join(errors.New("settings: a default that New accepted"), err))
			}
			v.Set(d)
		}
	}
	return v
}

// top calls f for every node that a flag or a variable can set: leaves and
// tables outside of tables.
func (n *node) top(path string, f func(path string, n *node)) {
	for _, c := range n.fields {
		if at := join(path, c.key); c.form == group {
			c.top(at, f)
		} else {
			f(at, c)
		}
	}
}
