package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/store/memory"
)

func code(err error) actors.Code {
	var e *actors.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// fill puts texts of 1,000 bytes into a room until it refuses one, and returns
// how many it took.
func fill(t *testing.T, n *Node, ref actors.RoomRef) int {
	t.Helper()
	for i := range 1000 {
		err := n.Call(t.Context(), ref, "put", [2]string{fmt.Sprint(i), strings.Repeat("x", 1000)}, nil)
		if code(err) == actors.CodeTooLarge {
			return i
		} else if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("it takes everything")
	return 0
}

// TestARoomThatIsTooLargeIsRefusedAndLeftAsItIs: the room is told when its
// state would become too large; where less is allowed than it has, it does not
// load, and where as much is, it is whole.
func TestARoomThatIsTooLargeIsRefusedAndLeftAsItIs(t *testing.T) {
	for name, at := range map[string]stored{
		"memory":   {level: actors.DurabilityMemory, open: func(testing.TB) actors.Store { return memory.New(memory.Config{}) }},
		"embedded": storedAt[1],
		"redis":    storedAt[2],
	} {
		t.Run(name, func(t *testing.T) {
			store := at.open(t)
			serve := func(most int) *Node {
				return serving(t, Config{Kinds: []actors.Behavior{shelves(at.level)}, Store: store, MaxRoomBytes: most})
			}
			ref := actors.RoomRef{Kind: "shelf", ID: "one"}
			large := serve(100_000)
			took := fill(t, large, ref)
			if took < 95 || took > 99 {
				t.Errorf("%d texts of 1,000 bytes are in 100,000 bytes", took)
			}
			awaitFor(t, "it leaves memory", func() bool { return large.rooms.Load() == 0 })
			var whole bytes.Buffer
			if err := large.Export(t.Context(), ref, &whole); err != nil {
				t.Fatal(err)
			}
			awaitFor(t, "it leaves memory", func() bool { return large.rooms.Load() == 0 })

			small := serve(80_000)
			since := time.Now()
			for _, err := range []error{
				small.Call(t.Context(), ref, "count", 1, nil),
				small.Export(t.Context(), ref, new(bytes.Buffer)),
				small.Import(t.Context(), ref, bytes.NewReader(whole.Bytes())),
				small.Import(t.Context(), actors.RoomRef{Kind: "shelf", ID: "two"}, bytes.NewReader(whole.Bytes())),
			} {
				if code(err) != actors.CodeTooLarge {
					t.Errorf("where less is allowed: %v", err)
				}
			}
			if took := time.Since(since); took > claimPatience {
				t.Errorf("it took %v to say so", took)
			}
			awaitFor(t, "it leaves memory", func() bool { return small.rooms.Load() == 0 })

			again, count := serve(90_000), 0 // as much as is loaded, though not more is taken
			if err := again.Call(t.Context(), ref, "count", 1, &count); err != nil || count != took {
				t.Errorf("%d texts of %d: %v", count, took, err)
			}
			if err := again.Call(t.Context(), ref, "put", [2]string{"more", ""}, nil); code(err) != actors.CodeTooLarge {
				t.Errorf("one more: %v", err)
			}
			if err := again.Call(t.Context(), ref, "put", [2]string{"0", "less"}, nil); err != nil {
				t.Errorf("less: %v", err)
			}
		})
	}
}

// reading is a store of which a test sees what is loaded, and lets it go on.
type reading struct {
	actors.Store
	proceed chan struct{} // a load waits for it after it has read everything

	mu     sync.Mutex // guards the following
	now    map[string]bool
	most   int
	begun  map[string]int
	halted map[string]bool // that its reader has ended early
}

func newReading() *reading {
	return &reading{
		Store: memory.New(memory.Config{}), proceed: make(chan struct{}), now: make(map[string]bool), begun: make(map[string]int), halted: make(map[string]bool),
	}
}

func (r *reading) Load(ctx context.Context, ref actors.RoomRef, o actors.Owned, each func(string, []byte) error) error {
	r.mu.Lock()
	r.now[ref.ID] = true
	r.begun[ref.ID]++
	r.most = max(r.most, len(r.now))
	r.mu.Unlock()
	err := r.Store.Load(ctx, ref, o, each)
	if err == nil {
		<-r.proceed
	}
	r.mu.Lock()
	delete(r.now, ref.ID)
	r.halted[ref.ID] = r.halted[ref.ID] || err != nil
	r.mu.Unlock()
	return err
}

func (r *reading) look(f func() bool) func() bool {
	return func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return f()
	}
}

func TestSoManyRoomsAreLoadedAtOnce(t *testing.T) {
	store := newReading()
	n := serving(t, Config{Kinds: []actors.Behavior{shelves("")}, Store: store, MaxLoadBytes: 3 * loadShare})
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := n.Call(t.Context(), actors.RoomRef{Kind: "shelf", ID: fmt.Sprint(i)}, "count", 1, nil); err != nil {
				t.Error(err)
			}
		})
	}
	for range 20 {
		awaitFor(t, "rooms are loaded", store.look(func() bool { return len(store.now) > 0 }))
		store.proceed <- struct{}{}
	}
	all.Wait()
	if store.most > 3 {
		t.Errorf("%d rooms are loaded at once", store.most)
	}
	if n.loads.free != 3*loadShare {
		t.Errorf("%d bytes are free when nothing is loaded", n.loads.free)
	}
}

// TestALargeRoomWaitsForItsPlaceWithEmptyHands: it has read more than its share
// when others are being loaded; it is read again when there is room for it.
func TestALargeRoomWaitsForItsPlaceWithEmptyHands(t *testing.T) {
	store := newReading()
	n := serving(t, Config{Kinds: []actors.Behavior{shelves("")}, Store: store, MaxRoomBytes: 2 * loadShare, MaxLoadBytes: 3 * loadShare})
	call := func(id, event string, in any) error {
		return n.Call(t.Context(), actors.RoomRef{Kind: "shelf", ID: id}, event, in, nil)
	}
	var all sync.WaitGroup
	do := func(id, event string, in any) {
		all.Go(func() {
			if err := call(id, event, in); err != nil {
				t.Error(err)
			}
		})
	}
	do("large", "put", [2]string{"a", strings.Repeat("x", loadShare+loadShare/2)})
	store.proceed <- struct{}{}
	all.Wait()
	awaitFor(t, "it leaves memory", func() bool { return n.rooms.Load() == 0 })

	for i := range 2 {
		do(fmt.Sprint(i), "count", 1)
	}
	awaitFor(t, "two are loaded", store.look(func() bool { return len(store.now) == 2 }))
	do("large", "count", 1)
	awaitFor(t, "the third has let go", store.look(func() bool { return store.halted["large"] && len(store.now) == 2 }))
	for range 2 {
		store.proceed <- struct{}{}
	}
	awaitFor(t, "it is read again", store.look(func() bool { return store.now["large"] && store.begun["large"] == 3 }))
	do("next", "count", 1)
	store.proceed <- struct{}{}
	store.proceed <- struct{}{}
	all.Wait()
	if n.loads.free != 3*loadShare {
		t.Errorf("%d bytes are free when nothing is loaded", n.loads.free)
	}
}

func TestWhoWaitsTooLongForALoadHasTakenNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoads(10, 30)
		whole := l.whole
		if err := l.take(t.Context(), 30-whole); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			if err := l.take(ctx, whole+1); !errors.Is(err, errCrowded) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("who waits for too much: %v", err)
			}
		})
		synctest.Wait()
		all.Go(func() { // behind it, though there is place
			if err := l.take(t.Context(), whole); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if l.tryTake(1) {
			t.Error("whoever comes last is given something first")
		}
		all.Wait()
		if l.free != 0 || len(l.waiting) != 0 {
			t.Errorf("%d are free, %d wait", l.free, len(l.waiting))
		}
		l.give(30)
	})
}
