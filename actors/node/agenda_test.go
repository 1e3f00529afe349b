package node_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/actors/store/memory"
)

// almanac is a store that notes which rooms were taken for being due.
type almanac struct {
	actors.Store

	mu    sync.Mutex // guards the following
	taken map[string]int
}

func (d *almanac) Due(ctx context.Context, now, again time.Time, limit int) ([]actors.RoomRef, error) {
	due, err := d.Store.Due(ctx, now, again, limit)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, ref := range due {
		d.taken[ref.String()]++
	}
	return due, err
}

// bells notes which alarms rang, each with its room.
func bells() (actors.Behavior, *ledger) {
	rung := &ledger{}
	return tallies(actors.KindConfig{IdleAfter: 10 * time.Millisecond}, func(name string) { rung.note("%s", name) }), rung
}

func (l *ledger) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.events)
}

// asleepWithAlarms leaves rooms in a store, each with an alarm that is over
// when it wakes next.
func asleepWithAlarms(t *testing.T, store actors.Store, rooms int) {
	t.Helper()
	kind, _ := bells()
	n, stop := serve(t, node.Config{Kinds: []actors.Behavior{kind}, Store: store, Limits: node.NoLimits()})
	for i := range rooms {
		id := fmt.Sprint("room-", i)
		if err := n.Call(t.Context(), actors.RoomRef{Kind: "tally", ID: id}, "remind", id, nil); err != nil {
			t.Fatal(err)
		}
	}
	stop()
}

func TestEachRoomThatIsDueIsTakenByOneNode(t *testing.T) {
	const rooms = 400 // more than one lot
	store := &almanac{Store: memory.New(memory.Config{}), taken: make(map[string]int)}
	past := time.Now()
	for i := range rooms {
		if err := store.Schedule(t.Context(), actors.RoomRef{Kind: "tally", ID: fmt.Sprint(i)}, past); err != nil {
			t.Fatal(err)
		}
	}
	kind, _ := bells()
	many(t, 3, node.Config{Kinds: []actors.Behavior{kind}, Store: store, Limits: node.NoLimits()})
	until(t, "all are woken, and off the agenda", func() bool {
		due, err := store.Store.Due(t.Context(), past.Add(time.Hour), time.Time{}, rooms)
		return err == nil && len(due) == 0
	})
	store.mu.Lock()
	defer store.mu.Unlock()
	if len(store.taken) != rooms {
		t.Errorf("%d rooms were taken, want %d", len(store.taken), rooms)
	}
	for ref, times := range store.taken {
		if times != 1 {
			t.Errorf("%s was taken %d times", ref, times)
		}
	}
}

// A node takes what is due and dies: what it has not woken is due again.
func TestAnAlarmRingsOnceThoughWhoTookItDied(t *testing.T) {
	store := memory.New(memory.Config{})
	const rooms = 20
	asleepWithAlarms(t, store, rooms)
	late := time.Now().Add(time.Second)
	taken, err := store.Due(t.Context(), late, late, 2*rooms) // alarms that rang before the first node stopped are gone
	if err != nil || len(taken) == 0 {
		t.Fatalf("%d rooms were taken, %v", len(taken), err)
	}
	kind, rung := bells()
	start(t, node.Config{Kinds: []actors.Behavior{kind}, Store: store, Limits: node.NoLimits()})
	until(t, "the alarms", func() bool { return rung.size() >= len(taken) })
	until(t, "the agenda is empty", func() bool {
		due, err := store.Due(t.Context(), late.Add(time.Hour), time.Time{}, rooms)
		return err == nil && len(due) == 0
	})
	for _, ref := range taken {
		if n := rung.count(ref.ID); n != 1 {
			t.Errorf("the alarm of %v rang %d times", ref, n)
		}
	}
}

func TestRoomsThatCannotWakeHideNoOther(t *testing.T) {
	store := memory.New(memory.Config{})
	asleepWithAlarms(t, store, 1)
	past := time.Now().Add(-time.Hour)
	for i := range 2000 { // due earlier, and of a kind that nobody serves
		if err := store.Schedule(t.Context(), actors.RoomRef{Kind: "gone", ID: fmt.Sprint(i)}, past); err != nil {
			t.Fatal(err)
		}
	}
	kind, rung := bells()
	start(t, node.Config{Kinds: []actors.Behavior{kind}, Store: store})
	until(t, "the alarm", func() bool { return rung.count("room-0") == 1 })
}
