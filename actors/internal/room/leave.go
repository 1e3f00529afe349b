package room

import (
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// Leave says that a member's connection has left or is gone.
func (m *Machine) Leave(now time.Time, l *wire.Leave) {
	m.step(now, func() {
		if p := m.seats[l.Member]; p != nil && p.join.Conn == l.Conn {
			p.cancelled = true
			return
		}
		mem := m.members.byConn[l.Conn] // it may have resumed under another id than it asked for
		switch {
		case mem == nil:
			m.whenOpen(func() { m.leaveWaiting(l) }, func(*actors.Error) {})
		case l.Why.MayReturn() && m.resumes():
			m.drop(mem, l.Why)
		default:
			m.leave(mem, l.Why, wire.Remove{Member: mem.ID})
		}
	})
}

// leaveWaiting ends a stay whose join was still waiting for the room to open
// when its connection went.
func (m *Machine) leaveWaiting(l *wire.Leave) {
	if p := m.seats[l.Member]; p != nil && p.join.Conn == l.Conn {
		p.cancelled = true
	} else if mem := m.members.byConn[l.Conn]; mem != nil {
		m.leave(mem, l.Why, wire.Remove{Member: mem.ID})
	}
}

// drop keeps the seat of a member that lost its connection.
func (m *Machine) drop(mem *member, why actors.LeaveReason) {
	m.detach(mem, wire.Remove{Member: mem.ID})
	mem.grace = m.after(m.kind.ResumeWithin, false, func() { m.leave(mem, why, wire.Remove{}) })
	if m.hooks.Dropped != nil && m.phase == open {
		snapshot := mem.Member
		_ = m.do(actors.Cause{Member: snapshot}, func(t *actors.Turn) error { m.hooks.Dropped(t, snapshot, why); return nil })
	}
}

// leave ends a stay: exactly once for every member.
func (m *Machine) leave(mem *member, why actors.LeaveReason, r wire.Remove) {
	if m.members.byID[mem.ID] != mem {
		return
	}
	m.members.remove(mem)
	m.cancel(mem.grace)
	m.detach(mem, r)
	m.forgetAsked(mem.ID)
	if m.hooks.Left != nil {
		m.leftTurn(mem.Member, why)
	}
}

// leftTurn runs the hook Left, once the room is open if it is starting again.
func (m *Machine) leftTurn(mem actors.Member, why actors.LeaveReason) {
	if m.phase == opening {
		m.waiting = append(m.waiting, func() {
			if m.phase == open {
				m.leftTurn(mem, why)
			}
		})
		return
	}
	_ = m.do(actors.Cause{Member: mem}, func(t *actors.Turn) error { m.hooks.Left(t, mem, why); return nil })
}
