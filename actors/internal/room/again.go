package room

import (
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// A connection whose room has gone to another activation joins again with
// Join.Again: its client has not noticed. A member that finds its seat and
// everything it missed goes on as if nothing had been; so does one of a kind
// that does not resume, which promises no more. For the others their stay is
// cut, and they have to notice: by a second CONNECT answer if the client takes
// one, else by coming back.

// mustReturn reports whether a join cannot be let in without a cut that its
// client would not notice. Its pid is not known here.
func (m *Machine) mustReturn(j *wire.Join) bool {
	return j.Again != nil && m.resumes() && !j.Again.Restart
}

// strays reports whether a join is that of a member who is here: something it
// sent was answered by an earlier activation after this one had let it in again,
// and its connection looks for the room once more.
func (m *Machine) strays(mem *member, j *wire.Join) bool {
	return j.Again != nil && j.PID != "" && m.members.byPID[j.PID] == mem
}

func errMustReturn() *actors.Error {
	return actors.Errorf(actors.CodeUnavailable, "the room does not know the member any more; connect again")
}

// memberID is the id of whoever joins: the one it has as far as its client
// knows, if the room can give it.
func (m *Machine) memberID(j *wire.Join) actors.MemberID {
	if a := j.Again; a != nil && !m.resumes() && m.members.byID[a.Member] == nil {
		return a.Member
	}
	return j.Member
}

// goOn takes up the numbers of the connection's events behind those that an
// earlier activation was sent: whether they had their turn is not known here,
// and none has two.
func (m *Machine) goOn(mem *member, j *wire.Join) {
	if j.Again != nil && j.Again.Link > 0 {
		mem.link = j.Again.Link - 1
		mem.credited = mem.link
	}
}

// NodeLost says that a node has died, or that what was under way to and from
// it is lost: its members have lost their connections, and joins from there
// are not waited for.
func (m *Machine) NodeLost(now time.Time, name string) {
	m.step(now, func() {
		m.stir()
		for _, p := range m.joins {
			if p.join.Conn.Node == name {
				m.leaveEarly(p)
			}
		}
		for _, mem := range m.members.list() {
			if mem.conn.Node == name && mem.Connected {
				m.cutOff(mem)
			}
		}
		m.follow(func() { m.forgetNode(name) })
	})
}

// cutOff takes in that a member has lost its connection to the room.
func (m *Machine) cutOff(mem *member) {
	if m.resumes() {
		m.drop(mem, actors.ReasonNodeLost)
		return
	}
	m.leave(mem, actors.ReasonNodeLost, wire.Remove{Member: mem.ID})
}

// forgetNode drops what was gathered for a node that would not get it: it has
// no copy of the room, and owes no confirmation.
func (m *Machine) forgetNode(name string) {
	for _, n := range m.nodes {
		if n.name == name {
			*n = node{name: name}
		}
	}
}
