package fleet

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// path is a wire, and the server behind it.
type path struct {
	*Wire
	t      *testing.T
	server *net.TCPListener
}

func layPath(t *testing.T) *path {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w, err := LayWire("127.0.0.1:0", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = w.Close() // a test may have closed it, and the server
		_ = l.Close()
	})
	return &path{w, t, l.(*net.TCPListener)}
}

// end is one end of a connection that is carried.
type end struct {
	t *testing.T
	net.Conn
}

func (p *path) end(c net.Conn, err error) end {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return end{p.t, c}
}

func (p *path) dial() end { p.t.Helper(); return p.end(net.Dial("tcp", p.Address())) }

func (p *path) accept() end {
	p.t.Helper()
	_ = p.server.SetDeadline(time.Now().Add(patience))
	return p.end(p.server.Accept())
}

// connect opens a connection and returns its ends.
func (p *path) connect() (client, server end) {
	p.t.Helper()
	client = p.dial()
	return client, p.accept()
}

// holds waits until so many things are held.
func (p *path) holds(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.holding != n {
		p.changed.Wait()
	}
}

func (e end) says(text string) {
	e.t.Helper()
	if _, err := io.WriteString(e, text); err != nil {
		e.t.Fatal(err)
	}
}

func (e end) hears(want string) {
	e.t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(e, b); err != nil || string(b) != want {
		e.t.Fatalf("heard %q and %v, want %q", b, err, want)
	}
}

// isBroken checks that nothing more is heard but that the connection was reset.
func (e end) isBroken() {
	e.t.Helper()
	if b, err := io.ReadAll(e); len(b) > 0 || !errors.Is(err, syscall.ECONNRESET) {
		e.t.Fatalf("heard %q and %v", b, err)
	}
}

// isClosed checks that nothing more is heard but that the other end closed.
func (e end) isClosed() {
	e.t.Helper()
	if b, err := io.ReadAll(e); len(b) > 0 || err != nil {
		e.t.Fatalf("heard %q and %v", b, err)
	}
}

func TestAWireCarriesBothWaysUntilAnEndCloses(t *testing.T) {
	p := layPath(t)
	client, server := p.connect()
	client.says("there")
	server.hears("there")
	server.says("back")
	client.hears("back")
	_ = client.Close()
	server.isClosed()

	client, server = p.connect()
	server.says("last")
	_ = server.Close()
	client.hears("last")
	client.isClosed()
}

// What one direction holds arrives when it is let go on, in order and complete;
// the other one is not held.
func TestAWireHoldsOneDirection(t *testing.T) {
	for name, there := range map[string]bool{"there": true, "back": false} {
		t.Run(name, func(t *testing.T) {
			p := layPath(t)
			held, free := p.connect()
			if !there {
				held, free = free, held
			}
			p.Hold(there, !there)
			held.says("one")
			p.holds(1)
			held.says("two")
			free.says("meanwhile")
			held.hears("meanwhile")
			p.holds(1)
			p.Hold(!there, there) // goes on, and the other direction is held
			free.hears("onetwo")
			p.holds(0)
			_ = free.Close() // so is its end
			p.holds(1)
			p.Hold(false, false)
			held.isClosed()
		})
	}
}

// A connection gets no further than the wire while what goes there is held.
func TestAWireHoldsWhoConnects(t *testing.T) {
	p := layPath(t)
	p.Hold(true, false)
	client := p.dial()
	p.holds(1)
	client.says("early")
	p.Hold(false, false)
	p.accept().hears("early")

	p.Hold(true, true)
	client = p.dial()
	p.holds(1)
	if n := p.Break(nil); n != 2 {
		t.Errorf("broke %d", n)
	}
	client.isBroken()
	p.Hold(false, false)
	client, server := p.connect() // the server has seen nothing of the one before
	client.says("next")
	server.hears("next")
}

// TestAWireLosesReplies: the request has arrived, and the client cannot know.
func TestAWireLosesReplies(t *testing.T) {
	p := layPath(t)
	client, server := p.connect()
	p.Hold(false, true)
	client.says("request")
	server.hears("request")
	server.says("reply")
	p.holds(1)
	p.Break(nil)
	client.isBroken()
	server.isBroken()
	p.Hold(false, false)
	client, server = p.connect()
	server.says("another")
	client.hears("another")
}

func TestAWireBreaksTheConnectionsThatAreChosen(t *testing.T) {
	p := layPath(t)
	var clients, servers []end
	for range 4 {
		client, server := p.connect()
		client.says("here")
		server.hears("here")
		clients, servers = append(clients, client), append(servers, server)
	}
	asked := 0
	if n := p.Break(func() bool { asked++; return asked%2 == 0 }); n != 2 || asked != 4 {
		t.Fatalf("broke %d of %d", n, asked)
	}
	broken := 0
	for i := range clients {
		_, _ = io.WriteString(servers[i], "still") // it may be broken, which its client sees
		b := make([]byte, len("still"))
		if _, err := io.ReadFull(clients[i], b); errors.Is(err, syscall.ECONNRESET) {
			broken++
		} else if err != nil {
			t.Error(err)
		}
	}
	if broken != 2 {
		t.Errorf("%d are broken", broken)
	}
}

func TestAWireClosesWhoComesWhileNobodyServes(t *testing.T) {
	p := layPath(t)
	_ = p.server.Close()
	p.dial().isClosed()
}

func TestAWireThatClosesBreaksWhatItCarriesAndHolds(t *testing.T) {
	p := layPath(t)
	carried, server := p.connect()
	p.Hold(true, true)
	waiting := p.dial()
	server.says("held")
	p.holds(2)
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	carried.isBroken()
	waiting.isBroken()
}

// What was held for a client that has gone does not keep the wire.
func TestAWireForgetsWhatItHoldsForWhoIsGone(t *testing.T) {
	p := layPath(t)
	client, server := p.connect()
	p.Hold(false, true)
	server.says("held")
	p.holds(1)
	_ = client.Close()
	p.holds(0)
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
