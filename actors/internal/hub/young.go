package hub

import (
	"time"

	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// young is what a room knows while clients come over from its earlier
// activation, which may have been elsewhere and may have died there. Its methods
// may be called on nil.
type young struct {
	until time.Time
	kept  []wire.GateEmit
	bytes int
	lacks bool // some are not kept any more

	had  map[string]wire.HubPos // by node: what it was sent of the earlier activation
	last wire.HubPos            // the latest of those
}

// keep remembers an event. Questions are not asked again, so that they are not
// kept.
func (y *young) keep(e wire.GateEmit) {
	if y == nil || y.lacks || e.AskID != 0 {
		return
	}
	y.bytes += len(e.Data.JSON)
	for _, a := range e.Data.Attachments {
		y.bytes += len(a)
	}
	if len(y.kept) >= youngMost || y.bytes > youngBytes {
		y.kept, y.lacks = nil, true
		return
	}
	y.kept = append(y.kept, e)
}

func (y *young) forget(node string) {
	if y != nil {
		delete(y.had, node)
	}
}

// again takes back a node whose clients were in the room before, and which was
// sent had last. It is sent what it has missed, or told that it has missed
// something.
func (m *Machine) again(name string, had wire.HubPos) {
	switch {
	case had.Epoch > m.epoch:
		return // a later activation than this has been there
	case had.Epoch == m.epoch: // the link to it was lost
		m.replay(name, had.Pos)
		return
	case m.young == nil:
		m.gap(name)
		return
	}
	if _, known := m.young.had[name]; known {
		return
	}
	m.young.had[name] = had
	m.replay(name, 0)
	switch last := m.young.last; {
	case before(had, last):
		m.gap(name)
	case before(last, had):
		m.young.last = had
		for _, n := range m.nodes {
			if other, known := m.young.had[n.name]; known && before(other, had) {
				m.gap(n.name)
			}
		}
	}
}

// before reports whether there was more to be had than a.
func before(a, b wire.HubPos) bool { return a.Epoch < b.Epoch || a.Epoch == b.Epoch && a.Pos < b.Pos }

// replay sends a node what it was not sent after a position, up to where it is
// sent everything.
func (m *Machine) replay(name string, after uint64) {
	upTo := m.pos
	for _, n := range m.nodes {
		if n.name == name {
			upTo = n.from
		}
	}
	if after >= upTo {
		return
	}
	if m.young == nil || m.young.lacks {
		m.gap(name)
		return
	}
	for _, e := range m.young.kept {
		if e.Pos > after && e.Pos <= upTo {
			m.deliver(name, e)
		}
	}
}

func (m *Machine) gap(name string) {
	m.deliver(name, wire.GateGap{Room: m.room, Epoch: m.epoch})
}
