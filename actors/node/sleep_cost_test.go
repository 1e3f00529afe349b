package node

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/store/embedded"
	"github.com/parlor-rooms/parlor/actors/store/memory"
)

// still is a room that keeps one number.
type still struct {
	N actors.Value[int] `room:"n,durable"`
}

func quiets(c actors.KindConfig) *actors.Kind[still] {
	k := actors.NewKind("quiet", func() *still { return new(still) }, c)
	actors.OnAck(k, "add", func(q *still, _ *actors.Turn, n int) (int, error) { q.N.Set(q.N.Get() + n); return q.N.Get(), nil })
	return k
}

// deaf is a socket that takes everything.
type deaf struct{}

func (deaf) SID() string               { return "test" }
func (deaf) Push(*actors.Packet) error { return nil }
func (deaf) Flush()                    {}
func (deaf) Lagging() bool             { return false }
func (deaf) WhenDrained(f func())      { f() }
func (deaf) Close(actors.LeaveReason)  {}
func (deaf) String() string            { return "deaf" }

func serving(tb testing.TB, cfg Config) *Node {
	tb.Helper()
	cfg.Logger, cfg.Limits = slog.New(slog.DiscardHandler), NoLimits()
	n, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }() // the cleanup waits for it
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
	})
	return n
}

func awaitFor(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("never: %s", what)
		}
	}
}

// held is the heap in use after a collection, in bytes. Rooms have no goroutine;
// the stacks of those that run their mailboxes depend on what ran last.
func held() int64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// perSleeper is how many bytes a room costs that hibernates with one member:
// what is gone once it has been released, while the member stays with its
// connection and in the fan-out.
func perSleeper(tb testing.TB, store actors.Store, rooms int) float64 {
	const perConn = 1000
	n := serving(tb, Config{Kinds: []actors.Behavior{quiets(actors.KindConfig{HibernateAfter: 50 * time.Millisecond})}, Store: store, MaxNamespaces: perConn})
	var conns []actors.Connection
	for i := range rooms {
		if i%perConn == 0 {
			c, err := n.Accept(deaf{}, &actors.Handshake{Address: "127.0.0.1"})
			if err != nil {
				tb.Fatal(err)
			}
			conns = append(conns, c)
		}
		conns[len(conns)-1].Receive(&actors.Packet{Type: actors.PacketConnect, Namespace: fmt.Sprintf("/quiet/room-%06d", i)})
	}
	awaitFor(tb, "they sleep", func() bool { return n.asleep.Load() == int64(rooms) })
	<-time.After(linger + time.Second) // their actors end
	before := held()
	for _, d := range n.shards {
		n.send(d, closeRooms{})
	}
	awaitFor(tb, "they are released", func() bool { return n.rooms.Load() == 0 })
	cost := float64(before-held()) / float64(rooms)
	for _, c := range conns {
		c.Closed(actors.ReasonTransportClosed)
	}
	return cost
}

func TestAHibernatingRoomCostsHalfAKilobyte(t *testing.T) {
	if got := perSleeper(t, memory.New(memory.Config{}), 3000); got > 512 {
		t.Errorf("a hibernating room costs %.0f bytes, want at most 512", got)
	}
}

// BenchmarkHibernatingRoom is TestAHibernatingRoomCostsHalfAKilobyte for more
// rooms, with the store's tables of owners where it has any.
func BenchmarkHibernatingRoom(b *testing.B) {
	const rooms = 20_000
	stores := map[string]func() actors.Store{
		"store=memory": func() actors.Store { return memory.New(memory.Config{}) },
		"store=embedded": func() actors.Store {
			s, err := embedded.Open(embedded.Config{Directory: b.TempDir(), Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = s.Close() })
			return s
		},
	}
	for name, store := range stores {
		b.Run(name, func(b *testing.B) {
			sum := 0.0
			for b.Loop() {
				sum += perSleeper(b, store(), rooms)
			}
			b.ReportMetric(sum/float64(b.N), "bytes/room")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// awakeAmong is the heap of a node with some rooms awake of those that its
// store knows, each with an alarm far away.
func awakeAmong(t *testing.T, known, awake int) int64 {
	t.Helper()
	s, err := embedded.Open(embedded.Config{Directory: t.TempDir(), Logger: slog.New(slog.DiscardHandler), CacheBytes: 1 << 20, MemTableBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	before := held()
	awaitFor(t, "what earlier tests left is gone", func() bool {
		last := before
		before = held()
		return before > last-last/200
	})
	know(t, s, known)
	n := serving(t, Config{Kinds: []actors.Behavior{quiets(actors.KindConfig{IdleAfter: time.Hour})}, Store: s})
	side(awake, func(i int) {
		if err := n.Call(context.Background(), quietRoom(i*(known/awake)), "add", 1, nil); err != nil {
			t.Errorf("room %d: %v", i, err)
		}
	})
	if got := n.Stats().Rooms; got != int64(awake) {
		t.Errorf("%d rooms are awake, want %d", got, awake)
	}
	return held() - before
}

func quietRoom(i int) actors.RoomRef {
	return actors.RoomRef{Kind: "quiet", ID: fmt.Sprintf("room-%07d", i)}
}

// know leaves rooms in the store as a node would.
func know(t *testing.T, s actors.Store, rooms int) {
	far := time.Now().Add(1000 * time.Hour)
	side(rooms, func(i int) {
		ref, ctx := quietRoom(i), context.Background()
		o, err := s.Claim(ctx, ref, actors.Claim{Owner: actors.Owner{Node: "earlier", Nonce: newID()}})
		if err == nil {
			err = s.Schedule(ctx, ref, far)
		}
		b := &actors.Batch{Owned: o, ID: newID(), NewGeneration: newID(), Durability: actors.DurabilityMemory}
		if err == nil {
			err = s.Append(ctx, ref, b)
		}
		if err == nil {
			err = s.Release(ctx, ref, b.After())
		}
		if err != nil {
			t.Errorf("room %d: %v", i, err)
		}
	})
}

// side calls f for 0 to n-1, a few at a time.
func side(n int, f func(int)) {
	const workers = 32
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
			}
		})
	}
	all.Wait()
}

// A node pays for the rooms that are awake, not for those that it knows.
func TestMemoryIsThatOfTheRoomsThatAreAwake(t *testing.T) {
	few := awakeAmong(t, awakeRooms, awakeRooms)
	many := awakeAmong(t, knownRooms, awakeRooms)
	ratio := float64(many) / float64(few)
	report, _ := json.Marshal(map[string]any{"known": knownRooms, "awake": awakeRooms, "bytes": many, "bytes, all awake": few, "ratio": ratio})
	t.Logf("%s", report)
	if ratio > 1.25 {
		t.Errorf("%d awake rooms of %d take %d bytes, of as many %d", awakeRooms, knownRooms, many, few)
	}
}
