package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// tunnelled is a tunnel as its two ends see it.
type tunnelled struct {
	*server
	t            *testing.T
	client, node net.Conn
}

// dig opens a tunnel in a synctest bubble.
func dig(t *testing.T, cfg Config) *tunnelled {
	t.Helper()
	d := &tunnelled{server: newServer(t, cfg), t: t}
	var client, back net.Conn
	d.client, client = net.Pipe()
	d.node, back = net.Pipe()
	t.Cleanup(func() { d.client.Close(); d.node.Close() })
	d.handler.join(&tunnel{h: d.handler, client: client, back: back, end: func() {}}, &http.Response{}, nil)
	d.passes(d.client, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
	return d
}

// passes checks that this is what comes next.
func (d *tunnelled) passes(to net.Conn, want string) {
	d.t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(to, b); err != nil || string(b) != want {
		d.t.Fatalf("got %q and %v, want %q", b, err, want)
	}
}

// says checks that an end may still say something, and does.
func (d *tunnelled) says(from net.Conn, what string) {
	d.t.Helper()
	if _, err := io.WriteString(from, what); err != nil {
		d.t.Fatalf("saying %s: %v", what, err)
	}
}

// isClosed checks that the client's end is closed.
func (d *tunnelled) isClosed() {
	d.t.Helper()
	if b, err := io.ReadAll(d.client); err != nil || len(b) > 0 {
		d.t.Fatalf("the client got %q and %v", b, err)
	}
}

// A client pauses polling when the answer to its ping comes, and does not poll
// again: see webSocket.probe.
func TestATunnelWhoseClientIsPausedWaitsForItsWord(t *testing.T) {
	for name, end := range map[string]func(*tunnelled){
		"this node closes": func(d *tunnelled) {
			go func() { _ = d.handler.Close(context.Background()) }() // waited for by the next Close
		},
		"the other node ends": func(d *tunnelled) { d.node.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			probe := func(t *testing.T) *tunnelled {
				d := dig(t, Config{CloseTimeout: 3 * time.Second})
				d.says(d.client, "2probe")
				d.passes(d.node, "2probe")
				d.says(d.node, "3probe")
				d.passes(d.client, "3probe")
				end(d)
				synctest.Wait()
				return d
			}
			t.Run("and has it", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := probe(t)
					go func() { _, _ = io.Copy(io.Discard, d.node) }() // ends with the tunnel
					start := time.Now()
					d.says(d.client, "5")
					d.isClosed()
					if took := time.Since(start); took != 0 {
						t.Errorf("closed after %v", took)
					}
					d.close()
				})
			})
			t.Run("and has not", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := probe(t)
					start := time.Now()
					d.isClosed()
					if took := time.Since(start); took != 3*time.Second {
						t.Errorf("closed after %v", took)
					}
					d.close()
				})
			})
		})
	}
}

func TestATunnelWhoseClientPollsOrHasUpgradedIsClosedAtOnce(t *testing.T) {
	for name, before := range map[string]func(*tunnelled){
		"polls": func(d *tunnelled) {},
		"has upgraded": func(d *tunnelled) {
			d.says(d.node, "3probe")
			d.passes(d.client, "3probe")
			d.says(d.client, "5")
			d.passes(d.node, "5")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := dig(t, Config{CloseTimeout: 3 * time.Second})
				d.says(d.client, "2probe")
				d.passes(d.node, "2probe")
				before(d)
				synctest.Wait()
				start := time.Now()
				d.close()
				d.isClosed()
				if took := time.Since(start); took != 0 {
					t.Errorf("closed after %v", took)
				}
			})
		})
	}
}

// Close does not wait for a paused client when its context is done.
func TestATunnelEndsWithTheContextOfClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dig(t, Config{CloseTimeout: time.Hour})
		d.says(d.node, "3probe")
		d.passes(d.client, "3probe")
		start := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := d.handler.Close(ctx); err == nil || time.Since(start) != time.Second {
			t.Errorf("closed after %v: %v", time.Since(start), err)
		}
		d.isClosed()
	})
}

// What would pause a client that is about to be cut is not passed on.
func TestATunnelThatEndsLetsNoClientPause(t *testing.T) {
	client, far := net.Pipe()
	defer far.Close()
	tun := &tunnel{h: newServer(t, Config{}).handler, client: client}
	if tun.leave() {
		t.Error("it waits for a client that polls")
	}
	if err := tun.answer([]byte("3probe")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("answered: %v", err)
	}
}
