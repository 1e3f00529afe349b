package fanout

import (
	"bytes"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// leftover is a member of an activation that is not heard any more. Its client
// has not noticed; its connection asks for a seat in the next activation.
type leftover struct {
	conn   uint64
	last   *actors.Packet // the latest reliable event that was pushed; nil: none since it was seated
	offset string         // of its Admit
}

// at is up to where the client has everything.
func (l leftover) at() string {
	if l.last != nil {
		if s := lastString(l.last.Data); s != "" {
			return s
		}
	}
	return l.offset
}

// lastString returns the string at the end of an array, as it is written; it
// is empty if there is none.
func lastString(array []byte) string {
	b := bytes.TrimSuffix(array, []byte(`"]`))
	if len(b) == len(array) {
		return ""
	}
	return string(b[bytes.LastIndexByte(b, '"')+1:])
}

// leaveBehind takes every member out of the table, because the activation that
// admitted them is lost or has a successor. What waits for them is forgotten:
// whoever admits them again sends what they missed. The room keeps its epoch.
func (m *Machine) leaveBehind(r *room) {
	if r.ended || len(r.byID) == 0 {
		return
	}
	if r.left == nil {
		r.left = make(map[actors.MemberID]leftover)
		m.behind = append(m.behind, r)
	}
	for _, mem := range r.members {
		if mem != nil {
			r.left[mem.id] = mem.leftover()
			m.detach(mem)
		}
	}
	m.count.members.Add(-int64(len(r.byID)))
	r.members, r.holes, r.mirror = nil, 0, mirror{}
	clear(r.byID)
}

// succeed is told that an activation is the first to be heard after another
// one: the connections of those who are left hear of it, if they did not yet.
func (m *Machine) succeed(r *room) {
	m.leaveBehind(r)
	for id, l := range r.left {
		m.stale(r.ref, l.conn, id)
	}
}

// stale tells a connection that a member of it belongs to an activation that
// is not heard any more.
func (m *Machine) stale(ref actors.RoomRef, conn uint64, member actors.MemberID) {
	if m.config.Stale != nil {
		m.config.Stale(ref, conn, member)
	}
}

// refuse takes a Deliver of an activation that is not heard any more. Those it
// would have admitted wait for an answer that would never come.
func (m *Machine) refuse(d *wire.Deliver) {
	m.tally.staleEpochs++
	for _, item := range d.Items {
		if a, ok := item.(wire.Admit); ok && a.Conn.Node == m.config.Node {
			m.stale(d.Room, a.Conn.ID, a.Member)
		}
	}
}

// NodeLost says that nothing more will come of the activations on a node, or
// that what came last was lost: their members are left behind, until their
// connections Seek.
func (m *Machine) NodeLost(node string) {
	for _, r := range m.rooms {
		if r.from == node {
			m.leaveBehind(r)
		}
	}
	m.publish()
}

// Seek takes a member of a connection out of the table, so that nothing more
// is sent to it before it is admitted again, and returns the offset up to
// which it was sent everything, if the kind resumes: its Admit's, or that at
// the end of the latest reliable event. known is false if the member is not
// there, which is when its CONNECT answer was not sent.
func (m *Machine) Seek(ref actors.RoomRef, member actors.MemberID, conn uint64) (offset string, known bool) {
	r := m.rooms[ref]
	if r == nil {
		return "", false
	}
	if mem := r.byID[member]; mem != nil && mem.conn.id == conn {
		m.unseat(mem)
		m.detach(mem)
		m.publish()
		return mem.leftover().at(), true
	}
	if l, ok := r.left[member]; ok && l.conn == conn {
		delete(r.left, member)
		return l.at(), true
	}
	return "", false
}

func (mem *member) leftover() leftover { return leftover{mem.conn.id, mem.last, mem.offset} }

// sweepLeft looks after one room whose members were left behind: connections
// that have closed will not seek theirs.
func (m *Machine) sweepLeft() {
	n := len(m.behind)
	if n == 0 {
		return
	}
	m.sweptLeft = (m.sweptLeft + 1) % n
	r := m.behind[m.sweptLeft]
	for id, l := range r.left {
		if _, ok := m.config.Sockets.Socket(l.conn); !ok {
			delete(r.left, id)
		}
	}
	if len(r.left) > 0 {
		return
	}
	r.left = nil
	m.behind[m.sweptLeft] = m.behind[n-1]
	m.behind[n-1] = nil
	m.behind = m.behind[:n-1]
	if !r.ended && len(r.byID) == 0 && !r.mirror.known {
		m.end(r) // nothing of another activation has arrived: whoever admits somebody begins it again
	}
}
