package room

import (
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// What the gate holds at the most before the room takes no more of what would
// have to wait: turns, and bytes of what they send and store. An append that
// has no answer for so long counts as too much, too.
const (
	gateTurns    = 1024
	gateBytes    = 1 << 20
	gatePatience = 5 * time.Second
)

// gate holds back what turns let be seen until what it is derived from is
// durable. In front of it is the room as its turns have it: fields, roster,
// history. Behind it is what the world has seen of that: tables of nodes,
// their copies of the state, answers.
//
// A turn depends on a batch if it has written into it, or has looked at a
// durable field, or at a field that such a turn has written, while the batch
// was not appended. Everything it causes outside is held until then, and so is
// everything reliable that comes after, so that the world behind the gate sees
// the very sequence it would see without one. Volatile events, and changes of
// ephemeral fields, of turns that depend on nothing pass by.
type gate struct {
	need    uint64 // the batch that the present turn depends on; 0: none
	turn    uint64 // counts turns that depend on a batch
	queue   []held // in the order in which it was caused
	serial  uint64 // counts what was held, and what passed by
	bytes   int    // of queue
	turns   int    // turns that have something in queue
	passed  map[entryKey]uint64
	tainted []uint64 // by field: the batch on which an ephemeral value depends
	parked  []func() // turns of user code that wait until the gate takes more

	durable learned // events whose turns turned out to depend on a batch
	ticks   bool    // ticks did
}

// held is one thing that leaves when a batch is durable.
type held struct {
	batch   uint64
	turn    uint64
	serial  uint64
	bytes   int
	trace   actors.Trace
	leave   func()
	lost    func() // instead of leave, if the room is not the room any more; may be nil
	changes []actors.Change
	before  [][]byte // what changes have replaced
}

// shut reports whether what comes next has to be held.
func (m *Machine) shut() bool { return m.gate.need > 0 || len(m.gate.queue) > 0 }

// hold holds h, behind everything that is held already.
func (m *Machine) hold(h held) {
	g := &m.gate
	h.batch = g.need
	if n := len(g.queue); n > 0 {
		h.batch = max(h.batch, g.queue[n-1].batch)
	}
	g.serial++
	h.serial, h.turn, h.trace = g.serial, g.turn, m.trace.cause
	if n := len(g.queue); n == 0 || g.queue[n-1].turn != h.turn {
		g.turns++
	}
	g.bytes += h.bytes
	g.queue = append(g.queue, h)
}

// release lets go of what depends on nothing that is not durable. What leaves
// may not be held again: it is the world behind the gate that it concerns.
func (m *Machine) release() {
	g := &m.gate
	for len(g.queue) > 0 && g.queue[0].batch <= m.journal.done {
		h := m.shift()
		m.causedBy(h.trace)
		h.leave()
	}
	if len(g.queue) == 0 {
		g.queue = nil
		clear(g.passed)
	}
	m.unpark()
}

func (m *Machine) shift() held {
	g := &m.gate
	h := g.queue[0]
	g.queue[0] = held{}
	g.queue = g.queue[1:]
	g.bytes -= h.bytes
	if len(g.queue) == 0 || g.queue[0].turn != h.turn {
		g.turns--
	}
	return h
}

// lose drops everything that is held: it will never be true.
func (m *Machine) lose() {
	for len(m.gate.queue) > 0 {
		if h := m.shift(); h.lost != nil {
			h.lost()
		}
	}
	m.gate.parked = nil
}

// full reports whether the gate takes no more turns that depend on a batch.
func (m *Machine) full() bool {
	g := &m.gate
	return g.turns >= gateTurns || g.bytes+m.journal.bytes >= gateBytes ||
		(m.journal.flight != nil || m.journal.repair.busy()) && m.now.Sub(m.journal.since) >= gatePatience
}

// park runs f, a turn that is not refused, when the gate takes it.
func (m *Machine) park(f func()) {
	if m.journal.lasts && (m.full() || len(m.gate.parked) > 0) {
		m.gate.parked = append(m.gate.parked, f)
		return
	}
	f()
}

// unpark runs what waited for the gate.
func (m *Machine) unpark() {
	g := &m.gate
	for len(g.parked) > 0 && !m.full() && m.phase == open {
		f := g.parked[0]
		g.parked[0] = nil
		g.parked = g.parked[1:]
		f()
		m.runFollowUps()
	}
	if len(g.parked) == 0 {
		g.parked = nil
	}
}

// behind runs f, which acts on the world, when what the present turn depends
// on is durable.
func (m *Machine) behind(f func()) {
	if m.shut() {
		m.hold(held{leave: f})
		return
	}
	f()
}

// depending runs f as part of a turn that depends on a batch.
func (m *Machine) depending(batch uint64, f func()) {
	if batch <= m.journal.done {
		f()
		return
	}
	m.gate.need = batch
	f()
	m.gate.need = 0
}

// dependence returns the batch that the present turn depends on by what it has
// looked at.
func (m *Machine) dependence() uint64 {
	pending := m.journal.pending()
	if pending == 0 {
		return 0
	}
	var on uint64
	for i := range m.fields {
		switch {
		case !m.inst.Read(i):
		case m.fields[i].Durable:
			return pending
		case m.gate.tainted != nil:
			on = max(on, m.gate.tainted[i])
		}
	}
	if on <= m.journal.done {
		return 0
	}
	return on
}

// markSynced marks what a turn has changed in synced fields, or holds it.
func (m *Machine) markSynced(changes []actors.Change) {
	g := &m.gate
	if g.need > 0 {
		m.holdChanges(changes)
		return
	}
	for _, c := range changes {
		if !m.fields[c.Field].Synced {
			continue
		}
		m.mark(c)
		if len(g.queue) > 0 {
			if g.passed == nil {
				g.passed = make(map[entryKey]uint64)
			}
			g.serial++
			g.passed[entryKey{c.Field, c.Key}] = g.serial
		}
	}
}

// holdChanges holds the changes of a turn that depends on a batch. An
// ephemeral entry that a later turn has changed, and that passed by, keeps
// that value.
func (m *Machine) holdChanges(changes []actors.Change) {
	g := &m.gate
	h := held{}
	for i, c := range changes {
		spec := &m.fields[c.Field]
		if !spec.Durable {
			if g.tainted == nil {
				g.tainted = make([]uint64, len(m.fields))
			}
			g.tainted[c.Field] = g.need
		}
		if spec.Synced {
			h.changes = append(h.changes, c)
			h.before = append(h.before, m.inst.Replaced()[i])
			h.bytes += len(c.Key) + len(c.Value)
		}
	}
	if len(h.changes) == 0 {
		return
	}
	serial := g.serial + 1
	h.leave = func() {
		for _, c := range h.changes {
			if g.passed[entryKey{c.Field, c.Key}] < serial {
				m.mark(c)
			}
		}
	}
	m.hold(h)
}

// unseen returns the entries that differ from what the world has seen of them:
// by what it has seen.
func (m *Machine) unseen() map[entryKey][]byte {
	var seen map[entryKey][]byte
	g := &m.gate
	for i := len(g.queue) - 1; i >= 0; i-- {
		h := &g.queue[i]
		for j := len(h.changes) - 1; j >= 0; j-- {
			k := entryKey{h.changes[j].Field, h.changes[j].Key}
			if g.passed[k] > h.serial {
				continue
			}
			if seen == nil {
				seen = make(map[entryKey][]byte)
			}
			seen[k] = h.before[j]
		}
	}
	return seen
}
