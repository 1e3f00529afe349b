package node_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
)

// start runs a node until the test ends. Once all nodes of the test have ended
// no goroutine is left.
func start(t *testing.T, cfg node.Config) *node.Node {
	t.Helper()
	n, _ := startToStop(t, cfg)
	return n
}

// startToStop is start with a function that stops the node before.
func startToStop(t *testing.T, cfg node.Config) (*node.Node, func()) {
	t.Helper()
	if _, again := starts.LoadOrStore(t, true); !again {
		before := goleak.IgnoreCurrent()
		t.Cleanup(func() {
			starts.Delete(t)
			goleak.VerifyNone(t, before)
		})
	}
	n, stop := run(t, cfg)
	stop = sync.OnceFunc(stop)
	t.Cleanup(stop)
	return n, stop
}

var starts sync.Map // of *testing.T: those that see to it

// run runs a node until stop is called.
func run(t testing.TB, cfg node.Config) (n *node.Node, stop func()) {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	n, err := node.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }() // stop waits for it
	return n, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

// until waits for what other goroutines are about to do.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

// peer is a connection as a transport would hold it.
type peer struct {
	t    *testing.T
	conn actors.Connection

	mu      sync.Mutex // guards the following
	packets []*actors.Packet
	closed  actors.LeaveReason
}

func connect(t *testing.T, n *node.Node) *peer {
	t.Helper()
	return connectFrom(t, n, "127.0.0.1")
}

func connectFrom(t *testing.T, n *node.Node, address string) *peer {
	t.Helper()
	p := &peer{t: t}
	c, err := n.Accept(p, &actors.Handshake{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	p.conn = c
	t.Cleanup(func() { c.Closed(actors.ReasonTransportClosed) })
	return p
}

func (p *peer) SID() string { return "test" }

func (p *peer) Push(packet *actors.Packet) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed != "" {
		return net.ErrClosed
	}
	p.packets = append(p.packets, packet)
	return nil
}

func (p *peer) Flush()               {}
func (p *peer) Lagging() bool        { return false }
func (p *peer) WhenDrained(f func()) { f() }

// Close does what a transport does: it reports the end once.
func (p *peer) Close(why actors.LeaveReason) {
	p.mu.Lock()
	first := p.closed == ""
	if first {
		p.closed = why
	}
	p.mu.Unlock()
	if first && p.conn != nil {
		p.conn.Closed(why)
	}
}

func (p *peer) reason() actors.LeaveReason {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

func (p *peer) send(kind actors.PacketType, namespace, data string, id ...uint64) {
	packet := &actors.Packet{Type: kind, Namespace: namespace}
	if data != "" {
		packet.Data = []byte(data)
	}
	if len(id) > 0 {
		packet.ID, packet.HasID = id[0], true
	}
	p.conn.Receive(packet)
}

// find returns the packets of a type and namespace whose payload contains
// part, in order.
func (p *peer) find(kind actors.PacketType, namespace, part string) []*actors.Packet {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []*actors.Packet
	for _, packet := range p.packets {
		if packet.Type == kind && packet.Namespace == namespace && strings.Contains(string(packet.Data), part) {
			found = append(found, packet)
		}
	}
	return found
}

// await waits for such a packet and returns the first.
func (p *peer) await(kind actors.PacketType, namespace, part string) *actors.Packet {
	p.t.Helper()
	until(p.t, namespace+" "+part, func() bool { return len(p.find(kind, namespace, part)) > 0 })
	return p.find(kind, namespace, part)[0]
}

// enter connects to a namespace and returns the member id.
func (p *peer) enter(namespace, auth string) string {
	p.t.Helper()
	p.send(actors.PacketConnect, namespace, auth)
	var answer struct{ SID string }
	if err := json.Unmarshal(p.await(actors.PacketConnect, namespace, "sid").Data, &answer); err != nil {
		p.t.Fatal(err)
	}
	return answer.SID
}
