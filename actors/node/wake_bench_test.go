package node

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/store/embedded"
	"github.com/parlor-rooms/parlor/actors/store/redis"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// shelf is a room that keeps texts.
type shelf struct {
	Texts actors.Map[string, string] `room:"texts,durable"`
}

func shelves(d actors.Durability) *actors.Kind[shelf] {
	k := actors.NewKind("shelf", func() *shelf { return new(shelf) }, actors.KindConfig{IdleAfter: time.Millisecond, Durability: d})
	actors.OnAck(k, "put", func(s *shelf, _ *actors.Turn, in [2]string) (int, error) {
		s.Texts.Set(in[0], in[1])
		return s.Texts.Len(), nil
	})
	actors.OnAck(k, "count", func(s *shelf, _ *actors.Turn, _ int) (int, error) { return s.Texts.Len(), nil })
	return k
}

// stored is a store at a level.
type stored struct {
	name  string
	level actors.Durability
	open  func(testing.TB) actors.Store
}

func onDisk(b testing.TB) actors.Store {
	s, err := embedded.Open(embedded.Config{Directory: b.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s
}

func onRedis(args ...string) func(testing.TB) actors.Store {
	return func(b testing.TB) actors.Store {
		server := testenv.StartRedis(b, append([]string{"--appendonly", "yes"}, args...)...)
		s, err := redis.Open(b.Context(), redis.Config{Addresses: []string{server.Addr}, Connections: 64, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = s.Close() })
		return s
	}
}

var storedAt = []stored{
	{"embedded/memory", actors.DurabilityMemory, onDisk},
	{"embedded/disk", actors.DurabilityDisk, onDisk},
	{"redis/everysec", actors.DurabilityRedis, onRedis()},
	{"redis/always", actors.DurabilityRedisFsync, onRedis("--appendfsync", "always")},
}

// BenchmarkWake is how long the first call of a room takes that is not in
// memory, by how much is stored of it.
func BenchmarkWake(b *testing.B) {
	for _, at := range []stored{storedAt[0], storedAt[2]} {
		for _, size := range []int{1 << 10, 100 << 10, 1 << 20, 10 << 20} {
			b.Run(fmt.Sprintf("store=%s/KiB=%d", at.name, size>>10), func(b *testing.B) {
				n := serving(b, Config{Kinds: []actors.Behavior{shelves(at.level)}, Store: at.open(b)})
				ref := actors.RoomRef{Kind: "shelf", ID: "one"}
				ctx, piece := context.Background(), min(size, 16<<10)
				for i := range size / piece {
					if err := n.Call(ctx, ref, "put", [2]string{fmt.Sprint(i), strings.Repeat("x", piece)}, nil); err != nil {
						b.Fatal(err)
					}
				}
				for b.Loop() {
					b.StopTimer()
					awaitFor(b, "it leaves memory", func() bool { return n.rooms.Load() == 0 })
					b.StartTimer()
					if err := n.Call(ctx, ref, "count", 1, nil); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// oneByOne is a store whose appends wait for each other: no two of them share
// an fsync.
type oneByOne struct {
	actors.Store
	mu sync.Mutex
}

func (s *oneByOne) Append(ctx context.Context, ref actors.RoomRef, b *actors.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Store.Append(ctx, ref, b)
}

// BenchmarkAcknowledge is how long a call takes that changes 100 bytes, until
// they are stored, of rooms with as many calls under way at once: with group
// commit, and with what it is measured against. There each turn is a batch of
// its own, and one append of all rooms is on its way at a time.
func BenchmarkAcknowledge(b *testing.B) {
	for _, at := range storedAt {
		for _, c := range []struct{ rooms, calls int }{{1, 1}, {1, 64}, {64, 1}, {64, 16}} {
			for _, commit := range []string{"apart", "group"} {
				b.Run(fmt.Sprintf("store=%s/rooms=%d/calls=%d/commit=%s", at.name, c.rooms, c.calls, commit), func(b *testing.B) {
					store := at.open(b)
					if commit == "apart" {
						store = &oneByOne{Store: store}
					}
					n := serving(b, Config{Kinds: []actors.Behavior{shelves(at.level)}, Store: store})
					n.apart = commit == "apart"
					acknowledge(b, n, c.rooms, c.calls)
				})
			}
		}
	}
}

func acknowledge(b *testing.B, n *Node, rooms, calls int) {
	var next atomic.Int64
	var mu sync.Mutex
	var took []time.Duration
	var all sync.WaitGroup
	text := strings.Repeat("x", 80) // with a number behind it: what is set to what it is, is not stored
	b.ResetTimer()
	for w := range rooms * calls {
		all.Go(func() {
			ref := actors.RoomRef{Kind: "shelf", ID: fmt.Sprint(w % rooms)}
			var own []time.Duration
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				start := time.Now()
				if err := n.Call(context.Background(), ref, "put", [2]string{fmt.Sprint(i % 100), fmt.Sprintf("%s%020d", text, i)}, nil); err != nil {
					b.Error(err)
					return
				}
				own = append(own, time.Since(start))
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, own...)
		})
	}
	all.Wait()
	b.StopTimer()
	slices.Sort(took)
	if len(took) > 0 {
		b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		b.ReportMetric(float64(len(took))/b.Elapsed().Seconds(), "changes/s")
	}
}
