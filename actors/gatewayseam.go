package actors

import (
	"context"
	"encoding/json"
	"time"
)

// GatewayBehavior is a Gateway whose type is erased: what a runtime needs to
// know of it. It may be used from any goroutine.
type GatewayBehavior interface {
	Namespace() string
	Serves(namespace string) bool
	Config() GatewayConfig // validated, defaults filled in
	Err() error
	Bind(GatewayHost)
	NewClient(ClientHost) GatewayClient
	// Server answers a ServerSideEmit.
	Server(ctx context.Context, event string, args Args) (Raw, error)
}

// GatewayClient is one client's handlers. A runtime calls its methods one at
// a time; they may block, and panic if a handler does. Connect is called again
// for a client that has recovered.
type GatewayClient interface {
	Connect(ctx context.Context) error
	Handle(ctx context.Context, ev *Event) (GatewayResult, error)
	Disconnected(ctx context.Context, why LeaveReason)
	// Save returns the handlers' data of a client that moves to another node,
	// and Restore takes it there, before anything else is called.
	Save() (json.RawMessage, error)
	Restore(data json.RawMessage) error
}

// GuardError is what GatewayClient returns where a guard failed with an error
// that is not for clients: they are told CodeForbidden, the log is told Cause.
type GuardError struct{ Cause error }

// Error implements error.
func (e *GuardError) Error() string { return "guard: " + e.Cause.Error() }

// Unwrap returns Cause.
func (e *GuardError) Unwrap() error { return e.Cause }

// As makes it an *Error with CodeForbidden for errors.As, and so for AsError.
func (e *GuardError) As(target any) bool {
	p, ok := target.(**Error)
	if ok {
		*p = &Error{Code: CodeForbidden, Message: "forbidden"}
	}
	return ok
}

// GatewayResult is what a gateway's handler answered.
type GatewayResult struct {
	Ack     Raw   // the acknowledgement's arguments, unless NoAck
	NoAck   bool  // the handler answered with replies
	Replies []Raw // EVENT payloads for the caller
}

// ClientHost is what a runtime lends a client. Any goroutine may use it.
type ClientHost interface {
	Info() *ClientDetails
	Context() context.Context
	// Trace is what the running handler is part of; zero if that is not traced.
	Trace() Trace
	Join(ctx context.Context, rooms []string, data json.RawMessage) error
	Leave(ctx context.Context, rooms []string) error
	Rooms() []string
	Disconnect(closeTransport bool)
}

// ClientDetails are read-only.
type ClientDetails struct {
	ID        string
	Namespace string
	Identity  Identity
	Auth      json.RawMessage
	Handshake *Handshake
	Recovered bool
}

// GatewayHost is what a runtime lends a gateway. Any goroutine may use it.
type GatewayHost interface {
	Emit(to *Multicast) error
	Ask(ctx context.Context, to *Multicast, timeout time.Duration) ([]ClientAnswer, error)
	Members(ctx context.Context, to *Multicast) ([]ClientInfo, error)
	Move(ctx context.Context, to *Multicast, join, leave []string) error
	Disconnect(ctx context.Context, to *Multicast, closeTransport bool) error
	ServerEmit(ctx context.Context, namespace, event string, args Raw) ([]json.RawMessage, error)
}

// Multicast addresses clients of a gateway and carries an event for them.
// Nobody modifies it after it was handed over.
type Multicast struct {
	Namespace string
	Rooms     []string // with Users nil too: everyone in the namespace; empty but not nil: nobody
	Users     []string
	Except    []string
	Event     string
	Data      Raw // EVENT payload, name included
	Volatile  bool
	Local     bool
	Trace     Trace // of what emits it, if that is traced
}
