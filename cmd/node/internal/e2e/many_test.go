package e2e

import (
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/parlor-rooms/parlor/actors/node/nodetest"
	"github.com/parlor-rooms/parlor/actors/store/memory"
)

// roundRobin is a TCP proxy that gives each connection to the next backend.
func roundRobin(t *testing.T, backends ...string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var next atomic.Uint64
	var work sync.WaitGroup
	var mu sync.Mutex // guards open
	open := make(map[net.Conn]bool)
	keep := func(c net.Conn) {
		mu.Lock()
		defer mu.Unlock()
		open[c] = true
	}
	relay := func(from net.Conn) {
		to, err := net.Dial("tcp", backends[next.Add(1)%uint64(len(backends))])
		if err != nil {
			_ = from.Close()
			return
		}
		keep(from)
		keep(to)
		for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
			work.Go(func() {
				_, _ = io.Copy(pair[0], pair[1])
				_ = from.Close()
				_ = to.Close()
			})
		}
	}
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			relay(c)
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		work.Wait()
	})
	return l.Addr().String()
}

// conformingNodes serves what the conformance scripts talk to on nodes of one
// cluster, and returns a URL whose connections land on each in turn.
func conformingNodes(t *testing.T, count int) (url string) {
	t.Helper()
	world, store := nodetest.New(1), memory.New(memory.Config{})
	var backends []string
	gone := &farewells{seen: make(map[string]goodbye)}
	for range count {
		cfg, _ := conformance(gone)
		seat := world.Seat()
		cfg.Cluster, cfg.Carrier, cfg.Store = seat, seat, store
		backends = append(backends, strings.TrimPrefix(serve(t, cfg).url, "http://"))
	}
	return "http://" + roundRobin(t, backends...)
}

// TestGatewaysAreOneOnTwoNodes runs the rows of docs/from-socketio.md with
// clients that land on either of two nodes in turn.
func TestGatewaysAreOneOnTwoNodes(t *testing.T) {
	for _, line := range runRows(t, conformingNodes(t, 2), "websocket", "2") {
		if result, ok := strings.CutPrefix(line, "ok "); ok {
			t.Run(result, func(*testing.T) {})
			continue
		}
		name, why, _ := strings.Cut(strings.TrimPrefix(line, "not ok "), ": ")
		t.Run(name, func(t *testing.T) { t.Error(why) })
	}
}
