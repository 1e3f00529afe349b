package main

import (
	"sync"
	"sync/atomic"
)

// History keeps the latest messages of each room. Handlers of different
// clients run at the same time, so what they share has a lock.
type History struct {
	sent atomic.Int64

	mu    sync.Mutex // guards the following
	last  int64
	rooms map[string][]Said
}

// Add numbers a message, keeps it and sends it on with emit, in one order for
// both. emit must not block.
func (h *History) Add(m *Said, emit func(Said) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rooms == nil {
		h.rooms = make(map[string][]Said)
	}
	h.last++
	m.ID = h.last
	h.sent.Add(1)
	kept := append(h.rooms[m.Room], *m)
	h.rooms[m.Room] = kept[max(0, len(kept)-backlog):]
	return emit(*m)
}

// Of returns what is kept of a room, oldest first.
func (h *History) Of(room string) []Said {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Said{}, h.rooms[room]...)
}

// Sent is how many messages there were.
func (h *History) Sent() int64 { return h.sent.Load() }
