package actors

import (
	"fmt"
	"reflect"
)

// NewRoom implements Behavior.
func (k *Kind[S]) NewRoom() Instance {
	s := k.make()
	tx, err := bindFields(reflect.ValueOf(s))
	if err != nil {
		// NewKind bound rooms of the same function without an error, unless
		// the caller ignored Err.
		panic(fmt.Sprintf("actors: kind %q makes a room that does not fit: %v", k.name, err))
	}
	return &instance[S]{kind: k, room: s, tx: tx, hooks: bindHooks(s)}
}

type instance[S any] struct {
	kind  *Kind[S]
	room  *S
	tx    *transaction
	hooks Hooks
}

func (i *instance[S]) Fields() []FieldSpec {
	specs := make([]FieldSpec, len(i.tx.fields))
	for n, f := range i.tx.fields {
		specs[n] = f.spec
	}
	return specs
}

func (i *instance[S]) Restore(field int, key string, value []byte) error {
	f := i.tx.fields[field]
	if err := f.f.restore(key, value); err != nil {
		return fmt.Errorf("restore %s[%q]: %w", f.spec.Name, key, err)
	}
	return nil
}

func (i *instance[S]) Open() { i.tx.open = true }

func (i *instance[S]) Each(field int, f func(string, []byte)) { i.tx.fields[field].f.each(f) }

func (i *instance[S]) Begin()             { i.tx.begin() }
func (i *instance[S]) Changes() []Change  { return i.tx.changes }
func (i *instance[S]) Replaced() [][]byte { return i.tx.before }
func (i *instance[S]) Read(f int) bool    { return i.tx.fields[f].read }
func (i *instance[S]) Commit() []Change   { return i.tx.commit() }
func (i *instance[S]) Rollback()          { i.tx.rollback() }

func (i *instance[S]) Hooks() *Hooks { return &i.hooks }

func (i *instance[S]) Handle(t *Turn, ev *Event) (Result, error) {
	if h := i.kind.handlers[ev.Name]; h != nil {
		return h(i.room, t, ev)
	}
	if i.kind.any != nil && !ReservedEvent(ev.Name) {
		return i.kind.any(i.room, t, ev)
	}
	return Result{}, Errorf(CodeUnknownEvent, "no handler takes %q", clip(ev.Name, MaxEventName))
}
