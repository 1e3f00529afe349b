package room

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

func TestDestroyFromAnywhereEndsTheRoomOnce(t *testing.T) {
	destroy := func(_ *hall, t *actors.Turn) { t.Destroy() }
	for name, c := range map[string]struct {
		script *script
		then   func(*world, *client)
	}{
		"an event":  {&script{on: setter}, func(_ *world, a *client) { a.send(`["end"]`) }},
		"a call":    {&script{on: setter}, func(w *world, _ *client) { w.call(1, "end", `[]`) }},
		"opened":    {&script{opened: func(h *hall, t *actors.Turn) error { destroy(h, t); return nil }}, nil},
		"joined":    {&script{joined: func(h *hall, t *actors.Turn, _ actors.Member) { destroy(h, t) }}, nil},
		"left":      {&script{left: func(h *hall, t *actors.Turn, _ actors.Member, _ actors.LeaveReason) { destroy(h, t) }}, func(_ *world, a *client) { a.leave(actors.ReasonClientLeft) }},
		"dropped":   {&script{dropped: func(h *hall, t *actors.Turn, _ actors.Member, _ actors.LeaveReason) { destroy(h, t) }}, func(_ *world, a *client) { a.leave(actors.ReasonTransportClosed) }},
		"resumed":   {&script{resumed: func(h *hall, t *actors.Turn, _ actors.Member) { destroy(h, t) }}, func(_ *world, a *client) { a.back("") }},
		"tick":      {&script{tick: func(h *hall, t *actors.Turn, _ actors.Tick) { destroy(h, t) }}, func(w *world, _ *client) { w.advance(time.Second) }},
		"closing":   {&script{closing: destroy}, func(w *world, _ *client) { w.m.Close(w.now, actors.ReasonShutdown) }},
		"left, all": {&script{on: setter, left: func(h *hall, t *actors.Turn, _ actors.Member, _ actors.LeaveReason) { destroy(h, t) }}, func(w *world, _ *client) { w.m.Close(w.now, actors.ReasonShutdown) }},
	} {
		t.Run(name, func(t *testing.T) {
			left, closings := map[actors.MemberID]int{}, 0
			told, closing := c.script.left, c.script.closing
			c.script.left = func(h *hall, t *actors.Turn, m actors.Member, why actors.LeaveReason) {
				left[m.ID]++
				if told != nil {
					told(h, t, m, why)
				}
			}
			c.script.closing = func(h *hall, t *actors.Turn) {
				closings++
				for range t.Members() {
					panic("somebody is here")
				}
				t.Broadcast("nobody hears this")
				h.Secret.Set(7)
				if closing != nil {
					closing(h, t)
				}
			}
			w := c.script.open(t, resumable(actors.KindConfig{TickEvery: time.Second}))
			a, b := w.join(), w.join(at("n2"))
			if c.then != nil {
				c.then(w, a)
			}
			if w.retired != 1 || closings != 1 || w.m.Members() != 0 {
				t.Errorf("%d retirements, %d closings, %d members", w.retired, closings, w.m.Members())
			}
			for id, n := range left {
				if n != 1 {
					t.Errorf("told %d times that %s left", n, id)
				}
			}
			if n := len(left); name != "opened" && name != "joined" && n != 2 || name == "joined" && n != 1 {
				t.Errorf("told that %v left", left)
			}
			w.log = nil
			a.tell(`["x"]`)
			b.leave(actors.ReasonTransportClosed)
			w.advance(time.Hour)
			w.expect()
		})
	}
}

func TestDestroyForgetsBehindTheLastDelivery(t *testing.T) {
	s := &script{on: on{"end": func(h *hall, t *actors.Turn, _ actors.Args) (any, error) {
		h.Notes.Set("x", 1)
		t.Broadcast("bye")
		t.Destroy()
		return "ended", nil
	}}}
	w := s.open(t, actors.KindConfig{Authorize: func(context.Context, *actors.JoinRequest) error { return nil }})
	a := w.join()
	w.finishAll()
	waits, gone := w.join(), w.join()
	gone.leave(actors.ReasonClientLeft)
	w.take()
	a.send(`["end"]`)
	w.expect("tell n1/1: gone a", "n1: sync v2  0/x=1", `n1: emit ["bye"]`, `n1: reply a #1 ["ended"]`,
		"n1: remove a disconnect", "n1: end", "retire", "tell n1/2: moved", "tell n1/3: moved")
	w.finishAll() // Authorize comes back: nobody cares
	w.expect()
	if waits.answer() != "moved" {
		t.Errorf("whoever waited is answered %s", waits.answer())
	}
}

func TestCloseEndsTheRoomAndKeepsWhatIsDurable(t *testing.T) {
	var left []string
	s := &script{
		on: setter,
		left: func(h *hall, t *actors.Turn, m actors.Member, why actors.LeaveReason) {
			left = append(left, string(m.ID)+" "+string(why))
			t.Broadcast("nobody hears this")
			h.Notes.Set("left", len(left))
		},
	}
	w := s.open(t, resumable(actors.KindConfig{}))
	a, b, c := w.join(), w.join(at("n2")), w.join()
	a.tell(`["set","x",1]`)
	c.leave(actors.ReasonPingTimeout)
	w.confirm()
	w.take()
	w.m.Close(w.now, actors.ReasonShutdown)
	w.expect("tell n1/1: gone a", "tell n2/2: gone b", "n1: remove a close shutdown", "n1: end", "n2: remove b close shutdown", "n2: end", "retire")
	w.same(left, []string{"a shutdown", "b shutdown", "c shutdown"})
	w.m.Close(w.now, actors.ReasonShutdown)
	w.expect()
	if !b.gone() || w.durable()["notes/x"] != "1" {
		t.Errorf("b gone: %v, saved %v", b.gone(), w.durable())
	}
}

func TestARoomThatHasLeftAnswersJoinsAndCallsAndNothingElse(t *testing.T) {
	w := (&script{on: setter}).open(t, actors.KindConfig{})
	a := w.join()
	w.m.Close(w.now, actors.ReasonShutdown)
	w.take()
	a.tell(`["say",1]`)
	a.ack(1, `[]`)
	a.leave(actors.ReasonTransportClosed)
	w.m.Overloaded(w.now, eventOf(a, `["say"]`))
	w.m.Delivered(w.now, &wire.Delivered{Room: ref, Epoch: 7, Node: "n1"})
	w.m.WorkDone(w.now, 1, nil)
	w.m.CallDone(w.now, 1, actors.Raw{}, nil)
	w.m.Wake(w.now.Add(time.Hour))
	w.m.Close(w.now, actors.ReasonShutdown)
	w.expect() // a's connection has been told Gone before
	w.join()
	w.call(1, "say", `[]`)
	w.expect("tell n1/2: moved", "answer 1 moved")
}

func TestKickSendsAwayBehindEverything(t *testing.T) {
	var left []string
	s := &script{
		on: on{"kick": func(_ *hall, t *actors.Turn, in actors.Args) (any, error) {
			t.Kick("b", "")
			t.Kick("b", "twice")
			t.Kick("a", "bye")
			t.Kick("nobody", "bye")
			t.Broadcast("said")
			return "done", nil
		}},
		left: func(_ *hall, t *actors.Turn, m actors.Member, why actors.LeaveReason) {
			n := 0
			for range t.Members() {
				n++
			}
			left = append(left, fmt.Sprintf("%s %s %d", m.ID, why, n))
			t.Broadcast("left", string(m.ID))
		},
	}
	w := s.open(t, resumable(actors.KindConfig{}))
	a := w.join()
	w.join()
	w.join()
	w.take()
	a.send(`["kick"]`)
	w.expect("tell n1/2: gone b", "tell n1/1: gone a",
		`n1: emit ["said","`+offset(1, 1)+`"]`, `n1: reply a #1 ["done"]`,
		`n1: remove b disconnect`,
		`n1: emit ["room:kicked",{"reason":"bye"}] to [a]`, `n1: remove a disconnect`,
		`n1: emit ["left","b","`+offset(2, 1)+`"]`, `n1: emit ["left","a","`+offset(3, 1)+`"]`)
	w.same(left, []string{"b kicked 1", "a kicked 1"})
}
