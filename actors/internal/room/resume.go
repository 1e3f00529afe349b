package room

import (
	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

func (m *Machine) resumes() bool { return m.kind.ResumeWithin > 0 }

// position is where the history stands.
func (m *Machine) position() position { return m.history.now(m.sync.version) }

// resume gives a seat back: to whoever shows its pid. Where the history does
// not reach back, the seat is kept but the answer has another pid, which stock
// clients take for recovered: false, and the client starts afresh.
func (m *Machine) resume(mem *member, j *wire.Join) {
	if mem.Connected {
		m.detach(mem, wire.Remove{Member: mem.ID, Close: actors.ReasonReplaced})
	}
	m.cancelTimer(mem.grace)
	mem.grace = nil
	mem.conn, mem.asked, mem.link, mem.credited = j.Conn, j.Member, 0, 0
	mem.Connected = true
	m.identify(mem, j.Identity)

	a, recovered := m.missed(mem, j.Offset)
	if !recovered {
		a = wire.Admit{}
		m.members.rename(mem, m.cfg.NewID())
		mem.admitted = m.position()
	}
	m.attach(mem, a)
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
func (m *Machine) missed(mem *member, offset string) (a wire.Admit, whole bool) {
	at := mem.admitted
	if offset != "" {
		p, ok := parseOffset(offset)
		if !ok || p.generation != m.history.generation || p.version > m.sync.version {
			return a, false
		}
		if p.seq >= at.seq && p.version >= at.version {
			at, a.Resumed, a.Since = p, true, p.version
		}
	}
	a.Replay, whole = m.history.since(at.seq, mem.ID)
	return a, whole
}
