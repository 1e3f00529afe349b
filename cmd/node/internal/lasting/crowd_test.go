package lasting

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/cmd/node/internal/fleet"
	"github.com/parlor-rooms/parlor/transport/jwtauth"
	"github.com/parlor-rooms/parlor/transport/transporttest"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// Who the tokens of the scribes are from.
const (
	issuer   = "lasting"
	audience = "parlor"
	secret   = "0123456789abcdefghijklmnopqrstuvwxyz"
)

// authEnv has a node check tokens.
var authEnv = []string{"PARLOR_AUTH_ISSUER=" + issuer, "PARLOR_AUTH_AUDIENCE=" + audience, "PARLOR_AUTH_KEY=" + secret}

// token is for a client of that name. Any goroutine may call it.
func token(t *testing.T, subject string) string {
	t.Helper()
	key, err := jwtauth.ParseSigningKey("", jwtauth.HS256, []byte(secret))
	if err != nil {
		t.Error(err)
		return ""
	}
	text, err := key.Sign(jwtauth.Token{
		Issuer: issuer, Audience: audience, Subject: subject, Issued: time.Now(), Expires: time.Now().Add(12 * time.Hour),
	})
	if err != nil {
		t.Error(err)
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
	server *fleet.Node   // is started again when it ends by itself; nil: it must not

	mu    sync.Mutex // guards the following
	acked int
}

// begin starts scribes, on all transports, until the test ends. lossy says that
// the store may be rolled back.
func begin(t *testing.T, url string, seed uint64, lossy bool) *crowd {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &crowd{t: t, url: url, cancel: cancel, enough: make(chan struct{}), acks: make(chan struct{}, 1)}
	t.Cleanup(c.stop)
	for i := range rooms * scribes {
		name := fmt.Sprintf("s%d", i)
		s := &scribe{
			url: url, room: fmt.Sprintf("/ledger/r%d", i%rooms), name: name, token: token(t, name),
			transport: []transporttest.Transport{transporttest.WebSocket, transporttest.Polling, transporttest.Upgrade}[i/rooms%3],
			onAck:     c.count, lossy: lossy, enough: c.enough, finished: make(chan struct{}),
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
		case <-c.ended():
			c.t.Log("the server has ended by itself")
			start(c.t, c.server)
		case <-limit.C:
			c.t.Fatalf("%d of %d lines were acknowledged within %v: %s", acked-want+n, n, patience, c.all[0].status())
		}
	}
}

// ended is closed when the server has ended that may.
func (c *crowd) ended() <-chan struct{} {
	if c.server == nil {
		return nil
	}
	return c.server.Ended()
}

// finish has every scribe's last line acknowledged, and everybody told of all.
// It returns what each room holds.
func (c *crowd) finish() map[string][]line {
	c.t.Helper()
	close(c.enough)
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for _, s := range c.all {
		for done := false; !done; {
			select {
			case <-s.finished:
				done = true
			case <-c.ended():
				start(c.t, c.server)
			case <-limit.C:
				c.t.Fatalf("no end after %v: %s", patience, s.status())
			}
		}
	}
	held := make(map[string][]line)
	for _, s := range c.all {
		if held[s.room] == nil {
			held[s.room] = read(c.t, c.url, s.room)
		}
		for last := len(held[s.room]) - 1; ; {
			if s.knowsOf(last) {
				break
			}
			select {
			case <-limit.C:
				c.t.Fatalf("not told of line %d after %v: %s", last, patience, s.status())
			default:
			}
			testenv.Pause(context.Background(), 20*time.Millisecond)
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
		testenv.Pause(ctx, 10*time.Millisecond)
	}
}

// audit compares what scribes were answered and told with what rooms hold.
// mayLose says whether a line may be missing that was acknowledged at that time,
// if its scribe was told that it missed something; nil means that none may.
// It returns how many are missing.
func (c *crowd) audit(held map[string][]line, mayLose func(time.Time) bool) (lost int) {
	c.t.Helper()
	for room, lines := range held {
		last := make(map[string]int) // number of the last line by its scribe, from 1
		for at, l := range lines {
			if l.N < last[l.By] {
				c.t.Errorf("%s: line %d is %v, behind number %d of it", room, at, l, last[l.By]-1)
			}
			last[l.By] = l.N + 1
		}
	}
	for _, s := range c.all {
		lines := held[s.room]
		there := make(map[int]bool) // its lines
		for _, l := range lines {
			there[l.N] = there[l.N] || l.By == s.name
		}
		for n, a := range s.acked {
			stands := a.at < len(lines) && lines[a.at] == line{s.name, n}
			switch {
			case a.doubt && mayLose != nil && mayLose(a.when):
				if !there[n] { // otherwise its connection had it and has sent it again
					lost++
				}
			case !stands:
				c.t.Errorf("%s was answered that its number %d is line %d of %s, which holds %d lines and there another", s.name, n, a.at, s.room, len(lines))
			}
		}
		for at, l := range s.heard {
			if at >= len(lines) || lines[at] != l {
				c.t.Errorf("%s was told that line %d of %s is %v, which holds %d lines and there another", s.name, at, s.room, l, len(lines))
			}
		}
		if there[len(s.acked)] && !s.sent {
			c.t.Errorf("%s holds number %d of %s, which it has not written", s.room, len(s.acked), s.name)
		}
		for _, p := range s.problems {
			c.t.Error(p)
		}
	}
	return lost
}
