package nodetest

import (
	"bytes"

	"github.com/parlor-rooms/parlor/actors/node"
)

// Open implements node.Carrier.
func (s *Seat) Open(id string, receive func([]byte)) error {
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	s.peer.ID, s.receive, s.done = id, receive, make(chan struct{})
	go s.deliver() // Close waits for it
	return nil
}

// Address implements node.Carrier.
func (s *Seat) Address() string { return "test:" + s.peer.ID }

// Send implements node.Carrier.
func (s *Seat) Send(to node.Peer, batch []byte) {
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	other := w.seats[to.ID]
	if other == nil || other.closed || w.cut[[2]string{s.peer.ID, to.ID}] {
		return
	}
	if w.faults.Lose > 0 && w.rand.Float64() < w.faults.Lose {
		return
	}
	if w.faults.Double > 0 && w.rand.Float64() < w.faults.Double {
		other.inbox = append(other.inbox, bytes.Clone(batch))
	}
	other.inbox = append(other.inbox, batch)
	other.more.Signal()
}

// Forget implements node.Carrier.
func (s *Seat) Forget(node.Peer) {}

// Close implements node.Carrier.
func (s *Seat) Close() error {
	w := s.world
	w.mu.Lock()
	s.closed = true
	done := s.done
	s.more.Signal()
	w.mu.Unlock()
	if done != nil {
		<-done
	}
	return nil
}

// deliver hands batches over, one after the other.
func (s *Seat) deliver() {
	defer close(s.done)
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		for len(s.inbox) == 0 && !s.closed {
			s.more.Wait()
		}
		if s.closed {
			return
		}
		batch := s.inbox[0]
		s.inbox = s.inbox[1:]
		w.mu.Unlock()
		s.receive(batch)
		w.mu.Lock()
	}
}
