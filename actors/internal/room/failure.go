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
		return &failure{cause: err, public: actors.AsError(err), text: err.Error()}
	}
	return nil
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
