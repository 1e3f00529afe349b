package room

import (
	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

func (m *Machine) resumes() bool { return m.kind.ResumeWithin > 0 }

// position is where the history stands, as turns have it: the latest event may
// be held back. The version is never higher than what was seen with it.
func (m *Machine) position() position {
	h := &m.history
	return position{h.generation, h.seq, m.sync.version, h.tag}
}

// seen is what the world has seen of the history.
func (m *Machine) seen() position {
	p := m.position()
	p.seq = m.history.sent
	return p
}

// record counts an event and keeps it, for those who return, and returns it
// with its offset.
func (m *Machine) record(item wire.Emit) wire.Emit {
	h := &m.history
	h.seq++
	if m.journal.lasts {
		m.journal.write(eventKey(h.seq), encodeEvent(item))
		m.describe()
	}
	item.Data.JSON = stamped(item.Data.JSON, m.position())
	h.keep(item)
	return item
}

// resume gives a seat back: to whoever shows its pid. Where the history does
// not reach back, the seat is kept but the answer has another pid, which stock
// clients take for recovered: false, and the client starts afresh.
func (m *Machine) resume(mem *member, j *wire.Join) {
	switch {
	case mem.Connected && mem.conn == j.Conn: // it takes this room for another activation
		m.detach(mem, wire.Remove{Member: mem.ID})
	case mem.Connected:
		m.detach(mem, wire.Remove{Member: mem.ID, Close: actors.ReasonReplaced})
	}
	m.cancelTimer(mem.grace)
	mem.grace = nil
	if mem.conn != j.Conn || j.Again == nil {
		mem.link, mem.credited, mem.settled = 0, 0, 0
	}
	mem.conn, mem.asked = j.Conn, j.Member
	mem.Connected = true
	m.identify(mem, j.Identity)

	a, recovered := m.missed(mem, j.Offset)
	a.Quiet, a.Offset = j.Again != nil, j.Offset
	if !recovered {
		a = wire.Admit{Offset: m.offset()}
		m.members.rename(mem, m.cfg.NewID())
		mem.admitted = m.position()
	}
	m.used = m.now
	m.decided(j, returnedAs(j, recovered), nil)
	m.depending(m.storeSeat(mem), func() { m.attach(mem, a) })
	if m.hooks.Resumed != nil {
		snapshot := mem.Member
		m.turnFor(snapshot, func(t *actors.Turn) { m.hooks.Resumed(t, snapshot, recovered) })
	}
}

// missed finds what a member has to be sent that returns with an offset, and
// whether that is everything it missed.
//
// A client that has seen nothing of this stay sends no offset, or the last one
// of an earlier stay: stock clients keep it when they start afresh. It gets
// the whole state and what happened since it was admitted.
//
// Versions of another activation mean nothing here: whoever has seen only that
// one gets the whole state, and the events that it missed.
func (m *Machine) missed(mem *member, offset string) (a wire.Admit, whole bool) {
	at := mem.admitted
	if offset != "" {
		p, ok := parseOffset(offset)
		same := p.tag == m.history.tag
		switch {
		case !ok || p.generation != m.history.generation || same && p.version > m.sync.version || !same && !m.history.follows(p):
			return a, false
		case same && p.seq >= at.seq && p.version >= at.version:
			at, a.Resumed, a.Since = p, true, p.version
		case !same && p.seq >= at.seq:
			at = p
		}
	}
	a.Replay, whole = m.history.since(at.seq, mem.ID)
	return a, whole
}
