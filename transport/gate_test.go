package transport

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// echoGate is a runtime without rooms. It admits everybody to every namespace
// but "/refused", echoes events, acknowledges what wants it with the arguments,
// and does what these events say:
//
//	close [reason]  close the transport
//	push n          send n events "pushed"
type echoGate struct {
	mu       sync.Mutex // guards the following
	conns    []*echoConn
	refusal  error                                // what Accept returns, if not nil
	accepted func(actors.Socket)                  // runs in Accept
	received func(*echoConn, *actors.Packet) bool // runs first in Receive; true: it is done with the packet
}

// echoConn is one connection of an echoGate.
type echoConn struct {
	gate      *echoGate
	socket    actors.Socket
	handshake *actors.Handshake

	mu       sync.Mutex // guards the following
	inside   bool       // Receive is running
	joined   map[string]bool
	closed   []actors.LeaveReason
	closedAt time.Time
	gone     chan struct{} // closed with the first Closed
}

func (g *echoGate) Accept(s actors.Socket, h *actors.Handshake) (actors.Connection, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refusal != nil {
		return nil, g.refusal
	}
	if g.accepted != nil {
		g.accepted(s)
	}
	c := &echoConn{gate: g, socket: s, handshake: h, joined: map[string]bool{}, gone: make(chan struct{})}
	g.conns = append(g.conns, c)
	return c, nil
}

// receive has f run first in every Receive; it returns true if it is done with
// the packet.
func (g *echoGate) receive(f func(*echoConn, *actors.Packet) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.received = f
}

// last returns the connection that was accepted last.
func (g *echoGate) last(t testing.TB) *echoConn {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.conns) == 0 {
		t.Fatal("no connection was accepted")
	}
	return g.conns[len(g.conns)-1]
}

func (c *echoConn) Receive(p *actors.Packet) {
	c.mu.Lock()
	if c.inside {
		panic("two goroutines in Receive")
	}
	c.inside = true
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.inside = false
		c.mu.Unlock()
	}()
	c.gate.mu.Lock()
	first := c.gate.received
	c.gate.mu.Unlock()
	if first != nil && first(c, p) {
		return
	}
	switch p.Type {
	case actors.PacketConnect:
		c.connect(p)
	case actors.PacketDisconnect:
		delete(c.joined, p.Namespace)
	case actors.PacketEvent:
		c.event(p)
	}
}

func (c *echoConn) connect(p *actors.Packet) {
	if c.joined[p.Namespace] {
		c.socket.Close(actors.ReasonProtocolError)
		return
	}
	if p.Namespace == "/refused" {
		c.send(&actors.Packet{
			Type: actors.PacketConnectError, Namespace: p.Namespace,
			Data: []byte(`{"message":"no seat is left","data":{"code":"room_full"}}`),
		})
		return
	}
	c.joined[p.Namespace] = true
	c.send(&actors.Packet{Type: actors.PacketConnect, Namespace: p.Namespace, Data: []byte(`{"sid":"m` + p.Namespace + `"}`)})
}

func (c *echoConn) event(p *actors.Packet) {
	if !c.joined[p.Namespace] {
		c.socket.Close(actors.ReasonProtocolError)
		return
	}
	var args []json.RawMessage
	if err := json.Unmarshal(p.Data, &args); err != nil {
		panic(err) // the codec checked it
	}
	switch {
	case p.HasID:
		data, err := json.Marshal(args[1:])
		if err != nil {
			panic(err)
		}
		c.send(&actors.Packet{
			Type: actors.PacketAck, Namespace: p.Namespace, ID: p.ID, HasID: true,
			Data: data, Attachments: p.Attachments,
		})
	case string(args[0]) == `"close"`:
		c.socket.Close(actors.LeaveReason(strings.Trim(string(args[1]), `"`)))
	case string(args[0]) == `"push"`:
		n := 0
		if err := json.Unmarshal(args[1], &n); err != nil {
			panic(err)
		}
		for i := range n {
			data, _ := json.Marshal([]any{"pushed", i})
			_ = c.socket.Push(&actors.Packet{Type: actors.PacketEvent, Namespace: p.Namespace, Data: data})
		}
		c.socket.Flush()
	default:
		c.send(&actors.Packet{Type: actors.PacketEvent, Namespace: p.Namespace, Data: p.Data, Attachments: p.Attachments})
	}
}

func (c *echoConn) send(p *actors.Packet) {
	_ = c.socket.Push(p)
	c.socket.Flush()
}

// push queues an event that fits.
func (c *echoConn) push(t testing.TB, data string) {
	t.Helper()
	if err := c.socket.Push(packet(data)); err != nil {
		t.Fatal(err)
	}
}

// clog pushes p until the socket lags behind, and returns how often.
func (c *echoConn) clog(t testing.TB, p *actors.Packet) (n int) {
	t.Helper()
	for !c.socket.Lagging() {
		if err := c.socket.Push(p); err != nil {
			t.Fatal(err)
		}
		n++
		c.socket.Flush()
		drained := make(chan struct{})
		c.socket.WhenDrained(func() { close(drained) })
		eventually(t, "lag or drain", func() bool {
			select {
			case <-drained:
				return true
			default:
				return c.socket.Lagging()
			}
		})
	}
	return n
}

func (c *echoConn) Closed(why actors.LeaveReason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = append(c.closed, why)
	if len(c.closed) == 1 {
		c.closedAt = time.Now()
		close(c.gone)
	}
}

// wantClosed waits until the connection has been closed and checks that it was
// once, for the reason given.
func (c *echoConn) wantClosed(t testing.TB, want actors.LeaveReason) {
	t.Helper()
	select {
	case <-c.gone:
	case <-time.After(patience):
		t.Fatalf("Closed was not called, want %s", want)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.closed) != 1 || c.closed[0] != want {
		t.Errorf("closed %v, want [%s]", c.closed, want)
	}
}

func (c *echoConn) isOpen() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.closed) == 0
}

// patience is how long a test waits for what is bound to happen.
const patience = 10 * time.Second

// eventually waits for a condition that is bound to hold.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("no %s within %v", what, patience)
		}
		wait := time.NewTimer(time.Millisecond)
		<-wait.C
	}
}

func packet(data string) *actors.Packet {
	return &actors.Packet{Type: actors.PacketEvent, Namespace: "/", Data: []byte(data)}
}
