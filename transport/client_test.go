package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/transporttest"
)

// ways are all combinations of transport and parser.
func ways() map[string]transporttest.Options {
	all := map[string]transporttest.Options{}
	for name, t := range map[string]transporttest.Transport{
		"websocket": transporttest.WebSocket, "polling": transporttest.Polling, "upgrade": transporttest.Upgrade,
	} {
		all[name+" JSON"] = transporttest.Options{Transport: t}
		all[name+" msgpack"] = transporttest.Options{Transport: t, Parser: transporttest.Msgpack}
	}
	return all
}

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func (s *server) dialClient(t testing.TB, o transporttest.Options) *transporttest.Client {
	t.Helper()
	c, err := transporttest.Dial(soon(t), s.base, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestGoClientTalksEveryWay(t *testing.T) {
	s := serve(t, Config{})
	for name, o := range ways() {
		t.Run(name, func(t *testing.T) {
			c := s.dialClient(t, o)
			ctx := soon(t)
			b, err := c.Connect(ctx, "/board/q3", map[string]string{"name": "Ada"})
			if err != nil {
				t.Fatal(err)
			}
			if b.SID() != "m/board/q3" {
				t.Errorf("sid %q", b.SID())
			}
			if err := b.Emit("text", "hello", 1, map[string]any{"a": nil}); err != nil {
				t.Fatal(err)
			}
			if e, err := b.Next(ctx); err != nil || e.Name != "text" || len(e.Args) != 3 || string(e.Args[0]) != `"hello"` {
				t.Errorf("echo %+v, %v", e, err)
			}
			if err := b.Emit("binary", []byte{1, 2}, "x", []byte{3}); err != nil {
				t.Fatal(err)
			}
			e, err := b.Next(ctx)
			if err != nil || !bytes.Equal(e.Bytes(0), []byte{1, 2}) || e.Bytes(1) != nil || !bytes.Equal(e.Bytes(2), []byte{3}) {
				t.Errorf("echo %+v, %v", e, err)
			}
			if a, err := b.EmitAck(ctx, "ask", 42, []byte{7}); err != nil || string(a.Args[0]) != "42" || !bytes.Equal(a.Bytes(1), []byte{7}) {
				t.Errorf("acknowledged %+v, %v", a, err)
			}
			var refused *transporttest.ConnectError
			if _, err := c.Connect(ctx, "/refused", nil); !errors.As(err, &refused) || refused.Code() != "room_full" {
				t.Errorf("refused room: %v", err)
			}
			if err := b.Disconnect(); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Next(ctx); !errors.Is(err, transporttest.ErrLeft) {
				t.Errorf("after leaving: %v", err)
			}
			conn := s.connOf(c.SID())
			if err := c.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			conn.wantClosed(t, actors.ReasonTransportClosed)
		})
	}
}

func TestClientThatCrashesEndsItsSession(t *testing.T) {
	s := serve(t, Config{})
	undisturbed := s.bystander()
	for name, o := range ways() {
		t.Run(name, func(t *testing.T) {
			c := s.dialClient(t, o)
			if _, err := c.Connect(soon(t), "/a", nil); err != nil {
				t.Fatal(err)
			}
			conn := s.connOf(c.SID())
			if o.Transport == transporttest.Polling {
				// Between two GETs a crash shows only in silence.
				session := s.handler.session(c.SID())
				eventually(t, "GET that waits", func() bool {
					session.mu.Lock()
					defer session.mu.Unlock()
					return session.get != nil
				})
			}
			c.Abort()
			<-conn.gone
			undisturbed()
		})
	}
}

// Frames cut anywhere, in either direction, are the same frames.
func TestPartialReadsAndWritesChangeNothing(t *testing.T) {
	s := serve(t, Config{})
	for name, o := range ways() {
		t.Run(name, func(t *testing.T) {
			o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, address)
				if err != nil {
					return nil, err
				}
				fault := transporttest.NewFaultConn(conn)
				fault.Partial(3)
				return fault, nil
			}
			c := s.dialClient(t, o)
			ctx := soon(t)
			ns, err := c.Connect(ctx, "/a", nil)
			if err != nil {
				t.Fatal(err)
			}
			long := strings.Repeat("x", 3000)
			for range 5 {
				if a, err := ns.EmitAck(ctx, "ask", long, []byte(long)); err != nil || len(a.Args) != 2 || string(a.Bytes(1)) != long {
					t.Fatalf("acknowledged %d arguments, %v", len(a.Args), err)
				}
			}
		})
	}
}

func TestSlowClientIsTooSlowAndOthersAreNot(t *testing.T) {
	s := serve(t, Config{Outbox: Limits{Packets: 100, Bytes: 256 << 10}})
	undisturbed := s.bystander()
	var fault *transporttest.FaultConn
	c := s.dialClient(t, transporttest.Options{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			fault = transporttest.NewFaultConn(conn)
			conn = fault
		}
		return conn, err
	}})
	if _, err := c.Connect(soon(t), "/a", nil); err != nil {
		t.Fatal(err)
	}
	conn := s.connOf(c.SID())
	fault.StopReading()
	p := packet(`["a","` + strings.Repeat("x", 20_000) + `"]`)
	var err error
	for i := 0; err == nil && i < 10_000; i++ {
		err = conn.socket.Push(p)
		conn.socket.Flush()
	}
	if !errors.Is(err, actors.ErrTooSlow) {
		t.Errorf("push: %v", err)
	}
	conn.wantClosed(t, actors.ReasonTooSlow)
	fault.ResumeReading()
	<-c.Done()
	undisturbed()
}

// A client that takes nothing at all is given up after the write timeout.
func TestWriteTimeoutEndsTheSession(t *testing.T) {
	s := serve(t, Config{WriteTimeout: 200 * time.Millisecond})
	_, conn := s.enterWebSocket()
	p := packet(`["a","` + strings.Repeat("x", 100_000) + `"]`)
	eventually(t, "end of a session whose client takes nothing", func() bool {
		if !conn.socket.Lagging() { // the kernels take megabytes in its place
			_ = conn.socket.Push(p)
			conn.socket.Flush()
		}
		return !conn.isOpen()
	})
	conn.wantClosed(t, actors.ReasonTransportError)
}

// Many clients come, talk and go in every way at once, and all is accounted for.
func TestManyClientsAtOnce(t *testing.T) {
	// A polling client that crashes between two polls shows only in silence.
	s := serve(t, Config{PingInterval: 2 * time.Second, PingTimeout: 3 * time.Second})
	const clients = 60
	var all sync.WaitGroup
	kinds := ways()
	n := 0
	for len(kinds) > 0 && n < clients {
		for name, o := range kinds {
			i := n
			n++
			all.Go(func() {
				if err := s.visit(o, i); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
	}
	all.Wait()
	eventually(t, "end of all sessions", func() bool {
		n := s.handler.Stats()
		return n.Polling == 0 && n.WebSocket == 0
	})
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	for _, c := range s.gate.conns {
		<-c.gone
		c.mu.Lock()
		if len(c.closed) != 1 {
			t.Errorf("closed %v", c.closed)
		}
		c.mu.Unlock()
	}
	if len(s.gate.conns) != n {
		t.Errorf("%d connections of %d clients", len(s.gate.conns), n)
	}
}

// visit is one client's stay.
func (s *server) visit(o transporttest.Options, i int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()
	c, err := transporttest.Dial(ctx, s.base, o)
	if err != nil {
		return err
	}
	defer c.Close()
	ns, err := c.Connect(ctx, fmt.Sprintf("/room/%d", i), nil)
	if err != nil {
		return err
	}
	for j := range 10 {
		if err := ns.Emit("n", j); err != nil {
			return err
		}
		e, err := ns.Next(ctx)
		if err != nil {
			return err
		}
		var got int
		if err := json.Unmarshal(e.Args[0], &got); err != nil || got != j {
			return fmt.Errorf("got %d, want %d", got, j)
		}
	}
	if i%3 == 0 {
		c.Abort()
	}
	return nil
}

// A TLS connection cannot be written to without waiting: another path through
// the outbox.
func TestTLSChangesNothing(t *testing.T) {
	s := newServer(t, Config{})
	web := httptest.NewUnstartedServer(s.handler.Mount(nil))
	web.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that leave in the middle of a handshake
	web.StartTLS()
	s.base = web.URL
	t.Cleanup(func() {
		s.close()
		web.Close()
	})
	for name, o := range ways() {
		t.Run(name, func(t *testing.T) {
			o.TLS = web.Client().Transport.(*http.Transport).TLSClientConfig
			if err := s.visit(o, 1); err != nil {
				t.Error(err)
			}
		})
	}
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	for _, c := range s.gate.conns {
		if !c.handshake.Secure {
			t.Error("the runtime was not told of TLS")
		}
	}
}

// Everything that the runtime may do with a socket, from many goroutines, while
// its client upgrades, talks and goes away.
func TestSocketMethodsMayRace(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	s := serve(t, Config{Outbox: Limits{Packets: 50}})
	var runtime sync.WaitGroup
	s.gate.accepted = func(socket actors.Socket) {
		for i := range 3 {
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			runtime.Go(func() { abuseSocket(socket, random) })
		}
	}
	var clients sync.WaitGroup
	for _, o := range ways() {
		for range 5 {
			clients.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				c, err := transporttest.Dial(ctx, s.base, o)
				if err != nil {
					return // the socket was closed meanwhile
				}
				defer c.Abort()
				if ns, err := c.Connect(ctx, "/a", nil); err == nil {
					_, _ = ns.EmitAck(ctx, "ask") // may not be answered any more
				}
			})
		}
	}
	clients.Wait()
	runtime.Wait()
	eventually(t, "end of all sessions", func() bool {
		n := s.handler.Stats()
		return n.Polling == 0 && n.WebSocket == 0
	})
	for _, c := range s.gate.conns {
		<-c.gone
		c.mu.Lock()
		if len(c.closed) != 1 {
			t.Errorf("closed %v", c.closed)
		}
		c.mu.Unlock()
	}
}

// The runtime may close a socket at any moment of its handshake.
func TestSocketClosedDuringItsHandshakeIsForgotten(t *testing.T) {
	s := serve(t, Config{})
	var runtime sync.WaitGroup
	s.gate.accepted = func(socket actors.Socket) {
		runtime.Go(func() { socket.Close(actors.ReasonTooSlow) })
	}
	for range 300 {
		s.must("GET", s.url("transport=polling"), "")
	}
	runtime.Wait()
	eventually(t, "end of all sessions", func() bool {
		s.handler.mu.Lock()
		defer s.handler.mu.Unlock()
		return len(s.handler.sessions) == 0
	})
}

func abuseSocket(socket actors.Socket, random *rand.Rand) {
	p := packet(`["a"]`)
	v := packet(`["v"]`)
	v.Class = actors.Volatile
	for range 200 {
		switch random.IntN(8) {
		case 0, 1:
			_ = socket.Push(p) // closed or full, perhaps
		case 2:
			_ = socket.Push(v)
		case 3, 4:
			socket.Flush()
		case 5:
			socket.WhenDrained(func() { _ = socket.Push(p); socket.Flush() })
		case 6:
			socket.Lagging()
		case 7:
			wait := time.NewTimer(time.Duration(random.IntN(200)) * time.Microsecond)
			<-wait.C
		}
	}
	socket.Close(actors.ReasonKicked)
}

func TestWhenDrainedIsNotCalledAfterTheEnd(t *testing.T) {
	s := serve(t, Config{})
	p := s.enter()
	called := make(chan struct{})
	p.conn.push(t, `["a"]`)
	p.conn.socket.WhenDrained(func() { close(called) })
	p.conn.socket.Close(actors.ReasonKicked)
	p.conn.socket.WhenDrained(func() { close(called) })
	p.wantGet(200, "42[\"a\"]")
	p.wantGet(200, "1")
	p.conn.socket.Flush()
	select {
	case <-called:
		t.Error("called")
	default:
	}
}

// What was asked while the session polled is answered after the upgrade.
func TestWhenDrainedOutlivesAnUpgrade(t *testing.T) {
	s := serve(t, Config{})
	p := s.enter()
	ws := p.probe()
	p.conn.push(t, `["a"]`)
	called := make(chan struct{})
	p.conn.socket.WhenDrained(func() { close(called) })
	ws.text("5")
	ws.want(`42["a"]`)
	<-called
}
