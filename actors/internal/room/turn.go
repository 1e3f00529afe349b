package room

import (
	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// turnState holds what the present turn wants to do once it has succeeded.
type turnState struct {
	emits   []emission
	effects []func() // timers, work, calls and late answers, in the order of the calls
	kicks   []kick
	alarms  []setAlarm
	entries []actors.Entry // that the turn stores besides, whether it succeeds or not
	cid     string         // of the command that the turn is
	sends   int            // reliable events in emits, and their bytes
	bytes   int
	destroy bool
}

type emission struct {
	out actors.Outgoing
	ask *ask
}

type kick struct {
	id     actors.MemberID
	reason string
}

// reset empties the state and keeps its memory, unless one turn made it large.
func (s *turnState) reset() {
	*s = turnState{emits: emptied(s.emits), effects: emptied(s.effects), kicks: emptied(s.kicks), alarms: emptied(s.alarms)}
}

func emptied[T any](s []T) []T {
	if cap(s) > 1024 {
		return nil
	}
	clear(s)
	return s[:0]
}

// do runs f as a turn: a transaction over tagged fields and over everything
// that f asked of the room. If f fails, nothing of it has happened. When do
// returns, what the turn has caused has happened as well, unless the turn is
// itself a consequence of another one. The room is open or ending.
func (m *Machine) do(c actors.Cause, f func(*actors.Turn) error) *failure {
	return m.doThen(c, f, nil)
}

// turnFor runs a turn that only a panic can fail, on account of a member or of
// nobody.
func (m *Machine) turnFor(mem actors.Member, f func(*actors.Turn)) {
	_ = m.do(actors.Cause{Member: mem}, func(t *actors.Turn) error { f(t); return nil })
}

// doThen is do with a function that runs if the turn has succeeded: after what
// it emitted, before everything else it asked for.
func (m *Machine) doThen(c actors.Cause, f func(*actors.Turn) error, then func()) *failure {
	c.Context = m.context()
	t := actors.NewTurn((*host)(m), c)
	m.turn.reset() // a turn that a fault of the runtime has cut short left something
	m.gate.need = 0
	m.inst.Begin()
	failed := attempt(func() error { return f(t) })
	t.End()
	var on uint64
	if m.journal.lasts {
		on = m.dependence()
		if failed == nil {
			on, failed = m.weigh(c, on)
		}
	}
	if failed != nil {
		failed.on = on
		m.inst.Rollback()
		m.turn.reset()
		m.report(c, failed)
	} else {
		m.commit(on)
		m.carryOut(then)
		m.gate.need = 0
	}
	m.runFollowUps()
	return failed
}

// commit makes what the turn has changed the state of the room, and has the
// journal keep it: on is the batch that the turn writes, or depends on.
func (m *Machine) commit(on uint64) {
	if m.gate.need = on; on > 0 {
		m.gate.turn++
	}
	changes := m.inst.Commit()
	if m.journal.lasts {
		m.store(changes)
	}
	for _, a := range m.turn.alarms {
		m.setAlarm(a)
	}
	if m.synced && len(changes) > 0 {
		m.markSynced(changes)
	}
}

// carryOut does what the turn wanted. No other turn runs meanwhile.
func (m *Machine) carryOut(then func()) {
	s := &m.turn
	for i := range s.emits {
		m.emit(&s.emits[i])
	}
	if then != nil {
		then()
	}
	for _, f := range s.effects {
		f()
	}
	for _, k := range s.kicks {
		m.kick(k)
	}
	destroy := s.destroy
	s.reset()
	if destroy {
		m.destroy()
	}
}

// report logs a failed turn where it is not the client's own doing, and
// counts panics.
func (m *Machine) report(c actors.Cause, failed *failure) {
	switch {
	case failed.refused:
	case failed.stack != nil:
		m.logPanic("turn panicked", failed, "event", c.Event, "member", string(c.Member.ID))
		m.fault()
	case failed.public.Code == actors.CodeInternal:
		m.log.Error("turn failed", "event", c.Event, "member", string(c.Member.ID), "error", failed.text)
	}
}

func (m *Machine) kick(k kick) {
	mem := m.members.byID[k.id]
	if mem == nil {
		return
	}
	if k.reason != "" && mem.Connected {
		name := "room:kicked"
		data, _ := actors.EncodeArgs(&name, map[string]string{"reason": k.reason})
		m.reliably(wire.Emit{Data: data, To: []actors.MemberID{mem.ID}})
	}
	m.leave(mem, actors.ReasonKicked, wire.Remove{Member: mem.ID, Disconnect: true})
}
