package room

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// unclaimed starts a room that nobody has claimed and lets it write down who
// joined and left.
func unclaimed(t *testing.T) (w *world, seen *[]string) {
	t.Helper()
	seen = new([]string)
	s := booking()
	s.joined = func(h *hall, _ *actors.Turn, m actors.Member) {
		h.Spots.Set(m.ID, "here")
		*seen = append(*seen, "joined "+string(m.ID))
	}
	s.left = func(h *hall, _ *actors.Turn, m actors.Member, why actors.LeaveReason) {
		h.Spots.Delete(m.ID)
		*seen = append(*seen, fmt.Sprintf("left %s %s", m.ID, why))
	}
	w = newWorld(t, s.behavior(actors.KindConfig{}), func(c *Config) { c.Follows = true })
	w.moves = true
	w.m.Start(w.now, Loaded{Epoch: 7, Yields: true})
	return w, seen
}

// claimed tells the room its epoch. Confirmations under way name the one before.
func (w *world) claimed(epoch uint64) {
	late, before := w.unconfirmed, w.m.epoch
	w.unconfirmed = make(map[string]int)
	w.m.Claimed(w.now, epoch)
	for node, n := range late {
		for range n {
			w.delivered(node, before)
		}
	}
}

// unheard has the fan-out of a node answer that it has heard another.
func (w *world) unheard(node string, epoch uint64) {
	w.m.Delivered(w.now, &wire.Delivered{Room: ref, Epoch: epoch, Node: node, Unheard: true})
	w.settle()
}

func TestARoomThatIsClaimedLateKeepsItsMembers(t *testing.T) {
	w, seen := unclaimed(t)
	a, b := w.join(), w.join(at("n2"))
	w.confirm()
	c := w.join(at("n3"))
	w.confirm()
	w.advance(time.Second)
	if w.unconfirmed["n3"] == 0 {
		t.Fatal("n3 was sent nothing that it does not confirm: nothing is shown")
	}
	c.leave(actors.ReasonClientLeft)
	*seen = nil
	w.take()
	w.claimed(9)
	log := w.take()
	slices.Sort(log)
	if want := []string{"n1: adopts 7 as 9", "n2: adopts 7 as 9"}; !slices.Equal(log, want) {
		t.Fatalf("%q, want %q", log, want)
	}
	a.tell(`["move","x"]`)
	w.advance(time.Second)
	if log := strings.Join(w.take(), "\n"); strings.Contains(log, "sync") {
		t.Errorf("a flush before a node has confirmed that it has the members:\n%s", log)
	}
	w.unheard("n1", 7) // of before
	w.confirm()
	if log := strings.Join(w.take(), "\n"); strings.Count(log, "sync") != 2 {
		t.Errorf("afterwards:\n%s", log)
	}
	if len(w.m.nodes) != 2 {
		t.Errorf("the room waits for %d nodes", len(w.m.nodes))
	}
	if a.gone() || b.gone() || len(*seen) != 0 {
		t.Errorf("%v", *seen)
	}
	w.take()
	w.join(at("n3"))
	w.confirm()
	w.advance(time.Second)
	if log := strings.Join(w.take(), "\n"); !strings.Contains(log, "n3: sync") {
		t.Errorf("with a member at a node that had none when the room was claimed:\n%s", log)
	}
}

func TestARoomThatYieldsMovesWhenANodeHasHeardAnother(t *testing.T) {
	w, seen := unclaimed(t)
	w.join()
	w.join(at("n2"))
	w.take()
	w.unheard("n2", 7)
	log := strings.Join(w.take(), "\n")
	if !strings.HasSuffix(log, "retire\ntell n1/1: moved\ntell n2/2: moved") {
		t.Errorf("%s", log)
	}
	if want := []string{"joined a", "joined b", "left a shutdown", "left b shutdown"}; !slices.Equal(*seen, want) {
		t.Errorf("%v", *seen)
	}
}

// TestARoomThatWasClaimedGivesUpWhoIsElsewhere: a node that has heard another
// activation has sent its members to look for the room. Who has come back by
// then stays.
func TestARoomThatWasClaimedGivesUpWhoIsElsewhere(t *testing.T) {
	w, seen := unclaimed(t)
	w.join()
	b := w.join(at("n2"))
	w.join(at("n2"))
	w.claimed(9)
	again := w.join(at("n2"), called("d"), func(j *wire.Join) { j.Conn, j.Again = b.conn, &wire.Again{Member: "b"} })
	w.take()
	*seen = nil
	w.unheard("n2", 9)
	if want := []string{"left c node_lost"}; !slices.Equal(*seen, want) {
		t.Errorf("%v, want %v", *seen, want)
	}
	log := strings.Join(w.take(), "\n")
	if !strings.Contains(log, "n2: mirror") || strings.Contains(log, "gone") || strings.Contains(log, "n1: mirror") {
		t.Errorf("%s", log)
	}
	if again.id() != "b" || w.m.Members() != 2 {
		t.Errorf("%d members", w.m.Members())
	}
	if got := w.m.node("n2"); got.members != 1 {
		t.Errorf("%d members at n2", got.members)
	}
}
