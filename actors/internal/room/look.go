package room

import (
	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// Connected calls each for every member that is connected, as the room's turns
// have it: with durable fields that may be ahead of the store.
func (m *Machine) Connected(each func(conn wire.ConnRef, member actors.MemberID)) {
	for conn, mem := range m.members.byConn {
		each(conn, mem.ID)
	}
}

// Owner is as whom the room writes to its store: the zero Owner if nothing of
// it is kept.
func (m *Machine) Owner() actors.Owner { return m.journal.owned.Owner }
