package actors

import (
	"encoding/json"
	"time"
)

// MemberID identifies a member of a room. It is the Socket.IO id of the
// client in that namespace (socket.id), random, and stays the same when the
// member resumes.
type MemberID string

// Identity is who a client has proved to be.
type Identity struct {
	Subject string          // stable user id; empty for an anonymous client
	TokenID string          // id of the credential, if it has one
	Issued  time.Time       // of the credential; zero: not known
	Expires time.Time       // zero: does not expire
	Grants  *Grants         // what it may do where; nil: everything that rooms and guards allow
	Claims  json.RawMessage // further claims as a JSON object; nil if none
}

// In is what the identity may do in a namespace, that of a room or of a
// gateway.
func (id Identity) In(namespace string) Permit { return id.Grants.In(namespace) }

// Member is a client inside a room, as it was when the value was taken.
type Member struct {
	ID       MemberID
	UserID   string   // Identity.Subject
	Identity Identity // who it has proved to be
	Permit   Permit   // what Identity may do in this room

	// Auth is the CONNECT payload without the reserved keys (token, pid,
	// offset, $parlor); an object, or nil. See Bind.
	Auth json.RawMessage

	JoinedAt  time.Time // when it was admitted
	Connected bool      // false while its seat is kept for a return
}

// JoinRequest is what a client asks for when it enters a room.
type JoinRequest struct {
	Room      RoomRef
	Member    Member     // as it will be if admitted
	Address   string     // remote IP address
	NewRoom   bool       // the room holds nothing and nobody yet
	Handshake *Handshake // the HTTP request
}

// Bind decodes the member's CONNECT payload. See Member.Bind.
func (r *JoinRequest) Bind(v any) error { return r.Member.Bind(v) }

// Bind decodes the CONNECT payload into v, which must be a pointer; without a
// payload it leaves v as it is. What does not fit is an *Error with
// CodeBadAuth that a client can read.
func (m Member) Bind(v any) error {
	if len(m.Auth) == 0 {
		return nil
	}
	return decodeJSON(CodeBadAuth, m.Auth, v)
}
