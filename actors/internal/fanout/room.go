package fanout

import (
	"slices"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// room is a room with members on this node, or the memory of its epoch.
type room struct {
	ref       actors.RoomRef
	namespace string
	epoch     uint64 // the highest seen
	from      string // the node of that activation; empty: this one
	ended     bool
	mirror    mirror

	members    []*member // in join order; nil where one was removed
	holes      int       // of members
	byID       map[actors.MemberID]*member
	disconnect *actors.Packet // shared by all who are sent one; nil until then

	left map[actors.MemberID]leftover // members of an earlier activation; nil if there are none
}

// room returns the room of d, or nil if d comes from an activation that is
// older than one seen. It reports whether the members that d adopts are there.
func (m *Machine) room(d *wire.Deliver) (r *room, adopted bool) {
	r = m.rooms[d.Room]
	if r == nil {
		r = &room{ref: d.Room, namespace: d.Namespace, ended: true}
		m.rooms[d.Room] = r
	}
	if d.Epoch < r.epoch {
		return nil, false
	}
	adopted = true
	if d.Epoch > r.epoch {
		adopted = d.Adopts == r.epoch
		r.epoch = d.Epoch
		if !adopted {
			m.succeed(r)
		}
	}
	r.from = d.From
	if r.ended {
		r.ended = false
		r.byID = make(map[actors.MemberID]*member)
		m.count.rooms.Add(1)
	}
	return r, adopted
}

// end forgets the room but for its epoch.
func (m *Machine) end(r *room) {
	if r.ended {
		return
	}
	for _, mem := range r.members {
		if mem != nil {
			m.detach(mem)
		}
	}
	m.count.members.Add(-int64(len(r.byID)))
	m.count.rooms.Add(-1)
	*r = room{ref: r.ref, namespace: r.namespace, epoch: r.epoch, ended: true, left: r.left}

	if len(m.ended) < m.config.Limits.Ended {
		m.ended = append(m.ended, r.ref)
		return
	}
	if oldest := m.rooms[m.ended[m.endedAt]]; oldest != nil && oldest.ended && oldest != r {
		delete(m.rooms, oldest.ref)
	}
	m.ended[m.endedAt] = r.ref
	m.endedAt = (m.endedAt + 1) % len(m.ended)
}

// seat puts mem into the table, in the place of a member with its id if there
// is one.
func (m *Machine) seat(r *room, mem *member) {
	if old := r.byID[mem.id]; old != nil {
		mem.at = old.at
		r.members[mem.at] = mem
		m.detach(old)
	} else {
		mem.at = len(r.members)
		r.members = append(r.members, mem)
		m.count.members.Add(1)
	}
	r.byID[mem.id] = mem
}

// unseat takes mem out of the table; it keeps its connection.
func (m *Machine) unseat(mem *member) {
	r := mem.room
	delete(r.byID, mem.id)
	r.members[mem.at] = nil
	m.count.members.Add(-1)
	if r.holes++; r.holes <= len(r.members)/2 {
		return
	}
	r.members = slices.DeleteFunc(r.members, func(mem *member) bool { return mem == nil })
	for i, mem := range r.members {
		mem.at = i
	}
	r.holes = 0
}
