package transport

import (
	"errors"
	"net"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/internal/outbox"
)

// SID implements actors.Socket.
func (s *session) SID() string { return s.sid }

// Push implements actors.Socket.
func (s *session) Push(p *actors.Packet) error {
	if p.Type == actors.PacketConnect {
		s.joined()
	}
	if p.Class == actors.Volatile && s.h.relieves(ReliefShed) {
		s.h.count.dropped[DroppedMemory].Add(1)
		return actors.ErrDropped
	}
	if ws := s.ws.Load(); ws != nil {
		return s.pushWebSocket(ws, p)
	}
	return s.pushPolling(p)
}

// joined notes that the client was admitted to a namespace.
func (s *session) joined() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadlines.connect = 0 // the timer finds nothing due
}

func (s *session) pushWebSocket(ws *webSocket, p *actors.Packet) error {
	if s.ended.Load() {
		return net.ErrClosed
	}
	if p.Class == actors.Volatile && ws.out.Lagging() {
		s.h.count.dropped[DroppedVolatile].Add(1)
		return actors.ErrDropped
	}
	f, n := s.frame(ws, p)
	err := ws.out.Push(f)
	if errors.Is(err, outbox.ErrFull) || errors.Is(err, outbox.ErrBehind) {
		// What nobody has flushed yet is no fault of the client's.
		ws.out.Flush()
		err = ws.out.Push(f)
	}
	switch {
	case err == nil:
		s.h.count.packetsOut.Add(1)
		s.h.count.bytesOut.Add(uint64(n))
		return nil
	case errors.Is(err, outbox.ErrBehind):
		s.h.count.dropped[DroppedVolatile].Add(1)
		return actors.ErrDropped
	case errors.Is(err, outbox.ErrFull):
		return s.tooSlow()
	}
	return net.ErrClosed
}

func (s *session) pushPolling(p *actors.Packet) error {
	s.mu.Lock()
	if ws := s.ws.Load(); ws != nil { // upgraded since the caller looked
		s.mu.Unlock()
		return s.pushWebSocket(ws, p)
	}
	if s.state != stateOpen {
		s.mu.Unlock()
		return net.ErrClosed
	}
	if p.Class == actors.Volatile && s.laggingLocked() {
		s.mu.Unlock()
		s.h.count.dropped[DroppedVolatile].Add(1)
		return actors.ErrDropped
	}
	n, ok := s.queue.push(item{packet: p}, s.h.cfg.Outbox)
	s.mu.Unlock()
	if !ok {
		return s.tooSlow()
	}
	s.h.count.packetsOut.Add(1)
	s.h.count.bytesOut.Add(uint64(n))
	return nil
}

// tooSlow ends the session because a reliable packet did not fit.
func (s *session) tooSlow() error {
	s.h.count.dropped[DroppedTooSlow].Add(1)
	s.end(ending{why: actors.ReasonTooSlow, cut: true})
	return actors.ErrTooSlow
}

// Flush implements actors.Socket. Functions given to WhenDrained may run before
// it returns.
func (s *session) Flush() {
	if ws := s.ws.Load(); ws != nil {
		ws.out.Flush()
		return
	}
	s.mu.Lock()
	var drained []func()
	if s.get == nil || s.get.parked {
		s.queue.flushed = len(s.queue.items)
	} else if !s.queue.empty() {
		drained = s.answerLocked()
	}
	s.mu.Unlock()
	call(drained)
}

// Lagging implements actors.Socket. A polling client lags from a Flush that met
// no GET until its next GET. What was pushed and not flushed does not count.
func (s *session) Lagging() bool {
	if ws := s.ws.Load(); ws != nil {
		return ws.out.Lagging()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.laggingLocked()
}

func (s *session) laggingLocked() bool {
	return s.queue.flushed > 0
}

// WhenDrained implements actors.Socket. If nothing waits, f runs before it
// returns.
func (s *session) WhenDrained(f func()) {
	s.mu.Lock()
	if s.state != stateOpen {
		s.mu.Unlock()
		return
	}
	s.drained = append(s.drained, f)
	drained := s.drainedLocked()
	s.mu.Unlock()
	call(drained)
}

// drainedLocked takes the functions that wait for an empty queue if it is
// empty. They are called without the lock.
func (s *session) drainedLocked() []func() {
	if len(s.drained) == 0 || s.state != stateOpen {
		return nil
	}
	if ws := s.ws.Load(); ws != nil {
		if ws.out.AwaitDrain() {
			return nil
		}
	} else if !s.queue.empty() {
		return nil
	}
	drained := s.drained
	s.drained = nil
	return drained
}

// whenIdle is called when the outbox of ws has nothing left.
func (s *session) whenIdle() {
	s.mu.Lock()
	drained := s.drainedLocked()
	s.mu.Unlock()
	call(drained)
}

func call(fs []func()) {
	for _, f := range fs {
		f()
	}
}
