package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/transport/transporttest"
)

// TestAThousandStoppedReadersCostWhatTheLimitsSay has a thousand members that do
// not read what their rooms have for them, 25 in each room. The server holds
// an outbox for each, as the limits say, and closes them; two members of another
// room notice nothing.
func TestAThousandStoppedReadersCostWhatTheLimitsSay(t *testing.T) {
	const (
		rooms, each = 40, 25
		outbox      = 64 << 10
		size        = 8 << 10
	)
	p := startFor(t, 3*time.Minute, "serve", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", fmt.Sprint("--transport-outbox-bytes=", outbox),
		"--transport-connect-rate=100000", "--transport-max-per-address=0", fmt.Sprintf("--kinds={lobby: {events: {chat: {max_bytes: %d}}}}", 2*size))
	admin := p.line(t, "msg=admin .*url=(http://[^ ]+/)")
	url := strings.TrimSuffix(p.line(t, "msg=serving .*url=(http://[^ ]+/)"), "/")
	p.passOver()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	join := func(room string, o transporttest.Options) *transporttest.Namespace {
		client, err := transporttest.Dial(ctx, url, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Abort)
		ns, err := client.Connect(ctx, room, nil)
		if err != nil {
			t.Fatal(err)
		}
		return ns
	}
	talkers := make([]*transporttest.Namespace, rooms)
	for i := range talkers {
		room := fmt.Sprintf("/lobby/%d", i)
		for range each {
			// It stops when an event waits that nobody asks for. What the kernel
			// holds on this side is bounded, or it would take it all.
			join(room, transporttest.Options{Queue: 1, ReadBuffer: 512, Dial: smallWindow})
		}
		talkers[i] = join(room, transporttest.Options{Skip: func(m []byte) bool { return m[0] == '2' }})
	}
	ada, ben := join("/lobby/quiet", transporttest.Options{}), join("/lobby/quiet", transporttest.Options{})
	before := p.rss(t)

	done := make(chan struct{})
	var talk sync.WaitGroup
	for _, ns := range talkers {
		talk.Go(func() {
			text := strings.Repeat("x", size)
			for every := time.NewTicker(50 * time.Millisecond); ; { // below what one connection may send
				select {
				case <-every.C:
					if err := ns.Emit("chat", text); err != nil {
						t.Errorf("talk: %v", err)
						return
					}
				case <-done:
					every.Stop()
					return
				}
			}
		})
	}
	// Until everybody was closed, or for long enough that they must have been.
	var waits []time.Duration
	peak, closed := 0, 0
	pace := time.NewTicker(20 * time.Millisecond) // below what one connection may send
	defer pace.Stop()
	for n := 0; closed < rooms*each; n++ {
		<-pace.C
		begin := time.Now()
		if err := ada.Emit("chat", n); err != nil {
			t.Fatal(err)
		}
		e, err := ben.Next(ctx)
		for ; err == nil && e.Name != "chat"; e, err = ben.Next(ctx) {
		}
		if err != nil || string(e.Args[0]) != fmt.Sprint(n) {
			t.Fatalf("a bystander has %s instead of %d: %v", e.Args, n, err)
		}
		waits = append(waits, time.Since(begin))
		if n%20 == 0 {
			peak, closed = max(peak, p.rss(t)), tooSlow(t, admin)
		}
	}
	close(done)
	talk.Wait()
	slices.Sort(waits)
	t.Logf("%d stopped readers: memory %d → %d MB; a bystander's messages took %v at the median, %v at the 99th percentile, %v at the most, of %d",
		closed, before, peak, waits[len(waits)/2], waits[len(waits)*99/100], waits[len(waits)-1], len(waits))
	// The outboxes, as if nobody shared a payload, and as much again for the
	// collector.
	if limit := before + weight*(2*rooms*each*outbox>>20+30); peak > limit {
		t.Errorf("memory grew to %d MB, want at most %d", peak, limit)
	}
}

// smallWindow opens a connection whose reader's side holds little.
func smallWindow(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		err = c.(*net.TCPConn).SetReadBuffer(4 << 10)
	}
	return c, err
}

// tooSlow is how many sessions the server has closed because they did not read.
func tooSlow(t *testing.T, admin string) int {
	t.Helper()
	resp, err := http.Get(admin + "stats")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var stats struct {
		Transport struct{ Closed map[string]int }
	}
	if err := json.NewDecoder(resp.Body).Decode(&stats); err != nil {
		t.Fatal(err)
	}
	return stats.Transport.Closed["too_slow"] + stats.Transport.Closed["transport_error"]
}
