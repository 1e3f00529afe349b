package room

import (
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/rawjson"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// creditEvery is after how many events a connection is told that they are
// done. A connection's window must be larger.
const creditEvery = 8

// Event runs the turn of a member's event, unless it ran already or the member
// is not there any more: then its connection has been told Gone.
func (m *Machine) Event(now time.Time, e *wire.Event) {
	m.step(now, func() {
		m.causedBy(e.Trace)
		if mem := m.accept(e); mem != nil {
			m.stir()
			written, turns := m.journal.writes, m.gate.turn
			m.event(mem, e)
			m.storeMark(mem, written)
			if m.gate.turn != turns {
				m.settleLink(mem)
			}
			m.credit(mem)
		}
	})
}

// Overloaded refuses an event without a turn: too much waits for the room.
func (m *Machine) Overloaded(now time.Time, e *wire.Event) {
	m.step(now, func() {
		mem := m.accept(e)
		if mem == nil {
			return
		}
		r := &request{m: m, mem: mem, conn: e.Conn, id: e.ID, ack: e.HasID}
		r.event.Name, _, _ = rawjson.SplitEvent(e.Data.JSON)
		r.refuse(actors.Errorf(actors.CodeOverloaded, "the room has too much to do; try again"))
		m.credit(mem)
	})
}

// accept returns the member that sent e, or nil if e is not to be handled.
func (m *Machine) accept(e *wire.Event) *member {
	mem := m.members.byID[e.Member]
	if mem == nil || mem.conn != e.Conn || !mem.Connected || e.Link <= mem.link {
		return nil
	}
	mem.link = e.Link
	return mem
}

// creditLag is how many events a connection keeps at the most, to send them
// again to another activation, because their turns are not durable. With it,
// and creditEvery, its window is never closed by a store that does not answer.
const creditLag = 16

// credit tells the connection now and then that events are done: it forgets
// them then. It lags behind events whose turns are not durable.
func (m *Machine) credit(mem *member) {
	link := mem.link
	if mem.unsettled > 0 && link > creditLag {
		link = max(mem.settled, link-creditLag)
	} else if mem.unsettled > 0 {
		link = mem.settled
	}
	if link >= mem.credited+creditEvery && mem.Connected {
		mem.credited = link
		m.effect.Tell(mem.conn, &wire.Credit{Room: m.cfg.Ref, Conn: mem.conn, Member: mem.ID, Link: link, Epoch: m.epoch})
	}
}

// settleLink notes when the event that a member sent last is durable.
func (m *Machine) settleLink(mem *member) {
	if !m.shut() {
		return // nothing of it was held
	}
	link, conn := mem.link, mem.conn
	mem.unsettled++
	m.hold(held{leave: func() {
		mem.unsettled--
		if mem.conn == conn && m.members.has(mem) {
			mem.settled = max(mem.settled, link)
			m.credit(mem)
		}
	}})
}

func (m *Machine) event(mem *member, e *wire.Event) {
	r := &request{m: m, mem: mem, conn: e.Conn, id: e.ID, ack: e.HasID}
	elems, err := rawjson.AppendSplit(r.args[:0], e.Data.JSON)
	if err == nil && len(elems) > 0 {
		r.event.Name, err = m.names.name(elems[0])
	}
	if err != nil || len(elems) == 0 {
		r.refuse(actors.Errorf(actors.CodeBadPayload, "not an event"))
		return
	}
	args, cid := wire.CutMetadata(elems[1:len(elems):len(elems)])
	switch {
	case m.phase != open:
		r.refuse(actors.Errorf(actors.CodeUnavailable, "the room starts again; try again"))
		return
	case !m.handles(r.event.Name):
		r.refuse(actors.Errorf(actors.CodeUnknownEvent, "no handler takes %q", wire.Clip(r.event.Name)))
		return
	}
	m.names.remember(elems[0], r.event.Name)
	if !mem.Permit.MayPublish(r.event.Name) {
		r.answer(actors.Raw{}, actors.Errorf(actors.CodeForbidden, "the credential does not allow to send %q", r.event.Name))
		return
	}
	if before := mem.commands.lookup(cid); before != nil {
		m.depending(m.journal.pending(), func() { before.repeat(r) })
		return
	}
	if m.journal.lasts && m.full() && (cid != "" || m.gate.durable.has(r.event.Name)) {
		r.refuse(errFull())
		return
	}
	r.event.Args = actors.Args{List: args, Attachments: e.Data.Attachments}
	r.event.WantsAck = e.HasID
	if failed := r.handle(actors.Cause{Member: mem.Member, Event: r.event.Name}, cid); failed != nil {
		r.fail(failed)
	}
}

// handles reports whether members may send an event of this name.
func (m *Machine) handles(name string) bool {
	return name != "" && len(name) <= actors.MaxEventName && !actors.ReservedEvent(name) && m.cfg.Behavior.HandlesEvent(name)
}

// names holds the names of events that were handled, so that one that comes
// again is not made anew.
type names map[string]string

const maxNames = 256

// name is rawjson.Name.
func (n names) name(elem []byte) (string, error) {
	if known, ok := n[string(elem)]; ok {
		return known, nil
	}
	return rawjson.Name(elem)
}

// learned is a set of names that does not grow for ever.
type learned map[string]struct{}

func (l learned) has(name string) bool { _, ok := l[name]; return ok }

func (l *learned) learn(name string) {
	if *l == nil {
		*l = make(learned)
	}
	if len(*l) < maxNames {
		(*l)[name] = struct{}{}
	}
}

// remember notes that elem names a handled event.
func (n names) remember(elem []byte, name string) {
	if _, ok := n[string(elem)]; !ok && len(n) < maxNames {
		n[string(elem)] = name
	}
}
