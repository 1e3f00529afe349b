package transport

import (
	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/internal/engineio"
)

// responseBytes is about how much one GET is answered with. The rest waits for
// the next one, so that no response has to be longer than an outbox and one
// packet. A stock client has no limit.
const responseBytes = 1 << 20

// item is one packet that waits for a GET: one of Socket.IO or, if packet is
// nil, one of Engine.IO that is nothing but its type.
type item struct {
	packet *actors.Packet
	engine engineio.Type
}

// size is about how long the item is in a polling payload.
func (i item) size() int {
	if i.packet == nil {
		return 2
	}
	n := len(i.packet.Data) + len(i.packet.Namespace) + 16
	for _, a := range i.packet.Attachments {
		n += len(a)/3*4 + 6
	}
	return n
}

// queue is what waits for a GET, in order. It is plain; the session's lock
// guards it. It holds packets and not their encoding, because how a client
// wants them may be unknown yet, and the transport may change.
type queue struct {
	items   []item
	bytes   int
	flushed int // how many of the items no GET was there for
}

func (q *queue) empty() bool { return len(q.items) == 0 }

// push adds an item and returns its size, or reports false if it does not fit.
// One that is larger than the limit fits when nothing else waits.
func (q *queue) push(i item, limits Limits) (size int, ok bool) {
	size = i.size()
	if len(q.items) >= limits.Packets || len(q.items) > 0 && q.bytes+size > limits.Bytes {
		return size, false
	}
	q.items = append(q.items, i)
	q.bytes += size
	return size, true
}

// force adds an item that keeps or ends the session.
func (q *queue) force(i item) {
	q.items = append(q.items, i)
	q.bytes += i.size()
}

// take removes and returns the items of about limit bytes, at least one if
// there is one. What it returns is the caller's.
func (q *queue) take(limit int) []item {
	n, bytes := 0, 0
	for n < len(q.items) {
		size := q.items[n].size()
		if n > 0 && bytes+size > limit {
			break
		}
		bytes += size
		n++
	}
	taken := q.items[:n:n]
	q.items = q.items[n:]
	q.bytes -= bytes
	q.flushed = max(q.flushed-n, 0)
	if len(q.items) == 0 {
		q.items = nil
	}
	return taken
}
