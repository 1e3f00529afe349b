package fanout

import "github.com/parlor-rooms/parlor/actors"

// Members calls each for every member that is sent what its room says, but for
// those of rooms that have ended.
func (m *Machine) Members(each func(room actors.RoomRef, conn uint64, member actors.MemberID)) {
	for ref, r := range m.rooms {
		if r.ended {
			continue
		}
		for _, mem := range r.members {
			if mem != nil && !mem.gone {
				each(ref, mem.conn.id, mem.id)
			}
		}
	}
}
