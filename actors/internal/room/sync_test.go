package room

import (
	"fmt"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// setter sets note k to v, spot of the sender to k, and the sender's hand.
var setter = on{
	"set": func(h *hall, _ *actors.Turn, in actors.Args) (any, error) {
		var k string
		var v int
		_, _ = in.Decode(0, &k), in.Decode(1, &v)
		h.Notes.Set(k, v)
		return nil, nil
	},
	"del": func(h *hall, _ *actors.Turn, in actors.Args) (any, error) { h.Notes.Delete("a"); return nil, nil },
	"spot": func(h *hall, t *actors.Turn, _ actors.Args) (any, error) {
		h.Spots.Set(t.Member().ID, "s")
		return nil, nil
	},
	"hand": func(h *hall, t *actors.Turn, _ actors.Args) (any, error) {
		h.Hands.Set(t.Member().ID, "h")
		return nil, nil
	},
	"say": func(_ *hall, t *actors.Turn, in actors.Args) (any, error) { t.Broadcast("said", in); return nil, nil },
	"hush": func(_ *hall, t *actors.Turn, in actors.Args) (any, error) {
		t.All().Volatile().Emit("hushed", in)
		return nil, nil
	},
	"panic": func(*hall, *actors.Turn, actors.Args) (any, error) { panic("oh") },
	"end":   func(_ *hall, t *actors.Turn, _ actors.Args) (any, error) { t.Destroy(); return nil, nil },
	"kick":  func(_ *hall, t *actors.Turn, in actors.Args) (any, error) { t.Kick("a", ""); return nil, nil },
}

func TestChangesAreGatheredForSyncEvery(t *testing.T) {
	w := (&script{on: setter}).open(t, actors.KindConfig{SyncEvery: 50 * time.Millisecond})
	a := w.join()
	a.tell(`["set","a",1]`)
	w.expectItems(`n1: mirror v1 `, `n1: admit a {"sid":"a"}`, `n1: sync v2  0/a=1`) // the first is not held up
	w.confirm()
	a.tell(`["set","b",1]`)
	a.tell(`["set","a",2]`)
	a.tell(`["set","a",3]`)
	a.tell(`["del"]`)
	a.tell(`["hand"]`)
	if next := w.m.NextWake(); !next.Equal(start.Add(50 * time.Millisecond)) {
		t.Errorf("wants to be woken at %v", next.Sub(start))
	}
	w.advance(49 * time.Millisecond)
	w.expectItems()
	w.advance(time.Millisecond)
	w.expectItems(`n1: sync v3  0/b=1 0/a= 2/a="h"`) // the latest of each, in the order of the first change
	w.confirm()
	w.advance(time.Hour)
	w.expectItems()
}

func TestOneFlushIsInFlightPerNode(t *testing.T) {
	w := (&script{on: setter}).open(t, actors.KindConfig{})
	a, b := w.join(), w.join(at("n2"))
	a.tell(`["set","a",1]`)
	w.take()
	for i := range 5 {
		a.tell(fmt.Sprintf(`["set","a",%d]`, i+2))
	}
	w.expectItems()
	delivered := w.delivered
	delivered("n1", 7)
	delivered("n2", 6) // of another activation
	delivered("n3", 7)
	w.expectItems()
	delivered("n2", 7)
	w.expectItems(`n1: sync v3  0/a=6`, `n2: sync v3  0/a=6`)

	// Two are in flight if an event forces one: each is confirmed by itself.
	a.tell(`["set","a",7]`)
	a.tell(`["say"]`)
	w.expectItems(`n1: sync v4  0/a=7`, `n1: emit ["said"]`, `n2: sync v4  0/a=7`, `n2: emit ["said"]`)
	a.tell(`["set","a",8]`)
	delivered("n1", 7)
	delivered("n2", 7)
	w.expectItems()
	delivered("n1", 7)
	delivered("n2", 7)
	w.expectItems(`n1: sync v5  0/a=8`, `n2: sync v5  0/a=8`)

	// A node without members holds up nobody, and is not forgotten either.
	a.tell(`["set","a",9]`)
	b.leave(actors.ReasonClientLeft)
	delivered("n1", 7)
	w.expectItems(`n2: remove b`, `n2: end`, `n1: sync v6  0/a=9`)
	w.join(at("n2"))
	w.expectItems(`n2: mirror v6  0/a=9`, `n2: admit c {"sid":"c"}`)
	delivered("n1", 7)
	a.tell(`["set","a",10]`)
	w.expectItems() // v5 on n2 was not confirmed yet
	delivered("n2", 7)
	w.expectItems(`n1: sync v7  0/a=10`, `n2: sync v7  0/a=10`)
}

func TestANodeIsSentTheWholeOnceAndForgetsItWithItsLastMember(t *testing.T) {
	w := (&script{on: setter}).open(t, actors.KindConfig{})
	a := w.join()
	for _, k := range []string{"c", "a", "b"} {
		a.tell(`["set","` + k + `",1]`)
	}
	w.confirm()
	w.take()
	b := w.join(at("n2"))
	w.expectItems(`n2: mirror v3  0/a=1 0/b=1 0/c=1`, `n2: admit b {"sid":"b"}`)
	w.join(at("n2")).leave(actors.ReasonClientLeft)
	w.expectItems(`n2: admit c {"sid":"c"}`, `n2: remove c`)
	b.leave(actors.ReasonClientLeft)
	w.expectItems(`n2: remove b`, `n2: end`)
	a.tell(`["set","d",1]`)
	w.expectItems(`n1: sync v4  0/d=1`)
	w.join(at("n2"))
	w.expectItems(`n2: mirror v4  0/a=1 0/b=1 0/c=1 0/d=1`, `n2: admit d {"sid":"d"}`)
}

func TestANewcomersStateHoldsWhatWasNotFlushed(t *testing.T) {
	w := (&script{on: setter}).open(t, actors.KindConfig{SyncEvery: time.Minute})
	a := w.join()
	a.tell(`["set","a",1]`)
	w.confirm()
	a.tell(`["set","a",2]`)
	w.take()
	w.join(at("n2")) // the copies have one version, so the others are flushed
	w.expectItems(`n1: sync v3  0/a=2`, `n2: mirror v3  0/a=2`, `n2: admit b {"sid":"b"}`)
}

func TestARoomWithoutMembersSendsNothingAndGathersNothing(t *testing.T) {
	w := (&script{on: setter}).open(t, actors.KindConfig{})
	for i := range 100 {
		w.call(uint64(i), "set", fmt.Sprintf(`["k%d",1]`, i))
	}
	if len(w.items()) != 0 || len(w.m.sync.dirty) != 0 || len(w.durable()) != 100 {
		t.Errorf("%d changes wait, %d are saved", len(w.m.sync.dirty), len(w.durable()))
	}
}

func TestAFieldThatIsOnlyDurableStaysHere(t *testing.T) {
	s := &script{on: on{"x": func(h *hall, _ *actors.Turn, _ actors.Args) (any, error) { h.Secret.Set(1); return nil, nil }}}
	w := s.open(t, actors.KindConfig{})
	a := w.join()
	w.take()
	a.tell(`["x"]`)
	w.expect()
}
