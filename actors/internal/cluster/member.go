package cluster

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// Member is one node as the others see it.
type Member struct {
	ID       string   `json:"id"`              // unique per process start, of the form of actors.Owner.Node
	Address  string   `json:"address"`         // host:port of its node listener; one process at a time has it
	Web      string   `json:"web,omitempty"`   // host:port of what it serves other nodes over HTTP
	Rooms    bool     `json:"rooms,omitempty"` // it holds rooms, those of gateways included
	Kinds    []string `json:"kinds,omitempty"` // kinds whose rooms it can hold, sorted
	Draining bool     `json:"draining,omitempty"`
}

// Serves reports whether m can hold a room, draining or not. A gateway's room,
// whose kind begins with "@", runs no code of a user: any node with rooms can
// hold it.
func (m Member) Serves(room actors.RoomRef) bool {
	if !m.Rooms {
		return false
	}
	if ofGateway(room) {
		return true
	}
	_, found := slices.BinarySearch(m.Kinds, room.Kind)
	return found
}

func ofGateway(room actors.RoomRef) bool { return strings.HasPrefix(room.Kind, "@") }

// stored is what a room is called in the store. Those of gateways have names
// that are none of a room's.
func stored(room actors.RoomRef) actors.RoomRef {
	if !ofGateway(room) {
		return room
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s%s", len(room.Kind), room.Kind, room.ID))
	return actors.RoomRef{Kind: actors.GatewayRooms, ID: base64.RawURLEncoding.EncodeToString(sum[:])}
}

func (m Member) equal(o Member) bool {
	return m.ID == o.ID && m.Address == o.Address && m.Web == o.Web && m.Rooms == o.Rooms && m.Draining == o.Draining && slices.Equal(m.Kinds, o.Kinds)
}

// View is what a node knows of its cluster. It is immutable.
type View struct {
	// Members are the living nodes by id, this one included. A node that is
	// missing has ended, or has stopped serving: it never comes back under
	// the same id. The list is never partial.
	Members []Member

	// AsOf is when the registry was asked for the list. A node that
	// registered before then and is missing is gone.
	AsOf time.Time

	// Away says that the registry did not answer lately. The list is the
	// last one.
	Away bool

	// Data names the registry's data set, see Roll.Data. Another one than before
	// may have lost the latest changes, and so may the store of rooms.
	Data uint64

	// Excused is until when the registry counts as silent for everybody: each
	// of the others has said that it is for it, or has ended.
	Excused time.Time

	// Settled is when rooms may be claimed that nobody is known to have. It
	// lies ahead when the registry's data set is young or was rolled back, so
	// that owners claim first what they have.
	Settled time.Time
}

// Find returns a member.
func (v *View) Find(id string) (Member, bool) {
	i, found := slices.BinarySearchFunc(v.Members, id, func(m Member, id string) int { return strings.Compare(m.ID, id) })
	if !found {
		return Member{}, false
	}
	return v.Members[i], true
}

// Has reports whether a node lives.
func (v *View) Has(id string) bool { _, ok := v.Find(id); return ok }

// Gone returns the members of v that are not in next.
func (v *View) Gone(next *View) []Member {
	var gone []Member
	for _, m := range v.Members {
		if !next.Has(m.ID) {
			gone = append(gone, m)
		}
	}
	return gone
}
