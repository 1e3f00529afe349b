package faults

import (
	"fmt"
	"net"
	"sync"
	"testing"
)

// wire is a TCP proxy in front of one address. While it is cut it passes nothing
// on and closes nothing, as a network does that has lost its way; when it is
// mended, what it holds goes on.
type wire struct {
	target string
	l      net.Listener
	wait   sync.WaitGroup

	mu     sync.Mutex // guards the following
	mended *sync.Cond
	there  bool // nothing passes to the target
	back   bool // nothing passes from it
	closed bool
	conns  []net.Conn
}

// newWire listens at an address for the test.
func newWire(t *testing.T, at, target string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{target: target, l: l}
	w.mended = sync.NewCond(&w.mu)
	w.wait.Go(w.accept)
	t.Cleanup(w.close)
	return w
}

func (w *wire) accept() {
	for {
		from, err := w.l.Accept()
		if err != nil {
			return
		}
		w.wait.Go(func() { w.serve(from) })
	}
}

func (w *wire) serve(from net.Conn) {
	defer from.Close()
	if !w.passes(&w.there) {
		return
	}
	to, err := net.Dial("tcp", w.target)
	if err != nil {
		return
	}
	defer to.Close()
	w.mu.Lock()
	if w.closed { // it has not closed these
		w.mu.Unlock()
		return
	}
	w.conns = append(w.conns, from, to)
	w.mu.Unlock()
	w.wait.Go(func() { w.copy(from, to, &w.back) })
	w.copy(to, from, &w.there)
}

// copy passes bytes on until either end closes.
func (w *wire) copy(to, from net.Conn, cut *bool) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if !w.passes(cut) {
			return
		}
		if _, wrong := to.Write(buf[:n]); err != nil || wrong != nil {
			_ = to.Close()
			_ = from.Close()
			return
		}
	}
}

// passes waits while that direction is cut, and reports false at the end.
func (w *wire) passes(cut *bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for *cut && !w.closed {
		w.mended.Wait()
	}
	return !w.closed
}

// set cuts or mends each direction.
func (w *wire) set(there, back bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.there, w.back = there, back
	w.mended.Broadcast()
}

func (w *wire) close() {
	_ = w.l.Close()
	w.mu.Lock()
	w.closed = true
	w.mended.Broadcast()
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.mu.Unlock()
	w.wait.Wait()
}

// wires are what one node hangs on: its way to Redis, and the ways of the other
// nodes to it.
type wires struct {
	redis *wire
	links []*wire
}

// newWires puts wires around the i-th node, and returns the arguments with which
// it uses them: it listens at one address of the loopback, and says that it is at
// another.
func newWires(t *testing.T, redis string, i int) (*wires, []string) {
	t.Helper()
	w := &wires{redis: newWire(t, "127.0.0.1:0", redis)}
	args := []string{"--redis", "redis://" + w.redis.l.Addr().String()}
	at := fmt.Sprintf("127.0.0.%d", 100+i)
	for _, flag := range []string{"--cluster-listen", "--cluster-web"} {
		own := freeAddress(t)
		_, port, _ := net.SplitHostPort(own)
		w.links = append(w.links, newWire(t, net.JoinHostPort(at, port), own))
		args = append(args, flag, own)
	}
	return w, append(args, "--cluster-advertise", at)
}

// cutLinks lets nothing reach the node from the others, or everything again.
func (w *wires) cutLinks(cut bool) {
	for _, l := range w.links {
		l.set(cut, cut)
	}
}

// freeAddress is one on loopback that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
