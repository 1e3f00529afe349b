package actors

import (
	"fmt"
	"reflect"
	"strings"
)

// transaction holds the tagged fields of one room and what its current turn
// did to them. It belongs to the goroutine that runs the turn.
type transaction struct {
	fields  []boundField
	open    bool // Open was called
	inTurn  bool // between Begin and Commit or Rollback
	changes []Change
	touched []rollbacker
}

type boundField struct {
	spec FieldSpec
	f    tagged
}

type rollbacker interface {
	commit()
	rollback()
}

// tagged is what Map and Value are to the transaction.
type tagged interface {
	bind(tx *transaction, field int)
	check() error
	restore(key string, raw []byte) error
	each(func(key string, raw []byte))
	single() bool
}

func (tx *transaction) writable(op string) {
	switch {
	case tx == nil:
		panic("actors: " + op + " on a field that is not part of a room: tag it `room:\"name\"` in the struct that NewKind's function returns")
	case !tx.open:
		panic("actors: " + op + " before the room is opened: use Opened, or return values from Load through plain fields")
	case !tx.inTurn:
		panic("actors: " + op + " outside a turn: only handlers, hooks, timers and continuations may change tagged fields")
	}
}

func (tx *transaction) begin() {
	tx.inTurn = true
	tx.changes = tx.changes[:0]
}

func (tx *transaction) commit() []Change {
	for _, f := range tx.touched {
		f.commit()
	}
	tx.end()
	return tx.changes
}

func (tx *transaction) rollback() {
	for _, f := range tx.touched {
		f.rollback()
	}
	tx.changes = tx.changes[:0]
	tx.end()
}

func (tx *transaction) end() {
	clear(tx.touched)
	tx.touched = tx.touched[:0]
	tx.inTurn = false
}

// bindFields finds the tagged fields of the room struct that ptr points to.
func bindFields(ptr reflect.Value) (*transaction, error) {
	tx := &transaction{}
	v := ptr.Elem()
	if v.Kind() != reflect.Struct {
		return nil, fmt.Errorf("a room is a struct, not %v", v.Type())
	}
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		tag, has := sf.Tag.Lookup("room")
		group, isGroup := fieldGroup(v.Field(i), sf)
		f, isField := taggedField(v.Field(i), sf)
		switch {
		case !has && (isField || isGroup):
			return nil, fmt.Errorf("field %s: wants a tag `room:\"name\"`", sf.Name)
		case !has:
			continue
		case !sf.IsExported():
			return nil, fmt.Errorf("field %s: tagged fields are exported", sf.Name)
		case isGroup:
			if err := tx.addGroup(sf.Name, tag, group); err != nil {
				return nil, err
			}
		case isField:
			if err := tx.add(sf.Name, tag, f); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("field %s: a tagged field is an actors.Map, actors.Value or actors.Maps, not %v", sf.Name, sf.Type)
		}
	}
	return tx, nil
}

func taggedField(v reflect.Value, sf reflect.StructField) (tagged, bool) {
	if !reflect.PointerTo(sf.Type).Implements(reflect.TypeFor[tagged]()) {
		return nil, false
	}
	if !v.CanAddr() || !v.Addr().CanInterface() {
		return nil, true
	}
	return v.Addr().Interface().(tagged), true
}

func fieldGroup(v reflect.Value, sf reflect.StructField) (group, bool) {
	if !reflect.PointerTo(sf.Type).Implements(reflect.TypeFor[group]()) {
		return nil, false
	}
	if !v.CanAddr() || !v.Addr().CanInterface() {
		return nil, true
	}
	return v.Addr().Interface().(group), true
}

func (tx *transaction) add(goName, tag string, f tagged) error {
	spec, err := parseTag(tag)
	if err != nil {
		return fmt.Errorf("field %s: %w", goName, err)
	}
	spec.Single = f.single()
	if spec.Single && spec.Audience == KeyMember {
		return fmt.Errorf("field %s: \"member\" needs a Map keyed by member id", goName)
	}
	if err := f.check(); err != nil {
		return fmt.Errorf("field %s: %w", goName, err)
	}
	for _, other := range tx.fields {
		if other.spec.Name == spec.Name {
			return fmt.Errorf("field %s: the name %q is taken", goName, spec.Name)
		}
	}
	f.bind(tx, len(tx.fields))
	tx.fields = append(tx.fields, boundField{spec, f})
	return nil
}

func (tx *transaction) addGroup(goName, tag string, g group) error {
	name, options, _ := strings.Cut(tag, ",")
	if name != "*" {
		return fmt.Errorf("field %s: the tag of a Maps begins with \"*\"", goName)
	}
	for _, f := range g.members() {
		if err := tx.add(goName, strings.TrimSuffix(f.name+","+options, ","), f.field); err != nil {
			return err
		}
	}
	return nil
}

func parseTag(tag string) (FieldSpec, error) {
	name, options, _ := strings.Cut(tag, ",")
	spec := FieldSpec{Name: name}
	if !validFieldName(name) {
		return spec, fmt.Errorf("field name %q is not [A-Za-z_][A-Za-z0-9_]{0,63}", name)
	}
	member := false
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "":
		case "durable":
			spec.Durable = true
		case "synced":
			spec.Synced = true
		case "member":
			member = true
			spec.Audience = KeyMember
		default:
			return spec, fmt.Errorf("unknown option %q: durable, synced and member are known", option)
		}
	}
	if member && !spec.Synced {
		return spec, fmt.Errorf("\"member\" goes with \"synced\"")
	}
	return spec, nil
}

func validFieldName(s string) bool {
	if s == "" || len(s) > 64 || isDigit(s[0]) {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i] | 0x20; (c < 'a' || c > 'z') && !isDigit(s[i]) && s[i] != '_' && s[i] != '-' {
			return false
		}
	}
	return true
}
