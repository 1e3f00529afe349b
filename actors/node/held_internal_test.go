package node

import (
	"slices"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
)

// HeldMost and HeldBytes are for tests in package node_test.
const (
	HeldMost  = heldMost
	HeldBytes = heldBytes
)

// TestTheRoomsForWhichTheMostIsHeldAreGivenUp: by events or by bytes, and no
// more of them than has to be.
func TestTheRoomsForWhichTheMostIsHeldAreGivenUp(t *testing.T) {
	room := func(id string) actors.RoomRef { return actors.RoomRef{Kind: "@/chat", ID: id} }
	var h holds
	for id, events := range map[string]int{"quiet": 10, "busy": heldMost / 2, "busier": heldMost/2 - 10} {
		for range events {
			h.add(room(id), 10)
		}
	}
	if rooms := h.excess(); len(rooms) != 0 {
		t.Fatalf("given up: %v", rooms)
	}
	h.add(room("busy"), 10)
	if rooms := h.excess(); !slices.Equal(rooms, []actors.RoomRef{room("busy")}) {
		t.Errorf("given up: %v", rooms)
	}
	h.empty(room("busy"))
	h.add(room("large"), heldBytes)
	if rooms := h.excess(); !slices.Equal(rooms, []actors.RoomRef{room("large")}) {
		t.Errorf("given up: %v", rooms)
	}
	for _, id := range []string{"quiet", "busy", "busier", "large"} {
		h.forget(room(id))
	}
	if h.events != 0 || h.bytes != 0 || len(h.rooms) != 0 {
		t.Errorf("left: %+v", h)
	}
}
