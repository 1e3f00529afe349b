package room

import (
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

func TestTrimmingForgetsTheOlderHalfOfWhatWasSent(t *testing.T) {
	h := history{maxEvents: 10, maxBytes: 1000}
	for range 6 {
		h.seq++
		h.keep(wire.Emit{Data: actors.Raw{JSON: make([]byte, 10)}})
	}
	h.sent = 5 // the last one is held back
	for _, want := range []int{3, 1, 1} {
		if h.trim(); len(h.kept) != want || h.bytes != 10*want || h.floor != uint64(6-want) {
			t.Errorf("%d kept, %d bytes, floor %d", len(h.kept), h.bytes, h.floor)
		}
	}
	if _, whole := h.since(4, "m"); whole {
		t.Error("what was forgotten is not missed")
	}
	if missed, whole := h.since(5, "m"); !whole || len(missed) != 1 {
		t.Errorf("%d events since the latest that was sent, whole: %v", len(missed), whole)
	}
}
