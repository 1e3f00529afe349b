package room

import (
	"context"
	"maps"
	"slices"
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
	case m.phase != opening && m.phase != draining:
		w.end(ErrMoved)
	case len(m.waiting) >= maxWaiting:
		w.end(actors.Errorf(actors.CodeOverloaded, "too many wait for the room; try again"))
	default:
		if t := m.trace.cause; t.Sampled() {
			run := w.run
			w.run = func() { m.causedBy(t); run() }
		}
		m.waiting = append(m.waiting, w)
	}
}

// Loaded is what an activation begins with.
type Loaded struct {
	// Epoch is higher than that of every earlier activation, as far as anybody
	// can know. It is Owned.Epoch if the room has an owner.
	Epoch uint64

	// Yields says that nobody has claimed the room: see Machine.Claimed. Of
	// such a room nothing is kept.
	Yields bool

	// Owned and Entries are the room as it was claimed, and then loaded. The
	// zero Owned is a room of which nothing is kept. The machine owns Entries.
	Owned   actors.Owned
	Entries []actors.Entry

	// Slept lists the nodes that hold members of the room, if it fell asleep.
	// They are told if it cannot go on where it did.
	Slept []string
}

// Rested reports whether a room that fell asleep goes on as the same
// activation: the store has it as it was then.
func (l Loaded) Rested() bool {
	for _, e := range l.Entries {
		if e.Key == keySleep {
			var s stored
			return s.parseSleep(e.Value) == nil && s.sleep.of(l.Owned)
		}
	}
	return false
}

// Start begins to open the room. What arrives before it is open, also before
// Start, waits.
func (m *Machine) Start(now time.Time, l Loaded) {
	m.step(now, func() {
		m.epoch, m.yields = l.Epoch, l.Yields
		if l.Owned.Owner != (actors.Owner{}) {
			m.journal.lasts = true
			m.journal.owned = l.Owned
		}
		if l.Owned.Generation == "" {
			l.Owned.Generation = m.cfg.NewID()
		}
		m.history.init(m.kind, l.Owned.Generation)
		if m.journal.lasts && m.resumes() {
			m.history.tag = m.cfg.NewID()
			m.history.tag = m.history.tag[max(0, len(m.history.tag)-6):]
		}
		if len(l.Slept) > 0 && !l.Rested() {
			m.leaveBehind(l.Slept)
		}
		s, err := parseStored(l.Entries)
		if err != nil {
			m.failToOpen("load", &failure{public: actors.AsError(err), text: err.Error()})
			return
		}
		if s.partial {
			m.undoImport(l.Entries)
			s, _ = parseStored(nil)
		}
		m.instantiate(func() error { return m.takeUp(s) })
	})
}

// Fail says that the room cannot be started: those who wait are refused. The
// next join tries again.
func (m *Machine) Fail(now time.Time, why *actors.Error) {
	m.step(now, func() {
		m.phase = retiring
		m.endWaiting(why)
	})
}

// instantiate makes an instance, has it restored, and opens it, if need be
// after Load.
func (m *Machine) instantiate(restore func() error) {
	m.phase = opening
	m.life++
	if failed := attempt(func() error { return m.makeInstance(restore) }); failed != nil {
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

func (m *Machine) makeInstance(restore func() error) error {
	inst := m.cfg.Behavior.NewRoom()
	m.inst, m.hooks, m.fields = inst, inst.Hooks(), inst.Fields()
	for _, f := range m.fields {
		m.synced = m.synced || f.Synced
	}
	return restore()
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
	if !m.sleep.woken {
		m.remirror()
	}
	for _, mem := range m.members.list() { // those who were there before the instance
		if m.members.has(mem) {
			m.reseat(mem)
		}
	}
	m.sleep.woken = false
	m.startTicks() // for those who have a seat already
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
	m.abandon(actors.ReasonRoomClosed)
	if m.journal.written() {
		m.effect.Schedule(m.now.Add(watchEvery)) // what it was to be woken for is still to be done
	}
	m.endWaiting(why)
}

// Abandon ends the activation at once, without another turn: whoever drives
// the room cannot go on with it.
func (m *Machine) Abandon(now time.Time, why actors.LeaveReason) {
	m.step(now, func() {
		if m.phase != retiring {
			m.abandon(why)
			m.endWaiting(ErrMoved)
		}
	})
}

// abandon ends the activation without another turn. What was held is lost, and
// so is what is not durable yet; members' transports are closed, so that they
// come back to another activation.
func (m *Machine) abandon(why actors.LeaveReason) {
	m.phase = retiring
	m.abandoned = true
	m.gate.need = 0
	m.lose()
	m.moving = m.cfg.Follows && why == actors.ReasonShutdown
	for _, mem := range m.members.list() {
		m.members.remove(mem)
		m.detach(mem, wire.Remove{Member: mem.ID, Close: why})
	}
	for _, id := range slices.Sorted(maps.Keys(m.tables)) { // whose removal was lost
		m.exit(id, m.tables[id], wire.Remove{Member: id, Close: why})
	}
}
