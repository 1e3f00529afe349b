package connection

import (
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// Authenticated brings back the result of Effects.Authenticate. An error that
// is not for clients refuses as CodeUnauthorized.
func (m *Machine) Authenticated(now time.Time, member actors.MemberID, id actors.Identity, err error) {
	if m.closing {
		return
	}
	for namespace, sp := range m.spaces { // at most one has asked for this member
		switch {
		case sp.left != nil && sp.left.state != joining && sp.left.join.Member == member:
			m.answered(namespace, sp)
			return
		case sp.stay == nil || sp.stay.join.Member != member:
		case sp.stay.state == authenticating:
			m.authenticated(now, sp, id, err)
			return
		case sp.stay.state == joined && sp.stay.renewal != nil:
			m.renewed(now, sp.stay, id, err)
			return
		}
	}
}

func (m *Machine) authenticated(now time.Time, sp *space, id actors.Identity, err error) {
	s := sp.stay
	e := m.judge(now, s.namespace, id, err)
	if e == nil {
		s.join.Identity = id
		if m.count(s) {
			m.enter(s)
			return
		}
		m.effect.Limited(LimitUser)
		e = actors.Errorf(actors.CodeTooLarge, "this user has too many connections")
	}
	m.turnAway(s.namespace, sp, e)
}

// isAnswer reports whether asked is the member id of a stay that waits for a
// room's answer.
func isAnswer(s *stay, asked actors.MemberID) bool {
	return s != nil && s.state == joining && s.join.Member == asked
}

// Joined says that a room has given a seat.
func (m *Machine) Joined(j *wire.Joined) {
	namespace := j.Room.Namespace()
	sp := m.spaces[namespace]
	switch {
	case sp == nil:
	case isAnswer(sp.left, j.Asked): // the room was told that it has left
		if sp.stay != nil {
			sp.stay.confused = true
		}
		m.answered(namespace, sp)
	case isAnswer(sp.stay, j.Asked):
		s := sp.stay
		s.state, s.member = joined, j.Member
		if s.follows != nil {
			s.follows.letInAgain(m, s, j)
		}
		for _, e := range s.early {
			e.Member = s.member
			m.effect.ToRoom(e.Room, e)
		}
		s.early = nil
		m.entered(s)
	}
}

// Refused says that a room has given no seat.
func (m *Machine) Refused(r *wire.Refused) {
	namespace := r.Room.Namespace()
	sp := m.spaces[namespace]
	switch {
	case sp == nil:
	case isAnswer(sp.left, r.Asked):
		m.answered(namespace, sp)
	case !isAnswer(sp.stay, r.Asked):
	case sp.stay.begun():
		m.close(actors.ReasonShutdown)
	default:
		m.turnAway(namespace, sp, r.Err)
	}
	m.done(r.Room)
}

// Moved says that a room has left memory or moved: a join is sent again, and a
// client whose room went away without a word is taken to where it is, or, where
// rooms do not move, reconnects. A room answers at most one Join at a time of
// a connection, and nothing else, with Moved; so it is clear what it answers.
// One that names a member concerns only that.
func (m *Machine) Moved(v *wire.Moved) {
	namespace := v.Room.Namespace()
	sp := m.spaces[namespace]
	if sp != nil && v.Member != "" && !sp.is(v.Member) {
		return
	}
	m.effect.Relocate(v.Room)
	switch {
	case sp == nil:
	case sp.left != nil && sp.left.state == joining:
		m.answered(namespace, sp)
	case sp.stay == nil || sp.stay.gateway:
	case sp.stay.state == joining:
		m.effect.ToRoom(v.Room, sp.stay.join)
	case sp.stay.state == joined && sp.stay.follows != nil:
		m.seek(sp.stay, v.Trace)
	case sp.stay.state == joined:
		m.close(actors.ReasonShutdown)
	}
}

// is reports whether a member id is that of the stay whose room is expected to
// answer: the one that it asks for, or has.
func (sp *space) is(member actors.MemberID) bool {
	s := sp.stay
	if sp.left != nil && sp.left.state == joining {
		s = sp.left
	}
	return s != nil && (s.state == joining && s.join.Member == member || s.state == joined && s.member == member)
}

// Unreachable says that a room could not be found. What was sent to it is
// lost.
func (m *Machine) Unreachable(room actors.RoomRef, err *actors.Error) {
	namespace := room.Namespace()
	sp := m.spaces[namespace]
	switch {
	case sp == nil:
	case sp.left != nil && sp.left.state == joining:
		m.answered(namespace, sp)
	case sp.stay == nil || sp.stay.gateway:
	case sp.stay.begun():
		m.close(actors.ReasonShutdown)
	case sp.stay.state == joining:
		m.turnAway(namespace, sp, err)
	}
}

// begun reports whether the client is in the namespace as far as it knows.
func (s *stay) begun() bool {
	return s.state == joined || s.state == seeking || s.follows != nil && s.follows.again
}

// Gone says that a room has taken the member out.
func (m *Machine) Gone(g *wire.Gone) {
	namespace := g.Room.Namespace()
	if sp := m.spaces[namespace]; sp != nil && sp.stay != nil && sp.stay.state == joined && sp.stay.member == g.Member && !sp.stay.stale(g.Epoch) {
		m.end(namespace, sp)
	}
	m.done(g.Room)
}

// done forgets where a room was if nothing is going on with it. If something
// is, the address is still needed: to notice that it leads nowhere.
func (m *Machine) done(room actors.RoomRef) {
	if m.spaces[room.Namespace()] == nil {
		m.effect.Relocate(room)
	}
}

// ClientGone says that a gateway has refused the client, or sent it away.
func (m *Machine) ClientGone(namespace string) {
	sp := m.spaces[namespace]
	if sp != nil && sp.stay != nil && sp.stay.gateway && sp.stay.state == joined {
		m.end(namespace, sp)
	}
}

// Credit says that a room has worked off events.
func (m *Machine) Credit(c *wire.Credit) {
	sp := m.spaces[c.Room.Namespace()]
	if sp == nil || sp.stay == nil || sp.stay.state != joined || sp.stay.member != c.Member {
		return
	}
	if !sp.stay.stale(c.Epoch) {
		m.credit(sp.stay, c.Link)
	}
}

func (m *Machine) credit(s *stay, upTo uint64) {
	link := min(upTo, s.link)
	if link <= s.done {
		return
	}
	s.done = link
	if s.follows != nil {
		s.follows.credited(link)
	}
	if n := s.held - s.beyond(); n > 0 {
		s.held -= n
		m.effect.Release(n)
	}
}
