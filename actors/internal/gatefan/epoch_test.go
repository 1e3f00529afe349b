package gatefan

import (
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

func entered(client, name string, epoch, pos uint64) wire.GateEnter {
	return wire.GateEnter{Client: client, Room: name, HubPos: wire.HubPos{Epoch: epoch, Pos: pos}}
}

// placed is an event as one activation of a room counts it.
func placed(name string, epoch, pos uint64, event string) wire.GateEmit {
	e := room(name, event)
	e.Epoch, e.Pos = epoch, pos
	return e
}

// TestAnEarlierHubIsNotHeardAfterALaterOne: neither what it emits, nor who it
// says has left, nor what it says is missing.
func TestAnEarlierHubIsNotHeardAfterALaterOne(t *testing.T) {
	l := newLab(t)
	s := l.open("a", 1, "pid")
	l.tell(entered("a", "tea", 5, 3), placed("tea", 5, 4, "1"))
	l.tell(placed("tea", 9, 1, "2")) // already before it has entered there itself
	l.tell(placed("tea", 5, 5, "old"), wire.GateExit{Client: "a", Room: "tea", Epoch: 5}, wire.GateGap{Room: "tea", Epoch: 5})
	l.tell(entered("a", "tea", 9, 1), placed("tea", 9, 1, "twice"), placed("tea", 9, 2, "3"))
	l.expect(s, "CONNECT", "1", "2", "3")
	if had := l.Had(namespace, "a", "tea"); had == nil || *had != (wire.HubPos{Epoch: 9, Pos: 2}) {
		t.Errorf("had %v", had)
	}
	if l.Had(namespace, "a", "cup") != nil || l.Had(namespace, "b", "tea") != nil || l.Had("/other", "a", "tea") != nil {
		t.Error("it had something of a room that it is not in")
	}
	if s.closed != "" {
		t.Errorf("it was closed: %s", s.closed)
	}
}

// TestAGapIsNoticedByWhoeverMayRecover: now, or when it comes back.
func TestAGapIsNoticedByWhoeverMayRecover(t *testing.T) {
	l := newLab(t)
	plain, here, gone, outside := l.open("a", 1, ""), l.open("b", 2, "pid"), l.open("c", 3, "pid"), l.open("d", 4, "pid")
	for _, c := range []string{"a", "b", "c"} {
		l.tell(entered(c, "tea", 5, 0))
	}
	l.tell(placed("tea", 5, 1, "1"), wire.GateAway{Client: "c"}, wire.GateGap{Room: "tea", Epoch: 5})
	if plain.closed != "" || outside.closed != "" || here.closed != actors.ReasonNodeLost {
		t.Errorf("closed %q, %q and %q", plain.closed, outside.closed, here.closed)
	}
	for i, s := range []*socket{here, gone} {
		if _, recovered := l.back([]string{"b", "c"}[i], uint64(10+i), s.offset()); recovered {
			t.Error("it recovered")
		}
	}
}

// lossOf says that a node has given up, as what it says to all at a position,
// what it had for a room.
func lossOf(name, from string, pos uint64) wire.GateEmit {
	return wire.GateEmit{Scope: wire.ScopeLoss, Room: name, From: from, Pos: pos}
}

// TestALossIsNoticedByWhoeverMayRecover and is in the room, whatever activation
// it was heard of last.
func TestALossIsNoticedByWhoeverMayRecover(t *testing.T) {
	l := newLab(t)
	plain, here, gone, outside := l.open("a", 1, ""), l.open("b", 2, "pid"), l.open("c", 3, "pid"), l.open("d", 4, "pid")
	for _, c := range []string{"a", "b", "c"} {
		l.tell(entered(c, "tea", 5, 0))
	}
	l.tell(placed("tea", 5, 1, "1"), wire.GateAway{Client: "c"}, lossOf("tea", "x", 1))
	if plain.closed != "" || outside.closed != "" || here.closed != actors.ReasonNodeLost {
		t.Errorf("closed %q, %q and %q", plain.closed, outside.closed, here.closed)
	}
	l.expect(plain, "CONNECT", "1")
	for i, s := range []*socket{here, gone} {
		if _, recovered := l.back([]string{"b", "c"}[i], uint64(10+i), s.offset()); recovered {
			t.Error("it recovered")
		}
	}
}

// TestALossIsNoticedByAClientThatMoves: where it was before it has been given
// away, and after that where it is.
func TestALossIsNoticedByAClientThatMoves(t *testing.T) {
	const before, arriving, after = "before it is given away", "where it arrives, too late for where it was", "when it has arrived, and was told before"
	for _, when := range []string{before, arriving, after} {
		t.Run(when, func(t *testing.T) {
			here, there := newLab(t), newLab(t)
			here.sockets[9] = new(socket)
			there.open("a", 1, "pid")
			there.tell(entered("a", "tea", 5, 0), wire.GateTake{Client: "a", Rooms: []string{"tea"}})
			here.tell(wire.GateArrive{Client: "a", Conn: wire.ConnRef{ID: 9}, Rooms: []string{"tea"}})
			there.tell(wire.GateExit{Client: "a", Room: "tea", Epoch: 5})
			if when == before {
				there.tell(lossOf("tea", "x", 1))
			}
			hand := wire.GateHand{Client: "a", To: "here", Heard: here.arrived["a"]}
			if when == after { // of a client that has come back since
				there.tell(numbered("x", 1, "1"))
				hand.Heard = []wire.Heard{{Node: "x", Pos: 1}}
			}
			there.tell(hand)
			given := there.handed["a"]
			if (given == nil) != (when == before) {
				t.Fatalf("given away: %+v", given)
			}
			if given == nil {
				return
			}
			if when == arriving {
				here.tell(lossOf("tea", "x", 1))
			}
			here.tell(install(given))
			if here.resumed[0] != (when == after) {
				t.Fatalf("recovered: %v", here.resumed)
			}
			if when == arriving {
				return
			}
			here.tell(entered("a", "tea", 5, 0), lossOf("tea", "x", 1))
			if why := here.sockets[9].closed; why != "" {
				t.Errorf("cut off for what it was told before: %s", why)
			}
			here.tell(lossOf("tea", "x", 2))
			if why := here.sockets[9].closed; why != actors.ReasonNodeLost {
				t.Errorf("not cut off: %q", why)
			}
		})
	}
}

// TestALossCountsAmongWhatGoesToAll, also where nobody is in the namespace: a
// client is not given away before it has come.
func TestALossCountsAmongWhatGoesToAll(t *testing.T) {
	l := newLab(t)
	l.tell(lossOf("tea", "x", 7), wire.GateArrive{Client: "a"})
	if heard := l.arrived["a"]; len(heard) != 1 || heard[0] != (wire.Heard{Node: "x", Pos: 7}) {
		t.Errorf("heard %v", heard)
	}
	l.open("b", 1, "pid")
	l.tell(wire.GateTake{Client: "b"}, wire.GateHand{Client: "b", To: "next", Heard: []wire.Heard{{Node: "x", Pos: 8}}})
	if len(l.handed) != 0 {
		t.Fatal("given away too soon")
	}
	l.tell(lossOf("cup", "x", 8))
	if l.handed["b"] == nil {
		t.Error("not given away")
	}
}
