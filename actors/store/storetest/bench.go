package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// Benchmark measures a store at a level: appends of one and of many rooms, with
// one change each and with as many as a busy room gathers while the append
// before is under way, and loading by size. Besides the usual columns it
// reports changes per second and the latency of an append in the middle and at
// the 99th percentile.
func Benchmark(b *testing.B, open Open, level actors.Durability) {
	for _, c := range []struct{ rooms, changes int }{
		{1, 1}, {1, 64}, {64, 1}, {64, 64}, {512, 1},
	} {
		b.Run(fmt.Sprintf("append/rooms=%d/changes=%d", c.rooms, c.changes), func(b *testing.B) {
			s := open(b)
			defer s.Close()
			benchmarkAppend(b, s, level, c.rooms, c.changes)
		})
	}
	for _, size := range []int{10 << 10, 1 << 20, 10 << 20} {
		b.Run(fmt.Sprintf("load/KiB=%d", size>>10), func(b *testing.B) {
			s := open(b)
			defer s.Close()
			room := actors.RoomRef{Kind: "bench", ID: "load"}
			o, err := fill(b.Context(), s, room, size)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Load(b.Context(), room, o, func(string, []byte) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func benchmarkAppend(b *testing.B, s actors.Store, level actors.Durability, rooms, changes int) {
	var left atomic.Int64
	latencies := make([][]time.Duration, rooms)
	value := filled(100, 'v')
	owned := make([]actors.Owned, rooms)
	refs := make([]actors.RoomRef, rooms)
	for i := range rooms {
		refs[i] = actors.RoomRef{Kind: "bench", ID: fmt.Sprint(i)}
		var err error
		if owned[i], err = s.Claim(b.Context(), refs[i], actors.Claim{Owner: actors.Owner{Node: "n", Nonce: "o"}}); err != nil {
			b.Fatal(err)
		}
	}
	left.Store(int64(b.N))
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range rooms {
		wg.Go(func() {
			o := owned[i]
			for n := 0; left.Add(-1) >= 0; n++ {
				batch := &actors.Batch{Owned: o, ID: fmt.Sprint("b", n), NewGeneration: "g", Durability: level}
				for c := range changes {
					batch.Entries = append(batch.Entries, actors.Entry{Key: fmt.Sprint((n + c) % 1000), Value: value})
				}
				start := time.Now()
				if err := s.Append(b.Context(), refs[i], batch); err != nil {
					b.Error(err)
					return
				}
				latencies[i] = append(latencies[i], time.Since(start))
				o = batch.After()
			}
		})
	}
	wg.Wait()
	all := slices.Concat(latencies...)
	slices.Sort(all)
	b.ReportMetric(float64(b.N*changes)/b.Elapsed().Seconds(), "changes/s")
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
}

// fill appends entries of a kilobyte to a room nobody has until it holds size
// bytes.
func fill(ctx context.Context, s actors.Store, room actors.RoomRef, size int) (actors.Owned, error) {
	o, err := s.Claim(ctx, room, actors.Claim{Owner: actors.Owner{Node: "n", Nonce: "fill"}})
	if err != nil {
		return o, err
	}
	const entry = 1 << 10
	for at := 0; at < size; {
		b := &actors.Batch{Owned: o, ID: fmt.Sprint("b", at), NewGeneration: "g"}
		for ; at < size && len(b.Entries) < 1000; at += entry {
			key := fmt.Sprintf("entry %08d", at)
			b.Entries = append(b.Entries, actors.Entry{Key: key, Value: filled(entry-len(key), 'v')})
		}
		if err := s.Append(ctx, room, b); err != nil {
			return o, err
		}
		o = b.After()
	}
	return o, nil
}
