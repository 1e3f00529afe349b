package node_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/actors/node/nodetest"
	"github.com/parlor-rooms/parlor/actors/store/memory"
	"github.com/parlor-rooms/parlor/actors/store/redis"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// TestALivingRoomGivesBackWhatRedisHasLost kills a Redis that has a snapshot
// only, or nothing, and starts it again under a room that lives.
func TestALivingRoomGivesBackWhatRedisHasLost(t *testing.T) {
	for _, snapshot := range []bool{true, false} {
		t.Run(fmt.Sprint("with a snapshot: ", snapshot), func(t *testing.T) {
			server := testenv.StartRedis(t)
			store, err := redis.Open(t.Context(), redis.Config{Addresses: []string{server.Addr}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = store.Close() })
			cfg := node.Config{Kinds: []actors.Behavior{minuteRooms(&ledger{})}, Store: store}
			n, stop := run(t, cfg)
			ada := connect(t, n)
			id := ada.enter("/minutes/may", "")
			say := func(i int) {
				ada.send(actors.PacketEvent, "/minutes/may", fmt.Sprintf(`["say","ada %d"]`, i), uint64(i))
			}
			heard := func(i int) { until(t, fmt.Sprint("line ", i), func() bool { return len(lines(ada)) > i }) }
			say(0)
			heard(0)
			if snapshot {
				server.Do("SAVE")
			}
			say(1)
			say(2)
			heard(2)
			server.Kill()
			server.Start()
			say(3)
			heard(3)
			say(4)
			heard(4)
			checkLines(t, "ada", lines(ada), 5)
			if answers, why := len(ada.find(actors.PacketConnect, "/minutes/may", "sid")), ada.reason(); answers != 1 || why != "" {
				t.Errorf("%d CONNECT answers, closed %q", answers, why)
			}
			if s := n.Stats(); s.Repairs != 1 || s.Divergences != 0 {
				t.Errorf("%d repairs, %d divergences", s.Repairs, s.Divergences)
			}

			// Another node finds it as ada knows it, and her offset counts.
			events := ada.events("/minutes/may", "said")
			offset := events[2][strings.LastIndex(events[2], ",")+1 : len(events[2])-1]
			pid := string(ada.find(actors.PacketConnect, "/minutes/may", "sid")[0].Data)
			pid = pid[strings.Index(pid, `"pid":`)+6 : len(pid)-1]
			stop()
			if owner, err := store.Owner(t.Context(), may); err != nil || owner != (actors.Owner{}) {
				t.Errorf("the room is still %v's, %v", owner, err)
			}
			next, end := run(t, cfg)
			defer end()
			again := connect(t, next)
			if back := again.enter("/minutes/may", `{"pid":`+pid+`,"offset":`+offset+`}`); back != id {
				t.Errorf("ada returns as %s, was %s", back, id)
			}
			answer := string(again.find(actors.PacketConnect, "/minutes/may", "sid")[0].Data)
			if !strings.Contains(answer, pid) {
				t.Errorf("she is told that she missed something: %s", answer)
			}
			until(t, "what she missed", func() bool { return len(lines(again)) == 2 })
			if got := lines(again); got[0] != "4 ada 3" || got[1] != "5 ada 4" {
				t.Errorf("she missed %v", got)
			}
		})
	}
}

// TestRoomsLookAfterWhatTheyHaveStoredWhenTheClusterWasRolledBack: also those
// that nobody changes anything in; but not those that sleep.
func TestRoomsLookAfterWhatTheyHaveStoredWhenTheClusterWasRolledBack(t *testing.T) {
	store := memory.New(memory.Config{})
	kinds := []actors.Behavior{tallies(actors.KindConfig{}, nil)}
	w, nodes := many(t, 2, node.Config{Kinds: kinds, Store: store})
	rewind := store.Mark()
	const rooms = 600 // more than are looked after at once, unless there are many processors
	for i := range rooms {
		w.Put(actors.RoomRef{Kind: "tally", ID: fmt.Sprint(i)}, nodes[i%2].ID())
		ask(t, nodes[0], fmt.Sprint(i), "count", "x")
	}
	rewind()
	w.RolledBack()
	until(t, "all have given back what was lost", func() bool { return nodes[0].Stats().Repairs+nodes[1].Stats().Repairs == rooms })
	w.RolledBack() // and nothing is lost
	for i := range rooms {
		if got := ask(t, nodes[1], fmt.Sprint(i), "get", "x"); got != 1 {
			t.Errorf("room %d has counted %d", i, got)
		}
	}
	for i := range rooms {
		ask(t, nodes[0], fmt.Sprint(i), "count", "x")
	}
	if got := nodes[0].Stats().Repairs + nodes[1].Stats().Repairs; got != rooms {
		t.Errorf("%d repairs of %d rooms", got, rooms)
	}
}

// TestARoomIsNotGivenBackToAStoreInWhichAnotherHasIt: the other has claimed it
// after the store was rolled back.
func TestARoomIsNotGivenBackToAStoreInWhichAnotherHasIt(t *testing.T) {
	store := memory.New(memory.Config{})
	kinds := []actors.Behavior{tallies(actors.KindConfig{}, nil)}
	first, second := start(t, node.Config{Kinds: kinds, Store: store}), start(t, node.Config{Kinds: kinds, Store: store})
	ask(t, first, "1", "count", "x")
	rewind := store.Mark()
	ask(t, first, "1", "count", "x")
	rewind()
	if got := ask(t, second, "1", "count", "x"); got != 2 {
		t.Errorf("the other has counted %d", got)
	}
	if got := ask(t, first, "1", "count", "x"); got != 3 { // where it has gone
		t.Errorf("counted %d", got)
	}
	if got := first.Stats().Repairs; got != 0 {
		t.Errorf("%d repairs", got)
	}
}

// TestARoomThatSleptWakesAsARolledBackStoreHasIt: there is nothing in memory to
// give back, and its members are told.
func TestARoomThatSleptWakesAsARolledBackStoreHasIt(t *testing.T) {
	for name, mark := range map[string]int{"before the claim": 0, "before the last call": 1} {
		t.Run(name, func(t *testing.T) {
			var woken atomic.Int64
			store := memory.New(memory.Config{})
			n := start(t, node.Config{Kinds: []actors.Behavior{dozers(20*time.Millisecond, &ledger{}, &woken)}, Store: store})
			marks := []func(){store.Mark()}
			p := connect(t, n)
			p.enter("/dozer/1", "")
			call := func(k int) { p.send(actors.PacketEvent, "/dozer/1", `["call","p"]`, uint64(k)) }
			call(1)
			p.await(actors.PacketAck, "/dozer/1", "[1]")
			marks = append(marks, store.Mark())
			call(2)
			p.await(actors.PacketAck, "/dozer/1", "[2]")
			until(t, "it sleeps", func() bool { return asleep(n) == 1 })
			marks[mark]()
			call(3)
			until(t, "an answer, or the end", func() bool { return len(p.find(actors.PacketAck, "/dozer/1", "")) > 2 || p.reason() != "" })
			if acks := p.find(actors.PacketAck, "/dozer/1", ""); len(acks) > 2 {
				t.Errorf("it is answered %s", acks[2].Data)
			}
			q := connect(t, n)
			q.enter("/dozer/1", "")
			q.send(actors.PacketEvent, "/dozer/1", `["call","p"]`, 1)
			q.await(actors.PacketAck, "/dozer/1", fmt.Sprintf("[%d]", mark+1))
		})
	}
}

// TestMembersEverywhereFollowARoomThatWakesAsARolledBackStoreHasIt: also one
// on another node, which sends nothing.
func TestMembersEverywhereFollowARoomThatWakesAsARolledBackStoreHasIt(t *testing.T) {
	var woken atomic.Int64
	store := memory.New(memory.Config{})
	w, nodes := many(t, 2, node.Config{Kinds: []actors.Behavior{dozers(20*time.Millisecond, &ledger{}, &woken)}, Store: store})
	w.Put(dozerRoom("1"), nodes[0].ID())
	bob, ada := connect(t, nodes[0]), connect(t, nodes[1])
	ada.enter("/dozer/1", "")
	bob.enter("/dozer/1", "")
	rewind := store.Mark()
	call := func(p *peer, id uint64) { p.send(actors.PacketEvent, "/dozer/1", `["call","p"]`, id) }
	call(bob, 1)
	bob.await(actors.PacketAck, "/dozer/1", "[1]")
	until(t, "it sleeps", func() bool { return asleep(nodes...) == 1 })
	rewind()
	call(bob, 2)
	until(t, "both have followed it", func() bool {
		return nodes[0].Stats().Joins[node.JoinedFollowed]+nodes[1].Stats().Joins[node.JoinedFollowed] == 2
	})
}

// TestARoomThatWasTakenWhileItSleptIsLeftToWhoHasIt: its members are told.
func TestARoomThatWasTakenWhileItSleptIsLeftToWhoHasIt(t *testing.T) {
	var woken atomic.Int64
	store := memory.New(memory.Config{})
	kinds := []actors.Behavior{dozers(20*time.Millisecond, &ledger{}, &woken)}
	first, second := start(t, node.Config{Kinds: kinds, Store: store}), start(t, node.Config{Kinds: kinds, Store: store})
	p, passive, q := connect(t, first), connect(t, first), connect(t, second)
	call := func(p *peer, id uint64) { p.send(actors.PacketEvent, "/dozer/1", `["call","p"]`, id) }
	p.enter("/dozer/1", "")
	passive.enter("/dozer/1", "")
	call(p, 1)
	p.await(actors.PacketAck, "/dozer/1", "[1]")
	until(t, "it sleeps", func() bool { return asleep(first) == 1 })
	q.enter("/dozer/1", "") // the second takes the first for dead
	call(q, 1)
	q.await(actors.PacketAck, "/dozer/1", "[2]")
	call(p, 2)
	until(t, "both are told", func() bool { return p.reason() != "" && passive.reason() != "" })
	if acks := p.find(actors.PacketAck, "/dozer/1", ""); len(acks) > 1 {
		t.Errorf("it is answered %s", acks[1].Data)
	}
}

// claiming is a seat whose cluster claims rooms in a store, as the real one does.
type claiming struct {
	*nodetest.Seat
	store *memory.Store

	mu       sync.Mutex // guards the following
	self     string
	released []actors.Owned
}

func (c *claiming) Join(ctx context.Context, self node.Peer, changed func(node.View), lost func(error)) error {
	c.self = self.ID
	return c.Seat.Join(ctx, self, changed, lost)
}

func (c *claiming) Locate(ctx context.Context, q node.Query) (node.Place, error) {
	p, err := c.Seat.Locate(ctx, q)
	if err == nil && p.Node == c.self && !q.Peek {
		p.Owned, err = c.store.Claim(ctx, q.Room, actors.Claim{Owner: actors.Owner{Node: c.self, Nonce: fmt.Sprint("n", rand.Uint64())}})
	}
	return p, err
}

func (c *claiming) Reclaim(ctx context.Context, room actors.RoomRef, o actors.Owned) (actors.Owned, error) {
	return c.store.Claim(ctx, room, actors.Claim{Owner: o.Owner, Back: true, Floor: o.Epoch})
}

func (c *claiming) Release(room actors.RoomRef, o actors.Owned) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.released = append(c.released, o)
	_ = c.store.Release(context.Background(), room, o)
}

// logged is what was logged.
type logged struct {
	mu   sync.Mutex // guards the following
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestARoomThatTheClusterHasClaimedIsClaimedBackThroughIt: it is released as it
// is owned then; and where another has claimed it since the store was rolled
// back, that is counted and said.
func TestARoomThatTheClusterHasClaimedIsClaimedBackThroughIt(t *testing.T) {
	for _, taken := range []bool{false, true} {
		t.Run(fmt.Sprint("taken: ", taken), func(t *testing.T) {
			store := memory.New(memory.Config{})
			seat := &claiming{Seat: nodetest.New(1).Seat(), store: store}
			log := &logged{}
			n, stop := run(t, node.Config{
				Kinds: []actors.Behavior{tallies(actors.KindConfig{}, nil)}, Store: store, Cluster: seat, Carrier: seat,
				Logger: slog.New(slog.NewTextHandler(log, nil)),
			})
			rewind := store.Mark()
			ask(t, n, "1", "count", "x")
			rewind()
			room := actors.RoomRef{Kind: "tally", ID: "1"}
			if taken {
				if _, err := store.Claim(t.Context(), room, actors.Claim{Owner: actors.Owner{Node: "other", Nonce: "1"}}); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if err := n.Call(ctx, room, "count", "x", nil); err == nil {
					t.Error("it counts, and is another's")
				}
			} else if got := ask(t, n, "1", "count", "x"); got != 2 {
				t.Errorf("counted %d", got)
			}
			stop()
			s := n.Stats()
			if said := strings.Contains(log.String(), "rollback_divergence"); said != taken || s.Divergences > 0 != taken || s.Repairs > 0 == taken {
				t.Errorf("%d divergences, %d repairs; said: %v", s.Divergences, s.Repairs, said)
			}
			if owner, err := store.Owner(t.Context(), room); !taken && (err != nil || owner != (actors.Owner{})) {
				t.Errorf("the room is still %v's, %v; released were %v", owner, err, seat.released)
			}
		})
	}
}

// unreadable is a store that fails to load a room once.
type unreadable struct {
	*memory.Store
	fails atomic.Bool
}

func (s *unreadable) Load(ctx context.Context, room actors.RoomRef, o actors.Owned, each func(string, []byte) error) error {
	if s.fails.CompareAndSwap(true, false) {
		return actors.ErrMalformed
	}
	return s.Store.Load(ctx, room, o, each)
}

func TestAnEventThatCannotWakeItsRoomIsSentBack(t *testing.T) {
	var woken atomic.Int64
	store := &unreadable{Store: memory.New(memory.Config{})}
	_, nodes := many(t, 1, node.Config{Kinds: []actors.Behavior{dozers(20*time.Millisecond, &ledger{}, &woken)}, Store: store})
	p := connect(t, nodes[0])
	p.enter("/dozer/1", "")
	until(t, "it sleeps", func() bool { return asleep(nodes[0]) == 1 })
	store.fails.Store(true)
	p.send(actors.PacketEvent, "/dozer/1", `["call","p"]`, 1)
	p.await(actors.PacketAck, "/dozer/1", "[1]") // of the next activation, to which it was sent again
}
