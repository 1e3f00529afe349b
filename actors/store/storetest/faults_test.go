package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/store/memory"
	"github.com/parlor-rooms/parlor/actors/store/storetest"
)

// schedules is how many of the protocol are run besides those that rapid draws.
const schedules = 3_000

var everything = storetest.Faults{
	Seed: 1, Refuse: 0.1, Vanish: 0.1, LoseReply: 0.15, Late: 0.15, Duplicate: 0.15, Delay: 0.1,
	Wait: func(context.Context, time.Duration) error { return nil },
}

// appendAll appends n batches to a room, each until its outcome is known.
func appendAll(t *testing.T, f *storetest.Faulty, room actors.RoomRef, n int) (trace []string, o actors.Owned) {
	t.Helper()
	c := actors.Claim{Owner: actors.Owner{Node: "n", Nonce: "o"}}
	for {
		var err error
		if o, err = f.Claim(t.Context(), room, c); err == nil {
			break
		}
		trace = append(trace, fmt.Sprint("claim: ", err))
	}
	for i := range n {
		b := &actors.Batch{Owned: o, ID: fmt.Sprint("b", i), NewGeneration: "g", Entries: []actors.Entry{{Key: fmt.Sprint(i), Value: []byte("v")}}}
		for {
			err := f.Append(t.Context(), room, b)
			if errors.Is(err, actors.ErrFenced) {
				t.Fatalf("batch %d: %v", i, err)
			}
			if err == nil {
				break
			}
			trace = append(trace, fmt.Sprintf("append %d: %v", i, err))
		}
		o = b.After()
	}
	return trace, o
}

func TestRepeatedCallsOvercomeEveryFault(t *testing.T) {
	f := storetest.WithFaults(memory.New(memory.Config{}), everything)
	room := actors.RoomRef{Kind: "k", ID: "r"}
	_, o := appendAll(t, f, room, 200)
	f.Settle(t.Context())
	f.Heal(true)
	n := 0
	if err := f.Load(t.Context(), room, o, func(string, []byte) error { n++; return nil }); err != nil || n != 200 {
		t.Errorf("%d entries, %v", n, err)
	}
	if o.Sequence != 200 {
		t.Errorf("200 batches were applied as %d", o.Sequence)
	}
	for _, fault := range []string{"refuse", "vanish", "lose reply", "late", "duplicate", "delay"} {
		if f.Met()[fault] == 0 {
			t.Errorf("no call met %q", fault)
		}
	}
}

func TestFaultsAreReplayedFromTheirSeed(t *testing.T) {
	run := func(seed uint64) []string {
		faults := everything
		faults.Seed = seed
		trace, _ := appendAll(t, storetest.WithFaults(memory.New(memory.Config{}), faults), actors.RoomRef{Kind: "k", ID: "r"}, 50)
		return trace
	}
	first := fmt.Sprint(run(7))
	if again := fmt.Sprint(run(7)); again != first {
		t.Errorf("seed 7 gave\n%s\nand then\n%s", first, again)
	}
	if other := fmt.Sprint(run(8)); other == first {
		t.Error("seed 8 gave the same as seed 7")
	}
}

func TestAStoreIsRewound(t *testing.T) {
	f := storetest.WithFaults(memory.New(memory.Config{}), storetest.Faults{})
	room := actors.RoomRef{Kind: "k", ID: "r"}
	_, o := appendAll(t, f, room, 3)
	if !f.Mark() {
		t.Fatal("memory cannot be rewound")
	}
	lost := &actors.Batch{Owned: o, ID: "lost", Entries: []actors.Entry{{Key: "lost", Value: []byte("v")}}}
	if err := f.Append(t.Context(), room, lost); err != nil {
		t.Fatal(err)
	}
	f.Rewind(0)
	if err := f.Append(t.Context(), room, &actors.Batch{Owned: lost.After(), ID: "next"}); !errors.Is(err, actors.ErrFenced) {
		t.Errorf("append behind what was lost: %v", err)
	}
	got := make(map[string]bool)
	if err := f.Load(t.Context(), room, o, func(k string, _ []byte) error { got[k] = true; return nil }); err != nil {
		t.Fatal(err)
	}
	if want := map[string]bool{"0": true, "1": true, "2": true}; !maps.Equal(got, want) {
		t.Errorf("it holds %v", got)
	}
}
