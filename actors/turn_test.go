package actors_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
)

func TestATurnUsedAfterItEndedPanicsWhateverIsAsked(t *testing.T) {
	for name, use := range map[string]func(*actors.Turn){
		"Context":   func(t *actors.Turn) { t.Context() },
		"Room":      func(t *actors.Turn) { t.Room() },
		"Now":       func(t *actors.Turn) { t.Now() },
		"Rand":      func(t *actors.Turn) { t.Rand() },
		"NewID":     func(t *actors.Turn) { t.NewID() },
		"Log":       func(t *actors.Turn) { t.Log() },
		"Member":    func(t *actors.Turn) { t.Member() },
		"Members":   func(t *actors.Turn) { t.Members() },
		"Lookup":    func(t *actors.Turn) { t.Lookup("ada") },
		"Broadcast": func(t *actors.Turn) { t.Broadcast("x") },
		"Emit":      func(t *actors.Turn) { t.Emit("ada", "x") },
		"All":       func(t *actors.Turn) { t.All() },
		"To":        func(t *actors.Turn) { t.To("ada") },
		"Kick":      func(t *actors.Turn) { t.Kick("ada", "") },
		"Destroy":   func(t *actors.Turn) { t.Destroy() },
		"After":     func(t *actors.Turn) { t.After(1, func(*actors.Turn) {}) },
		"Go":        func(t *actors.Turn) { t.Go(func(context.Context) error { return nil }, nil) },
		"Call":      func(t *actors.Turn) { t.Call(actors.RoomRef{}, "x", nil, 0, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			h := new(fakeHost)
			turn := newTurn(h)
			use(turn)
			done := len(h.did) + len(h.emitted) + len(h.works)
			turn.End()
			turn.End()
			wantPanic(t, "actors: a Turn was used after it ended", func() { use(turn) })
			if len(h.did)+len(h.emitted)+len(h.works) != done {
				t.Errorf("it had an effect all the same: %+v", h)
			}
		})
	}
}

func TestWhatComesFromATurnEndsWithIt(t *testing.T) {
	h := new(fakeHost)
	turn := newTurn(h)
	all, members := turn.All().Volatile(), turn.Members()
	var stopped bool
	for range members {
		stopped = true
		break
	}
	turn.End()
	wantPanic(t, "after it ended", func() { all.Emit("x") })
	wantPanic(t, "after it ended", func() { all.Ask(0, func(*actors.Turn, []actors.Answer) {}, "x") })
	wantPanic(t, "after it ended", func() {
		for range members {
			t.Error("an ended turn yields members")
		}
	})
	if !stopped || len(h.emitted) != 0 {
		t.Errorf("stopped %v, emitted %v", stopped, h.emitted)
	}
}

func TestEmitAddressesWhomItSays(t *testing.T) {
	for name, c := range map[string]struct {
		emit func(*actors.Turn)
		want actors.Outgoing
	}{
		"everyone":         {func(t *actors.Turn) { t.Broadcast("e", 1) }, actors.Outgoing{}},
		"one":              {func(t *actors.Turn) { t.Emit("ada", "e", 1) }, actors.Outgoing{To: []actors.MemberID{"ada"}}},
		"some":             {func(t *actors.Turn) { t.To("ada", "bob").Emit("e", 1) }, actors.Outgoing{To: []actors.MemberID{"ada", "bob"}}},
		"nobody":           {func(t *actors.Turn) { t.To().Emit("e", 1) }, actors.Outgoing{To: []actors.MemberID{}}},
		"nobody of a list": {func(t *actors.Turn) { t.To([]actors.MemberID(nil)...).Emit("e", 1) }, actors.Outgoing{To: []actors.MemberID{}}},
		"all but":          {func(t *actors.Turn) { t.All().Except("ada").Except("bob").Emit("e", 1) }, actors.Outgoing{Except: []actors.MemberID{"ada", "bob"}}},
		"volatile":         {func(t *actors.Turn) { t.All().Volatile().Emit("e", 1) }, actors.Outgoing{Volatile: true}},
		"an asking one": {func(t *actors.Turn) { t.To("ada").Ask(0, func(*actors.Turn, []actors.Answer) {}, "e", 1) },
			actors.Outgoing{To: []actors.MemberID{"ada"}}},
	} {
		t.Run(name, func(t *testing.T) {
			h := new(fakeHost)
			c.emit(newTurn(h))
			c.want.Event, c.want.Data = "e", raw(`["e",1]`)
			if len(h.emitted) != 1 {
				t.Fatalf("emitted %v", h.emitted)
			}
			wantEqual(t, "outgoing", h.emitted[0], c.want)
		})
	}
}

func TestAnEmitterIsAValue(t *testing.T) {
	h := new(fakeHost)
	turn := newTurn(h)
	ids := []actors.MemberID{"ada", "bob"}
	to, base := turn.To(ids...), turn.All().Except(ids[0]).Except("b").Except("c") // append leaves room for a fourth
	ids[0], ids[1] = "eve", "eve"
	base.Except("carl").Emit("e")
	base.Except("dora").Volatile().Emit("e")
	base.Emit("e")
	to.Emit("e")
	var got []string
	for _, o := range h.emitted {
		got = append(got, fmt.Sprint(o.To, " but ", o.Except))
	}
	wantEqual(t, "addressed", got, []string{"[] but [ada b c carl]", "[] but [ada b c dora]", "[] but [ada b c]", "[ada bob] but []"})
	if h.emitted[0].Volatile || !h.emitted[1].Volatile || h.emitted[2].Volatile {
		t.Error("Volatile changed another emitter")
	}
}

func TestEmitPanicsBeforeAnythingIsSent(t *testing.T) {
	for name, c := range map[string]struct {
		event string
		arg   any
		want  string
	}{
		"no name":         {"", 1, `event name ""`},
		"a reserved name": {"room:state", 1, `event name "room:state" is reserved`},
		"another":         {"disconnect", 1, "is reserved"},
		"a long name":     {strings.Repeat("e", 129), 1, "want 1 to 128 bytes"},
		"a channel":       {"moved", make(chan int), "actors: emit moved: argument 1: json: unsupported type: chan int"},
		"NaN":             {"moved", math.NaN(), "actors: emit moved: argument 1: json: unsupported value: NaN"},
		"too many":        {"moved", make([]actors.Binary, 3), ""},
	} {
		if c.want == "" {
			many := make([]actors.Binary, 11)
			for i := range many {
				many[i] = actors.Binary("x")
			}
			c.arg, c.want = many, "11 attachments"
		}
		t.Run(name, func(t *testing.T) {
			h := new(fakeHost)
			turn := newTurn(h)
			wantPanic(t, c.want, func() { turn.Broadcast(c.event, c.arg) })
			wantPanic(t, c.want, func() { turn.Emit("ada", c.event, c.arg) })
			wantPanic(t, c.want, func() { turn.All().Ask(0, func(*actors.Turn, []actors.Answer) {}, c.event, c.arg) })
			if len(h.emitted) != 0 {
				t.Errorf("emitted %v", h.emitted)
			}
			turn.Broadcast("fine") // a handler that recovers may go on
			wantEqual(t, "emitted", len(h.emitted), 1)
		})
	}
}

func TestReservedEventsHaveAnEmitOfTheirOwn(t *testing.T) {
	h := new(fakeHost)
	turn := newTurn(h)
	actors.EmitReserved(turn.To("ada"), "room:history", map[string]any{"events": []int{}})
	wantEqual(t, "emitted", h.emitted, []actors.Outgoing{{
		Event: "room:history", To: []actors.MemberID{"ada"}, Data: raw(`["room:history",{"events":[]}]`),
	}})
	wantPanic(t, "unsupported value: NaN", func() { actors.EmitReserved(turn.All(), "room:history", math.NaN()) })
	all := turn.All()
	turn.End()
	wantPanic(t, "after it ended", func() { actors.EmitReserved(all, "room:history") })
	wantEqual(t, "emitted", len(h.emitted), 1)
}

func TestEmitTakesTheLongestName(t *testing.T) {
	h := new(fakeHost)
	newTurn(h).Broadcast(strings.Repeat("e", actors.MaxEventName))
	wantEqual(t, "emitted", len(h.emitted), 1)
}

// A runtime catches the panic of a handler and rolls back, as every panic.
func TestAPanicInEmitUndoesTheTurnLikeAnyOther(t *testing.T) {
	k := newGot()
	actors.On(k, "e", func(g *got, t *actors.Turn, _ struct{}) {
		g.Log.Set("a", "written")
		t.Broadcast("moved", math.Inf(1))
	})
	i := awake(t, k)
	i.Begin()
	wantPanic(t, "unsupported value: +Inf", func() {
		_, _ = i.Handle(newTurn(new(fakeHost)), &actors.Event{Name: "e"})
	})
	i.Rollback()
	if got := entries(i, 0); len(got) != 0 {
		t.Errorf("left %v", got)
	}
	i.Begin()
	wantEqual(t, "changes of the next turn", changes(i.Commit()), []string{})
}

func TestWorkWithoutAFunctionPanicsInTheTurn(t *testing.T) {
	turn := newTurn(new(fakeHost))
	wantPanic(t, "After without a function", func() { turn.After(1, nil) })
	wantPanic(t, "Go without a function", func() { turn.Go(nil, func(*actors.Turn, error) {}) })
	wantPanic(t, "Ask without a function", func() { turn.All().Ask(1, nil, "e") })
	wantPanic(t, "actors: Call: argument 1", func() { turn.Call(actors.RoomRef{}, "e", make(chan int), 0, nil) })
}

func TestAFailureThatNobodyWaitsForIsLogged(t *testing.T) {
	h := new(fakeHost)
	turn := newTurn(h)
	turn.Go(func(context.Context) error { return nil }, nil)
	turn.Call(actors.RoomRef{Kind: "board", ID: "q4"}, "add", map[string]int{"a": 1}, 0, nil)
	turn.End()
	wantEqual(t, "asked", h.did, []string{`call [{"a":1}]`})

	h.works[0](newTurn(h), nil)
	h.calls[0](newTurn(h), actors.Raw{JSON: json.RawMessage("1")}, nil)
	wantEqual(t, "logged for success", h.logged.String(), "")
	h.works[0](newTurn(h), errors.New("disk full"))
	h.calls[0](newTurn(h), actors.Raw{}, actors.Errorf(actors.CodeTimeout, "too late"))
	for _, part := range []string{"work failed", "disk full", "call failed", "board/q4", "event=add", "too late"} {
		if !strings.Contains(h.logged.String(), part) {
			t.Errorf("no %q in the log:\n%s", part, h.logged.String())
		}
	}
}

func TestTheTurnSaysWhoCausedIt(t *testing.T) {
	turn := newTurn(new(fakeHost))
	if m := turn.Member(); m.ID != "ada" || m.UserID != "u-ada" {
		t.Errorf("caused by %+v", m)
	}
	if m := actors.NewTurn(new(fakeHost), actors.Cause{}).Member(); m.ID != "" {
		t.Errorf("caused by %+v", m)
	}
	var ids []actors.MemberID
	for m := range turn.Members() {
		ids = append(ids, m.ID)
	}
	wantEqual(t, "members", ids, []actors.MemberID{"ada", "bob"})
	if _, ok := turn.Lookup("eve"); ok || turn.Room().String() != "board/q3" || !turn.Now().Equal(start) {
		t.Error("the turn does not pass its host on")
	}
	turn.Kick("bob", "spam")
	turn.Destroy()
}

type traceKey struct{}

func TestTheContextOfATurnIsKnownAsOne(t *testing.T) {
	if actors.InTurn(t.Context()) {
		t.Error("a context of the test is one of a turn")
	}
	for name, parent := range map[string]context.Context{
		"none": nil, "a trace": context.WithValue(t.Context(), traceKey{}, "trace"),
	} {
		turn := actors.NewTurn(new(fakeHost), actors.Cause{Context: parent})
		ctx, cancel := context.WithCancel(turn.Context())
		defer cancel()
		if !actors.InTurn(ctx) {
			t.Errorf("%s: not known", name)
		}
		if parent != nil && ctx.Value(traceKey{}) != "trace" {
			t.Errorf("%s: the trace is lost", name)
		}
	}
}
