package room

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// booking is a room that keeps notes, and has cursors that it does not keep.
func booking() *script {
	return &script{on: on{
		"keep": func(h *hall, t *actors.Turn, in actors.Args) (any, error) {
			var key string
			_ = in.Decode(0, &key)
			h.Notes.Set(key, 1)
			t.Broadcast("kept", key)
			return key, nil
		},
		"look": func(h *hall, t *actors.Turn, _ actors.Args) (any, error) {
			t.All().Volatile().Emit("counted", h.Notes.Len())
			return h.Notes.Len(), nil
		},
		"insist": func(h *hall, t *actors.Turn, in actors.Args) (any, error) {
			if h.Notes.Has("x") {
				return nil, actors.Errorf(actors.CodeConflict, "x is there")
			}
			return nil, nil
		},
		"move": func(h *hall, t *actors.Turn, in actors.Args) (any, error) {
			var to string
			_ = in.Decode(0, &to)
			h.Spots.Set("a", to)
			t.All().Volatile().Emit("moved", to)
			return nil, nil
		},
		"mark": func(h *hall, t *actors.Turn, in actors.Args) (any, error) {
			var to string
			_ = in.Decode(0, &to)
			h.Notes.Set("mark", 1)
			h.Spots.Set("a", to)
			return nil, nil
		},
		"where": func(h *hall, t *actors.Turn, _ actors.Args) (any, error) {
			s, _ := h.Spots.Get("a")
			return s, nil
		},
		"say": func(h *hall, t *actors.Turn, _ actors.Args) (any, error) { t.Broadcast("said"); return nil, nil },
	}}
}

// slowStore starts a room with a member whose store answers when told.
func slowStore(t *testing.T, s *script, c actors.KindConfig) (*world, *client) {
	t.Helper()
	w := s.openKept(t, c)
	a := w.join()
	w.confirm()
	w.kept.slow = true
	w.take()
	return w, a
}

func TestNothingOfATurnIsSeenBeforeWhatItChangedIsDurable(t *testing.T) {
	w, a := slowStore(t, booking(), actors.KindConfig{})
	a.send(`["keep","x"]`)
	w.call(1, "keep", `["y"]`)
	w.expect("append notes/x=1")
	w.commit()
	w.expect("n1: sync v2  0/x=1", `n1: emit ["kept","x"]`, `n1: reply a #1 ["x"]`, "append notes/y=1")
	w.confirm()
	w.commit()
	w.expect(`answer 1 ["y"]`, "n1: sync v3  0/y=1", `n1: emit ["kept","y"]`)
}

func TestWhatIsNotDerivedFromItPassesBy(t *testing.T) {
	w, a := slowStore(t, booking(), actors.KindConfig{})
	a.send(`["keep","x"]`)
	w.take()
	a.tell(`["move","here"]`)
	w.expect(`n1: emit ["moved","here"] volatile`, `n1: sync v2  1/a="here"`)
	w.confirm()
	a.send(`["say"]`) // reliable: it keeps its place behind what waits
	w.expect()
	w.commit()
	w.expect("n1: sync v3  0/x=1", `n1: emit ["kept","x"]`, `n1: reply a #1 ["x"]`, `n1: emit ["said"]`, `n1: reply a #2 [null]`)
}

func TestWhoeverReadsWhatIsNotDurableWaitsForIt(t *testing.T) {
	for event, want := range map[string]string{
		"look":   "[2]",
		"insist": `"code":"conflict"`, // a failure tells as much
		"where":  `["there"]`,         // derived from a field that is not durable itself
	} {
		t.Run(event, func(t *testing.T) {
			w, a := slowStore(t, booking(), actors.KindConfig{})
			a.tell(`["keep","x"]`)
			a.tell(`["mark","there"]`)
			w.take()
			a.send(fmt.Sprintf("[%q]", event))
			w.expect()
			w.commit() // the first
			if log := strings.Join(w.take(), "\n"); strings.Contains(log, "#1") {
				t.Errorf("it is answered before all it saw is durable: %s", log)
			}
			w.commit()
			if log := strings.Join(w.take(), "\n"); !strings.Contains(log, "reply a #1 ") || !strings.Contains(log, want) {
				t.Errorf("%s, want %s", log, want)
			}
		})
	}
}

func TestAReadOfWhatIsDurableDoesNotWait(t *testing.T) {
	w, a := slowStore(t, booking(), actors.KindConfig{})
	a.send(`["look"]`)
	w.expect(`n1: emit ["counted",0] volatile`, `n1: reply a #1 [0]`)
}

func TestANodeIsShownOnlyWhatIsDurable(t *testing.T) {
	w, a := slowStore(t, booking(), actors.KindConfig{})
	a.tell(`["keep","x"]`)
	a.tell(`["mark","there"]`)
	w.take()
	b := w.join(at("n2"))
	if b.answer() != "" {
		t.Errorf("b is answered %s", b.answer())
	}
	w.commit() // x; b waits behind the mark
	w.take()
	a.tell(`["keep","z"]`)
	w.commit() // the mark, and b; not z
	w.expect("tell n2/2: joined b as b", `n1: sync v3  0/mark=1 1/a="there"`,
		`n2: mirror v3  0/mark=1 0/x=1 1/a="there"`, `n2: admit b {"sid":"b"}`, "append notes/z=1")
}

func TestAnEphemeralValueThatPassedIsNotOverwrittenByAnEarlierOne(t *testing.T) {
	w, a := slowStore(t, booking(), actors.KindConfig{})
	a.tell(`["mark","first"]`)
	a.tell(`["move","then"]`)
	w.confirm()
	w.take()
	w.commit()
	w.confirm()
	for node, tb := range w.tables {
		if tb.mirror["spots/a"] != `"then"` || tb.mirror["notes/mark"] != "1" {
			t.Errorf("%s has %v", node, tb.mirror)
		}
	}
}

func TestWhatComesWhileABatchIsOnItsWayIsTheNext(t *testing.T) {
	w, a := slowStore(t, booking(), actors.KindConfig{})
	for i := range 100 {
		a.tell(fmt.Sprintf(`["keep","%d"]`, i))
	}
	w.commit()
	w.commit()
	if w.kept.appends != 2 || w.kept.flight != nil || len(w.kept.area(areaField)) != 100 {
		t.Errorf("%d appends, %d entries", w.kept.appends, len(w.kept.area(areaField)))
	}
}

func TestAFullGateRefusesBeforeTheTurn(t *testing.T) {
	turns := 0
	s := booking()
	keep := s.on["keep"]
	s.on["keep"] = func(h *hall, t *actors.Turn, in actors.Args) (any, error) { turns++; return keep(h, t, in) }
	w, a := slowStore(t, s, actors.KindConfig{})
	for i := range gateTurns + 10 {
		a.send(fmt.Sprintf(`["keep","%d"]`, i))
	}
	w.take()
	before := turns
	a.send(`["keep","more"]`)
	a.send(`["mark","x"]`) // it is not known to keep anything: its turn is undone
	w.call(1, "keep", `["more"]`)
	log := strings.Join(w.take(), "\n")
	if strings.Count(log, `"code":"unavailable"`) != 2 || !strings.Contains(log, "answer 1 unavailable") || turns != before || before != gateTurns {
		t.Errorf("%d turns, then %d: %s", before, turns, log)
	}
	a.send(`["move","on"]`)
	if log := strings.Join(w.take(), "\n"); !strings.Contains(log, `["moved","on"] volatile`) {
		t.Errorf("what is not kept: %s", log)
	}
	b := w.join()
	w.kept.slow = false
	w.settle()
	a.send(`["keep","again"]`)
	if b.answer() != "joined" || w.kept.entries["f/notes/again"] == "" || w.kept.entries["f/notes/more"] != "" || w.kept.entries["f/notes/mark"] != "" {
		t.Errorf("b is %q; stored %d entries", b.answer(), len(w.kept.entries))
	}
}

func TestAnAppendWithoutAnswerClosesTheGateAfterAWhile(t *testing.T) {
	w, a := slowStore(t, booking(), actors.KindConfig{})
	a.send(`["keep","x"]`)
	w.advance(gatePatience)
	w.take()
	a.send(`["keep","y"]`)
	if log := w.take(); len(log) != 1 || !strings.Contains(log[0], `#2 [{"error":{"code":"unavailable"`) {
		t.Errorf("the gate is open: %q", log)
	}
	w.commit() // the first is answered when it is known
	w.expect("n1: sync v2  0/x=1", `n1: emit ["kept","x"]`, `n1: reply a #1 ["x"]`)
	a.send(`["keep","y"]`)
	w.expect("append notes/y=1")
}

func TestTimersAndWorkWaitForTheGateInsteadOfFailing(t *testing.T) {
	s := booking()
	s.on["timer"] = func(h *hall, t *actors.Turn, _ actors.Args) (any, error) {
		t.After(2*gatePatience, func(t *actors.Turn) { h.Notes.Set("timer", 1) })
		return nil, nil
	}
	w, a := slowStore(t, s, actors.KindConfig{})
	a.tell(`["timer"]`)
	a.tell(`["keep","x"]`)
	w.advance(time.Minute)
	if w.durable()["notes/timer"] != "" {
		t.Error("it ran, and what it keeps cannot be stored")
	}
	w.commit()
	if w.durable()["notes/timer"] != "1" {
		t.Error("it does not run any more")
	}
}

func TestARoomThatIsFencedSaysNothingOfWhatItHeld(t *testing.T) {
	w, a := slowStore(t, booking(), actors.KindConfig{})
	a.send(`["keep","x"]`)
	w.call(1, "look", `[]`)
	b := w.join(at("n2"))
	a.leave(actors.ReasonClientLeft) // waits too: the room is told, members are not
	w.take()
	w.kept.taken = true
	w.fence()
	w.expect("reclaim")
	w.reclaimed()
	w.expect("answer 1 moved", "tell n2/2: moved", "tell n1/1: gone a", "n1: remove a close shutdown", "n1: end", "retire")
	if b.answer() != "moved" || !w.m.Retired() || w.kept.entries["f/notes/x"] != "" {
		t.Errorf("b is answered %s; stored %v", b.answer(), w.kept.entries)
	}
	w.m.Appended(w.now, "late", nil)
	w.expect()
}

func TestATurnTooLargeToBeStoredAtOnceIsUndone(t *testing.T) {
	s := booking()
	s.on["many"] = func(h *hall, t *actors.Turn, in actors.Args) (any, error) {
		var n int
		_ = in.Decode(0, &n)
		for i := range n {
			h.Notes.Set(fmt.Sprint("n", i), 1)
		}
		return n, nil
	}
	s.on["long"] = func(h *hall, t *actors.Turn, _ actors.Args) (any, error) {
		h.Notes.Set(strings.Repeat("k", actors.MaxEntryKey), 1)
		return nil, nil
	}
	w := s.openKept(t, actors.KindConfig{})
	a := w.join()
	a.send(fmt.Sprintf(`["many",%d]`, turnEntries+1))
	a.send(`["long"]`)
	if log := strings.Join(w.take(), "\n"); strings.Count(log, `"code":"too_large"`) != 2 || len(w.kept.area(areaField)) != 0 {
		t.Errorf("%.300s", log)
	}
	a.send(fmt.Sprintf(`["many",%d]`, turnEntries))
	if n := len(w.kept.area(areaField)); n != turnEntries || w.kept.appends != 1 {
		t.Errorf("%d entries in %d appends", n, w.kept.appends)
	}
}

// TestApartEveryTurnHasItsOwnBatch: benchmarks measure against it.
func TestApartEveryTurnHasItsOwnBatch(t *testing.T) {
	for apart, want := range map[bool]int{false: 2, true: 4} {
		w, a := slowStore(t, booking(), actors.KindConfig{})
		w.m.journal.apart = apart
		for _, key := range "wxyz" {
			a.send(fmt.Sprintf(`["keep","%c"]`, key))
		}
		before := w.kept.appends
		for w.kept.flight != nil {
			w.commit()
		}
		if got := w.kept.appends - before; got != want || len(w.kept.area(areaField)) != 4 {
			t.Errorf("apart %v: %d batches, want %d; stored %v", apart, got, want, w.kept.entries)
		}
	}
}

func TestARoomIsForgottenBeforeItsEndIsTold(t *testing.T) {
	s := booking()
	s.on["end"] = func(h *hall, t *actors.Turn, _ actors.Args) (any, error) {
		t.Broadcast("bye")
		t.Destroy()
		return "ended", nil
	}
	w, a := slowStore(t, s, resumable(actors.KindConfig{}))
	a.send(`["keep","x"]`)
	w.take()
	a.send(`["end"]`)
	late := w.join()
	w.expect()
	w.commit() // what was on its way
	if log := strings.Join(w.take(), "\n"); strings.Contains(log, "bye") || !strings.HasSuffix(log, "destroy") {
		t.Errorf("before it is forgotten: %s", log)
	}
	w.commit()
	log := strings.Join(w.take(), "\n")
	if !strings.Contains(log, `emit ["bye"`) || !strings.Contains(log, `reply a #2 ["ended"]`) || !strings.HasSuffix(log, "retire\ntell n1/2: moved") {
		t.Errorf("afterwards: %s", log)
	}
	if len(w.kept.entries) != 0 || late.answer() != "moved" || !w.kept.agenda.IsZero() {
		t.Errorf("stored %v, late %s, agenda %v", w.kept.entries, late.answer(), w.kept.agenda)
	}
}
