package node_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/actors/store/memory"
	"github.com/parlor-rooms/parlor/actors/store/storetest"
)

// tally is a room that keeps what it counts.
type tally struct {
	Counts actors.Map[string, int] `room:"counts,durable,synced"`
	rung   func(string)
}

func (c *tally) Count(_ *actors.Turn, in string) (int, error) {
	n, _ := c.Counts.Get(in)
	c.Counts.Set(in, n+1)
	return n + 1, nil
}

func (c *tally) Get(_ *actors.Turn, in string) (int, error) { n, _ := c.Counts.Get(in); return n, nil }

func (c *tally) Remind(t *actors.Turn, in string) (string, error) {
	t.SetAlarm(in, t.Now().Add(50*time.Millisecond))
	return in, nil
}

func (c *tally) End(t *actors.Turn, _ string) (string, error) { t.Destroy(); return "ended", nil }

func (c *tally) Alarm(_ *actors.Turn, name string) { c.rung(name) }

func tallies(c actors.KindConfig, rung func(string)) *actors.Kind[tally] {
	k := actors.NewKind("tally", func() *tally { return &tally{rung: rung} }, c)
	actors.OnAck(k, "count", (*tally).Count)
	actors.OnAck(k, "get", (*tally).Get)
	actors.OnAck(k, "remind", (*tally).Remind)
	actors.OnAck(k, "end", (*tally).End)
	return k
}

func ask(t *testing.T, n *node.Node, room, event, in string) (out int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := n.Call(ctx, actors.RoomRef{Kind: "tally", ID: room}, event, in, &out); err != nil {
		t.Fatalf("%s %s: %v", event, in, err)
	}
	return out
}

// serve runs a node until the function that it returns is called.
func serve(t *testing.T, cfg node.Config) (*node.Node, func()) {
	t.Helper()
	n, err := node.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }() // stop waits for it
	return n, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func TestRoomsOutliveTheirNode(t *testing.T) {
	store := memory.New(memory.Config{})
	cfg := node.Config{Kinds: []actors.Behavior{tallies(actors.KindConfig{ResumeWithin: time.Minute}, nil)}, Store: store}
	n, stop := serve(t, cfg)
	p := connect(t, n)
	sid := p.enter("/tally/1", "")
	if got := ask(t, n, "1", "count", "x"); got != 1 {
		t.Errorf("counted %d", got)
	}
	pid := string(p.find(actors.PacketConnect, "/tally/1", "sid")[0].Data)
	pid = pid[strings.Index(pid, `"pid":`)+6 : len(pid)-1]
	p.await(actors.PacketEvent, "/tally/1", `"counts":{"x":1}`)
	stop()
	again := start(t, cfg)
	if got := ask(t, again, "1", "count", "x"); got != 2 {
		t.Errorf("counted %d", got)
	}
	q := connect(t, again)
	if back := q.enter("/tally/1", `{"pid":`+pid+`}`); back != sid {
		t.Errorf("it comes back as %s, was %s", back, sid)
	}
}

func TestARoomThatIsTakenFromANodeGoesOnWhereItStood(t *testing.T) {
	store := memory.New(memory.Config{})
	kinds := []actors.Behavior{tallies(actors.KindConfig{}, nil)}
	n, stop := serve(t, node.Config{Kinds: kinds, Store: store})
	defer stop()
	if got := ask(t, n, "1", "count", "x"); got != 1 {
		t.Errorf("counted %d", got)
	}
	// The first node knows of nothing: it is as if it were cut off. The next
	// one believes it dead.
	next := start(t, node.Config{Kinds: kinds, Store: store})
	if got := ask(t, next, "1", "count", "x"); got != 2 {
		t.Errorf("counted %d", got)
	}
	// What the first one does is refused, and done where the room has gone: by
	// taking it back, as it believes the other dead too.
	if got := ask(t, n, "1", "count", "x"); got != 3 {
		t.Errorf("counted %d", got)
	}
}

func TestARoomOfALivingOwnerIsLeftAlone(t *testing.T) {
	store := memory.New(memory.Config{})
	kinds := []actors.Behavior{tallies(actors.KindConfig{}, nil)}
	first := start(t, node.Config{Kinds: kinds, Store: store})
	if got := ask(t, first, "1", "count", "x"); got != 1 {
		t.Errorf("counted %d", got)
	}
	second := start(t, node.Config{Kinds: kinds, Store: store, OwnerAlive: func(actors.Owner) bool { return true }})
	err := second.Call(t.Context(), actors.RoomRef{Kind: "tally", ID: "1"}, "count", "x", nil)
	var e *actors.Error
	if !errors.As(err, &e) || e.Code != actors.CodeUnavailable {
		t.Errorf("the other node answers %v", err)
	}
	if got := ask(t, first, "1", "count", "x"); got != 2 {
		t.Errorf("counted %d", got)
	}
}

func TestEveryCountCountsOnceThoughTheStoreFails(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			faulty := storetest.WithFaults(memory.New(memory.Config{}), storetest.Faults{
				Seed: seed + 1, Refuse: 0.05, Vanish: 0.05, LoseReply: 0.1, Late: 0.05, Duplicate: 0.1, Delay: 0.05, LongestDelay: time.Millisecond,
			})
			n := start(t, node.Config{Kinds: []actors.Behavior{tallies(actors.KindConfig{}, nil)}, Store: faulty})
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					for range 10 {
						ask(t, n, fmt.Sprint(i%3), "count", "x")
					}
				})
			}
			wg.Wait()
			faulty.Heal(true)
			sum := 0
			for i := range 3 {
				sum += ask(t, n, fmt.Sprint(i), "get", "x")
			}
			if sum != 80 {
				t.Errorf("counted %d, want 80; met %v", sum, faulty.Met())
			}
		})
	}
}

func TestAnAlarmWakesARoomOnAnotherNode(t *testing.T) {
	store := memory.New(memory.Config{})
	var rung atomic.Int64
	kinds := []actors.Behavior{tallies(actors.KindConfig{}, func(string) { rung.Add(1) })}
	n, stop := serve(t, node.Config{Kinds: kinds, Store: store})
	if err := n.Call(t.Context(), actors.RoomRef{Kind: "tally", ID: "1"}, "remind", "x", nil); err != nil {
		t.Fatal(err)
	}
	stop()
	before := rung.Load()
	start(t, node.Config{Kinds: kinds, Store: store})
	until(t, "the alarm", func() bool { return rung.Load() == 1 })
	if before > 1 {
		t.Errorf("it rang %d times before", before)
	}
}

func TestARoomThatIsDestroyedLeavesNothingBehind(t *testing.T) {
	store := memory.New(memory.Config{})
	empty := store.Copy()
	n, stop := serve(t, node.Config{Kinds: []actors.Behavior{tallies(actors.KindConfig{}, nil)}, Store: store})
	ask(t, n, "1", "count", "x")
	if err := n.Call(t.Context(), actors.RoomRef{Kind: "tally", ID: "1"}, "end", "", nil); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, n, "1", "get", "x"); got != 0 {
		t.Errorf("the next room has %d", got)
	}
	stop()
	if !store.Equal(empty) {
		t.Error("something is stored")
	}
}

func TestAHibernatingRoomIsFoundWhereItWas(t *testing.T) {
	n := start(t, node.Config{Kinds: []actors.Behavior{tallies(actors.KindConfig{HibernateAfter: 20 * time.Millisecond}, nil)}})
	p := connect(t, n)
	sid := p.enter("/tally/1", "")
	for i := range 5 {
		p.send(actors.PacketEvent, "/tally/1", `["count","x"]`, uint64(i))
		p.await(actors.PacketAck, "/tally/1", fmt.Sprintf("[%d]", i+1))
		until(t, "it hibernates", func() bool { return n.Stats().RoomsAsleep == 1 })
	}
	if again := p.find(actors.PacketConnect, "/tally/1", sid); len(again) != 1 || len(p.find(actors.PacketEvent, "/tally/1", "room:state")) != 1 {
		t.Errorf("the client notices: %d CONNECT, %d states", len(again), len(p.find(actors.PacketEvent, "/tally/1", "room:state")))
	}
	p.conn.Closed(actors.ReasonTransportClosed)
	until(t, "it wakes for the leave", func() bool { return n.Stats().RoomsAsleep == 0 })
}

func TestALevelThatTheStoreDoesNotProvideIsRefused(t *testing.T) {
	_, err := node.New(node.Config{Kinds: []actors.Behavior{tallies(actors.KindConfig{Durability: actors.DurabilityDisk}, nil)}})
	if !errors.Is(err, actors.ErrNoDurability) || !strings.Contains(err.Error(), "tally") {
		t.Errorf("New: %v", err)
	}
}
