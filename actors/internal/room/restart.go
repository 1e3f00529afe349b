package room

import (
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// faultState counts panics of turns: a room that keeps panicking starts again.
type faultState struct {
	recent   []time.Time // panics within faultWindow
	restarts int         // restarts with less than backoffMax of quiet between them
	last     time.Time   // when the last restart was over
}

const (
	faultWindow = 10 * time.Second
	faultLimit  = 5 // panics within faultWindow
	backoffMin  = 100 * time.Millisecond
	backoffMax  = 30 * time.Second
)

// fault counts a panic of user code.
func (m *Machine) fault() {
	f := &m.faults
	kept := f.recent[:0]
	for _, at := range f.recent {
		if m.now.Sub(at) < faultWindow {
			kept = append(kept, at)
		}
	}
	if f.recent = append(kept, m.now); len(f.recent) >= faultLimit && m.phase == open {
		m.restart()
	}
}

// restart replaces the instance, after a while: with durable state, without
// plain fields. Members keep their seats and sockets; timers, work, calls and
// questions of the instance before are dropped, and what it has still to
// answer is answered.
func (m *Machine) restart() {
	f := &m.faults
	f.recent = nil
	if m.now.Sub(f.last) > backoffMax {
		f.restarts = 0
	}
	wait := min(backoffMin<<min(f.restarts, 16), backoffMax)
	f.restarts++
	f.last = m.now.Add(wait)
	m.log.Error("room keeps panicking and starts again", "after", wait)

	var stored []actors.Change
	for i, spec := range m.fields {
		if spec.Durable {
			m.inst.Each(i, func(key string, value []byte) {
				stored = append(stored, actors.Change{Field: i, Key: key, Value: value})
			})
		}
	}
	m.phase = opening
	m.cancelTimer(m.idle)
	m.idle = nil
	m.dropUserTimers()
	m.work.queued = nil
	m.asks = nil
	m.failLaters()
	m.ticks = tickState{}
	m.after(wait, false, func() {
		m.instantiate(func() error {
			for _, e := range stored {
				if err := m.inst.Restore(e.Field, e.Key, e.Value); err != nil {
					return err
				}
			}
			return nil
		})
	})
}
