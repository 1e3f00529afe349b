package faults

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// news is a gateway to whose clients every node emits numbers, until it is
// asked to end: in the room in which they all are, and to everybody.
type news = actors.Gateway[struct{}]

// item is one of them. Numbers of a stream count up.
type item struct {
	Stream string `json:"stream"`
	N      int    `json:"n"`
}

const newsEvery = 20 * time.Millisecond

func newNews() *news {
	g := actors.NewGateway[struct{}]("/news", actors.GatewayConfig{RecoverWithin: time.Minute, RecoverEvents: 20_000, RecoverBytes: 16 << 20})
	g.OnConnect(func(ctx context.Context, c *actors.Client[struct{}]) error { return c.Join(ctx, "readers") })
	return g
}

// tell emits until ctx ends.
func tell(ctx context.Context, g *news) {
	life := rand.Text()[:6]
	for n := 0; testenv.Pause(ctx, newsEvery); {
		room := item{life + " in the room", n + 1}
		if g.To("readers").Emit("item", room) != nil {
			continue // the node does not run yet
		}
		n++
		_ = g.All().Emit("item", item{life + " to all", n})
	}
}

func restartAll(t *testing.T, l *lab) {
	t.Helper()
	for _, n := range l.nodes {
		l.restart(n)
		testenv.Pause(t.Context(), time.Second)
	}
}

// TestStockClientsOfAGatewayRecoverWhileNodesRestart: clients with the pauses of
// stock clients, of each transport, behind the rudest balancer, miss nothing and
// are not cut over a rolling restart.
func TestStockClientsOfAGatewayRecoverWhileNodesRestart(t *testing.T) {
	watchNews(t, "recover", restartAll)
}

// TestStockClientsOfAGatewayAreToldWhenTheirNodeDies: what a killed node had
// emitted to its clients nobody else knows. They are told, each of them, and who
// is not has what anybody else has.
func TestStockClientsOfAGatewayAreToldWhenTheirNodeDies(t *testing.T) {
	watchNews(t, "told", func(t *testing.T, l *lab) {
		l.nodes[1].Kill()
		testenv.Pause(t.Context(), 3*lease)
	})
}

func watchNews(t *testing.T, want string, fault func(*testing.T, *lab)) {
	l := newLab(t, 0)
	l.news = true
	for range 3 {
		l.add()
	}
	dir := t.TempDir()
	here, over := filepath.Join(dir, "here"), filepath.Join(dir, "over")
	wait := testenv.StartNode(t, "testdata/readers.mjs", l.balancer.URL(), strconv.Itoa(6), here, over, want)
	for begun := time.Now(); ; testenv.Pause(t.Context(), 50*time.Millisecond) {
		if _, err := os.Stat(here); err == nil {
			break
		}
		if time.Since(begun) > time.Minute {
			t.Fatal("not all readers hear something")
		}
	}
	testenv.Pause(t.Context(), time.Second) // what is recovered begins with more than one event
	fault(t, l)
	testenv.Pause(t.Context(), lease)
	if err := os.WriteFile(over, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := wait(); err != nil {
		t.Error(err)
	}
}
