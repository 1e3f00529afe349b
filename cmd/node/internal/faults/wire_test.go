package faults

import (
	"fmt"
	"net"
	"testing"

	"github.com/parlor-rooms/parlor/cmd/node/internal/fleet"
)

// wires are what one node hangs on: its way to Redis, and the ways of the other
// nodes to it.
type wires struct {
	redis *fleet.Wire
	links []*fleet.Wire
}

// newWires puts wires around the i-th node, and returns the arguments with which
// it uses them: it listens at one address of the loopback, and says that it is at
// another.
func newWires(t *testing.T, redis string, i int) (*wires, []string) {
	t.Helper()
	w := &wires{redis: layWire(t, "127.0.0.1:0", redis)}
	args := []string{"--redis", "redis://" + w.redis.Address()}
	at := fmt.Sprintf("127.0.0.%d", 100+i)
	for _, flag := range []string{"--cluster-listen", "--cluster-web"} {
		own := freeAddress(t)
		_, port, _ := net.SplitHostPort(own)
		w.links = append(w.links, layWire(t, net.JoinHostPort(at, port), own))
		args = append(args, flag, own)
	}
	return w, append(args, "--cluster-advertise", at)
}

// layWire lays a wire for the test.
func layWire(t *testing.T, at, to string) *fleet.Wire {
	t.Helper()
	w, err := fleet.LayWire(at, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// cutLinks lets nothing reach the node from the others, or everything again.
func (w *wires) cutLinks(cut bool) {
	for _, l := range w.links {
		l.Hold(cut, cut)
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
