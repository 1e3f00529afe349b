package room

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// everything asks for all that a turn can ask for.
func everything(h *hall, t *actors.Turn, owed *actors.Ack[string]) {
	h.Notes.Set("n", 2)
	h.Notes.Set("new", 1)
	h.Notes.Delete("old")
	h.Spots.Set(t.Member().ID, "x")
	h.Secret.Set(5)
	t.Broadcast("said")
	t.To("a").Volatile().Emit("said")
	t.All().Ask(time.Second, func(*actors.Turn, []actors.Answer) { panic("asked") }, "said")
	t.Kick("a", "bye")
	t.After(time.Millisecond, func(*actors.Turn) { panic("timer") })
	t.Go(func(context.Context) error { panic("work") }, nil)
	t.Call(actors.RoomRef{Kind: "hall", ID: "2"}, "hi", 1, 0, nil)
	owed.Reply(t, "answer")
	t.Destroy()
}

func TestATurnThatFailsHasDoneNothing(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error":       func() error { return actors.Errorf("no", "no") },
		"plain error": func() error { return errors.New("secret") },
		"panic":       func() error { panic("oh") },
		"nil error":   func() error { return (*actors.Error)(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			var owed *actors.Ack[string]
			s := &script{
				on: on{
					"fail": func(h *hall, t *actors.Turn, _ actors.Args) (any, error) {
						everything(h, t, owed)
						return nil, fail()
					},
					"set": func(h *hall, t *actors.Turn, _ actors.Args) (any, error) {
						h.Notes.Set("n", 1)
						h.Notes.Set("old", 1)
						return nil, nil
					},
				},
				later: func(_ *hall, _ *actors.Turn, _ string, ack actors.Ack[string]) { owed = &ack },
			}
			w := s.open(t, actors.KindConfig{})
			a := w.join()
			a.send(`["set"]`)
			w.confirm()
			a.send(`["later",""]`)
			w.take()
			saved := fmt.Sprint(w.durable())
			a.send(`["fail"]`)
			w.confirm()
			w.advance(time.Minute)
			log := w.take()
			if len(log) != 1 || !strings.HasPrefix(log[0], `n1: reply a #3 [{"error":{`) {
				t.Errorf("a turn that failed did this: %q", log)
			}
			if got := fmt.Sprint(w.durable()); got != saved || w.m.Members() != 1 || len(w.work)+len(w.calls) != 0 {
				t.Errorf("saved %s, was %s; %d members; %d works", got, saved, w.m.Members(), len(w.work)+len(w.calls))
			}
			a.send(`["set"]`) // changes nothing: the fields are as they were
			w.confirm()
			w.expect(`n1: reply a #4 [null]`)
		})
	}
}

func TestATurnThatSucceedsHasDoneEverythingInThisOrder(t *testing.T) {
	var owed *actors.Ack[string]
	s := &script{
		on: on{"do": func(h *hall, t *actors.Turn, _ actors.Args) (any, error) {
			everything(h, t, owed)
			return "done", nil
		}},
		later: func(_ *hall, _ *actors.Turn, _ string, ack actors.Ack[string]) { owed = &ack },
		left: func(_ *hall, t *actors.Turn, m actors.Member, why actors.LeaveReason) {
			t.Log().Info("left " + string(m.ID))
		},
		closing: func(*hall, *actors.Turn) {},
	}
	w := s.open(t, actors.KindConfig{})
	a := w.join()
	w.join(at("n2"))
	a.send(`["later",""]`)
	w.take()
	a.send(`["do"]`)
	w.expect(
		"run 1",
		`call 2 hall/2 hi [1]`,
		"tell n1/1: gone a", "tell n2/2: gone b",
		"n1: sync v2  0/n=2 0/new=1 1/a=\"x\"",
		`n1: emit ["said"]`, `n1: emit ["said"] to [a] volatile`, `n1: emit ["said"] ask 1`,
		`n1: reply a #2 ["done"]`, `n1: reply a #1 ["answer"]`,
		`n1: emit ["room:kicked",{"reason":"bye"}] to [a]`, "n1: remove a disconnect", "n1: end",
		"n2: sync v2  0/n=2 0/new=1 1/a=\"x\"",
		`n2: emit ["said"]`, `n2: emit ["said"] ask 1`, "n2: remove b disconnect", "n2: end",
		"retire",
	)
}

func TestFlushPrecedesTheReliableEventsOfItsTurn(t *testing.T) {
	s := &script{on: on{
		"set": func(h *hall, t *actors.Turn, in actors.Args) (any, error) {
			var n int
			_ = in.Decode(0, &n)
			h.Notes.Set("n", n)
			t.All().Volatile().Emit("soon", n)
			if n > 2 {
				t.Broadcast("done", n)
				h.Notes.Set("m", n) // the turn is a whole: this precedes the event too
			}
			return nil, nil
		},
	}}
	w := s.open(t, actors.KindConfig{SyncEvery: time.Second})
	a := w.join()
	a.tell(`["set",1]`)
	w.confirm()
	w.take()
	a.tell(`["set",2]`)
	w.expectItems(`n1: emit ["soon",2] volatile`)
	a.tell(`["set",3]`)
	w.expectItems(`n1: emit ["soon",3] volatile`, `n1: sync v3  0/n=3 0/m=3`, `n1: emit ["done",3]`)
	a.tell(`["set",4]`) // although v3 is not confirmed
	w.expectItems(`n1: emit ["soon",4] volatile`, `n1: sync v4  0/n=4 0/m=4`, `n1: emit ["done",4]`)
}

func TestEmitReachesWhomItNamesAndNobodyElse(t *testing.T) {
	s := &script{on: on{"emit": func(h *hall, t *actors.Turn, _ actors.Args) (any, error) {
		t.Broadcast("all")
		t.All().Except("a", "x").Emit("others")
		t.To("a", "c", "gone", "c").Emit("some")
		t.To("b").Emit("one")
		t.To().Emit("none")
		t.To("gone").Emit("nobody")
		return nil, nil
	}}}
	w := s.open(t, actors.KindConfig{})
	a := w.join()
	w.join(at("n2"))
	w.join(at("n2"))
	w.take()
	a.tell(`["emit"]`)
	w.expectItems(
		`n1: emit ["all"]`, `n1: emit ["others"] except [a x]`, `n1: emit ["some"] to [a]`,
		`n2: emit ["all"]`, `n2: emit ["others"] except [a x]`, `n2: emit ["some"] to [c c]`, `n2: emit ["one"] to [b]`,
	)
}

func TestErrorsTellClientsNoMoreThanTheyMaySee(t *testing.T) {
	errs := map[string]error{
		"known":     &actors.Error{Code: "no", Message: "no", Data: map[string]int{"x": 1}},
		"wrapped":   fmt.Errorf("db at 10.0.0.1: %w", actors.Errorf("no", "no")),
		"plain":     errors.New("db at 10.0.0.1"),
		"explosive": explosive{},
		"data":      &actors.Error{Code: "no", Message: "no", Data: explosive{}},
		"channel":   &actors.Error{Code: "no", Message: "no", Data: make(chan int)},
	}
	want := map[string]string{
		"known":     `{"code":"no","message":"no","data":{"x":1}}`,
		"wrapped":   `{"code":"no","message":"no"}`,
		"plain":     `{"code":"internal","message":"internal error"}`,
		"explosive": `{"code":"internal","message":"internal error"}`,
		"data":      `{"code":"no","message":"no"}`,
		"channel":   `{"code":"no","message":"no"}`,
	}
	for name, err := range errs {
		t.Run(name, func(t *testing.T) {
			s := &script{on: on{"fail": func(*hall, *actors.Turn, actors.Args) (any, error) { return nil, err }}}
			w := s.open(t, actors.KindConfig{})
			a := w.join()
			w.take()
			a.send(`["fail"]`)
			a.tell(`["fail"]`)
			exception := strings.Replace(strings.TrimSuffix(want[name], "}"), "{", `{"status":"error",`, 1) + `,"event":"fail"}`
			w.expect(`n1: reply a #1 [{"error":`+want[name]+`}]`, `n1: emit ["exception",`+exception+`] to [a]`)
			if log := w.logging.String(); strings.Contains(log, "10.0.0.1") != (name == "plain") {
				t.Errorf("the log says %q", log)
			}
		})
	}
}

// What an error refers to belongs to the room, which goes on while the error
// travels.
func TestTheDataOfAnErrorIsTakenWithinTheTurn(t *testing.T) {
	counts := map[string]int{"n": 1}
	refusal := &actors.Error{Code: "no", Message: "no", Data: counts}
	s := &script{
		admit: func(_ *hall, _ *actors.Turn, r *actors.JoinRequest) error {
			if r.Member.ID == "b" {
				return refusal
			}
			return nil
		},
		later: func(_ *hall, t *actors.Turn, _ string, ack actors.Ack[string]) { ack.Fail(t, refusal); counts["n"]++ },
	}
	w := s.open(t, actors.KindConfig{})
	a := w.join()
	b := w.join()
	w.take()
	a.send(`["later","x"]`)
	w.expect(`n1: reply a #1 [{"error":{"code":"no","message":"no","data":{"n":1}}}]`)
	refused := w.told[b.conn][0].(*wire.Refused)
	if got := string(wire.ConnectError(refused.Err)); got != `{"message":"no","data":{"code":"no","detail":{"n":1}}}` {
		t.Errorf("refused with %s", got)
	}
}

func TestEventsThatAreNoneAreAnsweredAndNotHandled(t *testing.T) {
	s := &script{on: on{"e": func(*hall, *actors.Turn, actors.Args) (any, error) { return nil, errors.New("handled") }}}
	w := s.open(t, actors.KindConfig{})
	a := w.join()
	long := strings.Repeat("x", actors.MaxEventName+1)
	for payload, want := range map[string]string{
		``: "bad_payload", `[]`: "bad_payload", `{}`: "bad_payload", `[null]`: "bad_payload", `[{"e":1}]`: "bad_payload",
		`[""]`: "unknown_event", `["none"]`: "unknown_event", `["` + long + `"]`: "unknown_event", `[5]`: "unknown_event",
		`["room:state"]`: "unknown_event", `["auth:renew"]`: "unknown_event", `["disconnect"]`: "unknown_event", `["E"]`: "unknown_event",
	} {
		w.take()
		a.send(payload)
		items := w.items()
		if len(items) != 1 || !strings.Contains(items[0], `"code":"`+want+`"`) || len(items[0]) > 400 {
			t.Errorf("%s is answered %q, want %s", payload, items, want)
		}
		a.tell(payload)
		if items := w.items(); len(items) != 1 || !strings.Contains(items[0], `emit ["exception",`) {
			t.Errorf("%s without acknowledgement: %q", payload, items)
		}
	}
}

func TestARoomThatTakesAnythingIsNotSentWhatIsReserved(t *testing.T) {
	var got []string
	k := actors.NewKind("hall", func() *hall { return &hall{script: &script{}} }, actors.KindConfig{})
	actors.OnAny(k, func(_ *hall, _ *actors.Turn, event string, _ actors.Args) (any, error) {
		got = append(got, event)
		return nil, nil
	})
	w := openRoom(t, k)
	a := w.join()
	for _, name := range []string{`""`, `"room:state"`, `"auth:renew"`, `"connect"`, `"exception"`, `null`, `{}`, `"fine"`, `7`, `"fine"`} {
		a.tell("[" + name + "]")
	}
	w.same(got, []string{"fine", "7", "fine"})
}

func TestEventsOfAMemberRunOnceAndInOrder(t *testing.T) {
	var got []string
	s := &script{on: on{"e": func(_ *hall, t *actors.Turn, in actors.Args) (any, error) {
		got = append(got, string(in.List[0]))
		return nil, nil
	}}}
	w := s.open(t, actors.KindConfig{})
	a := w.join()
	for i := range 3 {
		a.tell(fmt.Sprintf(`["e",%d]`, i))
		a.link--
		a.tell(`["e","again"]`)
	}
	a.link = 0
	a.tell(`["e","old"]`)
	other := *a
	other.conn.ID, other.link = 99, 10
	other.tell(`["e","another connection"]`)
	if fmt.Sprint(got) != "[0 1 2]" {
		t.Errorf("ran %v", got)
	}
}

func TestCreditIsGivenForEveryEightEventsWhateverBecameOfThem(t *testing.T) {
	s := &script{on: on{"e": func(_ *hall, t *actors.Turn, in actors.Args) (any, error) { panic("oh") }}}
	w := s.open(t, actors.KindConfig{})
	a := w.join()
	w.take()
	payloads := []string{`["e"]`, `["none"]`, `nonsense`}
	for i := range 4 * creditEvery {
		if i%5 == 4 {
			a.link++
			w.m.Overloaded(w.now, eventOf(a, `["e"]`))
		} else {
			a.tell(payloads[i%3])
		}
	}
	var credits []string
	for _, line := range w.take() {
		if strings.HasPrefix(line, "tell") {
			credits = append(credits, line)
		}
	}
	w.same(credits, []string{"tell n1/1: credit a 8", "tell n1/1: credit a 16", "tell n1/1: credit a 24", "tell n1/1: credit a 32"})
	if !strings.Contains(w.logging.String(), "starts again") {
		t.Error("the room did not start again: the test shows less than it should")
	}
}

func TestOverloadedAnswersWithoutATurn(t *testing.T) {
	s := &script{on: on{"e": func(_ *hall, t *actors.Turn, in actors.Args) (any, error) { panic("oh") }}}
	w := s.open(t, actors.KindConfig{})
	a := w.join()
	w.take()
	a.link, a.ackID = 1, 1
	e := eventOf(a, `["e",1]`)
	e.ID, e.HasID = 1, true
	w.m.Overloaded(w.now, e)
	w.m.Event(w.now, e) // it was answered
	a.link++
	w.m.Overloaded(w.now, eventOf(a, `["e",1]`))
	w.expect(
		`n1: reply a #1 [{"error":{"code":"overloaded","message":"the room has too much to do; try again"}}]`,
		`n1: emit ["exception",{"status":"error","code":"overloaded","message":"the room has too much to do; try again","event":"e"}] to [a]`,
	)
}

func TestATurnIsOverWhenItIs(t *testing.T) {
	var kept *actors.Turn
	var ctx context.Context
	s := &script{on: on{
		"keep": func(_ *hall, t *actors.Turn, in actors.Args) (any, error) {
			kept, ctx = t, t.Context()
			return nil, nil
		},
		"use": func(_ *hall, _ *actors.Turn, in actors.Args) (any, error) { kept.Broadcast("late"); return nil, nil },
	}}
	w := s.open(t, actors.KindConfig{})
	a := w.join()
	a.tell(`["keep"]`)
	if ctx.Err() != nil || !actors.InTurn(ctx) {
		t.Errorf("the context of a turn: %v", ctx.Err())
	}
	w.take()
	a.tell(`["use"]`)
	w.expect(`n1: emit ["exception",{"status":"error","code":"internal","message":"internal error","event":"use"}] to [a]`)
	w.m.Close(w.now, actors.ReasonShutdown)
	if ctx.Err() == nil {
		t.Error("the context does not end when the room leaves memory")
	}
}

// A member that leaves within a hook leaves within a hook of another member,
// and so on: turns follow each other, however many there are.
func TestTurnsCausedByTurnsDoNotNest(t *testing.T) {
	const members = 10_000
	depth, deepest, left := 0, 0, 0
	s := &script{left: func(_ *hall, t *actors.Turn, m actors.Member, _ actors.LeaveReason) {
		depth++
		deepest = max(deepest, depth)
		left++
		for next := range t.Members() {
			t.Kick(next.ID, "")
			break
		}
		depth--
	}}
	w := s.open(t, actors.KindConfig{MaxMembers: members})
	for range members {
		w.join()
	}
	(&client{w: w, conn: w.told0(1), asked: "a"}).leave(actors.ReasonClientLeft)
	if left != members || deepest != 1 || w.m.Members() != 0 {
		t.Errorf("%d of %d left, %d turns within each other", left, members, deepest)
	}
}

func TestMembersAreListedInTheOrderOfJoining(t *testing.T) {
	var seen []string
	s := &script{on: on{"list": func(_ *hall, t *actors.Turn, _ actors.Args) (any, error) {
		seen = nil
		for m := range t.Members() {
			seen = append(seen, string(m.ID))
		}
		return nil, nil
	}}}
	w := s.open(t, actors.KindConfig{})
	var clients []*client
	var want []string
	for i := range 100 {
		clients = append(clients, w.join())
		if i%3 == 0 {
			want = append(want, string(clients[i].asked))
		}
	}
	for i, c := range clients {
		if i%3 != 0 {
			c.leave(actors.ReasonClientLeft)
		}
	}
	clients[0].tell(`["list"]`)
	w.same(seen, want)
	if holes := len(w.m.members.order) - w.m.Members(); holes > 50 {
		t.Errorf("%d of %d places in the list are empty", holes, len(w.m.members.order))
	}
}

func TestJSONOfClientsPassesUnchanged(t *testing.T) {
	s := &script{on: on{"pass": func(_ *hall, t *actors.Turn, in actors.Args) (any, error) {
		t.Broadcast("passed", in)
		return in.At(0), nil
	}}}
	w := s.open(t, actors.KindConfig{})
	a := w.join()
	w.take()
	const value = `{"b":1.50,"a":"\u00e9<é","n":1e400,"big":12345678901234567890}`
	a.send(`["pass", ` + value + ` , [ 1 ] ]`)
	w.expect(`n1: emit ["passed",`+value+`,[ 1 ]]`, `n1: reply a #1 [`+value+`]`)
	if !json.Valid([]byte(value)) {
		t.Fatal("the test sends no JSON")
	}
}
