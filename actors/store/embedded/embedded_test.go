package embedded_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/store/embedded"
	"github.com/parlor-rooms/parlor/actors/store/storetest"
)

func open(t testing.TB, dir string) *embedded.Store {
	t.Helper()
	s, err := embedded.Open(embedded.Config{Directory: dir})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEmbeddedKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t testing.TB) actors.Store { return open(t, t.TempDir()) })
}

func TestVisitorsLeaveNothing(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	visit := func(i int, then func(actors.RoomRef, actors.Owned) error) {
		ref := actors.RoomRef{Kind: "k", ID: fmt.Sprint(i)}
		o, err := s.Claim(t.Context(), ref, actors.Claim{Owner: actors.Owner{Node: "n", Nonce: "x"}})
		if err == nil {
			err = then(ref, o)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	release := func(ref actors.RoomRef, o actors.Owned) error { return s.Release(t.Context(), ref, o) }
	visit(0, release)
	before, err := s.Keys()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20_000 {
		visit(i, release)
	}
	for i := range 50 {
		visit(i, func(ref actors.RoomRef, o actors.Owned) error {
			b := &actors.Batch{Owned: o, ID: "b", NewGeneration: "g", Entries: []actors.Entry{{Key: "k", Value: []byte("v")}}}
			if err := s.Append(t.Context(), ref, b); err != nil {
				return err
			}
			if err := s.Schedule(t.Context(), ref, time.UnixMilli(1)); err != nil {
				return err
			}
			if err := s.Schedule(t.Context(), ref, time.Time{}); err != nil {
				return err
			}
			return s.Destroy(t.Context(), ref, b.After())
		})
	}
	after, err := s.Keys()
	if err != nil || after != before || s.Rooms() != 0 {
		t.Errorf("%d keys on disk and %d rooms in memory, %v, want %d and none", after, s.Rooms(), err, before)
	}
}

func TestRecordsThatEndedAreSwept(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	s, err := embedded.Open(embedded.Config{Directory: t.TempDir(), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const alive = 64
	for i := range 20 * alive {
		if _, err := s.Write(t.Context(), fmt.Sprint("session ", i), []byte("v"), 0, alive*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Millisecond)
	}
	if keys, err := s.Keys(); err != nil || keys > 2*4*alive {
		t.Errorf("%d keys on disk, %v, for %d records that have not ended", keys, err, alive)
	}
}

func TestEpochsGrowAcrossProcesses(t *testing.T) {
	dir, last := t.TempDir(), uint64(0)
	for range 3 {
		s := open(t, dir)
		ref := actors.RoomRef{Kind: "k", ID: "r"}
		for range 2 {
			o, err := s.Claim(t.Context(), ref, actors.Claim{Owner: actors.Owner{Node: "n", Nonce: "x"}})
			if err != nil || o.Epoch <= last {
				t.Fatalf("epoch %d after %d, %v", o.Epoch, last, err)
			}
			last = o.Epoch
			if err := s.Release(t.Context(), ref, o); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
