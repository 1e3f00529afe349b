package room

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// lossy is a room whose member a has kept "first", which a test can have the
// store lose together with what came before (marks 0 to 2), and "second".
func lossy(t *testing.T, s *script, c actors.KindConfig) (*world, *client) {
	t.Helper()
	w := newWorld(t, s.behavior(c))
	w.kept = &kept{entries: make(map[string]string)}
	w.kept.mark()
	w.begin()
	w.kept.mark()
	a := w.join()
	a.send(`["keep","first"]`)
	w.kept.mark()
	a.send(`["keep","second"]`)
	w.confirm()
	w.take()
	return w, a
}

func TestARoomGivesBackWhatItsStoreHasLost(t *testing.T) {
	for name, mark := range map[string]int{"everything": 0, "all but the claim": 1, "the latest batch": 2} {
		t.Run(name, func(t *testing.T) {
			w, a := lossy(t, booking(), resumable(actors.KindConfig{}))
			w.kept.rollBack(mark)
			w.kept.slow = true
			a.send(`["keep","third"]`)
			b := w.join(at("n2"))
			w.expect("append notes/third=1 e/3 l/a")
			w.commit()
			w.expect("reclaim")
			a.send(`["keep","fourth"]`) // is in the batch that gives back, and what comes next is not
			w.commit()
			w.expect("append e/1 e/2 e/3 e/4 notes/first=1 notes/fourth=1 notes/second=1 notes/third=1 l/a s/a s/b")
			a.send(`["keep","fifth"]`)
			w.expect()
			w.commit()
			log := strings.Join(w.take(), "\n")
			if !strings.Contains(log, `#3 ["third"]`) || !strings.Contains(log, `#4 ["fourth"]`) || strings.Contains(log, `["fifth"]`) ||
				b.answer() != "joined" || strings.Contains(log, "close") || strings.Contains(log, "mirror v1 ") {
				t.Errorf("%s; b is %s", log, b.answer())
			}
			w.commit()
			if w.kept.repairs != 1 || len(w.kept.area(areaField)) != 5 || w.kept.agenda.IsZero() {
				t.Errorf("%d repairs; stored %v", w.kept.repairs, w.kept.entries)
			}
		})
	}
}

func TestNothingIsGivenBackWhereNothingIsLost(t *testing.T) {
	w, _ := lossy(t, booking(), actors.KindConfig{})
	w.kept.slow = true
	epoch := w.m.epoch
	w.m.Recheck(w.now)
	w.m.Recheck(w.now)
	w.expect("reclaim")
	w.commit()
	w.expect()
	if w.m.epoch != epoch || w.m.journal.owned != w.kept.owned || !w.m.journal.idle() {
		t.Errorf("epoch %d after %d; owned as %+v, stored as %+v", w.m.epoch, epoch, w.m.journal.owned, w.kept.owned)
	}
}

func TestARecheckWithoutAnswerClosesTheGateAfterAWhile(t *testing.T) {
	w, a := lossy(t, booking(), actors.KindConfig{})
	w.kept.slow = true
	w.m.Recheck(w.now)
	a.send(`["keep","third"]`)
	w.advance(gatePatience)
	a.send(`["keep","fourth"]`)
	if log := strings.Join(w.take(), "\n"); !strings.Contains(log, `#4 [{"error":{"code":"unavailable"`) {
		t.Error(log)
	}
	w.commit()
	w.commit()
	if log := strings.Join(w.take(), "\n"); !strings.Contains(log, `#3 ["third"]`) {
		t.Error(log)
	}
}

func TestARoomOfWhichNothingIsStoredStoresNothingWhenItIsRechecked(t *testing.T) {
	w := newWorld(t, booking().behavior(actors.KindConfig{}))
	w.kept = &kept{entries: make(map[string]string)}
	w.kept.mark()
	w.begin()
	w.join()
	w.kept.rollBack(0)
	w.m.Recheck(w.now)
	w.settle()
	if w.kept.appends > 0 || w.kept.owned.Owner != w.m.journal.owned.Owner {
		t.Errorf("%d appends; the room is %+v", w.kept.appends, w.kept.owned)
	}
}

func TestWhatIsGivenBackIsEverything(t *testing.T) {
	w := newWorld(t, ringer(func(*ringing, *actors.Turn, string) {}, resumable(actors.KindConfig{})))
	w.kept = &kept{entries: map[string]string{"f/bygone/x": "1"}}
	w.kept.mark()
	w.kept.entries["f/bygone/y"] = "2" // a field that the kind does not have
	w.begin()
	w.user = "ada"
	a := w.join()
	a.send(`["set","soon",60,{"$parlor":{"cid":"c1"}}]`)
	a.leave(actors.ReasonTransportClosed)
	w.join()
	was := maps.Clone(w.kept.entries)
	if len(w.kept.area(areaAlarm)) != 1 || len(w.kept.area(areaCommand)) != 1 || len(w.kept.area(areaSeat)) != 2 {
		t.Fatalf("stored: %v", was)
	}
	w.kept.rollBack(0)
	w.m.Recheck(w.now)
	w.settle()
	if !maps.Equal(w.kept.entries, was) {
		t.Errorf("given back is %v, was %v", w.kept.entries, was)
	}
}

func TestARoomThatIsDestroyedIsGoneThoughItsStoreWasRolledBack(t *testing.T) {
	s := booking()
	s.on["end"] = func(_ *hall, t *actors.Turn, _ actors.Args) (any, error) { t.Destroy(); return "ended", nil }
	w, a := lossy(t, s, actors.KindConfig{})
	w.kept.rollBack(0)
	a.send(`["end"]`)
	log := strings.Join(w.take(), "\n")
	if len(w.kept.entries) > 0 || strings.Count(log, "destroy") != 2 || !strings.Contains(log, "reclaim") || !strings.Contains(log, `["ended"]`) {
		t.Errorf("%s; stored %v", log, w.kept.entries)
	}
}

func TestARoomThatWasRepairedHibernatesUnnoticed(t *testing.T) {
	w, a := lossy(t, booking(), sleepy(resumable(actors.KindConfig{})))
	w.kept.rollBack(1)
	w.advance(time.Hour)
	if w.kept.repairs != 1 || !w.kept.asleep {
		t.Fatalf("%d repairs, asleep: %v; %q", w.kept.repairs, w.kept.asleep, w.take())
	}
	w.take()
	epoch := w.m.epoch
	a.send(`["keep","third"]`)
	if w.m.epoch != epoch {
		t.Errorf("it wakes in epoch %d, of which no node has heard, after %d", w.m.epoch, epoch)
	}
	if log := strings.Join(w.items(), "\n"); strings.Contains(log, "mirror") || strings.Contains(log, "admit") || !strings.Contains(log, "reply a") {
		t.Errorf("on waking: %s", log)
	}
}

func TestWhatIsImportedIsNotMixedWithWhatTheRoomIs(t *testing.T) {
	w := newWorld(t, booking().behavior(actors.KindConfig{}))
	w.kept = &kept{entries: make(map[string]string)}
	w.kept.mark()
	w.begin()
	w.kept.slow = true
	w.call(1, ImportCall, `[{"fields":{"notes":{"x":1}}}]`)
	w.kept.rollBack(0)
	w.commit()
	if log := strings.Join(w.take(), "\n"); !strings.Contains(log, "retire") || strings.Contains(log, "reclaim") {
		t.Error(log)
	}
}

func TestARoomThatIsTooLargeToBeGivenBackIsGivenUp(t *testing.T) {
	const beside = 100 // more than the room has otherwise
	for name, c := range map[string]struct {
		entries, bytes int
		fits           bool
	}{
		"as many entries": {actors.MaxReplaceEntries - beside, 1, true},
		"more entries":    {actors.MaxReplaceEntries + 1, 1, false},
		"as many bytes":   {7, actors.MaxReplaceBytes / 8, true},
		"more bytes":      {9, actors.MaxReplaceBytes / 8, false},
	} {
		t.Run(name, func(t *testing.T) {
			w, a := lossy(t, booking(), actors.KindConfig{})
			value := make([]byte, c.bytes)
			for i := range c.entries {
				w.m.foreign = append(w.m.foreign, actors.Entry{Key: fmt.Sprint("f/old/", i), Value: value})
			}
			w.kept.rollBack(1)
			a.send(`["keep","third"]`)
			if gone := slices.Contains(w.take(), "retire"); gone == c.fits || (w.kept.repairs > 0) != c.fits {
				t.Errorf("it has left: %v, after %d repairs", gone, w.kept.repairs)
			}
		})
	}
}

// TestARoomThatStartsAgainIsGivenBackOnceItIsOpen: until then somebody who has
// left is in the store only, so that the hook Left is told.
func TestARoomThatStartsAgainIsGivenBackOnceItIsOpen(t *testing.T) {
	var got []string
	w := newWorld(t, panicking(&got).behavior(resumable(actors.KindConfig{})))
	w.kept = &kept{entries: make(map[string]string)}
	w.kept.mark()
	w.begin()
	a, b := w.join(), w.join()
	a.send(`["set","x",1]`)
	w.kept.rollBack(0)
	w.kept.slow = true
	w.panics(a, faultLimit)
	b.leave(actors.ReasonClientLeft)
	w.take()
	w.m.Recheck(w.now)
	w.expect("reclaim")
	w.commit()
	w.expect()
	w.advance(time.Second)
	w.commit()
	w.settle()
	w.kept.slow = false
	w.settle()
	if w.kept.repairs != 1 || w.kept.entries[fieldKey("notes", "x")] == "" || len(w.kept.area(areaSeat)) != 1 {
		t.Errorf("%d repairs; stored %v", w.kept.repairs, w.kept.entries)
	}
}
