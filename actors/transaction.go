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
	changes []Change
	touched []rollbacker
	buf     []byte // what encode returned last
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
	tx.changes = emptied(tx.changes)
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
