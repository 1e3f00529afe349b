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
	m.release(p)
	if p.cancel != nil {
		p.cancel()
	}
}

// drop keeps the seat of a member that lost its connection.
func (m *Machine) drop(mem *member, why actors.LeaveReason) {
	m.detach(mem, wire.Remove{Member: mem.ID})
	mem.grace = m.after(m.kind.ResumeWithin, false, func() { m.leave(mem, why, wire.Remove{}) })
	if m.hooks.Dropped != nil && m.phase == open {
		snapshot := mem.Member
		m.turnFor(snapshot, func(t *actors.Turn) { m.hooks.Dropped(t, snapshot, why) })
	}
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
	if m.hooks.Left != nil {
		snapshot := mem.Member
		m.follow(func() { m.leftTurn(snapshot, why) })
	}
}

// leftTurn runs the hook Left, once the room is open if it is starting again.
func (m *Machine) leftTurn(mem actors.Member, why actors.LeaveReason) {
	switch m.phase {
	case opening:
		m.waiting = append(m.waiting, waiter{func() { m.leftTurn(mem, why) }, nil})
	case open, ending:
		if m.hooks.Left != nil {
			m.turnFor(mem, func(t *actors.Turn) { m.hooks.Left(t, mem, why) })
		}
	}
}
