package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pass lets time pass in a bubble of synctest.
func pass(d time.Duration) { <-time.After(d) }

// crowd is agents of one registry, in a bubble of synctest.
type crowd struct {
	t      *testing.T
	reg    *switched
	mu     sync.Mutex // guards agents
	agents map[string]*running
}

type running struct {
	*Agent
	stop    context.CancelFunc
	done    chan struct{}
	changes chan *View
	lost    chan string
}

// switched is a registry that can fail.
type switched struct {
	Memory
	mu  sync.Mutex
	off map[string]bool // by node; "" is everybody
}

func (s *switched) Beat(ctx context.Context, b Beat) (Roll, error) {
	s.mu.Lock()
	off := s.off[""] || s.off[b.Self.ID]
	s.mu.Unlock()
	if off {
		<-ctx.Done()
		return Roll{}, ctx.Err()
	}
	return s.Memory.Beat(ctx, b)
}

func (s *switched) set(node string, off bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.off[node] = off
}

func (s *switched) silent(node string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.off[node]
}

func newCrowd(t *testing.T) *crowd {
	return &crowd{t: t, reg: &switched{off: make(map[string]bool)}, agents: make(map[string]*running)}
}

func (c *crowd) start(id string) *running {
	r := &running{done: make(chan struct{}), changes: make(chan *View, 1000), lost: make(chan string, 1)}
	r.Agent = NewAgent(AgentConfig{
		Membership: MembershipConfig{
			Self: Member{ID: id, Address: id + ":1", Rooms: true, Kinds: []string{"board"}},
			Rand: rand.New(rand.NewPCG(1, 2)), Log: silentLog,
		},
		Registry: c.reg, Changed: func(v *View) { r.changes <- v }, Lost: func(why string) { r.lost <- why },
		Ask: func(_ context.Context, peer Member) Said {
			c.mu.Lock()
			p := c.agents[peer.ID]
			c.mu.Unlock()
			if p == nil {
				return Said{Outcome: OutcomeRefused}
			}
			return Said{OutcomeAnswer, p.Heard(id)}
		},
	})
	c.mu.Lock()
	c.agents[id] = r
	c.mu.Unlock()
	ctx, cancel := context.WithCancel(c.t.Context())
	r.stop = cancel
	go func() { defer close(r.done); r.Run(ctx, time.Second) }()
	synctest.Wait()
	return r
}

// end ends the process, in an orderly way.
func (c *crowd) end(id string) {
	r := c.agents[id]
	c.mu.Lock()
	delete(c.agents, id)
	c.mu.Unlock()
	r.stop()
	<-r.done
}

func (c *crowd) endAll() {
	for id := range c.agents {
		c.end(id)
	}
}

func TestAgentsSeeWhoComesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t)
		defer c.endAll()
		a := c.start("a")
		if !a.Serving() {
			t.Fatal("a node that has joined does not serve")
		}
		c.start("b")
		pass(changedPause + time.Millisecond)
		synctest.Wait()
		if !a.View().Has("b") {
			t.Error("a node that joins is not seen at once")
		}
		a.Drain()
		pass(changedPause + time.Millisecond)
		synctest.Wait()
		if m, _ := c.agents["b"].View().Find("a"); !m.Draining {
			t.Error("that a node drains is not seen at once")
		}
		c.end("b")
		pass(changedPause + time.Millisecond)
		synctest.Wait()
		if a.View().Has("b") {
			t.Error("a node that left is not missed at once")
		}
		if n := len(a.changes); n > 6 {
			t.Errorf("%d changes were told", n)
		}
	})
}

// TestAgentsTellOfAnotherDataSet: what is kept there may have lost something.
func TestAgentsTellOfAnotherDataSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t)
		defer c.endAll()
		a, b := c.start("a"), c.start("b")
		<-time.After(3 * time.Second)
		synctest.Wait()
		for len(a.changes) > 0 || len(b.changes) > 0 {
			select {
			case <-a.changes:
			case <-b.changes:
			}
		}
		was := a.View()
		c.reg.Memory.mu.Lock()
		c.reg.tick = 1 // a data set of before
		c.reg.Memory.mu.Unlock()
		<-time.After(time.Second)
		synctest.Wait()
		for _, r := range []*running{a, b} {
			if len(r.changes) != 1 {
				t.Fatalf("%d changes are told", len(r.changes))
			}
			if v := <-r.changes; v.Data == was.Data || len(v.Members) != 2 || !v.Settled.After(time.Now()) {
				t.Errorf("told of %+v, was %+v", v, was)
			}
		}
	})
}

func TestAnAgentThatIsCutOffEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t)
		defer c.endAll()
		a, b := c.start("a"), c.start("b")
		pass(time.Second)
		c.reg.set("b", true)
		pass(testTTL)
		if b.Serving() {
			t.Error("it serves after its lease")
		}
		pass(testTTL)
		select {
		case <-b.lost:
		default:
			t.Error("it was not told")
		}
		if <-b.done; !a.Serving() || a.View().Has("b") {
			t.Error("the other is not alone now")
		}
		if _, err := b.Refresh(t.Context(), time.Now()); !errors.Is(err, ErrOver) {
			t.Errorf("Refresh returns %v", err)
		}
	})
}

func TestAgentsOutliveTheRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t)
		defer c.endAll()
		for i := range 3 {
			c.start(fmt.Sprint("n", i))
		}
		pass(time.Second)
		c.reg.set("", true)
		for range 600 {
			pass(100 * time.Millisecond)
			for id, r := range c.agents {
				if !r.Serving() {
					t.Fatalf("%s has stopped serving", id)
				}
			}
		}
		c.reg.set("", false)
		pass(10 * time.Second)
		for id, r := range c.agents {
			if len(r.View().Members) != 3 || !r.Serving() {
				t.Errorf("%s sees %d members", id, len(r.View().Members))
			}
		}
	})
}

func TestRefreshWaitsForALaterView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t)
		defer c.endAll()
		a := c.start("a")
		since := time.Now()
		v, err := a.Refresh(t.Context(), since.Add(-time.Nanosecond))
		if err != nil || !v.AsOf.Equal(since) {
			t.Errorf("the present view is not good enough: %v", err)
		}
		pass(time.Millisecond)
		since = time.Now().Add(-1)
		if v, err := a.Refresh(t.Context(), since); err != nil || !v.AsOf.After(since) {
			t.Errorf("Refresh returns a view as of %v, %v", v.AsOf, err)
		}
		c.reg.set("", true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.Refresh(ctx, time.Now()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Refresh returns %v", err)
		}
	})
}
