package node_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/actors/node/nodetest"
	"github.com/parlor-rooms/parlor/actors/store/memory"
)

// dozer is a room that falls asleep as soon as it may. It keeps how often each
// member has called it.
type dozer struct {
	Calls actors.Map[string, int] `room:"calls,durable"`
	notes *ledger
}

func (d *dozer) Call(_ *actors.Turn, who string) (int, error) {
	n, _ := d.Calls.Get(who)
	d.Calls.Set(who, n+1)
	return n + 1, nil
}

func (d *dozer) Left(t *actors.Turn, _ actors.Member, _ actors.LeaveReason) {
	d.notes.note("left %s", t.Room().ID)
}

// dozers is a kind of them; woken counts instances.
func dozers(after time.Duration, notes *ledger, woken *atomic.Int64) actors.Behavior {
	k := actors.NewKind("dozer", func() *dozer { woken.Add(1); return &dozer{notes: notes} },
		actors.KindConfig{HibernateAfter: after, ResumeWithin: time.Minute})
	actors.OnAck(k, "call", (*dozer).Call)
	return k
}

func dozerRoom(id string) actors.RoomRef { return actors.RoomRef{Kind: "dozer", ID: id} }

func asleep(nodes ...*node.Node) (n int64) {
	for _, n0 := range nodes {
		n += n0.Stats().RoomsAsleep
	}
	return n
}

// What members send, on the room's node and on another, and what is called from
// outside, is answered once and in order, though the room falls asleep and
// wakes all the time.
func TestNoMessageIsLostWhileARoomFallsAsleep(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var woken atomic.Int64
	w, nodes := many(t, 2, node.Config{Kinds: []actors.Behavior{dozers(time.Millisecond, &ledger{}, &woken)}, Store: memory.New(memory.Config{}), Limits: node.NoLimits()})
	w.Put(dozerRoom("1"), nodes[0].ID())
	var all sync.WaitGroup
	const each = 150
	for i := range 4 {
		p, rng, me := connect(t, nodes[i%2]), rand.New(rand.NewPCG(seed, uint64(i))), fmt.Sprint("p", i)
		p.enter("/dozer/1", "")
		all.Go(func() {
			for k := 0; k < each; {
				for range 1 + rng.IntN(4) { // a few at once, then a pause about as long as the room waits
					p.send(actors.PacketEvent, "/dozer/1", fmt.Sprintf(`["call",%q]`, me), uint64(k))
					k++
				}
				<-time.After(time.Duration(rng.IntN(4000)) * time.Microsecond)
			}
		})
		t.Cleanup(func() {
			acks := p.find(actors.PacketAck, "/dozer/1", "")
			for k, a := range acks {
				if a.ID != uint64(k) || string(a.Data) != fmt.Sprintf("[%d]", k+1) {
					t.Errorf("%s: answer %d is %s to %d", me, k, a.Data, a.ID)
					break
				}
			}
		})
		t.Cleanup(func() {
			until(t, "every event is answered", func() bool { return len(p.find(actors.PacketAck, "/dozer/1", "")) >= each })
		})
	}
	all.Go(func() {
		rng := rand.New(rand.NewPCG(seed, 99))
		for k := range each / 3 {
			var got int
			if err := nodes[k%2].Call(context.Background(), dozerRoom("1"), "call", "outside", &got); err != nil || got != k+1 {
				t.Errorf("call %d from outside answers %d, %v", k+1, got, err)
				return
			}
			nodes[0].TrimHistory()
			<-time.After(time.Duration(rng.IntN(6000)) * time.Microsecond)
		}
	})
	sent := make(chan struct{})
	go func() { all.Wait(); close(sent) }() // ends when connections do, at the latest
	until(t, "everything is sent", func() bool {
		select {
		case <-sent:
			return true
		default:
			return false
		}
	})
	if n := woken.Load(); n < 10 {
		t.Errorf("the room woke %d times: nothing was tried", n)
	}
}

func TestTrimmingHistoryLetsRoomsSleep(t *testing.T) {
	var woken atomic.Int64
	n := start(t, node.Config{Kinds: []actors.Behavior{dozers(20*time.Millisecond, &ledger{}, &woken)}})
	p := connect(t, n)
	p.enter("/dozer/1", "")
	until(t, "it sleeps", func() bool { return asleep(n) == 1 })
	before := woken.Load()
	n.TrimHistory()
	if r, err := n.Check(t.Context(), time.Millisecond); err != nil || r.Total != 0 || r.Asleep != 1 || r.Rooms != 0 {
		t.Errorf("Check: %+v, %v", r, err) // the directory has answered: it has worked off the trim
	}
	if woken.Load() != before {
		t.Error("it has woken")
	}
	p.send(actors.PacketEvent, "/dozer/1", `["call","me"]`, 1)
	p.await(actors.PacketAck, "/dozer/1", "[1]")
}

// sleepers has members of a node enter rooms of another, which fall asleep.
func sleepers(t *testing.T, w *nodetest.World, at, of *node.Node, rooms int) (peers []*peer) {
	t.Helper()
	before := asleep(at)
	const perPeer = 80
	for i := range rooms {
		if i%perPeer == 0 {
			peers = append(peers, connect(t, of))
		}
		id := fmt.Sprint(of.ID(), "-", i)
		w.Put(dozerRoom(id), at.ID())
		peers[len(peers)-1].enter("/dozer/"+id, "")
	}
	until(t, "they sleep", func() bool { return asleep(at) == before+int64(rooms) })
	return peers
}

// Those whose members were there wake, more than wake at once, and the others
// sleep on.
func TestADeadNodeWakesTheRoomsOfItsMembersOnly(t *testing.T) {
	const rooms = 300
	var woken atomic.Int64
	notes := &ledger{}
	k := actors.NewKind("dozer", func() *dozer { woken.Add(1); return &dozer{notes: notes} }, actors.KindConfig{HibernateAfter: 20 * time.Millisecond, IdleAfter: 20 * time.Millisecond})
	w, nodes := many(t, 2, node.Config{Kinds: []actors.Behavior{k}, Store: memory.New(memory.Config{}), Limits: node.NoLimits()})
	sleepers(t, w, nodes[0], nodes[1], rooms)
	sleepers(t, w, nodes[0], nodes[0], 5)
	before := woken.Load()
	w.Kill(nodes[1].ID())
	until(t, "the members leave", func() bool {
		notes.mu.Lock()
		defer notes.mu.Unlock()
		return len(notes.events) >= rooms
	})
	until(t, "the rooms leave memory", func() bool { return asleep(nodes[0]) == 5 && nodes[0].Stats().Rooms == 0 })
	if n := woken.Load() - before; n != rooms {
		t.Errorf("%d rooms woke, want %d", n, rooms)
	}
}

func TestDrainHandsOverRoomsThatSleep(t *testing.T) {
	const rooms = 300
	var woken atomic.Int64
	w, nodes := many(t, 2, node.Config{Kinds: []actors.Behavior{dozers(20*time.Millisecond, &ledger{}, &woken)}, Store: memory.New(memory.Config{}), Limits: node.NoLimits()})
	peers := sleepers(t, w, nodes[0], nodes[1], rooms)
	if err := nodes[0].Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "they sleep on the other node", func() bool { return asleep(nodes[0]) == 0 && asleep(nodes[1]) == rooms })
	for _, p := range peers {
		if len(p.find(actors.PacketDisconnect, "", "")) > 0 || p.reason() != "" {
			t.Error("a member notices")
		}
	}
}

// A node that stops leaves to others what sleeps, without waking it.
func TestANodeThatStopsReleasesWhatSleeps(t *testing.T) {
	var woken atomic.Int64
	store := memory.New(memory.Config{})
	n, stop := serve(t, node.Config{Kinds: []actors.Behavior{dozers(20*time.Millisecond, &ledger{}, &woken)}, Store: store})
	p := connect(t, n)
	for i := range 50 {
		p.enter(fmt.Sprint("/dozer/", i), "")
	}
	until(t, "they sleep", func() bool { return asleep(n) == 50 })
	before := woken.Load()
	stop()
	if woken.Load() != before {
		t.Errorf("%d rooms woke", woken.Load()-before)
	}
	for i := range 50 {
		if o, err := store.Owner(t.Context(), dozerRoom(fmt.Sprint(i))); err != nil || o != (actors.Owner{}) {
			t.Errorf("room %d is owned by %v: %v", i, o, err)
		}
	}
}
