package actors

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

var (
	taggedType = reflect.TypeFor[tagged]()
	groupType  = reflect.TypeFor[group]()
)

// bindFields finds the tagged fields of the room struct that ptr points to
// and ties them to a transaction.
func bindFields(ptr reflect.Value) (*transaction, error) {
	if ptr.IsNil() {
		return nil, errors.New("the function that makes a room returned nil")
	}
	if t := ptr.Type().Elem(); t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("a room is a struct, not %v", t)
	}
	tx := &transaction{}
	return tx, tx.bindStruct(ptr.Elem())
}

func (tx *transaction) bindStruct(v reflect.Value) error {
	var errs []error
	for i := range v.NumField() {
		if err := tx.bindField(v.Field(i), v.Type().Field(i)); err != nil {
			errs = append(errs, fmt.Errorf("field %s: %w", v.Type().Field(i).Name, err))
		}
	}
	return errors.Join(errs...)
}

func (tx *transaction) bindField(v reflect.Value, sf reflect.StructField) error {
	tag, has := sf.Tag.Lookup("room")
	is := isTagged(sf.Type)
	switch {
	case has && !sf.IsExported():
		return errors.New("tagged fields are exported")
	case has && !is:
		return fmt.Errorf("a tagged field is an actors.Map, actors.Value or actors.Maps, not %v", sf.Type)
	case is && !has:
		return errors.New("wants a tag `room:\"name\"`")
	case has:
		return tx.bindTagged(v.Addr().Interface(), tag)
	case sf.Anonymous && sf.Type.Kind() == reflect.Struct:
		return tx.bindStruct(v)
	case containsTagged(sf.Type):
		return errors.New("tagged fields stand in the room struct itself or in a struct it embeds, by value")
	}
	return nil
}

func isTagged(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return t.Kind() == reflect.Struct && (p.Implements(taggedType) || p.Implements(groupType))
}

// containsTagged reports whether t has tagged fields where nobody binds them.
func containsTagged(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Array, reflect.Slice, reflect.Map:
		return isTagged(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i).Type; isTagged(f) || f.Kind() == reflect.Struct && containsTagged(f) {
				return true
			}
		}
	}
	return false
}

func (tx *transaction) bindTagged(field any, tag string) error {
	name, options, _ := strings.Cut(tag, ",")
	spec, err := parseOptions(options)
	if err != nil {
		return err
	}
	switch f := field.(type) {
	case tagged:
		return tx.add(name, spec, f)
	case group:
		if name != "*" {
			return errors.New("the tag of a Maps begins with \"*\"")
		}
		for _, m := range f.members() {
			if err := tx.add(m.name, spec, m.field); err != nil {
				return err
			}
		}
	}
	return nil
}

var errBound = errors.New("belongs to a room already: the function given to NewKind returns a fresh one each time")

func (tx *transaction) add(name string, spec FieldSpec, f tagged) error {
	if !validFieldName(name) {
		return fmt.Errorf("name %q is not [A-Za-z_][A-Za-z0-9_-]{0,63}", name)
	}
	for _, other := range tx.fields {
		if other.spec.Name == name {
			return fmt.Errorf("the name %q is taken", name)
		}
	}
	spec.Name, spec.Single = name, f.single()
	if err := f.check(spec); err != nil {
		return err
	}
	if f.bound() {
		return errBound
	}
	f.bind(tx, len(tx.fields))
	tx.fields = append(tx.fields, boundField{spec: spec, f: f})
	tx.lasting = tx.lasting || spec.Durable
	return nil
}

func parseOptions(options string) (FieldSpec, error) {
	var spec FieldSpec
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "":
		case "durable":
			spec.Durable = true
		case "synced":
			spec.Synced = true
		case "member":
			spec.Audience = KeyMember
		default:
			return spec, fmt.Errorf("unknown option %q: durable, synced and member are known", option)
		}
	}
	if spec.Audience == KeyMember && !spec.Synced {
		return spec, errors.New("\"member\" goes with \"synced\"")
	}
	return spec, nil
}

func validFieldName(s string) bool {
	if s == "" || len(s) > 64 || isDigit(s[0]) || s[0] == '-' {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isLower(c|0x20) && !isDigit(c) && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
