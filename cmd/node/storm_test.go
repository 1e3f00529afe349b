package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/transport/transporttest"
)

// storm is how many clients there are and how many a second are let in.
type storm struct {
	clients int // zero means as many as the files allow
	rate    int
}

// size is how many clients there are, each with a file here and one there.
func (s storm) size(t *testing.T) int {
	if s.clients > 0 {
		return s.clients
	}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	// The server takes nine tenths, and refuses with the rest. More than 24,000
	// would be short of ports.
	return int(min(files.Cur/10*9-100, 24_000))
}

// rss is the resident memory of a process in MB.
func (p *process) rss(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := bytes.Cut(status, []byte("VmRSS:"))
	kb, err := strconv.Atoi(string(bytes.Fields(after)[0]))
	if err != nil {
		t.Fatal(err)
	}
	return kb >> 10
}

// crowd is clients that come back as stock ones do.
type crowd struct {
	url string

	connected atomic.Int64
	refused   atomic.Int64 // 503
	away      atomic.Int64 // nobody listened
	broken    atomic.Int64 // anything else: only these are honest answers
	attempts  atomic.Int64
	why       sync.Map // string → true: what broke
}

// run keeps one client connected until ctx ends: after a failure it waits a
// second, then twice as long each time, at most five, give or take half: what
// socket.io-client does by default.
func (c *crowd) run(ctx context.Context, i int, random *rand.Rand) {
	o := transporttest.Options{ReadBuffer: 512, Queue: 1, Skip: func(m []byte) bool { return m[0] == '2' }}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i%8))}} // there are not enough ports otherwise
	o.Dial = dialer.DialContext
	for delay := time.Second; ctx.Err() == nil; {
		if c.visit(ctx, i, o) {
			delay = time.Second
		}
		wait := time.Duration(float64(delay) * (0.5 + random.Float64()))
		delay = min(2*delay, 5*time.Second)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// visit connects, enters a room and stays. It reports whether it was let in.
func (c *crowd) visit(ctx context.Context, i int, o transporttest.Options) bool {
	within, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	c.attempts.Add(1)
	client, err := transporttest.Dial(within, c.url, o)
	if err == nil {
		defer client.Abort()
		_, err = client.Connect(within, fmt.Sprintf("/lobby/%d", i/100), nil)
	}
	if err != nil {
		c.failed(ctx, err)
		return false
	}
	c.connected.Add(1)
	defer c.connected.Add(-1)
	select {
	case <-client.Done():
	case <-ctx.Done():
	}
	return true
}

func (c *crowd) failed(ctx context.Context, err error) {
	var status *transporttest.StatusError
	switch {
	case ctx.Err() != nil:
	case errors.As(err, &status) && status.Status == http.StatusServiceUnavailable && status.Body != "":
		c.refused.Add(1)
	case errors.Is(err, syscall.ECONNREFUSED):
		c.away.Add(1)
	default:
		c.broken.Add(1)
		c.why.Store(err.Error(), true)
	}
}

// TestEverybodyIsBackAfterAStorm kills a server with all its clients and starts
// it again: they come all at once, most are turned away with an honest answer,
// and all are back in the time that the connect rate explains.
func TestEverybodyIsBackAfterAStorm(t *testing.T) {
	s := stormOfThisRun
	n := s.size(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d, %d clients", seed, n)
	args := func(address string) []string {
		return []string{"serve", "--listen=" + address, "--transport-max-per-address=0", fmt.Sprint("--transport-connect-rate=", s.rate),
			"--kinds={lobby: {events: {chat: {}}}}"}
	}
	p := startFor(t, 10*time.Minute, args("127.0.0.1:0")...)
	url := strings.TrimSuffix(p.line(t, "msg=serving .*url=(http://[^ ]+/)"), "/")
	p.passOver()
	c := &crowd{url: url}
	empty := p.rss(t)

	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel()
	for i := range n {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		clients.Go(func() { c.run(ctx, i, random) })
	}
	// Half as long again, because those who were turned away come a little late
	// for their turn, and the longest pause.
	within := time.Duration(n)*time.Second/time.Duration(s.rate)*3/2 + 20*time.Second
	wave := func(what string, p *process) {
		t.Helper()
		begin, peak := time.Now(), 0
		again := time.NewTicker(50 * time.Millisecond)
		defer again.Stop()
		for c.connected.Load() < int64(n) {
			<-again.C
			peak = max(peak, p.rss(t))
			if time.Since(begin) > within {
				t.Fatalf("%s: after %v %d of %d are there", what, within, c.connected.Load(), n)
			}
		}
		t.Logf("%s: all there after %v, %d attempts, %d answered 503, %d found nobody, %d broken; memory %d → %d MB at the most",
			what, time.Since(begin).Round(100*time.Millisecond), c.attempts.Swap(0), c.refused.Load(), c.away.Swap(0), c.broken.Load(), empty, peak)
		if limit := empty + weight*(30+n/25); peak > limit { // 40 KB each
			t.Errorf("%s: %d MB, want at most %d", what, peak, limit)
		}
		if c.refused.Swap(0) == 0 {
			t.Errorf("%s: nobody was turned away: this was no storm", what)
		}
		if c.broken.Swap(0) > 0 {
			c.why.Range(func(why, _ any) bool { t.Errorf("%s: no honest answer: %v", what, why); return true })
		}
	}
	wave("cold start", p)

	c.why.Clear()
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait()
	for c.connected.Load() > 0 {
		wait := time.NewTimer(10 * time.Millisecond)
		<-wait.C
	}
	c.broken.Store(0) // connections that broke half-way with the process
	c.why.Clear()
	p = startFor(t, 10*time.Minute, args(strings.TrimPrefix(url, "http://"))...)
	p.line(t, "msg=serving")
	p.passOver()
	wave("reconnect", p)
}
