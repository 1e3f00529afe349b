package node_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
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
			defer stop()
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
	const rooms = 150 // more than are looked after at once
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
