package transport

import (
	"cmp"
	"slices"

	"github.com/parlor-rooms/parlor/actors"
)

// Relief is what a handler does when the process runs out of memory. Each
// includes those before it.
type Relief uint8

// The measures.
const (
	ReliefNone   Relief = iota
	ReliefRefuse        // handshakes are refused: RefusedMemory
	ReliefShed          // volatile packets are dropped for everybody: DroppedMemory
)

// Relieve sets what is done about memory, until it is called again. It does not
// block; any goroutine may call it.
func (h *Handler) Relieve(r Relief) { h.relief.Store(uint32(r)) }

func (h *Handler) relieves(r Relief) bool { return h.relief.Load() >= uint32(r) }

// CloseSlowest closes up to n sessions with actors.ReasonTooSlow, those for
// which the most bytes wait, and returns how many. Sessions for which nothing
// waits are left alone. It takes time in proportion to the number of sessions;
// any goroutine may call it.
func (h *Handler) CloseSlowest(n int) (closed int) {
	type slow struct {
		s     *session
		bytes int
	}
	sessions, _ := h.all()
	var waiting []slow
	for _, s := range sessions {
		if bytes := s.waiting(); bytes > 0 {
			waiting = append(waiting, slow{s, bytes})
		}
	}
	slices.SortFunc(waiting, func(a, b slow) int { return cmp.Compare(b.bytes, a.bytes) })
	waiting = waiting[:min(n, len(waiting))]
	for _, w := range waiting {
		w.s.Close(actors.ReasonTooSlow)
	}
	return len(waiting)
}

// waiting is how many bytes all sessions hold for their clients.
func (h *Handler) waiting() (bytes int64) {
	sessions, _ := h.all()
	for _, s := range sessions {
		bytes += int64(s.waiting())
	}
	return bytes
}

// waiting is how many bytes the session holds for its client.
func (s *session) waiting() int {
	if ws := s.ws.Load(); ws != nil {
		_, bytes := ws.out.Pressure()
		return bytes
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue.bytes
}
