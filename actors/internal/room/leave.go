package room

import (
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// Leave says that a member's connection has left or is gone, or that whoever
// asked for a seat does not want it any more.
func (m *Machine) Leave(now time.Time, l *wire.Leave) {
	m.step(now, func() {
		m.stir()
		if p := m.joins[l.Member]; p != nil && p.join.Conn == l.Conn {
			m.leaveEarly(p)
			return
		}
		mem := m.members.byConn[l.Conn]
		switch {
		case mem == nil || !mem.isFrom(l.Conn, l.Member):
		case l.Why.MayReturn() && m.resumes():
			m.drop(mem, l.Why)
		default:
			m.leave(mem, l.Why, wire.Remove{Member: mem.ID, Disconnect: l.Why == actors.ReasonExpired || l.Why == actors.ReasonRevoked})
		}
	})
}

// leaveEarly ends a stay that has not begun.
func (m *Machine) leaveEarly(p *pendingJoin) {
	p.left = true
	m.free(p)
	if p.cancel != nil {
		p.cancel()
	}
}

// drop keeps the seat of a member that lost its connection.
func (m *Machine) drop(mem *member, why actors.LeaveReason) {
	m.detach(mem, wire.Remove{Member: mem.ID})
	m.awaitReturn(mem, m.now.Add(m.kind.ResumeWithin), why)
	m.storeSeat(mem)
	m.droppedTurn(mem, why)
}

// leave ends a stay, once. The hook Left follows when the present turn is over.
func (m *Machine) leave(mem *member, why actors.LeaveReason, r wire.Remove) {
	if !m.members.has(mem) {
		return
	}
	m.members.remove(mem)
	m.cancelTimer(mem.grace)
	m.detach(mem, r)
	m.forgetAsked(mem.ID)
	m.used = m.now
	snapshot, gone := mem.Member, m.forgetSeat(mem)
	if m.hooks.Left != nil || len(gone) > 0 {
		m.follow(func() { m.leftTurn(snapshot, why, gone) })
	}
}

// leftTurn runs the hook Left, once the room is open if it is starting again.
// That the seat is not stored any more is part of the turn, so that the next
// activation does not tell of it once more; or, if it fails, all that is left
// of it.
func (m *Machine) leftTurn(mem actors.Member, why actors.LeaveReason, gone []actors.Entry) {
	switch m.phase {
	case opening:
		m.waiting = append(m.waiting, waiter{func() { m.leftTurn(mem, why, gone) }, nil})
	case open, ending:
		told := false
		if m.hooks.Left != nil {
			told = nil == m.do(actors.Cause{Member: mem}, func(t *actors.Turn) error {
				m.turn.entries = gone
				m.hooks.Left(t, mem, why)
				return nil
			})
		}
		for _, e := range gone {
			if !told {
				m.journal.write(e.Key, e.Value)
			}
		}
	}
}

// awaitReturn keeps the seat of a member that is away until a time.
func (m *Machine) awaitReturn(mem *member, until time.Time, why actors.LeaveReason) {
	mem.grace = &timer{at: until, index: -1, run: func() { m.leave(mem, why, wire.Remove{}) }}
	m.schedule(mem.grace)
}

// takeUpSeats restores the seats that were stored. Whose connection was there
// has lost it: it went to the activation before.
func (m *Machine) takeUpSeats(s *stored) {
	for _, mem := range s.seats {
		mem.admitted.generation, mem.admitted.tag = m.history.generation, m.history.tag
		mem.Permit = mem.Identity.In(m.namespace)
		if mem.restored { // otherwise it has woken, and knows better
			s.markOf(mem)
		}
		if mark, ok := s.marks[mem.ID]; ok {
			mem.mark = encode(mark)
		}
		mem.commands = m.commandsOf(mem)
		m.members.add(mem)
		if until, away := s.away[mem.ID]; away && m.resumes() {
			m.awaitReturn(mem, until, actors.ReasonNodeLost)
		}
	}
}

// reseat tells a new instance of a member that was there before it: of one
// that stayed while the room started again that it joined; of one whose seat
// was restored that it dropped, unless it had before.
func (m *Machine) reseat(mem *member) {
	switch {
	case m.sleep.woken:
	case !mem.restored:
		m.joinedTurn(mem)
		return
	case mem.grace != nil:
	case !m.resumes():
		m.leave(mem, actors.ReasonNodeLost, wire.Remove{})
		m.runFollowUps()
	default:
		m.awaitReturn(mem, m.now.Add(m.kind.ResumeWithin), actors.ReasonNodeLost)
		m.storeSeat(mem)
		m.droppedTurn(mem, actors.ReasonNodeLost)
	}
	mem.restored = false
}

func (m *Machine) droppedTurn(mem *member, why actors.LeaveReason) {
	if m.hooks.Dropped != nil && m.phase == open {
		snapshot := mem.Member
		m.turnFor(snapshot, func(t *actors.Turn) { m.hooks.Dropped(t, snapshot, why) })
	}
}
