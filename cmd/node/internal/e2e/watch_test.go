package e2e

import (
	"context"
	"encoding/json"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/transport/transporttest"
)

func listenLoopback() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }

// waitFor waits for what other goroutines are about to do.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

// watcher is a member that follows the places of a lab.
type watcher struct {
	mu     sync.Mutex // guards places
	places map[string]place
}

func enterWatching(ctx context.Context, t *testing.T, url string) *watcher {
	t.Helper()
	w := &watcher{places: make(map[string]place)}
	client, err := transporttest.Dial(ctx, url, transporttest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Abort() })
	ns, err := client.Connect(ctx, "/lab/crowd", nil)
	if err != nil {
		t.Fatal(err)
	}
	apply := func(e transporttest.Event) {
		var fields struct {
			Fields, Set struct{ Places map[string]place }
		}
		if len(e.Args) == 0 || json.Unmarshal(e.Args[0], &fields) != nil {
			t.Errorf("malformed %s", e.Name)
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, places := range []map[string]place{fields.Fields.Places, fields.Set.Places} {
			for id, p := range places {
				w.places[id] = p
			}
		}
	}
	ns.On("room:state", apply)
	ns.On("room:patch", apply)
	return w
}

// last is how many members are at their last position.
func (w *watcher) last() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, p := range w.places {
		if p.X == -1 {
			n++
		}
	}
	return n
}

// enterAndStopReading enters and then reads nothing more.
func enterAndStopReading(ctx context.Context, t *testing.T, url string) (abort func()) {
	t.Helper()
	var mu sync.Mutex // guards conn
	var conn *transporttest.FaultConn
	client, err := transporttest.Dial(ctx, url, transporttest.Options{
		NoPong: true,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			if err := c.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil { // so that the server notices soon
				return nil, err
			}
			mu.Lock()
			defer mu.Unlock()
			conn = transporttest.NewFaultConn(c)
			return conn, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Connect(ctx, "/lab/crowd", nil); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	conn.StopReading()
	return client.Abort
}
