package room

import (
	"fmt"
	"slices"
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

// TestWhatIsForgottenIsForgottenInTheStoreToo trims a room's history for want
// of memory, and looks at what the next activation makes of it.
func TestWhatIsForgottenIsForgottenInTheStoreToo(t *testing.T) {
	w := booking().openKept(t, resumable(actors.KindConfig{ResumeEvents: 10}))
	a := w.join()
	say := func(n int) {
		for range n {
			a.send(fmt.Sprintf(`["keep","%d"]`, w.m.history.seq))
		}
	}
	stored := func() (seqs []uint64) {
		for key := range w.kept.entries {
			var seq uint64
			if n, err := fmt.Sscanf(key, areaEvent+"%d", &seq); n == 1 && err == nil {
				seqs = append(seqs, seq)
			}
		}
		slices.Sort(seqs)
		return seqs
	}
	say(10)
	w.m.Trim()
	say(1)
	if got := stored(); len(got) != 6 || got[0] != 6 || len(w.m.history.kept) != 6 {
		t.Errorf("events %v are stored, %d kept", got, len(w.m.history.kept))
	}
	say(20)
	if got := stored(); len(got) != 10 || got[0] != 22 {
		t.Errorf("events %v are stored", got)
	}
}

// TestAHistoryWithAHoleBeginsBehindIt: a store that has lost an event cannot
// make up for it, and those before it would be replayed as if it had never been.
func TestAHistoryWithAHoleBeginsBehindIt(t *testing.T) {
	w := booking().openKept(t, resumable(actors.KindConfig{}))
	a := w.join()
	for i := range 9 {
		a.send(fmt.Sprintf(`["keep","%d"]`, i))
	}
	p := w.m.seen()
	p.seq = 1
	pid := a.pid()
	delete(w.kept.entries, eventKey(5))
	w.next()
	if h := &w.m.history; len(h.kept) != 4 || h.floor != 5 {
		t.Errorf("%d events are kept, from %d on", len(h.kept), h.floor)
	}
	w.take()
	b := w.join(with(pid, p.offset()))
	if b.answer() != "joined" || b.pid() == pid {
		t.Errorf("who misses event 5 is %s, and told %q again", b.answer(), b.pid())
	}
	if got := len(w.kept.area(areaEvent)); got != 4 {
		t.Errorf("%d events are stored", got)
	}
}
