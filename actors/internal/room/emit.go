package room

import (
	"github.com/parlor-rooms/parlor/actors/internal/rawjson"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// emit sends one event of a turn that succeeded.
func (m *Machine) emit(e *emission) {
	out := &e.out
	item := wire.Emit{Data: out.Data, To: out.To, Except: out.Except, Volatile: out.Volatile}
	if e.ask != nil {
		m.startAsk(e.ask, out)
		item.AckID, item.HasAck = e.ask.id, true
	}
	if out.To != nil && len(out.To) == 0 {
		return
	}
	if out.Volatile {
		m.volatile(item, e.ask != nil)
		return
	}
	if m.resumes() {
		if !m.shut() {
			m.flush() // here too, so that the event claims the version it will follow
		}
		item = m.record(item)
	}
	m.reliably(item)
}

// volatile sends a volatile event. It passes by what is held, unless it asks
// for an answer.
func (m *Machine) volatile(item wire.Emit, asks bool) {
	if m.gate.need > 0 || asks && m.shut() {
		m.hold(held{bytes: rawSize(item.Data), leave: func() { m.volatileNow(item) }})
		return
	}
	m.volatileNow(item)
}

func (m *Machine) volatileNow(item wire.Emit) {
	if m.resumes() && rawjson.EndsInString(item.Data.JSON) {
		item.Data.JSON = stamped(item.Data.JSON, m.seen())
	}
	m.toMembers(item)
}

// reliably sends a reliable event behind everything that is held.
func (m *Machine) reliably(item wire.Emit) {
	if m.shut() {
		seq := m.history.seq
		m.hold(held{bytes: rawSize(item.Data), leave: func() { m.reliablyNow(item, seq) }})
		return
	}
	m.reliablyNow(item, m.history.seq)
}

func (m *Machine) reliablyNow(item wire.Emit, seq uint64) {
	m.flush() // whoever has seen the event has the state it refers to
	m.history.sent = seq
	m.toMembers(item)
}

// stamped returns an EVENT payload with an offset as one more argument.
func stamped(payload []byte, p position) []byte {
	return rawjson.AppendElement(payload, `"`+p.offset()+`"`)
}
