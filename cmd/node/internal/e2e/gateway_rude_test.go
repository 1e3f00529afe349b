package e2e

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/cmd/node/internal/loopback"
	"github.com/parlor-rooms/parlor/transport"
	"github.com/parlor-rooms/parlor/transport/transporttest"
)

// rudeGateway takes whoever comes into two rooms and counts hooks.
type rudeGateway struct {
	*actors.Gateway[struct{}]
	mu              sync.Mutex // guards the following
	arrived, parted int
}

func newRudeGateway(window time.Duration) *rudeGateway {
	g := &rudeGateway{Gateway: actors.NewGateway[struct{}]("/rude", actors.GatewayConfig{
		RecoverWithin: window, Match: func(ns string) bool { return strings.HasPrefix(ns, "/rude-") },
	})}
	g.OnConnect(func(ctx context.Context, c *actors.Client[struct{}]) error {
		if err := c.Join(ctx, "all", fmt.Sprint("r", c.ID()[len(c.ID())-1:])); err != nil {
			return err
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.arrived++
		return nil
	})
	g.OnDisconnect(func(context.Context, *actors.Client[struct{}], actors.LeaveReason) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.parted++
	})
	actors.Handle(g.Gateway, "echo", func(_ context.Context, c *actors.Client[struct{}], in actors.Args) (actors.Args, error) {
		return in, c.To("all").Emit("heard", in)
	})
	return g
}

func (g *rudeGateway) hooks() (arrived, parted int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.arrived, g.parted
}

// serveImpatient is serve with time limits that a test can wait for.
func serveImpatient(t *testing.T, cfg node.Config) *loopback.Server {
	t.Helper()
	return loopback.Serve(t, loopback.Config{
		Node: cfg, HeaderTimeout: 3 * time.Second,
		Transport: transport.Config{
			PingInterval: 2 * time.Second, PingTimeout: 3 * time.Second,
			ConnectTimeout: 5 * time.Second, AttachmentTimeout: 3 * time.Second, CloseTimeout: time.Second,
		},
	})
}

// visits are the ways a client comes and goes.
var visits = map[string]func(ctx context.Context, url string, r *rand.Rand) error{
	"polite": func(ctx context.Context, url string, r *rand.Rand) error {
		c, err := transporttest.Dial(ctx, url, transporttest.Options{Transport: transporttest.Transport(r.IntN(3))})
		if err != nil {
			return err
		}
		defer c.Close()
		ns, err := c.Connect(ctx, "/rude", nil)
		if err != nil {
			return err
		}
		if r.IntN(2) == 0 {
			return ns.Disconnect()
		}
		return nil
	},
	"no close frame": func(ctx context.Context, url string, r *rand.Rand) error {
		c, err := transporttest.Dial(ctx, url, transporttest.Options{})
		if err != nil {
			return err
		}
		defer c.Abort()
		_, err = c.Connect(ctx, fmt.Sprint("/rude-", r.IntN(5)), nil)
		return err
	},
	"gone while it connects": func(ctx context.Context, url string, r *rand.Rand) error {
		c, err := transporttest.Dial(ctx, url, transporttest.Options{})
		if err != nil {
			return err
		}
		defer c.Abort()
		return c.WriteText("40/rude,")
	},
	"in mid-attachment": func(ctx context.Context, url string, r *rand.Rand) error {
		c, err := transporttest.Dial(ctx, url, transporttest.Options{})
		if err != nil {
			return err
		}
		defer c.Abort()
		if _, err = c.Connect(ctx, "/rude", nil); err != nil {
			return err
		}
		return c.WriteText(`452-/rude,["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`)
	},
	"in mid-handshake": func(ctx context.Context, url string, r *rand.Rand) error {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = io.WriteString(c, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgra")
		return err
	},
	"a session and no more": func(ctx context.Context, url string, r *rand.Rand) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/socket.io/?EIO=4&transport=polling", nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		_, err = io.Copy(io.Discard, res.Body)
		return err
	},
}

var rudeVisits = []string{"no close frame", "gone while it connects", "in mid-attachment", "in mid-handshake", "a session and no more"}

// TestRudeClientsLeaveNothingBehind lets clients come and go, half of them
// rudely. In the end connections, clients, rooms, goroutines and memory are
// where they were.
func TestRudeClientsLeaveNothingBehind(t *testing.T) {
	const workers = 16
	for name, window := range map[string]time.Duration{"without recovery": 0, "with recovery": 200 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			g := newRudeGateway(window)
			s := serveImpatient(t, node.Config{Gateways: []actors.GatewayBehavior{g}})
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			visit := func(count int) {
				var all sync.WaitGroup
				for w := range workers {
					all.Go(func() {
						r := rand.New(rand.NewPCG(seed, uint64(count*workers+w)))
						for range count / workers {
							way := "polite"
							if r.IntN(2) == 0 {
								way = rudeVisits[r.IntN(len(rudeVisits))]
							}
							ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
							if err := visits[way](ctx, s.URL, r); err != nil {
								t.Errorf("%s: %v", way, err)
							}
							cancel()
						}
					})
				}
				all.Wait()
				http.DefaultClient.CloseIdleConnections()
			}
			settled := func() bool {
				n := s.Node.Stats()
				arrived, parted := g.hooks()
				return n.Connections == 0 && n.Clients == 0 && n.Rooms == 0 && n.Members == 0 && arrived == parted
			}
			visit(10 * workers) // pools, shards and the like
			untilTrue(t, "the first are gone", settled)
			before, heap := runtime.NumGoroutine(), heapInUse()
			visit(rudeCount)
			untilTrue(t, "everybody is gone", settled)
			untilTrue(t, "goroutines are back", func() bool { return runtime.NumGoroutine() <= before+2 })
			if arrived, _ := g.hooks(); arrived < rudeCount/2 {
				t.Errorf("only %d of %d arrived", arrived, rudeCount)
			}
			if after := heapInUse(); after > heap+4<<20 {
				t.Errorf("heap: %d KiB before, %d KiB after", heap>>10, after>>10)
			}
		})
	}
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func untilTrue(t *testing.T, what string, ok func() bool) {
	t.Helper()
	end := time.NewTimer(60 * time.Second)
	defer end.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end.C:
			b := make([]byte, 1<<20)
			t.Fatalf("never: %s\n%s", what, b[:runtime.Stack(b, true)])
		}
	}
}
