package actors

import (
	"fmt"
	"strings"
)

// Limits of names, in bytes.
const (
	MaxKindName  = 32
	MaxRoomID    = 128
	MaxEventName = 128
)

// MaxAttachments is how many binary values one event or acknowledgement may
// hold. Stock clients refuse more.
const MaxAttachments = 10

// RoomRef names one room: the kind of room and its id. Both are
// case-sensitive and taken as they stand; nothing is decoded.
type RoomRef struct {
	Kind string // [a-z][a-z0-9-]{0,31}
	ID   string // [A-Za-z0-9._~:@-]{1,128}
}

// Namespace is the Socket.IO namespace of the room: "/" + Kind + "/" + ID.
func (r RoomRef) Namespace() string { return "/" + r.Kind + "/" + r.ID }

// String is Kind + "/" + ID.
func (r RoomRef) String() string { return r.Kind + "/" + r.ID }

// ParseRoom reads the namespace of a room, "/kind/id". It returns an *Error
// with CodeBadRoom if ns is anything else.
func ParseRoom(ns string) (RoomRef, error) {
	kind, id, ok := strings.Cut(strings.TrimPrefix(ns, "/"), "/")
	r := RoomRef{Kind: kind, ID: id}
	if !ok || !strings.HasPrefix(ns, "/") || !r.Valid() {
		return RoomRef{}, Errorf(CodeBadRoom, "a room is named /kind/id: kind [a-z][a-z0-9-]{0,31}, id [A-Za-z0-9._~:@-]{1,128}")
	}
	return r, nil
}

// Valid reports whether both names are well formed.
func (r RoomRef) Valid() bool { return ValidKindName(r.Kind) && validRoomID(r.ID) }

// GatewayRooms is the kind as which stores know the rooms of gateways. No kind
// of room may be called so.
const GatewayRooms = "gateway-rooms"

// ValidKindName reports whether s is a well-formed kind name.
func ValidKindName(s string) bool {
	if s == "" || len(s) > MaxKindName || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isLower(c) && !isDigit(c) && c != '-' {
			return false
		}
	}
	return true
}

func validRoomID(s string) bool {
	if s == "" || len(s) > MaxRoomID {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !isLower(c) && !isDigit(c) && (c < 'A' || c > 'Z') && strings.IndexByte("._~:@-", c) < 0 {
			return false
		}
	}
	return true
}

func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// validCode reports whether c has the form of a code.
func validCode(c Code) bool {
	if c == "" || len(c) > 64 || !isLower(c[0]) {
		return false
	}
	for i := 0; i < len(c); i++ {
		if !isLower(c[i]) && !isDigit(c[i]) && c[i] != '_' {
			return false
		}
	}
	return true
}

// checkEventName says what is wrong with the name of an event that rooms,
// gateways and clients may use.
func checkEventName(name string) error {
	switch {
	case name == "" || len(name) > MaxEventName:
		return fmt.Errorf("event name %q: want 1 to %d bytes", clip(name, MaxEventName), MaxEventName)
	case ReservedEvent(name):
		return fmt.Errorf("event name %q is reserved", name)
	}
	return nil
}

// ReservedEvent reports whether clients and rooms may not use name for an
// event of their own: the names Socket.IO keeps for itself and those that
// begin with "room:" or "auth:".
func ReservedEvent(name string) bool {
	switch name {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener", "exception":
		return true
	}
	return strings.HasPrefix(name, "room:") || strings.HasPrefix(name, "auth:")
}
