package node_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// TestClientsOfANodeThatStopsRecoverOnAnother drains a node and stops it, as a
// rolling restart does: its clients that come back elsewhere while it is still there have what
// was emitted to them meanwhile, once and in order. Of who does not come, the
// hook runs, and the node does not wait for ever.
func TestClientsOfANodeThatStopsRecoverOnAnother(t *testing.T) {
	f := newFleet(t, 2, actors.GatewayConfig{RecoverWithin: time.Minute})
	f.world.Put(actors.RoomRef{Kind: "@" + roamNS, ID: "x"}, f.nodes[0].ID())
	r, early, lost := &roamer{f: f, user: "ada"}, &roamer{f: f, user: "eve"}, &roamer{f: f, user: "bob"}
	for _, c := range []*roamer{r, early, lost} {
		c.open(0)
		c.ask("join", `["x"]`)
	}
	said, all := make(map[string]int), 0
	say := func(from int, way string) {
		to := map[string]actors.Broadcast[roamData]{"x": f.gates[from].To("x"), "all": f.gates[from].All(), "user": f.gates[from].ToUser("ada")}[way]
		way = fmt.Sprint(from, way)
		said[way]++
		all++
		if err := to.Emit("news", fmt.Sprintf("%s#%d", way, said[way])); err != nil {
			t.Fatal(err)
		}
	}
	say(1, "x")
	say(0, "all")
	until(t, "it hears", func() bool { return len(r.find(actors.PacketEvent, roamNS, `["news"`)) == 2 })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := f.nodes[0].Drain(ctx); err != nil {
		t.Fatal(err)
	}
	early.drop(2, true)
	stopped := make(chan struct{})
	go func() { // awaited below
		defer close(stopped)
		f.stops[0]()
	}()
	until(t, "its socket is closed", func() bool { return r.reason() == actors.ReasonShutdown })
	r.read(1)
	for _, way := range []string{"x", "all", "user", "x", "all"} {
		say(1, way)
	}
	say(0, "all")
	id, came := r.id, early.id
	if !r.open(1) || r.id != id {
		t.Fatal("it has not recovered")
	}
	if !early.open(1) || early.id != came {
		t.Error("who was away before has not recovered")
	}
	say(1, "x")
	until(t, "it has everything", func() bool { return len(r.find(actors.PacketEvent, roamNS, `["news"`)) >= all-1 })
	r.read(all)
	for way, n := range said {
		if got := r.streams()[way]; !slices.Equal(got, upTo(n)) {
			t.Errorf("of %d from %s it has %v", n, way, got)
		}
	}
	<-stopped
	if n := f.notes.count("gone " + lost.id); n != 1 {
		t.Errorf("the hook of who did not come back ran %d times", n)
	}
	if n := f.notes.count("gone "+id) + f.notes.count("gone "+came); n != 0 {
		t.Errorf("the hooks of those who came back ran %d times", n)
	}
}

// TestAClientOfAYoungNodeMovesToAnOldOne: the old one has heard what was emitted
// to everybody before the young one was there, by a node that lives and is quiet
// since, and by one that has gone.
func TestAClientOfAYoungNodeMovesToAnOldOne(t *testing.T) {
	config := actors.GatewayConfig{RecoverWithin: time.Minute}
	f := newFleet(t, 3, config)
	r := &roamer{f: f, user: "ada"}
	r.open(0)
	for from := range f.gates {
		if err := f.gates[from].All().Emit("news", "x"); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "all is heard", func() bool { return len(r.find(actors.PacketEvent, roamNS, `["news"`)) == 3 })
	f.stops[2]()
	f.add(f.store, config)
	young := &roamer{f: f, user: "bob"}
	young.open(3)
	young.drop(0, true)
	if !young.open(0) {
		t.Error("it has not recovered")
	}
}
