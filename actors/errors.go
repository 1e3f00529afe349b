package actors

import (
	"errors"
	"fmt"
)

// Code is a stable, machine-readable error code: [a-z][a-z0-9_]{0,63}.
//
// The constants are the closed list of codes the runtime itself answers with;
// docs/protocol.md says when. A room may answer with any of the first group
// and with codes of its own.
type Code string

// Codes that rooms share with the runtime.
const (
	CodeInvalid   Code = "invalid"   // the payload fits its type but not the rules
	CodeForbidden Code = "forbidden" // this member may not do that
	CodeNotFound  Code = "not_found" // the thing named in the payload is not there
	CodeConflict  Code = "conflict"  // it would contradict what is there
)

// Codes of the runtime.
const (
	CodeBadRoom          Code = "bad_room"          // the namespace is not a well-formed room name
	CodeUnknownNamespace Code = "unknown_namespace" // nobody serves this namespace
	CodeUnknownEvent     Code = "unknown_event"     // no handler takes this event
	CodeBadPayload       Code = "bad_payload"       // the payload does not fit the handler's type
	CodeBadAuth          Code = "bad_auth"          // the CONNECT payload is not what the kind expects
	CodeUnauthorized     Code = "unauthorized"      // no valid identity
	CodeTokenExpired     Code = "token_expired"     // the identity has expired
	CodeRevoked          Code = "revoked"           // the identity was revoked
	CodeRoomFull         Code = "room_full"         // no seat is left
	CodeNoSuchRoom       Code = "no_such_room"      // the room does not exist and this member may not create it
	CodeRoomClosed       Code = "room_closed"       // the room was destroyed or is closing
	CodeRateLimited      Code = "rate_limited"      // too many messages
	CodeTooLarge         Code = "too_large"         // above a documented size limit
	CodeOverloaded       Code = "overloaded"        // the room or node has too much to do; try again
	CodeUnavailable      Code = "unavailable"       // it cannot be done at the moment; try again
	CodeTimeout          Code = "timeout"           // no answer in time; it may have taken effect
	CodeInternal         Code = "internal"          // a fault on the server; details are in its log only
)

// Codes returns the closed list: every code of the runtime, and those that rooms
// share with it.
func Codes() []Code {
	return []Code{
		CodeInvalid, CodeForbidden, CodeNotFound, CodeConflict,
		CodeBadRoom, CodeUnknownNamespace, CodeUnknownEvent, CodeBadPayload, CodeBadAuth, CodeUnauthorized, CodeTokenExpired,
		CodeRevoked, CodeRoomFull, CodeNoSuchRoom, CodeRoomClosed, CodeRateLimited, CodeTooLarge, CodeOverloaded,
		CodeUnavailable, CodeTimeout, CodeInternal,
	}
}

// Error is an error that a client may see: a stable code and a short text.
// Any other error a handler returns reaches the client as CodeInternal with
// the text "internal error", and the log in full.
type Error struct {
	Code    Code
	Message string
	Data    any // optional; encoded as JSON beside code and message
}

// Error is "code: message".
func (e *Error) Error() string {
	if e == nil {
		return "nil *actors.Error"
	}
	return string(e.Code) + ": " + e.Message
}

// Errorf returns an *Error with a formatted message, for clients to read.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// AsError returns what a client may see of err: the *Error in its chain, or
// CodeInternal if there is none or its code is malformed. It returns nil for
// nil only.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) && e != nil && validCode(e.Code) {
		return e
	}
	return &Error{Code: CodeInternal, Message: "internal error"}
}

// Errors of the seams.
var (
	// ErrTooSlow: the socket's outbox is full; it is closing itself.
	ErrTooSlow = errors.New("parlor: outbox full")
	// ErrDropped: a volatile packet was dropped because the socket lags.
	ErrDropped = errors.New("parlor: volatile packet dropped")
	// ErrTurnContext: a turn's context was given to a call that waits for a
	// room. Two rooms could then wait for each other; use Turn.Call.
	ErrTurnContext = errors.New("parlor: a turn must not wait for a room; use Turn.Call")
)
