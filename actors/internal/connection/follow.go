package connection

import (
	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// following is what a connection keeps of a stay in order to follow its room
// to another activation without its client noticing.
type following struct {
	pid     string       // to come back with; empty if the kind does not resume
	epoch   uint64       // of the activation that has let the client in
	restart bool         // the client takes a second CONNECT answer: it has come back with an offset before
	again   bool         // the join that waits is of a client that has not noticed
	given   uint64       // the latest event that was given to an activation
	cause   actors.Trace // of the hand-over that is followed, if it is sampled

	// events sent and not credited, in order: another activation is sent them
	// again. They are no more than the window and what is held beyond it.
	events []*wire.Event
}

// follow begins to keep what is needed. It does nothing for a gateway, or
// where rooms do not move.
func (m *Machine) follow(s *stay) {
	if m.cfg.Follows && !s.gateway && s.follows == nil {
		s.follows = &following{restart: s.join.Offset != ""}
	}
}

// letInAgain takes a room's answer: what it has not taken is sent again.
func (f *following) letInAgain(m *Machine, s *stay, j *wire.Joined) {
	f.pid, f.epoch, f.again = j.PID, j.Epoch, false
	m.credit(s, j.Link)
	for i, e := range f.events {
		if e.Member != s.member {
			moved := *e // the other one may still be on its way
			moved.Member = s.member
			e = &moved
			f.events[i] = e
		}
		m.effect.ToRoom(e.Room, e)
	}
}

// credited forgets the events up to a number.
func (f *following) credited(link uint64) {
	n := 0
	for n < len(f.events) && f.events[n].Link <= link {
		f.events[n] = nil
		n++
	}
	if f.events = f.events[n:]; len(f.events) == 0 {
		f.events = nil
	}
}

// stale reports whether what an activation says comes from an earlier one than
// that which has let the client in.
func (s *stay) stale(epoch uint64) bool {
	return s.follows != nil && epoch < s.follows.epoch
}

// seek begins to follow the room: what the client was sent last is asked for.
// What comes of it is part of a trace, if that is sampled.
func (m *Machine) seek(s *stay, of actors.Trace) {
	s.state = seeking
	s.follows.cause = of
	s.follows.given = s.link
	m.effect.Seek(s.join.Room, s.member)
}

// Sought brings back the result of Effects.Seek: up to where the client was
// sent everything, and whether the member was there at all. If it was not, the
// client has not had its CONNECT answer.
func (m *Machine) Sought(room actors.RoomRef, member actors.MemberID, offset string, known bool) {
	sp := m.spaces[room.Namespace()]
	if sp == nil || sp.stay == nil || sp.stay.state != seeking || sp.stay.member != member {
		return
	}
	s := sp.stay
	j := *s.join
	j.Member, j.PID, j.Offset, j.Again, j.Trace = actors.MemberID(m.cfg.NewID()), s.follows.pid, offset, nil, s.follows.cause
	if known {
		s.follows.again = true
		j.Again = &wire.Again{Member: s.member, Link: s.follows.given + 1, Restart: s.follows.restart}
	}
	s.join, s.state = &j, joining
	m.effect.ToRoom(j.Room, s.join)
}
