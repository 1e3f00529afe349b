package node_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
)

// lostRoom is a fleet whose room x has left its node 0 while nobody can say where
// it is next, and two clients in it, on the nodes 1 and 2.
func lostRoom(t *testing.T) (*fleet, []*roamer) {
	t.Helper()
	f := newFleet(t, 3, actors.GatewayConfig{RecoverWithin: time.Minute})
	f.world.Put(actors.RoomRef{Kind: "@" + roamNS, ID: "x"}, f.nodes[0].ID())
	var clients []*roamer
	for i, user := range []string{"ada", "bob"} {
		f.world.Put(actors.RoomRef{Kind: "@" + roamNS, ID: "\x00user:" + user}, f.nodes[i+1].ID())
		r := &roamer{f: f, user: user}
		r.open(i + 1)
		r.ask("join", `["x"]`)
		clients = append(clients, r)
	}
	f.say(1, "before")
	for _, r := range clients {
		r.await(actors.PacketEvent, roamNS, `["news","before"`)
	}
	f.world.Away(true)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := f.nodes[0].Drain(ctx); err != nil {
		t.Fatal(err)
	}
	return f, clients
}

// say emits to x from a node.
func (f *fleet) say(from int, text string) {
	f.t.Helper()
	if err := f.gates[from].To("x").Emit("news", text); err != nil {
		f.t.Fatal(err)
	}
}

// unlocated returns when a node has been told that x cannot be found.
func (f *fleet) unlocated(from int) {
	f.t.Helper()
	if _, err := f.gates[from].To("x").Members(f.t.Context()); err == nil {
		f.t.Fatal("the room is found: the test proves nothing")
	}
}

// TestWhatIsEmittedToARoomThatCannotBeFoundIsHeld: by every node that emits,
// until it can be; and its clients enter it again by then.
func TestWhatIsEmittedToARoomThatCannotBeFoundIsHeld(t *testing.T) {
	f, clients := lostRoom(t)
	var said []string
	for i := range f.nodes {
		f.say(i, fmt.Sprint("held by ", i))
		f.unlocated(i)
		f.say(i, fmt.Sprint("and then by ", i))
		said = append(said, fmt.Sprint("held by ", i), fmt.Sprint("and then by ", i))
	}
	if err := f.gates[1].To("x").Volatile().Emit("news", "volatile"); err != nil {
		t.Fatal(err)
	}
	clients[0].drop(1, true)
	f.world.Away(false)
	clients[1].await(actors.PacketEvent, roamNS, `["news","held by 1"`)
	f.say(1, "after")
	f.say(2, "after")
	if !clients[0].open(1) {
		t.Error("who came back after it has not recovered")
	}
	for _, r := range clients {
		until(t, "everything arrives", func() bool {
			return len(r.find(actors.PacketEvent, roamNS, `["news"`))+len(r.got) >= len(said)+3
		})
		r.read(1 << 30)
		if len(r.got) != len(said)+3 {
			t.Errorf("%s was sent %q", r.user, r.got)
		}
		for _, text := range said {
			if n := slices.Index(r.got, text); n < 0 {
				t.Errorf("%s was not sent %q", r.user, text)
			}
		}
		for i := range f.nodes {
			if slices.Index(r.got, fmt.Sprint("held by ", i)) > slices.Index(r.got, fmt.Sprint("and then by ", i)) {
				t.Errorf("what node %d emitted came in another order: %q", i, r.got)
			}
		}
		if slices.Contains(r.got, "volatile") {
			t.Errorf("%s was sent a volatile event, late", r.user)
		}
		if why := r.reason(); why != "" {
			t.Errorf("%s was cut off: %s", r.user, why)
		}
	}
}

// TestWhatIsEmittedBeforeAnybodyIsBackInTheRoomIsKept: by a node that knows
// nothing of the room, when it can be found again and nobody has entered it yet.
func TestWhatIsEmittedBeforeAnybodyIsBackInTheRoomIsKept(t *testing.T) {
	f, clients := lostRoom(t)
	f.add(f.store, actors.GatewayConfig{RecoverWithin: time.Minute})
	for i := range clients {
		for j := range clients {
			f.world.Cut(f.nodes[i+1].ID(), f.nodes[j].ID(), i+1 != j)
		}
		f.world.Cut(f.nodes[i+1].ID(), f.nodes[3].ID(), true) // nobody can enter it
	}
	f.world.Put(actors.RoomRef{Kind: "@" + roamNS, ID: "x"}, f.nodes[3].ID())
	f.world.Away(false)
	f.say(3, "early")
	f.say(3, "and then")
	until(t, "the room is awake", func() bool { return f.nodes[3].Stats().Rooms > 0 })
	for i := range clients {
		for j := range f.nodes {
			if j != i+1 {
				f.world.Cut(f.nodes[i+1].ID(), f.nodes[j].ID(), false)
			}
		}
	}
	for _, r := range clients {
		r.await(actors.PacketEvent, roamNS, `["news","and then"`)
		r.await(actors.PacketEvent, roamNS, `["news","early"`)
		if why := r.reason(); why != "" {
			t.Errorf("%s was cut off: %s", r.user, why)
		}
	}
}

// TestAnAskThatDoesNotReachItsRoomSaysSo: nobody having been asked is not
// everybody having answered.
func TestAnAskThatDoesNotReachItsRoomSaysSo(t *testing.T) {
	f, _ := lostRoom(t)
	answers, err := f.gates[1].To("x").Timeout(time.Minute).Ask(t.Context(), "question")
	if e := actors.AsError(err); len(answers) != 0 || e == nil || e.Code != actors.CodeUnavailable {
		t.Errorf("%v, %v", answers, err)
	}
}

// TestWhatIsTooMuchToBeHeldForARoomIsAnnounced: to whoever is in the room, on
// every node, and to nobody else.
func TestWhatIsTooMuchToBeHeldForARoomIsAnnounced(t *testing.T) {
	for name, text := range map[string]string{"events": "", "bytes": strings.Repeat("x", 1<<20)} {
		t.Run(name, func(t *testing.T) {
			f, clients := lostRoom(t)
			other := &roamer{f: f, user: "ada"}
			other.open(1)
			clients[1].drop(1, true)
			for i := 0; i <= node.HeldMost && i*len(text) < node.HeldBytes; i++ {
				if why := clients[0].reason(); why != "" {
					t.Fatalf("cut off before %d", i)
				}
				f.say(2, text)
			}
			until(t, "who is there is cut off", func() bool { return clients[0].reason() == actors.ReasonNodeLost })
			if why := other.reason(); why != "" {
				t.Errorf("who is not in the room is cut off: %s", why)
			}
			clients[0].read(1 << 30)
			for i, r := range clients {
				if r.open(i + 1) {
					t.Errorf("%s has recovered", r.user)
				}
			}
			f.world.Away(false)
			clients[0].ask("join", `["x"]`)
			f.say(2, "after")
			clients[0].await(actors.PacketEvent, roamNS, `["news","after"`)
			// The event for y counts if one actor holds both: then the last for x
			// is held afresh, behind those that were given up.
			if n := len(clients[0].find(actors.PacketEvent, roamNS, "news")); n > 2 {
				t.Errorf("%d events", n)
			}
		})
	}
}

// TestWhatANodeHoldsForARoomWhenItStopsIsAnnounced to those that stay.
func TestWhatANodeHoldsForARoomWhenItStopsIsAnnounced(t *testing.T) {
	f, clients := lostRoom(t)
	f.say(0, "held")
	f.unlocated(0)
	for _, r := range clients {
		if why := r.reason(); why != "" {
			t.Fatalf("%s is cut off already: %s", r.user, why)
		}
	}
	f.stops[0]()
	for i, r := range clients {
		until(t, r.user+" is cut off", func() bool { return r.reason() == actors.ReasonNodeLost })
		r.read(1 << 30)
		if r.open(i + 1) {
			t.Errorf("%s has recovered", r.user)
		}
	}
}

// TestWhatIsEmittedWhenARoomsNodeHasDiedIsKept for clients that have yet to
// enter the next activation, also on a node where nobody is in the room.
func TestWhatIsEmittedWhenARoomsNodeHasDiedIsKept(t *testing.T) {
	f := newFleet(t, 3, actors.GatewayConfig{RecoverWithin: time.Minute})
	const rooms = 16 // each is next on one of two nodes
	f.world.Put(actors.RoomRef{Kind: "@" + roamNS, ID: "\x00user:ada"}, f.nodes[1].ID())
	r := &roamer{f: f, user: "ada"}
	r.open(1)
	say := func(room int, text string) {
		if err := f.gates[2].To(fmt.Sprint(room)).Emit("news", fmt.Sprint(text, room)); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for i := range rooms {
		names = append(names, fmt.Sprint(i))
		f.world.Put(actors.RoomRef{Kind: "@" + roamNS, ID: names[i]}, f.nodes[0].ID())
	}
	r.ask("join", `["`+strings.Join(names, `","`)+`"]`)
	for i := range rooms {
		say(i, "before ")
	}
	until(t, "all have come", func() bool { return len(r.find(actors.PacketEvent, roamNS, `"before `)) == rooms })
	f.world.Cut(f.nodes[1].ID(), f.nodes[2].ID(), true)
	f.world.Kill(f.nodes[0].ID())
	for i := range rooms {
		say(i, "after ")
	}
	until(t, "all rooms have woken", func() bool { return f.nodes[1].Stats().Rooms+f.nodes[2].Stats().Rooms == rooms+1 })
	if f.nodes[2].Stats().Rooms == 0 {
		t.Fatal("all are where the client is: the test proves nothing")
	}
	f.world.Cut(f.nodes[1].ID(), f.nodes[2].ID(), false)
	until(t, "all have come", func() bool { return len(r.find(actors.PacketEvent, roamNS, `"after `)) == rooms })
	if why := r.reason(); why != "" {
		t.Errorf("cut off: %s", why)
	}
}
