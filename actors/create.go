package actors

import (
	"fmt"
	"slices"
)

// CreatePolicy says for whom a room begins: who may be the first to enter one
// that holds nothing in durable fields and that nobody has been in since it
// woke. Others are refused with CodeNoSuchRoom. Rooms that are named in
// KindConfig.Rooms, or that Go code has called, are there already.
type CreatePolicy string

// The policies. Whatever the policy, a credential with grants has to grant
// OpCreate.
const (
	// CreateDefault is CreateUsers on a node with an Authenticator, and
	// CreateAnyone on one without, where nobody can prove anything.
	CreateDefault CreatePolicy = ""
	CreateAnyone  CreatePolicy = "anyone"
	CreateUsers   CreatePolicy = "users"   // whoever is not anonymous, or has grants
	CreateGranted CreatePolicy = "granted" // whose credential has grants, and grants OpCreate
	CreateNobody  CreatePolicy = "nobody"
)

func (p CreatePolicy) check() error {
	if !slices.Contains([]CreatePolicy{CreateDefault, CreateAnyone, CreateUsers, CreateGranted, CreateNobody}, p) {
		return fmt.Errorf("want anyone, users, granted or nobody for Create, not %q", string(p))
	}
	return nil
}

// Allows reports whether a room may begin for somebody whose permit there is
// permit.
func (p CreatePolicy) Allows(id Identity, permit Permit) bool {
	switch p {
	case CreateNobody:
		return false
	case CreateGranted:
		return id.Grants != nil && permit.May(OpCreate)
	case CreateUsers:
		return (id.Subject != "" || id.Grants != nil) && permit.May(OpCreate)
	}
	return permit.May(OpCreate)
}

// maxNamedRooms bounds KindConfig.Rooms.
const maxNamedRooms = 10_000

func checkNamedRooms(ids []string) error {
	if len(ids) > maxNamedRooms {
		return fmt.Errorf("Rooms has %d entries: want at most %d", len(ids), maxNamedRooms)
	}
	for _, id := range ids {
		if !(RoomRef{Kind: "kind", ID: id}).Valid() {
			return fmt.Errorf("Rooms has %q: want the id of a room, [A-Za-z0-9._~:@-]{1,128}", clip(id, MaxEventName))
		}
	}
	return nil
}
