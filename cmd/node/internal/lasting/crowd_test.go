package lasting

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/transport/jwtauth"
	"github.com/parlor-rooms/parlor/transport/transporttest"
)

// Who the tokens of the scribes are from.
const (
	issuer   = "lasting"
	audience = "parlor"
	secret   = "0123456789abcdefghijklmnopqrstuvwxyz"
)

// authEnv has a node check tokens.
var authEnv = []string{"PARLOR_AUTH_ISSUER=" + issuer, "PARLOR_AUTH_AUDIENCE=" + audience, "PARLOR_AUTH_KEY=" + secret}

func token(t *testing.T, subject string) string {
	t.Helper()
	key, err := jwtauth.ParseSigningKey("", jwtauth.HS256, []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	text, err := key.Sign(jwtauth.Token{
		Issuer: issuer, Audience: audience, Subject: subject, Issued: time.Now(), Expires: time.Now().Add(12 * time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// crowd is scribes of some rooms.
type crowd struct {
	t      *testing.T
	url    string
	all    []*scribe
	cancel context.CancelFunc
	wait   sync.WaitGroup
	enough chan struct{}
	acks   chan struct{} // holds one when a line was acknowledged

	mu    sync.Mutex // guards the following
	acked int
}

// begin starts scribes, on all transports, until the test ends.
func begin(t *testing.T, url string, seed uint64) *crowd {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &crowd{t: t, url: url, cancel: cancel, enough: make(chan struct{}), acks: make(chan struct{}, 1)}
	t.Cleanup(c.stop)
	for i := range rooms * scribes {
		name := fmt.Sprintf("s%d", i)
		s := &scribe{
			url: url, room: fmt.Sprintf("/ledger/r%d", i%rooms), name: name, token: token(t, name),
			transport: []transporttest.Transport{transporttest.WebSocket, transporttest.Polling, transporttest.Upgrade}[i/rooms%3],
			onAck:     c.count, enough: c.enough, finished: make(chan struct{}),
			drops: rand.New(rand.NewPCG(seed, uint64(i))), told: -1, heard: make(map[int]line),
		}
		c.all = append(c.all, s)
		c.wait.Go(func() { s.live(ctx) })
	}
	return c
}

func (c *crowd) stop() { c.cancel(); c.wait.Wait() }

func (c *crowd) count() {
	c.mu.Lock()
	c.acked++
	c.mu.Unlock()
	select {
	case c.acks <- struct{}{}:
	default: // somebody will look
	}
}

// patience is how long the crowd may take to come back and go on.
const patience = time.Minute

// await waits until n more lines were acknowledged.
func (c *crowd) await(n int) {
	c.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	c.mu.Lock()
	want := c.acked + n
	c.mu.Unlock()
	for {
		c.mu.Lock()
		acked := c.acked
		c.mu.Unlock()
		if acked >= want {
			return
		}
		select {
		case <-c.acks:
		case <-limit.C:
			c.t.Fatalf("%d of %d lines were acknowledged within %v: %s", acked-want+n, n, patience, c.all[0].status())
		}
	}
}

// finish has every scribe's last line acknowledged, and everybody told of all.
// It returns what each room holds.
func (c *crowd) finish() map[string][]line {
	c.t.Helper()
	close(c.enough)
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for _, s := range c.all {
		select {
		case <-s.finished:
		case <-limit.C:
			c.t.Fatalf("no end after %v: %s", patience, s.status())
		}
	}
	held := make(map[string][]line)
	for _, s := range c.all {
		if held[s.room] == nil {
			held[s.room] = read(c.t, c.url, s.room)
		}
		for last := len(held[s.room]) - 1; ; {
			s.mu.Lock()
			told := s.told
			s.mu.Unlock()
			if told >= last {
				break
			}
			select {
			case <-limit.C:
				c.t.Fatalf("not told of line %d after %v: %s", last, patience, s.status())
			default:
			}
			pause(context.Background(), 20*time.Millisecond)
		}
	}
	return held
}

// read returns all lines of a room, as a newcomer reads them.
func read(t *testing.T, url, room string) (lines []line) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client, err := transporttest.Dial(ctx, url, transporttest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ns, err := client.Connect(ctx, room, map[string]string{"token": token(t, "auditor")})
	if err != nil {
		t.Fatal(err)
	}
	for {
		answer, err := ns.EmitAck(ctx, "read", len(lines))
		if err != nil {
			t.Fatal(err)
		}
		var page []line
		if err := answer.Decode(0, &page); err != nil {
			t.Fatalf("read %s: %v", room, err)
		}
		lines = append(lines, page...)
		if len(page) < pageLines {
			return lines
		}
		pause(ctx, 10*time.Millisecond)
	}
}

// audit compares what scribes were answered and told with what rooms hold.
func (c *crowd) audit(held map[string][]line) {
	c.t.Helper()
	for room, lines := range held {
		next := make(map[string]int) // number of the next line by its scribe
		for at, l := range lines {
			if l.N != next[l.By] {
				c.t.Errorf("%s: line %d is %v, want number %d of it", room, at, l, next[l.By])
			}
			next[l.By] = l.N + 1
		}
		for _, s := range c.all {
			if s.room == room && next[s.name] != len(s.acked) {
				c.t.Errorf("%s holds %d lines of %s, %d were acknowledged", room, next[s.name], s.name, len(s.acked))
			}
		}
	}
	for _, s := range c.all {
		lines := held[s.room]
		for n, at := range s.acked {
			if at >= len(lines) || lines[at] != (line{s.name, n}) {
				c.t.Errorf("%s was answered that its number %d is line %d of %s, which holds %d lines and there another", s.name, n, at, s.room, len(lines))
			}
		}
		for at, l := range s.heard {
			if at >= len(lines) || lines[at] != l {
				c.t.Errorf("%s was told that line %d of %s is %v, which holds %d lines and there another", s.name, at, s.room, l, len(lines))
			}
		}
		for _, p := range s.problems {
			c.t.Error(p)
		}
	}
}
