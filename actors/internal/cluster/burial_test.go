package cluster

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// graves is a store that knows who owns how many rooms.
type graves struct {
	mu     sync.Mutex // guards the following
	rooms  map[string]int
	down   bool
	asked  int
	buried []string // by whom, one entry per call
	most   int
}

func (g *graves) Owners(context.Context) (nodes []string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked++
	if g.down {
		return nil, errStore
	}
	for node := range g.rooms {
		nodes = append(nodes, node)
	}
	slices.Sort(nodes)
	return nodes, nil
}

// by is the graves as one node reaches them.
type by struct {
	*graves
	node string
}

func (g by) Bury(_ context.Context, node string, most int) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down {
		return false, errStore
	}
	g.buried = append(g.buried, g.node+" buries "+node)
	g.most = max(g.most, min(most, g.rooms[node]))
	if g.rooms[node] -= most; g.rooms[node] <= 0 {
		delete(g.rooms, node)
		return false, nil
	}
	return true, nil
}

func (g *graves) took() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	took := g.buried
	g.buried = nil
	return took
}

// left are the nodes that own rooms.
func (g *graves) left() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.rooms)
}

// watch has the nodes of a crowd look after the dead until stop is called.
func (p *places) watch(g *graves, nodes ...string) (stop func()) {
	ctx, cancel := context.WithCancel(p.t.Context())
	var all sync.WaitGroup
	for _, id := range nodes {
		b := &Burial{Self: id, Graves: by{g, id}, Members: p.agents[id], Log: silentLog, Every: 5 * time.Second}
		all.Go(func() { b.Run(ctx) })
	}
	return func() { cancel(); all.Wait() }
}

func TestTheDeadAreBuriedOnceAndTheLivingNever(t *testing.T) {
	inBubble(t, func(t *testing.T, p *places) {
		g := &graves{rooms: map[string]int{"a": 1, "b": 1, "c": 1000, "gone long ago": 1}}
		defer p.watch(g, "a", "b", "c")()
		<-time.After(time.Minute)
		if took := g.took(); len(took) != 1 {
			t.Errorf("while all live: %v", took)
		}
		died := time.Now()
		p.end("c")
		for g.left() == 3 {
			<-time.After(100 * time.Millisecond)
		}
		synctest.Wait()
		if took := time.Since(died); took > 20*time.Second {
			t.Errorf("a dead node is buried after %v", took)
		}
		if took := g.took(); len(took) != 8 || len(slices.Compact(took)) != 1 || g.most != buryAtOnce {
			t.Errorf("%v, up to %d rooms at once", took, g.most)
		}
		g.mu.Lock()
		g.down, g.asked = true, 0
		g.mu.Unlock()
		p.start("d")
		<-time.After(time.Minute)
		g.mu.Lock()
		if g.asked > 45 { // by three nodes
			t.Errorf("a store that is away is asked %d times within a minute", g.asked)
		}
		g.down = false
		g.rooms["d"] = 1 // which lives, though a list may be older than it
		g.mu.Unlock()
		<-time.After(time.Minute)
		if took := g.took(); len(took) > 0 || g.left() != 3 {
			t.Errorf("%v; %d are left", took, g.left())
		}
	}, "a", "b", "c")
}

// TestNobodyIsBuriedWhileTheListIsYoung: after Redis has come back empty nodes
// register again, and until then they are on nobody's list.
func TestNobodyIsBuriedWhileTheListIsYoung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &places{crowd: newCrowd(t)}
		defer p.endAll()
		p.start("a") // on a registry that is empty
		g := &graves{rooms: map[string]int{"late": 1}}
		b := &Burial{Self: "a", Graves: by{g, "a"}, Members: p.agents["a"], Log: silentLog, Every: time.Second}
		for time.Now().Before(p.agents["a"].View().Settled) {
			if err := b.look(t.Context()); err != nil {
				t.Fatal(err)
			}
			<-time.After(100 * time.Millisecond)
		}
		if took := g.took(); len(took) > 0 {
			t.Errorf("%v", took)
		}
		for range 2 {
			<-time.After(time.Second)
			if err := b.look(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := g.took(); len(took) != 1 {
			t.Errorf("afterwards %v", took)
		}
	})
}

// TestAListThatIsOldBuriesNobody: who has joined since is not on it.
func TestAListThatIsOldBuriesNobody(t *testing.T) {
	inBubble(t, func(t *testing.T, p *places) {
		p.reg.set("a", true)
		p.start("b")
		g := &graves{rooms: map[string]int{"b": 1}}
		b := &Burial{Self: "a", Graves: by{g, "a"}, Members: p.agents["a"], Log: silentLog, Every: time.Second}
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if err := b.look(ctx); err == nil {
				t.Error("there is a list")
			}
			cancel()
		}
		if took := g.took(); len(took) > 0 || p.agents["a"].View().Has("b") {
			t.Errorf("%v", took)
		}
	}, "a")
}

// TestADeadNodeIsBuriedByItsUndertakerAlone.
func TestADeadNodeIsBuriedByItsUndertakerAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, p *places) {
		var took []string
		for _, id := range []string{"a", "b", "c"} {
			g := &graves{rooms: map[string]int{"dead": 1}}
			b := &Burial{Self: id, Graves: by{g, id}, Members: p.agents[id], Log: silentLog, Every: time.Second}
			for range 2 {
				if err := b.look(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			took = append(took, g.took()...)
		}
		if len(took) != 1 {
			t.Errorf("%v", took)
		}
	}, "a", "b", "c")
}

// TestEachDeadNodeHasOneUndertaker, and they have about as many each.
func TestEachDeadNodeHasOneUndertaker(t *testing.T) {
	v := &View{Members: []Member{{ID: "a"}, {ID: "b"}, {ID: "c"}}}
	falls := map[string]int{}
	for i := range 300 {
		falls[undertaker(v, fmt.Sprint("n", i))]++
	}
	if len(falls) != 3 || falls["a"] < 60 || falls["b"] < 60 || falls["c"] < 60 {
		t.Error(falls)
	}
}
