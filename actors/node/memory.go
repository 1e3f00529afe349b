package node

import (
	"sync"

	"github.com/parlor-rooms/parlor/actors"
)

// memory keeps durable fields of rooms that are not in memory themselves. It
// ends with the process.
type memory struct {
	mu    sync.Mutex // guards rooms
	rooms map[actors.RoomRef]map[entryKey][]byte
}

type entryKey struct {
	field int
	key   string
}

func newMemory() *memory { return &memory{rooms: make(map[actors.RoomRef]map[entryKey][]byte)} }

func (m *memory) load(r actors.RoomRef) []actors.Change {
	m.mu.Lock()
	defer m.mu.Unlock()
	var entries []actors.Change
	for k, v := range m.rooms[r] {
		entries = append(entries, actors.Change{Field: k.field, Key: k.key, Value: v})
	}
	return entries
}

func (m *memory) save(r actors.RoomRef, changes []actors.Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	entries := m.rooms[r]
	if entries == nil {
		entries = make(map[entryKey][]byte)
		m.rooms[r] = entries
	}
	for _, c := range changes {
		if c.Value == nil {
			delete(entries, entryKey{c.Field, c.Key})
		} else {
			entries[entryKey{c.Field, c.Key}] = c.Value
		}
	}
	if len(entries) == 0 {
		delete(m.rooms, r)
	}
}

func (m *memory) forget(r actors.RoomRef) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.rooms, r)
}
