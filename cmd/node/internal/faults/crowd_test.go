package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/transport/transporttest"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// crowd is members of some rooms, each of which says numbers and checks what
// the others say.
type crowd struct {
	t      *testing.T
	cancel context.CancelFunc
	wait   sync.WaitGroup
	all    []*guest
	every  time.Duration // between two messages of one guest
	last   bool          // rooms last: nothing may be missing, whatever happens
}

// guest is one client, over all its connections.
type guest struct {
	crowd     *crowd
	name      string
	address   string // what a proxy says of it: one address may not begin hundreds of rooms
	room      string
	servers   []string // where it connects, in turn
	transport transporttest.Transport

	mu       sync.Mutex // guards the following
	at       int        // index of the server it is connected to; -1: none
	member   string
	members  []string // all that it has been
	pid      string
	offset   string
	n        int            // the last number that was acknowledged
	heard    map[string]int // last number by sender
	age      int64          // of the youngest activation
	life     string
	latest   time.Time     // when the latest message came
	gap      time.Duration // longest between two messages, since mark
	received int
	cuts     int // times it was told that it missed something
	lost     []string
	errs     []string
}

// newCrowd starts guests in rooms of a kind, and returns when all have entered.
func newCrowd(t *testing.T, kind string, rooms, perRoom int, every time.Duration, place func(i int) ([]string, transporttest.Transport)) *crowd {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &crowd{t: t, cancel: cancel, every: every, last: kind == "hall"}
	for r := range rooms {
		for range perRoom {
			servers, transport := place(len(c.all))
			c.all = append(c.all, &guest{
				crowd: c, name: fmt.Sprintf("g%d", len(c.all)), address: fmt.Sprintf("10.0.%d.1", r), room: fmt.Sprintf("/%s/r%d", kind, r),
				servers: servers, transport: transport, at: -1, heard: make(map[string]int),
			})
		}
	}
	entered := make(chan struct{}, len(c.all))
	for _, g := range c.all {
		c.wait.Go(func() { g.live(ctx, entered) })
	}
	limit := time.After(enterWithin)
	for i := range c.all {
		select {
		case <-entered:
		case <-limit:
			t.Fatalf("%d of %d guests have entered", i, len(c.all))
		}
	}
	t.Cleanup(c.stop)
	return c
}

func (c *crowd) stop() { c.cancel(); c.wait.Wait() }

// live keeps a guest connected until ctx ends.
func (g *guest) live(ctx context.Context, entered chan<- struct{}) {
	for turn := 0; ctx.Err() == nil; turn++ {
		in := func() {
			if entered != nil {
				entered <- struct{}{}
				entered = nil
			}
		}
		at := turn % len(g.servers)
		err := g.visit(ctx, at, in)
		g.mu.Lock()
		g.at = -1
		if err != nil && ctx.Err() == nil {
			g.lost = append(g.lost, fmt.Sprintf("%s %s: %v", time.Now().Format("05.000"), g.servers[at], err))
		}
		g.mu.Unlock()
		testenv.Pause(ctx, 100*time.Millisecond+rand.N(200*time.Millisecond))
	}
}

// visit is one connection: it lasts until that ends.
func (g *guest) visit(ctx context.Context, at int, entered func()) error {
	dial, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	client, err := transporttest.Dial(dial, g.servers[at], transporttest.Options{
		Transport: g.transport, Queue: 1_000, Header: http.Header{"X-Forwarded-For": {g.address}},
	})
	if err != nil {
		return err
	}
	defer client.Abort()
	g.mu.Lock()
	auth := map[string]string{"name": g.name}
	if g.pid != "" {
		auth["pid"], auth["offset"] = g.pid, g.offset
	}
	g.mu.Unlock()
	ns, err := client.Connect(dial, g.room, auth)
	if err != nil {
		return err
	}
	g.mu.Lock()
	g.at = at
	if g.pid != "" && ns.PID() != g.pid {
		g.cut()
	}
	if g.is(ns); !g.crowd.last && len(g.members) > 1 {
		g.n++ // whether it was taken is not known, and another member would say it again
	}
	g.mu.Unlock()
	entered()
	talk, end := context.WithCancel(ctx)
	var wait sync.WaitGroup
	defer wait.Wait()
	defer end()
	wait.Go(func() { g.talk(talk, ns) })
	if err := g.listen(ctx, ns); !errors.Is(err, transporttest.ErrLeft) {
		return err
	}
	return fmt.Errorf("the connection ended: %w", client.Err())
}

// is takes what the server calls the guest.
func (g *guest) is(ns *transporttest.Namespace) {
	g.member, g.pid = ns.SID(), ns.PID()
	g.members = append(g.members, g.member)
}

// who says which guest a member is or was, for the reader of a failed test.
func (c *crowd) who(member string) string {
	for _, g := range c.all {
		g.mu.Lock()
		for i, m := range g.members {
			if m == member {
				defer g.mu.Unlock()
				return fmt.Sprintf("%s is %s (its %d. of %d), connected to %d by %d, heard the last %v ago, lost %d connections, of late %q",
					member, g.name, i+1, len(g.members), g.at, g.transport, time.Since(g.latest).Round(time.Millisecond), len(g.lost), g.lost[max(0, len(g.lost)-3):])
			}
		}
		g.mu.Unlock()
	}
	return member + " is nobody's"
}

// cut is called when the server has said that something was missed: numbers
// begin anew.
func (g *guest) cut() {
	g.cuts++
	g.heard = make(map[string]int)
}

// talk says the next number until it is acknowledged, again and again.
func (g *guest) talk(ctx context.Context, ns *transporttest.Namespace) {
	for {
		if !testenv.Pause(ctx, g.crowd.every/2+rand.N(g.crowd.every)) {
			return
		}
		g.mu.Lock()
		n := g.n + 1
		g.mu.Unlock()
		meta := map[string]any{"$parlor": map[string]string{"cid": fmt.Sprintf("%s-%d", g.name, n)}}
		for {
			try, cancel := context.WithTimeout(ctx, 3*time.Second)
			answer, err := ns.EmitAck(try, "say", say{g.name, n}, meta)
			cancel()
			if errors.Is(err, transporttest.ErrLeft) || ctx.Err() != nil {
				return
			}
			if err == nil && g.acknowledged(n, answer) {
				break
			}
			if !testenv.Pause(ctx, 100*time.Millisecond) {
				return
			}
		}
	}
}

// acknowledged reports whether the answer says that n was taken.
func (g *guest) acknowledged(n int, answer transporttest.Event) bool {
	var got int
	g.mu.Lock()
	defer g.mu.Unlock()
	if answer.Decode(0, &got) == nil && got == n {
		g.n = n
		return true
	}
	if text := string(answer.Args[0]); !strings.Contains(text, `"unavailable"`) && !strings.Contains(text, `"overloaded"`) {
		g.errs = append(g.errs, fmt.Sprintf("%s is answered %s", g.name, text))
	}
	return false
}

// listen checks what the others say until the connection ends.
func (g *guest) listen(ctx context.Context, ns *transporttest.Namespace) error {
	connects := ns.Connects()
	for {
		e, err := ns.Next(ctx)
		if err != nil {
			return err
		}
		if now := ns.Connects(); now != connects { // in place
			connects = now
			g.mu.Lock()
			g.is(ns)
			g.cut()
			g.mu.Unlock()
		}
		g.hear(e)
	}
}

func (g *guest) hear(e transporttest.Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var offset string
	if len(e.Args) > 0 && json.Unmarshal(e.Args[len(e.Args)-1], &offset) == nil {
		g.offset = offset
	}
	if e.Name != "said" {
		return
	}
	var m said
	if err := e.Decode(0, &m); err != nil {
		g.errs = append(g.errs, err.Error())
		return
	}
	now := time.Now()
	if !g.latest.IsZero() {
		g.gap = max(g.gap, now.Sub(g.latest))
	}
	g.latest = now
	g.received++
	if m.Age > g.age && !g.crowd.last {
		clear(g.heard) // a room in memory has forgotten which commands it has had
	}
	switch last, known := g.heard[m.From]; {
	case known && m.N <= last:
		g.errs = append(g.errs, fmt.Sprintf("%s hears %d of %s after %d", g.name, m.N, m.From, last))
	case known && m.N != last+1 && g.crowd.last:
		g.errs = append(g.errs, fmt.Sprintf("%s hears %d of %s after %d: a gap, and nobody said so", g.name, m.N, m.From, last))
	}
	g.heard[m.From] = m.N
	switch {
	case m.Age > g.age:
		g.age, g.life = m.Age, m.Life
	case m.Life != g.life:
		g.errs = append(g.errs, fmt.Sprintf("%s hears an older activation after a younger one", g.name))
	}
}

// mark begins to measure gaps.
func (c *crowd) mark() {
	for _, g := range c.all {
		g.mu.Lock()
		g.gap, g.lost, g.cuts, g.latest = 0, nil, 0, time.Now()
		g.mu.Unlock()
	}
}

// gaps are the longest pauses since mark of the guests that kept their
// connection, and of those that had to connect again, sorted. A room pauses also
// because nobody speaks.
func (c *crowd) gaps() (stayed, returned []time.Duration) {
	for _, g := range c.all {
		g.mu.Lock()
		gap := max(g.gap, time.Since(g.latest))
		if len(g.lost) == 0 {
			stayed = append(stayed, gap)
		} else {
			returned = append(returned, gap)
		}
		g.mu.Unlock()
	}
	slices.Sort(stayed)
	slices.Sort(returned)
	return stayed, returned
}

// report reports them.
func (c *crowd) report(l *lab, what string) {
	stayed, returned := c.gaps()
	l.report(what+", connected throughout", stayed)
	l.report(what+", connected again", returned)
}

// check fails the test for whatever the guests have noticed.
func (c *crowd) check() {
	c.t.Helper()
	shown := 0
	for _, g := range c.all {
		g.mu.Lock()
		for _, e := range g.errs {
			if shown++; shown <= 20 {
				c.t.Error(e)
			}
		}
		g.mu.Unlock()
	}
	if shown > 20 {
		c.t.Errorf("and %d more", shown-20)
	}
}

// flows waits until every guest has been acknowledged a few messages from here
// on, and has heard everybody of its room: within a time beside the pauses that
// guests make.
func (c *crowd) flows(within time.Duration) {
	c.t.Helper()
	type mark struct{ n, received int }
	marks := make([]mark, len(c.all))
	for i, g := range c.all {
		g.mu.Lock()
		marks[i] = mark{g.n, g.received}
		g.mu.Unlock()
	}
	deadline := time.Now().Add(within + 3*c.every)
	for i, g := range c.all {
		for {
			g.mu.Lock()
			fine := g.at >= 0 && g.n >= marks[i].n+2 && g.received >= marks[i].received+2
			state := fmt.Sprintf("%s in %s at %d: %d acknowledged since, %d heard, lost %v", g.name, g.room, g.at, g.n-marks[i].n, g.received-marks[i].received, g.lost)
			g.mu.Unlock()
			if fine {
				break
			}
			if time.Now().After(deadline) {
				c.t.Fatalf("nothing flows after %v: %s", within, state)
			}
			testenv.Pause(context.Background(), 20*time.Millisecond)
		}
	}
}

// where is the server each guest is connected to; empty for those that poll
// through the balancer.
func (c *crowd) where() []string {
	at := make([]string, len(c.all))
	for i, g := range c.all {
		g.mu.Lock()
		if g.at >= 0 && g.transport == transporttest.WebSocket {
			at[i] = g.servers[g.at]
		}
		g.mu.Unlock()
	}
	return at
}

// stays fails the test for every guest that lost its connection since mark
// though it was not connected to the server that is dead.
func (c *crowd) stays(at []string, dead string) {
	c.t.Helper()
	for i, g := range c.all {
		g.mu.Lock()
		if len(g.lost) > 0 && at[i] != "" && at[i] != dead {
			c.t.Errorf("%s lost its connection although its node lived: %s", g.name, g.lost[0])
		}
		g.mu.Unlock()
	}
}

// disconnected are the guests that lost their connection since mark.
func (c *crowd) disconnected() (count int, example string) {
	for _, g := range c.all {
		g.mu.Lock()
		if len(g.lost) > 0 {
			count++
			example = g.name + " " + g.lost[0]
		}
		g.mu.Unlock()
	}
	return count, example
}
