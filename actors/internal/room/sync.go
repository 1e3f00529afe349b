package room

import (
	"slices"
	"strings"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// syncState gathers changes of synced fields between flushes.
type syncState struct {
	version uint64           // counts flushes and fresh copies
	flushed time.Time        // when the last flush was
	dirty   []actors.Change  // at most one per entry
	at      map[entryKey]int // position in dirty
	entries int              // of the last flush
	traces  []actors.Trace   // of the turns that changed something since the last flush, as far as they are traced
}

type entryKey struct {
	field int
	key   string
}

// mark notes a change; a later one of the same entry takes its place.
func (s *syncState) mark(c actors.Change) {
	if s.at == nil {
		s.at = make(map[entryKey]int)
	}
	k := entryKey{c.Field, c.Key}
	if i, ok := s.at[k]; ok {
		s.dirty[i] = c
		return
	}
	s.at[k] = len(s.dirty)
	if s.dirty == nil {
		s.dirty = make([]actors.Change, 0, max(1, min(s.entries, 4096)))
	}
	s.dirty = append(s.dirty, c)
}

// mark notes a change on behalf of what runs at present.
func (m *Machine) mark(c actors.Change) {
	if t := m.trace.cause; t.Sampled() {
		m.sync.causedBy(t)
	}
	m.sync.mark(c)
}

// reset forgets what was gathered. It lets go of memory that one large flush
// has taken.
func (s *syncState) reset() {
	s.entries = len(s.dirty)
	s.dirty = nil
	if s.entries > 4096 {
		s.at = nil
	} else {
		clear(s.at)
	}
}

// flush sends what was gathered to every node that has a copy.
func (m *Machine) flush() {
	s := &m.sync
	if len(s.dirty) == 0 {
		return
	}
	s.version++
	s.flushed = m.now
	m.traceFlush()
	item := wire.Sync{Version: s.version, Offset: m.offset(), Changes: s.dirty}
	s.reset()
	for _, n := range m.nodes {
		if n.members == 0 {
			n.mirrored = false // it will be sent the whole if somebody comes within this step
		}
		if n.mirrored {
			n.send(item)
			n.confirm = true
		}
	}
}

// flushIfDue flushes unless it is too early for the kind's SyncEvery, or a
// fan-out still works on the flush before: what happens meanwhile is conflated.
func (m *Machine) flushIfDue() {
	if at := m.flushDueAt(); !at.IsZero() && !at.After(m.now) {
		m.flush()
	}
}

// flushDueAt is when to flush; zero if there is nothing to, or a confirmation
// comes first.
func (m *Machine) flushDueAt() time.Time {
	if len(m.sync.dirty) == 0 {
		return time.Time{}
	}
	for _, n := range m.nodes {
		if n.members > 0 && (n.unconfirmed > 0 || n.confirm) {
			return time.Time{}
		}
	}
	if at := m.sync.flushed.Add(m.kind.SyncEvery); at.After(m.now) {
		return at
	}
	return m.now
}

// Delivered says that a node's fan-out has worked off what it was sent, or what
// has become of an activation that was not claimed.
func (m *Machine) Delivered(now time.Time, d *wire.Delivered) {
	m.step(now, func() {
		i := slices.IndexFunc(m.nodes, func(n *node) bool { return n.name == d.Node })
		if i < 0 || d.Epoch != m.epoch {
			return
		}
		n := m.nodes[i]
		n.unconfirmed = max(0, n.unconfirmed-1)
		if d.Unheard {
			m.unheard(n)
		}
		n.adopted = nil
	})
}

// offset is where the history stands, for clients; empty if the kind does not
// resume.
func (m *Machine) offset() string {
	if !m.resumes() {
		return ""
	}
	return m.seen().offset()
}

// mirror is the whole of the synced fields as the world may see them, for a
// node that has no copy yet. Each field's entries are in the order of their
// keys.
func (m *Machine) mirror() wire.Mirror {
	unseen := m.unseen()
	mi := wire.Mirror{Version: m.sync.version, Offset: m.offset(), Fields: m.fields}
	for i, spec := range m.fields {
		if !spec.Synced {
			continue
		}
		first := len(mi.Entries)
		m.inst.Each(i, func(key string, value []byte) {
			if _, other := unseen[entryKey{i, key}]; !other {
				mi.Entries = append(mi.Entries, actors.Change{Field: i, Key: key, Value: value})
			}
		})
		for k, value := range unseen {
			if k.field == i && value != nil {
				mi.Entries = append(mi.Entries, actors.Change{Field: i, Key: k.key, Value: value})
			}
		}
		slices.SortFunc(mi.Entries[first:], func(a, b actors.Change) int { return strings.Compare(a.Key, b.Key) })
	}
	return mi
}

// remirror sends every node a fresh copy: the room started again.
func (m *Machine) remirror() {
	if m.synced {
		m.behind(m.remirrorNow)
	}
}

func (m *Machine) remirrorNow() {
	m.sync.reset()
	m.sync.version++
	for _, n := range m.nodes {
		if n.mirrored {
			n.send(m.mirror())
		}
	}
}
