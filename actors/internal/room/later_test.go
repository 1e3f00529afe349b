package room

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// owing keeps the acknowledgements it owes by name; "give" gives one, "fail"
// fails one.
func owing(owed map[string]actors.Ack[string]) *script {
	give := func(t *actors.Turn, in actors.Args) {
		var name string
		_ = in.Decode(0, &name)
		owed[name].Reply(t, "for "+name)
	}
	return &script{
		later: func(_ *hall, _ *actors.Turn, name string, ack actors.Ack[string]) {
			if owed[name] = ack; name == "oh" {
				panic("oh")
			}
		},
		on: on{
			"give": func(_ *hall, t *actors.Turn, in actors.Args) (any, error) { give(t, in); return nil, nil },
			"fail": func(_ *hall, t *actors.Turn, in actors.Args) (any, error) {
				var name string
				_ = in.Decode(0, &name)
				owed[name].Fail(t, fmt.Errorf("secret: %w", actors.Errorf("no", "no")))
				return nil, nil
			},
			"undo":  func(_ *hall, t *actors.Turn, in actors.Args) (any, error) { give(t, in); return nil, errors.New("no") },
			"panic": setter["panic"],
			"end":   setter["end"],
			"kick":  setter["kick"],
		},
	}
}

func TestAnAnswerMayComeLater(t *testing.T) {
	owed := make(map[string]actors.Ack[string])
	w := owing(owed).open(t, actors.KindConfig{})
	a, b := w.join(), w.join()
	w.take()
	a.send(`["later","x"]`)
	w.call(7, "later", `["y"]`)
	w.expect()
	b.tell(`["undo","x"]`) // the answer leaves with its turn only
	if items := w.items(); len(items) != 1 || strings.Contains(items[0], "for x") {
		t.Errorf("got %q", items)
	}
	b.tell(`["give","x"]`)
	b.tell(`["give","x"]`)
	b.tell(`["fail","x"]`)
	b.tell(`["fail","y"]`)
	w.expect(`n1: reply a #1 ["for x"]`, "answer 7 no")
}

func TestAHandlerThatFailedHasAnswered(t *testing.T) {
	owed := make(map[string]actors.Ack[string])
	w := owing(owed).open(t, actors.KindConfig{})
	a := w.join()
	a.send(`["later","oh"]`)
	w.call(7, "later", `["oh"]`)
	w.take()
	w.call(8, "give", `["oh"]`)
	w.expect("answer 8 [null]")
}

func TestAnAnswerInTheSameTurnIsOne(t *testing.T) {
	s := &script{later: func(_ *hall, t *actors.Turn, name string, ack actors.Ack[string]) {
		ack.Reply(t, "at once")
		ack.Reply(t, "twice")
	}}
	w := s.open(t, actors.KindConfig{})
	a := w.join()
	w.take()
	a.send(`["later","x"]`)
	w.expect(`n1: reply a #1 ["at once"]`)
}

func TestAnAnswerAfterWork(t *testing.T) {
	s := &script{later: func(_ *hall, t *actors.Turn, name string, ack actors.Ack[string]) {
		t.Go(func(context.Context) error { return nil }, func(t *actors.Turn, _ error) { ack.Reply(t, "worked") })
	}}
	w := s.open(t, actors.KindConfig{})
	a := w.join()
	a.send(`["later","x"]`)
	w.take()
	w.finishAll()
	w.expect(`n1: reply a #1 ["worked"]`)
}

func TestAnswersThatNobodyGaveAreUnavailableInTheEnd(t *testing.T) {
	const unavailable = `[{"error":{"code":"unavailable","message":"the room ended before it answered"}}]`
	for name, c := range map[string]struct {
		end  func(*world, *client)
		want string // what the member sees; empty if nothing
	}{
		"closed":    {func(w *world, _ *client) { w.m.Close(w.now, actors.ReasonShutdown) }, unavailable},
		"destroyed": {func(w *world, _ *client) { w.call(1, "end", `[]`) }, unavailable},
		"restarted": {func(w *world, _ *client) {
			for i := range faultLimit {
				w.call(uint64(i+10), "panic", `[]`)
			}
		}, unavailable},
		"left, and idle": {func(w *world, a *client) { a.leave(actors.ReasonClientLeft); w.advance(time.Hour) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			owed := make(map[string]actors.Ack[string])
			w := owing(owed).open(t, actors.KindConfig{})
			a := w.join()
			for range 3 {
				a.send(`["later","x"]`)
			}
			w.call(7, "later", `["y"]`)
			w.take()
			c.end(w, a)
			var replies []string
			for _, line := range w.items() {
				if strings.Contains(line, "reply") {
					replies = append(replies, line)
				}
			}
			var want []string
			for i := 1; i <= 3 && c.want != ""; i++ {
				want = append(want, fmt.Sprintf("n1: reply a #%d %s", i, c.want))
			}
			w.same(replies, want)
			if w.answers[7] != "unavailable" {
				t.Errorf("the call is answered %q", w.answers[7])
			}
		})
	}
}

func TestAnswersOwedAreBounded(t *testing.T) {
	owed := make(map[string]actors.Ack[string])
	w := owing(owed).open(t, actors.KindConfig{})
	a := w.join()
	w.take()
	for i := range maxLaters + 3 {
		a.send(fmt.Sprintf(`["later","%d"]`, i))
		if i == 1 {
			a.tell(`["give","1"]`)
		}
	}
	items := slices.DeleteFunc(w.items(), func(line string) bool { return !strings.Contains(line, "reply") })
	const timeout = `[{"error":{"code":"timeout","message":"too many events wait for an answer"}}]`
	w.same(items, []string{`n1: reply a #2 ["for 1"]`, "n1: reply a #1 " + timeout, "n1: reply a #3 " + timeout})
	if n := len(w.m.members.byID["a"].laters.list); n > maxLaters {
		t.Errorf("%d are owed", n)
	}
}

func TestAnAnswerBelongsToItsRoomAndItsTurn(t *testing.T) {
	owed := make(map[string]actors.Ack[string])
	w := owing(owed).open(t, actors.KindConfig{})
	w.call(1, "later", `["x"]`)
	ack := owed["x"]
	var kept *actors.Turn
	s := &script{on: on{"steal": func(_ *hall, t *actors.Turn, _ actors.Args) (any, error) {
		kept = t
		ack.Reply(t, "stolen")
		return nil, nil
	}}}
	elsewhere := &world{t: t, answers: map[uint64]string{}}
	other := New(Config{
		Ref: actors.RoomRef{Kind: "hall", ID: "2"}, Behavior: s.behavior(actors.KindConfig{}), Log: w.m.log,
		NewID: func() string { return "id" }, Effects: elsewhere,
	})
	other.Start(start, Loaded{})
	other.Call(start, 2, "steal", actors.Raw{JSON: []byte(`[]`)})
	if w.answers[1] != "" || elsewhere.answers[2] != "internal" {
		t.Errorf("answered %q by another room, which was answered %q", w.answers[1], elsewhere.answers[2])
	}
	defer func() {
		if recover() == nil {
			t.Error("an answer outside a turn is accepted")
		}
	}()
	ack.Reply(kept, "late")
}

func TestALaterAnswerDoesNotReachWhoTookTheSeat(t *testing.T) {
	owed := make(map[string]actors.Ack[string])
	w := owing(owed).open(t, resumable(actors.KindConfig{}))
	a := w.join()
	a.send(`["later","x"]`)
	a.leave(actors.ReasonTransportClosed)
	b := a.back("")
	w.call(1, "give", `["x"]`)
	a.send(`["later","y"]`) // late, from the old connection
	b.send(`["later","z"]`)
	if text := fmt.Sprint(w.items()); strings.Contains(text, "reply") {
		t.Errorf("got %s", text)
	}
	w.call(2, "give", `["z"]`)
	w.expect("answer 2 [null]", `n1: reply a #1 ["for z"]`)
}
