package room

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/rawjson"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// turnState holds what the current turn wants to do once it has succeeded.
type turnState struct {
	emits   []emission
	kicks   []kick
	effects []func() // timers, work, calls and late answers, in the order of the calls
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

// panicError is a panic of user code.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return fmt.Sprintf("panic: %v", p.value) }

func safely(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{v, debug.Stack()}
		}
	}()
	return f()
}

// do runs f as a turn: a transaction over tagged fields and over what it
// sends. The room is open, or opening its first turn.
func (m *Machine) do(c actors.Cause, f func(*actors.Turn) error) error {
	return m.doThen(c, f, nil)
}

// doThen runs f as a turn and, if it succeeded, then before its kicks and
// after its events.
func (m *Machine) doThen(c actors.Cause, f func(*actors.Turn) error, then func()) error {
	t := actors.NewTurn((*host)(m), c)
	m.inst.Begin()
	err := safely(func() error { return f(t) })
	t.End()
	if err != nil {
		m.inst.Rollback()
		m.turn = turnState{}
		m.report(c, err)
		return err
	}
	m.apply(m.inst.Commit())
	s := m.turn
	m.turn = turnState{}
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
	if s.destroy {
		m.destroy()
	}
	return nil
}

// report logs a failed turn where it is not the client's own doing, and
// counts panics.
func (m *Machine) report(c actors.Cause, err error) {
	if p, ok := err.(*panicError); ok {
		m.log.Error("turn panicked", "room", m.cfg.Ref.String(), "event", c.Event, "member", string(c.Member.ID),
			"panic", fmt.Sprint(p.value), "stack", string(p.stack))
		m.fault()
		return
	}
	if actors.AsError(err).Code == actors.CodeInternal {
		m.log.Error("turn failed", "room", m.cfg.Ref.String(), "event", c.Event, "member", string(c.Member.ID), "error", err)
	}
}

// apply hands over what a turn changed.
func (m *Machine) apply(changes []actors.Change) {
	if len(changes) == 0 {
		return
	}
	var durable []actors.Change
	for _, c := range changes {
		if m.fields[c.Field].Durable {
			durable = append(durable, c)
		}
		if m.fields[c.Field].Synced {
			m.sync.mark(c)
		}
	}
	if len(durable) > 0 {
		m.effect.Save(durable)
	}
}

// emit sends one event of a turn that succeeded.
func (m *Machine) emit(e *emission) {
	out := &e.out
	if out.To != nil && len(out.To) == 0 {
		return
	}
	item := wire.Emit{Data: out.Data, To: out.To, Except: out.Except, Volatile: out.Volatile}
	if e.ask != nil {
		item.AckID, item.HasAck = e.ask.id, true
		m.startAsk(e.ask, out)
	}
	if out.Volatile {
		if m.resumes() && rawjson.EndsInString(out.Data.JSON) {
			item.Data.JSON = rawjson.AppendElement(out.Data.JSON, m.history.offset(m.sync.version))
		}
		m.toMembers(item)
		return
	}
	m.flush() // whoever has seen the event has the state it refers to
	if m.resumes() {
		m.history.advance()
		item.Data.JSON = rawjson.AppendElement(out.Data.JSON, m.history.offset(m.sync.version))
		m.history.keep(item)
	}
	m.toMembers(item)
}

// toMembers sends an item to the nodes that hold members it is for.
func (m *Machine) toMembers(item wire.Emit) {
	if item.To == nil || len(m.nodes) == 1 {
		for _, n := range m.nodes {
			if n.members > 0 {
				n.send(item)
			}
		}
		return
	}
	for _, n := range m.nodes {
		var here []actors.MemberID
		for _, id := range item.To {
			if mem := m.members.byID[id]; mem != nil && mem.Connected && mem.conn.Node == n.name {
				here = append(here, id)
			}
		}
		if len(here) > 0 {
			mine := item
			mine.To = here
			n.send(mine)
		}
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
		m.node(mem.conn.Node).send(wire.Emit{Data: data, To: []actors.MemberID{mem.ID}})
	}
	m.leave(mem, actors.ReasonKicked, wire.Remove{Member: mem.ID, Disconnect: true})
}

func (m *Machine) destroy() {
	if m.phase == retiring {
		return
	}
	m.flush()
	for mem := range m.members.all() {
		m.leave(mem, actors.ReasonRoomClosed, wire.Remove{Member: mem.ID, Disconnect: true})
	}
	m.destroyed = true
	m.closing()
}

func (m *Machine) resumes() bool { return m.kind.ResumeWithin > 0 }

// host is what the machine lends a turn.
type host Machine

func (h *host) Room() actors.RoomRef { return h.cfg.Ref }
func (h *host) Now() time.Time       { return h.now }
func (h *host) Rand() *rand.Rand     { return h.cfg.Rand }
func (h *host) NewID() string        { return h.cfg.NewID() }
func (h *host) Log() *slog.Logger    { return h.log }

func (h *host) Members() iter.Seq[actors.Member] {
	return func(yield func(actors.Member) bool) {
		for mem := range h.members.all() {
			if !yield(mem.Member) {
				return
			}
		}
	}
}

func (h *host) Lookup(id actors.MemberID) (actors.Member, bool) {
	if mem := h.members.byID[id]; mem != nil {
		return mem.Member, true
	}
	return actors.Member{}, false
}

func (h *host) Emit(out *actors.Outgoing) {
	h.turn.emits = append(h.turn.emits, emission{out: *out})
}

func (h *host) Kick(id actors.MemberID, reason string) {
	h.turn.kicks = append(h.turn.kicks, kick{id, reason})
}

func (h *host) Destroy() { h.turn.destroy = true }

func (h *host) later(f func()) { h.turn.effects = append(h.turn.effects, f) }

func (h *host) After(d time.Duration, f func(*actors.Turn)) (stop func() bool) {
	m := (*Machine)(h)
	t := &timer{at: h.now.Add(d), index: -1, user: true}
	cancelled, fired := false, false
	t.run = func() {
		fired = true
		_ = m.do(actors.Cause{}, func(turn *actors.Turn) error { f(turn); return nil })
	}
	h.later(func() {
		if !cancelled {
			m.schedule(t)
		}
	})
	return func() bool {
		if cancelled || fired {
			return false
		}
		cancelled = true
		m.cancel(t)
		return true
	}
}

func (h *host) Go(work func(context.Context) error, then func(*actors.Turn, error)) {
	m := (*Machine)(h)
	h.later(func() { m.startWork(work, then) })
}

func (h *host) Call(room actors.RoomRef, event string, payload actors.Raw, timeout time.Duration, then func(*actors.Turn, json.RawMessage, error)) {
	m := (*Machine)(h)
	h.later(func() { m.startCall(OutCall{room, event, payload, timeout}, then) })
}

func (h *host) Ask(out *actors.Outgoing, timeout time.Duration, then func(*actors.Turn, []actors.Answer)) {
	if timeout <= 0 {
		timeout = 10 * time.Second
	}
	h.turn.emits = append(h.turn.emits, emission{out: *out, ask: &ask{timeout: timeout, then: then}})
}
