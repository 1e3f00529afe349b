package fleet

import (
	"fmt"
	"net"
	"sync"
)

// Wire is a way over TCP to one address, and fails as networks do: it holds what
// it carries without closing anything, in one direction or both, or breaks its
// connections in the middle of what is under way. Held and then broken, a
// request has arrived and its reply is lost. Any goroutine may call its methods.
type Wire struct {
	listener net.Listener
	to       string
	wait     sync.WaitGroup

	mu          sync.Mutex // guards the following
	changed     *sync.Cond
	there, back bool // what goes to the address is held, what comes from it
	holding     int  // how many times something is held, in a direction of a connection
	open        map[*carried]bool
	over        bool
}

// carried is one connection of a Wire.
type carried struct {
	from, to *net.TCPConn // to is nil until the address has answered
	broken   bool         // or closed; guarded by Wire.mu, as to is
}

// LayWire listens on an address and carries connections from there to another
// until Close. Nobody has to serve there yet; while nobody does, whoever
// connects is closed.
func LayWire(at, to string) (*Wire, error) {
	l, err := net.Listen("tcp", at)
	if err != nil {
		return nil, fmt.Errorf("wire: %w", err)
	}
	w := &Wire{listener: l, to: to, open: make(map[*carried]bool)}
	w.changed = sync.NewCond(&w.mu)
	w.wait.Go(w.accept)
	return w, nil
}

// Address is host:port where it begins.
func (w *Wire) Address() string { return w.listener.Addr().String() }

// Hold holds what goes there from here on, what comes back, or lets it go on
// with what was held first. Connecting is going there: a connection is accepted,
// and gets no further.
func (w *Wire) Hold(there, back bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.there, w.back = there, back
	w.changed.Broadcast()
}

// Break resets the connections that are chosen, in no order, all if choose is
// nil, and returns how many. What was on its way may have arrived or not; what
// was held has not.
func (w *Wire) Break(choose func() bool) (broken int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.open {
		if choose == nil || choose() {
			w.breakLocked(c)
			broken++
		}
	}
	return broken
}

func (w *Wire) breakLocked(c *carried) {
	delete(w.open, c)
	c.broken = true
	for _, end := range []*net.TCPConn{c.from, c.to} {
		if end != nil {
			_ = end.SetLinger(0) // it may have closed, and so may the next
			_ = end.Close()
		}
	}
	w.changed.Broadcast()
}

// Close breaks every connection and waits until nothing is carried any more.
func (w *Wire) Close() error {
	err := w.listener.Close()
	w.mu.Lock()
	w.over = true
	w.mu.Unlock()
	w.Break(nil)
	w.wait.Wait()
	return err
}

func (w *Wire) accept() {
	for {
		from, err := w.listener.Accept()
		if err != nil {
			return // closed
		}
		c := &carried{from: from.(*net.TCPConn)}
		w.mu.Lock()
		w.open[c] = true
		if w.over {
			w.breakLocked(c)
		}
		w.mu.Unlock()
		w.wait.Go(func() { w.carry(c) })
	}
}

// carry carries one connection until either end closes it.
func (w *Wire) carry(c *carried) {
	defer w.finish(c)
	if !w.passes(c, &w.there) {
		return
	}
	to, err := net.Dial("tcp", w.to)
	if err != nil {
		return
	}
	w.mu.Lock()
	c.to = to.(*net.TCPConn)
	if c.broken {
		w.breakLocked(c)
	}
	w.mu.Unlock()
	w.wait.Go(func() { w.copy(c, c.from, c.to, &w.back) })
	w.copy(c, c.to, c.from, &w.there)
}

// copy passes bytes on until either end closes, and then closes both.
func (w *Wire) copy(c *carried, to, from *net.TCPConn, held *bool) {
	defer w.finish(c)
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if !w.passes(c, held) {
			return
		}
		if _, wrong := to.Write(b[:n]); err != nil || wrong != nil {
			return
		}
	}
}

// passes waits while a direction is held, and reports whether the connection is
// there afterwards.
func (w *Wire) passes(c *carried, held *bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if *held && !c.broken {
		w.holding++
		w.changed.Broadcast()
		for *held && !c.broken {
			w.changed.Wait()
		}
		w.holding--
		w.changed.Broadcast()
	}
	return !c.broken
}

// finish closes both ends as they close who were told everything. What the
// other direction holds is lost.
func (w *Wire) finish(c *carried) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, c)
	c.broken = true
	w.changed.Broadcast()
	_ = c.from.Close() // it may be closed
	if c.to != nil {
		_ = c.to.Close() // as well
	}
}
