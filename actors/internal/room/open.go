package room

import (
	"context"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// loadTimeout is how long the hook Load may take.
const loadTimeout = 30 * time.Second

// maxWaiting is how many joins and calls wait for a room that is opening;
// beyond it they are refused as overloaded.
const maxWaiting = 4096

// waiter is what waits for the room to open.
type waiter struct {
	run func()              // the room is open
	end func(*actors.Error) // it will not be: ErrMoved, or why; nil if nobody is to be told
}

// whenOpen runs w when the room is open.
func (m *Machine) whenOpen(w waiter) {
	switch {
	case m.phase == open:
		w.run()
	case m.phase != opening:
		w.end(ErrMoved)
	case len(m.waiting) >= maxWaiting:
		w.end(actors.Errorf(actors.CodeOverloaded, "too many wait for the room; try again"))
	default:
		m.waiting = append(m.waiting, w)
	}
}

// Start begins to open the room. What arrives before it is open waits.
func (m *Machine) Start(now time.Time) {
	stored := m.cfg.Stored
	m.cfg.Stored = nil
	m.step(now, func() { m.instantiate(stored) })
}

// instantiate makes an instance and opens it, if need be after Load.
func (m *Machine) instantiate(stored []actors.Change) {
	m.phase = opening
	m.life++
	if failed := attempt(func() error { return m.makeInstance(stored) }); failed != nil {
		m.failToOpen("make", failed)
		return
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
	}, func(failed *failure) {
		if failed != nil {
			m.failToOpen("load", failed)
			return
		}
		m.openNow()
	})
}

func (m *Machine) makeInstance(stored []actors.Change) error {
	inst := m.cfg.Behavior.NewRoom()
	fields := inst.Fields()
	for _, e := range stored {
		if err := inst.Restore(e.Field, e.Key, e.Value); err != nil {
			return err
		}
	}
	m.inst, m.hooks, m.fields = inst, inst.Hooks(), fields
	for _, f := range m.fields {
		m.synced = m.synced || f.Synced
	}
	return nil
}

// openNow runs the first turn, and then what waited.
func (m *Machine) openNow() {
	m.inst.Open()
	m.phase = open
	if m.hooks.Opened != nil {
		if failed := m.do(actors.Cause{}, m.hooks.Opened); failed != nil {
			m.failToOpen("opened", failed)
			return
		}
	}
	m.remirror()
	for _, mem := range m.members.list() { // those who stayed while the room started again
		if m.members.has(mem) {
			m.joinedTurn(mem)
		}
	}
	for m.phase == open && len(m.waiting) > 0 {
		w := m.waiting[0]
		m.waiting = m.waiting[1:]
		w.run()
	}
}

// failToOpen refuses everybody and ends the activation: the next join starts
// another one. Members that stayed while the room started again come back to
// that.
func (m *Machine) failToOpen(step string, failed *failure) {
	if failed.stack != nil {
		m.logPanic("room could not open", failed, "step", step)
	} else {
		m.log.Error("room could not open", "step", step, "error", failed.text)
	}
	why := actors.Errorf(actors.CodeUnavailable, "the room could not open; try again")
	if failed.public.Code != actors.CodeInternal {
		why = failed.public
	}
	m.phase = retiring
	for _, mem := range m.members.list() {
		m.members.remove(mem)
		m.detach(mem, wire.Remove{Member: mem.ID, Close: actors.ReasonRoomClosed})
	}
	m.endWaiting(why)
}
