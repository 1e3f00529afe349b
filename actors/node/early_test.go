package node_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/actors/store/memory"
)

// members is how many a room has, as a node is told; -1 if it is not.
func members(t *testing.T, n *node.Node, ref actors.RoomRef) int {
	var count int
	if n.Call(t.Context(), ref, "who", struct{}{}, &count) != nil {
		return -1
	}
	return count
}

// unnoticed fails the test if a client has lost its connection, or was
// answered CONNECT again.
func unnoticed(t *testing.T, peers ...*peer) {
	t.Helper()
	for i, p := range peers {
		if n, why := len(p.find(actors.PacketConnect, "/talk/q3", "sid")), p.reason(); n != 1 || why != "" {
			t.Errorf("client %d: %d CONNECT answers, closed %q", i, n, why)
		}
	}
}

func TestARoomThatKeepsNothingStartsWhileNobodyCanClaimIt(t *testing.T) {
	notes := &ledger{}
	w, nodes := many(t, 3, node.Config{
		Kinds: []actors.Behavior{talks(notes, actors.KindConfig{IdleAfter: 10 * time.Millisecond}), minuteRooms(notes)}, Store: memory.New(memory.Config{}),
	})
	w.Away(true)
	var peers []*peer
	for _, n := range nodes {
		p := connect(t, n)
		p.enter("/talk/q3", "")
		peers = append(peers, p)
	}
	peers[0].say("/talk/q3", "while it is away")
	for _, p := range peers {
		p.await(actors.PacketEvent, "/talk/q3", "while it is away")
	}
	kept := connect(t, nodes[0])
	kept.send(actors.PacketConnect, "/minutes/may", "")
	kept.await(actors.PacketConnectError, "/minutes/may", "unavailable")

	w.Away(false)
	until(t, "the room is claimed", func() bool { return w.Owner(q3) != "" })
	for i, p := range peers {
		p.say("/talk/q3", fmt.Sprint("afterwards ", i))
	}
	for _, p := range peers {
		until(t, "everybody hears everybody", func() bool { return len(p.events("/talk/q3", "said")) == 4 })
		p.await(actors.PacketEvent, "/talk/q3", `"set":{"said":4}`)
	}
	unnoticed(t, peers...)
	if n := members(t, nodes[1], q3); n != 3 || len(notes.events) != 3 {
		t.Errorf("%d members; %v", n, notes.events)
	}
	for _, p := range peers {
		p.send(actors.PacketDisconnect, "/talk/q3", "")
	}
	until(t, "the room has left and is given up", func() bool { return w.Owner(q3) == "" })
}

// TestOfTwoRoomsThatStartedUnclaimedOneIsLeft: nodes that cannot reach each
// other each start the room. Whose claim comes first is drawn.
func TestOfTwoRoomsThatStartedUnclaimedOneIsLeft(t *testing.T) {
	for _, first := range []int{0, 1} {
		t.Run(fmt.Sprint("node ", first, " claims first"), func(t *testing.T) {
			notes := &ledger{}
			w, nodes := many(t, 2, node.Config{Kinds: []actors.Behavior{talks(notes, actors.KindConfig{})}})
			w.Cut(nodes[0].ID(), nodes[1].ID(), true)
			w.Away(true)
			var peers []*peer
			var ids []string
			for i, n := range nodes {
				w.Start(n.ID(), q3, n.ID())
				for k := range 2 {
					p := connect(t, n)
					ids = append(ids, p.enter("/talk/q3", ""))
					p.say("/talk/q3", fmt.Sprint("on ", i, " ", k))
					p.await(actors.PacketEvent, "/talk/q3", fmt.Sprint("on ", i, " ", k))
					peers = append(peers, p)
				}
			}
			if n := nodes[0].Stats().Rooms + nodes[1].Stats().Rooms; n != 2 {
				t.Fatalf("the room is there %d times: the test proves nothing", n)
			}
			w.Cut(nodes[0].ID(), nodes[1].ID(), false)
			w.Put(q3, nodes[first].ID()) // by whom it was claimed
			w.Away(false)
			until(t, "all are in one room", func() bool {
				return nodes[0].Stats().Rooms+nodes[1].Stats().Rooms == 1 && members(t, nodes[1-first], q3) == 4
			})
			peers[0].say("/talk/q3", "one room")
			for _, p := range peers {
				p.await(actors.PacketEvent, "/talk/q3", "one room")
			}
			unnoticed(t, peers...)
			for i, id := range ids {
				joined, left := notes.count("joined "+id), notes.count(fmt.Sprintf("left %s %s", id, actors.ReasonShutdown))
				if joined-left != 1 || (left == 1) != (i/2 != first) {
					t.Errorf("%s, on node %d, joined %d times and left %d times", id, i/2, joined, left)
				}
			}
		})
	}
}

// TestTheOthersAreAskedBeforeARoomStartsUnclaimed: one that woke elsewhere than
// where it would wake today is found there.
func TestTheOthersAreAskedBeforeARoomStartsUnclaimed(t *testing.T) {
	notes := &ledger{}
	w, nodes := many(t, 3, node.Config{Kinds: []actors.Behavior{talks(notes, actors.KindConfig{})}})
	w.Put(q3, nodes[0].ID())
	ada := connect(t, nodes[0])
	ada.enter("/talk/q3", "")
	w.Away(true)
	for _, n := range nodes[1:] {
		for _, other := range nodes[1:] {
			w.Start(other.ID(), q3, nodes[2].ID())
		}
		p := connect(t, n)
		p.enter("/talk/q3", "")
		p.say("/talk/q3", "from "+n.ID())
		ada.await(actors.PacketEvent, "/talk/q3", "from "+n.ID())
	}
	if n := members(t, nodes[2], q3); n != 3 {
		t.Errorf("%d members", n)
	}
}

// TestARoomThatStartsUnclaimedWaitsASecondForTheOthers, and starts though one of
// them, which may be dead, says nothing.
func TestARoomThatStartsUnclaimedWaitsASecondForTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, nodes := many(t, 3, node.Config{Kinds: []actors.Behavior{talks(&ledger{}, actors.KindConfig{})}})
		w.Away(true)
		here := nodes[0].ID()
		for _, silent := range []bool{false, true} {
			ref := actors.RoomRef{Kind: "talk", ID: fmt.Sprint("silent-", silent)}
			w.Start(here, ref, here)
			w.Cut(here, nodes[1].ID(), silent)
			p := connect(t, nodes[0])
			begin := time.Now()
			p.enter(ref.Namespace(), "")
			took := time.Since(begin).Truncate(10 * time.Millisecond) // looked at every millisecond
			if silent && took != time.Second || !silent && took > 100*time.Millisecond {
				t.Errorf("%v starts after %v", ref, took)
			}
		}
	})
}

// TestRoomsThatStartedUnclaimedAreClaimedOneAfterTheOther, and those that have
// left by then are not.
func TestRoomsThatStartedUnclaimedAreClaimedOneAfterTheOther(t *testing.T) {
	notes := &ledger{}
	w, nodes := many(t, 1, node.Config{Kinds: []actors.Behavior{talks(notes, actors.KindConfig{IdleAfter: time.Millisecond})}})
	w.Away(true)
	var want []actors.RoomRef
	for i := range 45 {
		ref := actors.RoomRef{Kind: "talk", ID: fmt.Sprint("r", i)}
		p := connect(t, nodes[0])
		p.enter(ref.Namespace(), "")
		if i%3 == 1 { // not the first, whose claim is under way
			p.send(actors.PacketDisconnect, ref.Namespace(), "")
		} else {
			want = append(want, ref)
		}
	}
	until(t, "rooms leave", func() bool { return nodes[0].Stats().Rooms == int64(len(want)) })
	w.Away(false)
	until(t, "all are claimed", func() bool { return len(w.Claimed()) == len(want) })
	got := w.Claimed()
	if !slices.Equal(got, want) {
		t.Errorf("claimed %v, want %v", got, want)
	}
	if most := w.MostClaims(); most != 1 {
		t.Errorf("%d claims at a time", most)
	}
}
