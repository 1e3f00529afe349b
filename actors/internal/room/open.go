package room

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// loadTimeout is how long the hook Load may take.
const loadTimeout = 30 * time.Second

// faultState counts panics: a room that keeps panicking starts again.
type faultState struct {
	recent   []time.Time // panics within faultWindow
	restarts int         // restarts without a quiet faultWindow between them
	last     time.Time   // of the last restart
}

const (
	faultWindow = 10 * time.Second
	faultLimit  = 5 // panics within faultWindow
	backoffMin  = 100 * time.Millisecond
	backoffMax  = 30 * time.Second
)

// Start begins to open the room. Joins that arrive before it is open wait.
func (m *Machine) Start(now time.Time) {
	m.step(now, func() { m.instantiate(m.cfg.Stored) })
	m.cfg.Stored = nil
}

func (m *Machine) instantiate(stored []actors.Change) {
	m.phase = opening
	m.life++
	m.inst = m.cfg.Behavior.NewRoom()
	m.hooks = m.inst.Hooks()
	m.fields = m.inst.Fields()
	for _, f := range m.fields {
		m.synced = m.synced || f.Synced
		m.durable = m.durable || f.Durable
	}
	for _, e := range stored {
		if err := m.inst.Restore(e.Field, e.Key, e.Value); err != nil {
			m.failToOpen(err)
			return
		}
	}
	if m.hooks.Load == nil {
		m.openNow()
		return
	}
	load, ref := m.hooks.Load, m.cfg.Ref
	m.run(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, loadTimeout)
		defer cancel()
		return load(ctx, ref)
	}, func(err error) {
		if err != nil {
			m.failToOpen(fmt.Errorf("load: %w", err))
			return
		}
		m.openNow()
	})
}

func (m *Machine) openNow() {
	m.inst.Open()
	m.phase = open
	if m.hooks.Opened != nil {
		if err := m.do(actors.Cause{}, m.hooks.Opened); err != nil {
			m.failToOpen(fmt.Errorf("opened: %w", err))
			return
		}
	}
	m.remirror()
	for mem := range m.members.all() {
		m.joinedTurn(mem) // those who stayed while the room started again
	}
	for m.phase == open && len(m.waiting) > 0 {
		f := m.waiting[0]
		m.waiting = m.waiting[1:]
		f()
	}
}

// failToOpen refuses everybody and ends the activation: the next join starts
// another one.
func (m *Machine) failToOpen(err error) {
	m.log.Error("room could not open", "room", m.cfg.Ref.String(), "error", err)
	m.phase = retiring
	code := actors.Errorf(actors.CodeUnavailable, "the room could not open; try again")
	var known *actors.Error
	if errors.As(err, &known) {
		code = known
	}
	waiting := m.waiting
	m.waiting = nil
	for id, p := range m.seats {
		delete(m.seats, id)
		m.refuse(p.join, code)
	}
	for _, f := range waiting {
		f()
	}
	for mem := range m.members.all() {
		m.evict(mem)
	}
	m.end()
}

// evict takes a member out without asking user code.
func (m *Machine) evict(mem *member) {
	m.members.remove(mem)
	m.detach(mem, wire.Remove{Member: mem.ID, Close: actors.ReasonRoomClosed})
}

// fault counts a panic of user code and starts the room again if there were
// too many: with durable state, without plain fields, members keep their
// seats and sockets.
func (m *Machine) fault() {
	f := &m.faults
	kept := f.recent[:0]
	for _, at := range f.recent {
		if m.now.Sub(at) < faultWindow {
			kept = append(kept, at)
		}
	}
	f.recent = append(kept, m.now)
	if len(f.recent) < faultLimit || m.phase != open {
		return
	}
	f.recent = nil
	if m.now.Sub(f.last) > 2*backoffMax {
		f.restarts = 0
	}
	wait := min(backoffMin<<min(f.restarts, 16), backoffMax)
	f.restarts++
	f.last = m.now
	m.log.Error("room keeps panicking and starts again", "room", m.cfg.Ref.String(), "after", wait)

	var stored []actors.Change
	for i, spec := range m.fields {
		if spec.Durable {
			m.inst.Each(i, func(key string, value []byte) {
				stored = append(stored, actors.Change{Field: i, Key: key, Value: value})
			})
		}
	}
	m.phase = opening
	m.life++
	m.dropTimersOfUser()
	clear(m.asks)
	m.failLaters()
	m.ticks.next = time.Time{}
	m.after(wait, false, func() { m.instantiate(stored) })
}

// whenOpen runs f when the room is open, or refuses through no.
func (m *Machine) whenOpen(f func(), no func(*actors.Error)) {
	switch {
	case m.phase == open || m.phase == retiring:
		f()
	case len(m.waiting) >= maxWaiting:
		no(actors.Errorf(actors.CodeOverloaded, "too many wait for the room; try again"))
	default:
		m.waiting = append(m.waiting, f)
	}
}

// Close ends the activation at once for a reason: the node is stopping, or
// the room lost its place. Nothing durable is deleted. Members' transports are
// closed, so that stock clients come back.
func (m *Machine) Close(now time.Time, why actors.LeaveReason) {
	m.step(now, func() {
		if m.phase == retiring {
			return
		}
		for mem := range m.members.all() {
			m.leave(mem, why, wire.Remove{Member: mem.ID, Close: why})
		}
		m.closing()
	})
}

// closing runs the hook Closing and retires.
func (m *Machine) closing() {
	if m.phase == open && m.hooks.Closing != nil {
		_ = m.do(actors.Cause{}, func(t *actors.Turn) error { m.hooks.Closing(t); return nil })
	}
	m.phase = retiring
	waiting := m.waiting
	m.waiting = nil
	for _, f := range waiting {
		f()
	}
	m.end()
}

func (m *Machine) end() {
	m.life++
	m.failLaters()
	m.timers = nil
	for _, n := range m.nodes {
		n.send(wire.End{})
	}
	if m.destroyed {
		m.effect.Forget() // before another activation can load it
	}
	m.effect.Retire()
}
