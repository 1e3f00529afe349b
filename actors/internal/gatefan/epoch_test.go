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
