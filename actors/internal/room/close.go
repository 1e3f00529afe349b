package room

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// ErrMoved answers a call that came too late: resolve the room and call again.
// It never reaches a client.
var ErrMoved = actors.Errorf("moved", "the room has left memory")

// Close ends the activation at once for a reason: the node is stopping, or
// the room lost its place. Nothing durable is deleted. Members' transports are
// closed, so that stock clients come back.
func (m *Machine) Close(now time.Time, why actors.LeaveReason) {
	m.step(now, func() {
		if m.phase == open && m.journal.lasts && m.resumes() && why.MayReturn() {
			m.part(why)
			return
		}
		m.end(why, wire.Remove{Close: why})
	})
}

// Move ends the activation as Close does, except that its members' connections
// are told to follow the room to where it wakes next, and their clients do not
// notice where the kind resumes. The room is released before they are told. It
// does nothing if that has begun: it is asked for until the room has left.
func (m *Machine) Move(now time.Time) {
	m.step(now, m.move)
}

func (m *Machine) move() {
	if m.moving {
		return
	}
	m.moving = m.phase == open
	if m.moving && m.journal.lasts && m.resumes() {
		m.part(actors.ReasonShutdown)
		return
	}
	m.end(actors.ReasonShutdown, wire.Remove{Close: actors.ReasonShutdown})
}

// tellMoved sends the connections of those who are in the tables to where the
// room is. Their nodes know by the next activation's epoch that this one is
// over.
func (m *Machine) tellMoved() {
	for _, id := range slices.Sorted(maps.Keys(m.tables)) {
		conn := m.tables[id]
		m.effect.Tell(conn, &wire.Moved{Room: m.cfg.Ref, Conn: conn, Member: id})
	}
	clear(m.tables)
	m.nodes = nil
}

// part ends an activation whose members keep their seats: they, or the time
// that these are kept, come back to the next one.
func (m *Machine) part(why actors.LeaveReason) {
	for _, mem := range m.members.list() {
		mem.laters.fail(errEnded())
		if m.members.has(mem) && mem.Connected {
			m.detach(mem, wire.Remove{Member: mem.ID, Close: why})
			m.awaitReturn(mem, m.now.Add(m.kind.ResumeWithin), why)
			m.storeSeat(mem)
			m.droppedTurn(mem, why)
		}
	}
	if m.phase == open {
		m.phase = ending
		m.finish()
	}
}

// destroy ends the room for good, on behalf of a turn.
func (m *Machine) destroy() {
	m.destroyed = true
	m.flush()
	m.end(actors.ReasonRoomClosed, wire.Remove{Disconnect: true})
}

// end takes everybody out, each with r, and ends the activation: the hooks Left
// and Closing follow. It does nothing if the end has begun.
func (m *Machine) end(why actors.LeaveReason, r wire.Remove) {
	if m.phase == ending || m.phase >= draining {
		return
	}
	instance := m.phase == open
	if instance {
		m.phase = ending
	} else {
		m.abandoned = true
		m.drain()
	}
	for _, mem := range m.members.list() {
		mem.laters.fail(errEnded())
		r.Member = mem.ID
		m.leave(mem, why, r)
	}
	if instance {
		m.follow(m.finish)
	}
}

// passivate ends an activation that nobody needs.
func (m *Machine) passivate() { m.end(actors.ReasonRoomClosed, wire.Remove{}) }

// finish runs the last hook.
func (m *Machine) finish() {
	if m.hooks.Closing != nil {
		m.turnFor(actors.Member{}, m.hooks.Closing)
	}
	if m.kind.Retention > 0 && m.journal.written() && !m.destroyed {
		m.describe()
	}
	m.drain()
}

// drain ends the activation as soon as everything is durable, and seen.
func (m *Machine) drain() {
	m.timers, m.userTimers, m.idle = nil, 0, nil
	m.gate.parked = nil
	if m.phase = retiring; m.journal.lasts {
		m.phase = draining
	}
}

// settled reports whether the store knows all that it is to know, and the
// world all that it is to see.
func (m *Machine) settled() bool {
	return m.journal.idle() && len(m.gate.queue) == 0 && (m.journal.gone || !m.destroyed || !m.journal.lasts)
}

// retire leaves: whoever waits for an answer is told, behind Retire, to ask
// the next activation.
func (m *Machine) retire() {
	m.retired = true
	m.life++
	m.cancel()
	m.laters.fail(errEnded())
	m.timers, m.userTimers, m.idle = nil, 0, nil
	m.asks = nil
	m.work.queued = nil
	m.effect.Retire()
	if m.moving {
		m.tellMoved()
	}
	m.endWaiting(ErrMoved)
}

// endWaiting answers everybody who waits for the room, in the order they came.
func (m *Machine) endWaiting(why *actors.Error) {
	waiting := m.waiting
	m.waiting = nil
	joins := make([]*pendingJoin, 0, len(m.joins))
	for _, p := range m.joins {
		joins = append(joins, p)
	}
	slices.SortFunc(joins, func(a, b *pendingJoin) int { return cmp.Compare(a.id, b.id) })
	for _, p := range joins {
		if p.cancel != nil {
			p.cancel()
		}
		m.turnAway(p, why)
	}
	for _, w := range waiting {
		if w.end != nil {
			w.end(why)
		}
	}
}
