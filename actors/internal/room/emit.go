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
		if m.resumes() && rawjson.EndsInString(out.Data.JSON) {
			item.Data.JSON = m.stamped(out.Data.JSON)
		}
		m.toMembers(item)
		return
	}
	m.flush() // whoever has seen the event has the state it refers to
	if m.resumes() {
		m.history.advance()
		item.Data.JSON = m.stamped(out.Data.JSON)
		m.history.keep(item)
	}
	m.toMembers(item)
}

// stamped returns an EVENT payload with the offset as one more argument.
func (m *Machine) stamped(payload []byte) []byte {
	return rawjson.AppendElement(payload, `"`+m.position().offset()+`"`)
}
