package room

import (
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// tickState schedules ticks at fixed multiples of TickEvery while the room has
// members.
type tickState struct {
	next time.Time // zero: not ticking
	n    uint64    // number of the next tick
}

func (m *Machine) startTicks() {
	if m.kind.TickEvery > 0 && m.hooks.Tick != nil && m.phase == open && m.ticks.next.IsZero() && m.members.len() > 0 {
		m.ticks.next = m.now.Add(m.kind.TickEvery)
	}
}

// ticksWait reports whether no tick is run until the gate takes more: it then
// is late, and others are skipped.
func (m *Machine) ticksWait() bool { return m.gate.ticks && m.full() }

func (m *Machine) tickIfDue() {
	s := &m.ticks
	if m.phase != open || s.next.IsZero() || s.next.After(m.now) || m.ticksWait() {
		return
	}
	if m.members.len() == 0 {
		s.next = time.Time{}
		return
	}
	skipped := uint64(m.now.Sub(s.next) / m.kind.TickEvery)
	at := s.next.Add(time.Duration(skipped) * m.kind.TickEvery)
	tick := actors.Tick{N: s.n + skipped, At: at, Late: m.now.Sub(at), Skipped: skipped, Every: m.kind.TickEvery}
	s.n = tick.N + 1
	s.next = at.Add(m.kind.TickEvery)
	if m.cfg.Ticked != nil {
		m.cfg.Ticked(tick.Late + time.Duration(skipped)*m.kind.TickEvery)
	}
	turns := m.gate.turn
	m.turnFor(actors.Member{}, func(t *actors.Turn) { m.hooks.Tick(t, tick) })
	m.gate.ticks = m.gate.ticks || m.gate.turn != turns
}
