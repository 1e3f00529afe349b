package actors

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// transaction holds the tagged fields of one room and what its current turn
// did to them. It belongs to the goroutine that runs the turn.
type transaction struct {
	fields  []boundField
	open    bool // Open was called
	inTurn  bool // between Begin and Commit or Rollback
	lasting bool // a field is durable: reads and replaced values are noted
	changes []Change
	before  [][]byte // what each of changes replaced, if lasting
	touched []rollbacker
	buf     []byte // what encode returned last
}

type boundField struct {
	spec FieldSpec
	f    tagged
	read bool // since Begin, if the transaction is lasting
}

type rollbacker interface {
	commit()
	rollback()
}

// tagged is what Map and Value are to the transaction.
type tagged interface {
	check(spec FieldSpec) error
	bind(tx *transaction, field int)
	bound() bool
	restore(key string, raw []byte) error
	each(func(key string, raw []byte))
	single() bool
}

func (tx *transaction) writable(field int, op string) {
	switch {
	case tx == nil:
		panic("actors: " + op + " on a field that is not part of a room: tag it `room:\"name\"` in the struct that NewKind's function returns, and set first values in the hook Opened, not in that function")
	case !tx.open:
		panic(fmt.Sprintf("actors: %s of field %q before the room is opened: use the hook Opened; Load hands over in plain fields", op, tx.name(field)))
	case !tx.inTurn:
		panic(fmt.Sprintf("actors: %s of field %q outside a turn: only handlers, hooks, timers and continuations may change tagged fields", op, tx.name(field)))
	}
}

// reads notes that the turn has seen something of a field.
func (tx *transaction) reads(field int) {
	if tx != nil && tx.lasting {
		tx.fields[field].read = true
	}
}

func (tx *transaction) change(c Change, before []byte) {
	tx.changes = append(tx.changes, c)
	if tx.lasting {
		tx.before = append(tx.before, before)
	}
}

func (tx *transaction) name(field int) string { return tx.fields[field].spec.Name }

// encode returns the JSON of what value points to, valid until the next call.
func (tx *transaction) encode(value any) ([]byte, error) {
	b, err := appendJSON(tx.buf[:0], value)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(b) {
		return nil, errors.New("JSON that is not UTF-8")
	}
	if tx.buf = b; cap(b) > 64<<10 {
		tx.buf = nil
	}
	return b, nil
}

func (tx *transaction) begin() {
	tx.inTurn = true
	tx.changes, tx.before = emptied(tx.changes), emptied(tx.before)
	if tx.lasting {
		for i := range tx.fields {
			tx.fields[i].read = false
		}
	}
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
	tx.end()
}

func (tx *transaction) end() {
	tx.touched = emptied(tx.touched)
	tx.inTurn = false
}

// emptied returns s without elements and without what they referred to. A
// slice that one large turn has grown is let go.
func emptied[T any](s []T) []T {
	if cap(s) > 1024 {
		return nil
	}
	clear(s)
	return s[:0]
}
