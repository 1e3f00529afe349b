package lasting

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// wire is a way to a server that breaks when it is told to, in the middle of
// whatever is under way.
type wire struct {
	listener net.Listener
	to       string
	wait     sync.WaitGroup

	mu   sync.Mutex // guards the following
	open map[*net.TCPConn]bool
	over bool
}

// layWire carries connections to an address until the test ends.
func layWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, to: to, open: make(map[*net.TCPConn]bool)}
	w.wait.Go(w.accept)
	t.Cleanup(func() {
		_ = l.Close()
		w.mu.Lock()
		w.over = true
		w.mu.Unlock()
		w.cut(nil)
		w.wait.Wait()
	})
	return w
}

func (w *wire) url() string { return "http://" + w.listener.Addr().String() }

func (w *wire) accept() {
	for {
		from, err := w.listener.Accept()
		if err != nil {
			return // the test has ended
		}
		w.wait.Go(func() { w.carry(from.(*net.TCPConn)) })
	}
}

// carry carries one connection until either end closes it.
func (w *wire) carry(from *net.TCPConn) {
	defer from.Close() //nolint:errcheck // it may be cut
	there, err := net.Dial("tcp", w.to)
	if err != nil {
		return // nobody serves at the moment
	}
	to := there.(*net.TCPConn)
	defer to.Close() //nolint:errcheck // it may be cut
	w.mu.Lock()
	if w.over {
		w.mu.Unlock()
		return
	}
	w.open[from] = true
	w.mu.Unlock()
	back := make(chan struct{})
	go func() { // waited for below
		defer close(back)
		_, _ = io.Copy(from, to)
		_ = from.Close()
	}()
	_, _ = io.Copy(to, from)
	_ = to.Close()
	<-back
	w.mu.Lock()
	delete(w.open, from)
	w.mu.Unlock()
}

// cut breaks every other connection, as rnd has it; all if that is nil. What
// was on its way may have arrived or not. It returns how many it broke.
func (w *wire) cut(rnd *rand.Rand) (broken int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.open {
		if rnd == nil || rnd.IntN(2) == 0 {
			_ = c.SetLinger(0)
			_ = c.Close()
			broken++
		}
	}
	return broken
}
