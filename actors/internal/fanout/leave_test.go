package fanout

import (
	"fmt"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

func stamped(name, offset string) wire.Emit {
	return wire.Emit{Data: actors.Raw{JSON: fmt.Appendf(nil, `[%q,%q]`, name, offset)}}
}

func admitAt(id string, conn uint64, offset string) wire.Admit {
	a := admit(id, conn)
	a.Offset = offset
	return a
}

func TestASuccessorsMembersAreThoseItAdmits(t *testing.T) {
	s := newShard(Limits{})
	ada, bob := s.socket(1), s.socket(2)
	s.deliver(admitAt("ada", 1, "o0"), admitAt("bob", 2, "o0"))
	s.deliver(stamped("one", "o1"))
	ada.texts()
	bob.texts()

	s.epoch++
	s.deliver(event("of the next"))
	if len(ada.texts())+len(bob.texts()) != 0 {
		t.Error("members of one activation were sent events of another")
	}
	if len(s.stale) != 2 {
		t.Errorf("told of %v, want both members", s.stale)
	}
	offset, known := s.Seek(board, "ada", 1)
	if offset != "o1" || !known {
		t.Errorf("ada has everything up to %q, %v", offset, known)
	}
	again := admitAt("ada", 1, offset)
	again.Quiet = true
	s.deliver(again)
	s.deliver(event("e"))
	wantTexts(t, ada, `2["e"]`)
	if len(bob.texts()) != 0 {
		t.Error("bob was not admitted")
	}
	if got := s.Stats().Members; got != 1 {
		t.Errorf("%d members, want 1", got)
	}
}

// TestAnActivationUnderAnotherEpochKeepsItsOwnMembers, and nobody else's.
func TestAnActivationUnderAnotherEpochKeepsItsOwnMembers(t *testing.T) {
	for name, c := range map[string]struct {
		adopts  uint64
		unheard bool
	}{
		"its own":           {7, false},
		"those of another":  {6, true},
		"of a later one":    {8, true},
		"nobody in advance": {0, false},
	} {
		s := newShard(Limits{})
		ada := s.socket(1)
		s.epoch = 7
		s.deliver(admit("ada", 1))
		ada.texts()
		answer := s.Deliver(&wire.Deliver{Room: board, Namespace: board.Namespace(), Epoch: 9, Adopts: c.adopts, Confirm: true})
		if answer == nil || answer.Unheard != c.unheard || answer.Epoch != 9 {
			t.Errorf("%s: answered %+v", name, answer)
		}
		s.epoch = 9
		s.deliver(event("e"))
		if stays := len(ada.texts()) == 1; stays != (c.adopts == 7) || stays == (len(s.stale) == 1) {
			t.Errorf("%s: ada stays: %v, told of %v", name, stays, s.stale)
		}
	}
	s := newShard(Limits{})
	if answer := s.Deliver(&wire.Deliver{Room: board, Namespace: board.Namespace(), Epoch: 9, Adopts: 7}); answer == nil || !answer.Unheard {
		t.Errorf("where nobody is: answered %+v", answer)
	}
}

// TestAnActivationThatYieldsIsToldThatItIsNotHeard, and no other is.
func TestAnActivationThatYieldsIsToldThatItIsNotHeard(t *testing.T) {
	s := newShard(Limits{})
	s.epoch = 5
	s.deliver(event("e"))
	d := wire.Deliver{Room: board, Namespace: board.Namespace(), Epoch: 4, Yields: true}
	if answer := s.Deliver(&d); answer == nil || !answer.Unheard || answer.Epoch != 4 {
		t.Errorf("answered %+v", answer)
	}
	if d.Yields = false; s.Deliver(&d) != nil {
		t.Error("one that does not yield is answered")
	}
	d.Yields, d.Epoch = true, 6
	if answer := s.Deliver(&d); answer != nil {
		t.Errorf("one that is heard is answered %+v", answer)
	}
}

func TestAStaleAdmissionIsToldToItsConnection(t *testing.T) {
	s := newShard(Limits{})
	ada := s.socket(1)
	s.epoch = 2
	s.deliver(event("e"))
	s.epoch = 1
	s.deliver(admit("ada", 1))
	if len(ada.texts()) != 0 || len(s.stale) != 1 || s.stale[0] != "board/q3 1 ada" {
		t.Errorf("sent %v, told of %v", ada.texts(), s.stale)
	}
}

func TestWhoSeeksIsSentNothingMoreByTheActivationItLeft(t *testing.T) {
	s := newShard(Limits{})
	ada := s.socket(1)
	s.deliver(admitAt("ada", 1, "o5"))
	ada.texts()
	if offset, known := s.Seek(board, "ada", 1); offset != "o5" || !known {
		t.Errorf("position %q, %v", offset, known)
	}
	s.deliver(event("late"))
	if got := ada.texts(); len(got) != 0 {
		t.Errorf("it was sent %v", got)
	}
	if _, known := s.Seek(board, "ada", 1); known {
		t.Error("it was there twice")
	}
	if _, known := s.Seek(board, "bob", 2); known {
		t.Error("somebody who never was there is known")
	}
}

func TestWhatWasNotPushedDoesNotCountAsSeen(t *testing.T) {
	s := newShard(Limits{})
	ada := s.socket(1)
	s.deliver(mirrorOf(1, set(notes, "a", `1`)), admitAt("ada", 1, "o0"))
	s.deliver(stamped("one", "o1"))
	ada.stalled = true
	s.deliver(event("fills the socket"))
	s.deliver(mirrorOf(2, set(notes, "a", `2`))) // a state that waits for the socket
	s.deliver(stamped("two", "o2"))              // and an event behind it
	offset, _ := s.Seek(board, "ada", 1)
	if offset == "o2" {
		t.Error("an event that waits counts as seen")
	}
}

func TestALostNodesRoomsAreLeftBehindAndTidiedUp(t *testing.T) {
	s := newShard(Limits{})
	s.socket(1)
	s.socket(2)
	d := &wire.Deliver{Room: board, Namespace: board.Namespace(), Epoch: 1, From: "n2",
		Items: []wire.Item{admit("ada", 1), admit("bob", 2)}}
	s.Deliver(d)
	s.NodeLost("n3")
	if got := s.Stats().Members; got != 2 {
		t.Fatalf("%d members after the loss of another node", got)
	}
	s.NodeLost("n2")
	if got := s.Stats(); got.Members != 0 {
		t.Errorf("%d members after the loss of their room's node", got.Members)
	}
	if len(s.stale) != 0 {
		t.Errorf("told of %v: connections hear of the node themselves", s.stale)
	}
	if _, known := s.Seek(board, "bob", 2); !known {
		t.Error("bob is not known")
	}
	delete(s.sockets, 1) // ada's connection closes and never seeks
	s.Flush()
	s.Flush()
	if got := s.Stats().Rooms; got != 0 || len(s.behind) != 0 {
		t.Errorf("%d rooms, %d left behind", got, len(s.behind))
	}
}
