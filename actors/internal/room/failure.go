package room

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/parlor-rooms/parlor/actors"
)

// failure is what became of user code that returned an error or panicked.
type failure struct {
	cause  error         // what it returned; nil if it panicked
	public *actors.Error // what a client may see
	text   string        // for the log
	stack  []byte        // of a panic

	refused bool   // by the room, not by user code
	on      uint64 // the batch that it depends on
}

// refused is what becomes of a turn that the room does not carry out.
func refused(why *actors.Error) *failure {
	return &failure{cause: why, public: why, text: why.Error(), refused: true}
}

// Error implements error.
func (f *failure) Error() string { return f.text }

// Unwrap returns what user code returned.
func (f *failure) Unwrap() error { return f.cause }

// attempt runs user code. What the error has to say is asked here as well: it
// is user code too.
func attempt(f func() error) (failed *failure) {
	defer func() {
		if v := recover(); v != nil {
			failed = &failure{public: actors.AsError(errPanic), text: fmt.Sprintf("panic: %v", v), stack: debug.Stack()}
		}
	}()
	if err := f(); err != nil {
		return &failure{cause: err, public: public(err), text: err.Error()}
	}
	return nil
}

// public is what a client may see of an error, with its data encoded: it goes
// to other goroutines, and what it refers to belongs to user code. Data that
// cannot be encoded is left out. It returns nil for nil.
func public(err error) *actors.Error {
	e := actors.AsError(err)
	if e == nil || e.Data == nil {
		return e
	}
	return &actors.Error{Code: e.Code, Message: e.Message, Data: encodeData(e.Data)}
}

// encodeData runs user code, which may panic.
func encodeData(data any) (encoded any) {
	defer func() {
		if recover() != nil {
			encoded = nil
		}
	}()
	raw, err := actors.EncodeArgs(nil, data)
	if err != nil {
		return nil
	}
	return actors.Raw{JSON: raw.JSON[1 : len(raw.JSON)-1], Attachments: raw.Attachments} // the one element
}

var errPanic = errors.New("panic")

// refusal is what a client that is not let in sees. What is not for clients
// says no more than no.
func (f *failure) refusal() *actors.Error {
	switch {
	case f.public.Code != actors.CodeInternal || f.stack != nil:
		return f.public
	case errors.Is(f.cause, context.DeadlineExceeded):
		return actors.Errorf(actors.CodeUnavailable, "it takes too long; try again")
	}
	return actors.Errorf(actors.CodeForbidden, "refused")
}

func (m *Machine) logPanic(message string, f *failure, args ...any) {
	m.log.Error(message, append(args, "panic", f.text, "stack", string(f.stack))...)
}
