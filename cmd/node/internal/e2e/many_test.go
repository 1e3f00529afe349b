package e2e

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/cluster"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/actors/node/nodetest"
	"github.com/parlor-rooms/parlor/actors/store/memory"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
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

// member is a node that finds the others through a real cluster. What it sends
// them goes through a world: two carriers in one process would race.
type member struct {
	node.Cluster
	seat *nodetest.Seat
}

func (m member) Join(ctx context.Context, self node.Peer, changed func(node.View), lost func(error)) error {
	if err := m.seat.Join(ctx, self, func(node.View) {}, func(error) {}); err != nil {
		return err
	}
	return m.Cluster.Join(ctx, self, changed, lost)
}

func (m member) Leave(ctx context.Context) error {
	_ = m.seat.Leave(ctx)
	return m.Cluster.Leave(ctx)
}

// clusters are the ways in which nodes of one world find each other and rooms.
var clusters = map[string]func(*testing.T, actors.Store) func(*nodetest.Seat) node.Cluster{
	"simulated": func(*testing.T, actors.Store) func(*nodetest.Seat) node.Cluster {
		return func(s *nodetest.Seat) node.Cluster { return s }
	},
	"redis": func(t *testing.T, store actors.Store) func(*nodetest.Seat) node.Cluster {
		server := testenv.StartRedis(t)
		return func(s *nodetest.Seat) node.Cluster {
			client := redis.NewClient(&redis.Options{Addr: server.Addr, MaxRetries: -1, DialerRetries: 1})
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			c, err := cluster.New(cluster.Config{
				Redis: client, Store: store, Web: l.Addr().String(), Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			web := &httptest.Server{Listener: l, Config: &http.Server{Handler: c.Handler()}}
			web.Start()
			t.Cleanup(func() { // once the node has ended
				web.Close()
				_ = client.Close()
			})
			return member{c, s}
		}
	},
}

// conformingNodes serves what the conformance scripts talk to on nodes of a
// cluster, and returns a URL whose connections land on each in turn.
func conformingNodes(t *testing.T, kind string, count int) (url string) {
	t.Helper()
	world, store := nodetest.New(1), memory.New(memory.Config{})
	join := clusters[kind](t, store)
	var backends []string
	gone := &farewells{seen: make(map[string]goodbye)}
	for range count {
		cfg, _ := conformance(gone)
		seat := world.Seat()
		cfg.Cluster, cfg.Carrier, cfg.Store = join(seat), seat, store
		backends = append(backends, strings.TrimPrefix(serve(t, cfg).URL, "http://"))
	}
	return "http://" + roundRobin(t, backends...)
}

// TestGatewaysAreOneOnTwoNodes runs the rows of docs/from-socketio.md with
// clients that land on either of two nodes in turn.
func TestGatewaysAreOneOnTwoNodes(t *testing.T) {
	for kind := range clusters {
		t.Run(kind, func(t *testing.T) {
			for _, line := range runRows(t, conformingNodes(t, kind, 2), "websocket", "2") {
				if result, ok := strings.CutPrefix(line, "ok "); ok {
					t.Run(result, func(*testing.T) {})
					continue
				}
				name, why, _ := strings.Cut(strings.TrimPrefix(line, "not ok "), ": ")
				t.Run(name, func(t *testing.T) { t.Error(why) })
			}
		})
	}
}
