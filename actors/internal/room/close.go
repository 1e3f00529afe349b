package room

import (
	"cmp"
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
	m.step(now, func() { m.end(why, wire.Remove{Close: why}) })
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
	if m.phase == ending || m.phase == retiring {
		return
	}
	instance := m.phase == open
	if instance {
		m.phase = ending
	} else {
		m.phase = retiring
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
	m.phase = retiring
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
	if m.destroyed {
		m.effect.Forget() // before another activation can load it
	}
	m.effect.Retire()
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
