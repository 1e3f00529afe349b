package room

import (
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// syncState gathers changes of synced fields between flushes.
type syncState struct {
	version uint64
	last    time.Time // of the last flush
	dirty   []actors.Change
	at      map[entryKey]int // position in dirty
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
	s.dirty = append(s.dirty, c)
}

// flush sends what was gathered to every node that has a copy.
func (m *Machine) flush() {
	s := &m.sync
	if len(s.dirty) == 0 {
		return
	}
	s.version++
	s.last = m.now
	item := wire.Sync{Version: s.version, Changes: s.dirty}
	if m.resumes() {
		item.Offset = m.history.offset(s.version)
	}
	s.dirty = nil
	clear(s.at)
	for _, n := range m.nodes {
		if n.mirrored {
			n.send(item)
			n.confirm, n.awaiting = true, true
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
		if n.awaiting {
			return time.Time{}
		}
	}
	at := m.sync.last.Add(m.kind.SyncEvery)
	if at.Before(m.now) {
		return m.now
	}
	return at
}

// Delivered says that a node's fan-out has worked off what it was sent.
func (m *Machine) Delivered(now time.Time, d *wire.Delivered) {
	m.step(now, func() {
		for _, n := range m.nodes {
			if n.name == d.Node {
				n.awaiting = false
			}
		}
	})
}

// mirror is the whole of the synced fields, for a node that has no copy yet.
func (m *Machine) mirror() wire.Mirror {
	mi := wire.Mirror{Version: m.sync.version, Fields: m.fields}
	if m.resumes() {
		mi.Offset = m.history.offset(m.sync.version)
	}
	for i, spec := range m.fields {
		if spec.Synced {
			m.inst.Each(i, func(key string, value []byte) {
				mi.Entries = append(mi.Entries, actors.Change{Field: i, Key: key, Value: value})
			})
		}
	}
	return mi
}

// remirror sends every node a fresh copy: the room started again.
func (m *Machine) remirror() {
	if !m.synced {
		return
	}
	m.sync.dirty = nil
	clear(m.sync.at)
	m.sync.version++
	for _, n := range m.nodes {
		if n.mirrored {
			n.send(m.mirror())
		}
	}
}
