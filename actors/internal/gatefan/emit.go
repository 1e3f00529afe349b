package gatefan

import (
	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/rawjson"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

func (m *Machine) emit(namespace string, s *space, e *wire.GateEmit) {
	toAll := e.Scope == wire.ScopeNamespace || e.Scope == wire.ScopeLoss
	if toAll && e.Pos > m.heard[e.From] {
		m.heard[e.From] = e.Pos
	}
	if e.Scope == wire.ScopeLoss {
		m.loss(s, e)
		return
	}
	if to := m.moved[e.Room]; to != "" && e.Scope == wire.ScopeClient && e.AskID == 0 {
		m.cfg.Forward(to, namespace, *e)
		return
	}
	var asked []string
	if s != nil {
		if e.Packet == nil {
			e.Packet = e.For(namespace, e.Data.JSON)
		}
		to := func(c *client) {
			if m.emitTo(namespace, c, e) && e.AskID != 0 {
				asked = append(asked, c.id)
			}
		}
		switch e.Scope {
		case wire.ScopeClient:
			if c := s.clients[e.Room]; c != nil {
				to(c)
			}
		case wire.ScopeRoom:
			if crowd := s.rooms[e.Room]; crowd != nil && !s.isOver(e.Room, e.Epoch) {
				crowd.heard(wire.HubPos{Epoch: e.Epoch, Pos: e.Pos})
				for _, c := range crowd.list {
					to(c)
				}
			}
		case wire.ScopeNamespace:
			for _, c := range s.clients {
				to(c)
			}
		}
	}
	if e.AskID != 0 {
		m.cfg.Asked(e, asked)
	}
}

// emitTo sends an event to one client and reports whether it was meant for
// it and could be asked to acknowledge.
func (m *Machine) emitTo(namespace string, c *client, e *wire.GateEmit) bool {
	if e.Scope == wire.ScopeRoom {
		for i := range c.rooms {
			if c.rooms[i].room == e.Room && !c.rooms[i].reach(wire.HubPos{Epoch: e.Epoch, Pos: e.Pos}) {
				return false
			}
		}
	}
	if c.excepted(e.Except) {
		return false
	}
	if c.state == arriving {
		return m.hold(c, e)
	}
	return m.sendTo(namespace, c, e)
}

// sendTo sends an event that is meant for the client, unless it has had it.
func (m *Machine) sendTo(namespace string, c *client, e *wire.GateEmit) bool {
	if c.hadBefore(e) {
		return false
	}
	if e.EmitID != 0 {
		if c.hasSeen(e.From, e.EmitID) {
			return false
		}
	}
	p := e.Packet
	if c.pid != "" && e.AskID == 0 {
		if p = m.sequenced(namespace, c, e); p == nil {
			return false
		}
	}
	m.push(c, p)
	return c.socket != nil
}

// sequenced makes the packet of a client that may recover: with its offset,
// and kept for replay. Events that ask for an acknowledgement carry none, as
// with upstream.
func (m *Machine) sequenced(namespace string, c *client, e *wire.GateEmit) *actors.Packet {
	if e.Volatile {
		if c.state == away || c.history.next != 0 { // its offset would pass over what it is yet to be sent
			m.count.volatileDropped.Add(1)
			return nil
		}
		if !rawjson.EndsInString(e.Data.JSON) {
			return e.Packet
		}
		return e.For(namespace, rawjson.AppendElement(e.Data.JSON, c.offset()))
	}
	c.history.seq++
	p := e.For(namespace, rawjson.AppendElement(e.Data.JSON, c.offset()))
	c.history.keep(p)
	if c.history.next != 0 {
		return nil
	}
	return p
}
