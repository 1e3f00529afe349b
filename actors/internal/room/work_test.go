package room

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

func TestWorkRunsBesideTheRoomAtMostMaxWorkAtATime(t *testing.T) {
	var done []string
	s := &script{on: on{"go": func(h *hall, t *actors.Turn, in actors.Args) (any, error) {
		name := string(in.List[0])
		t.Go(func(context.Context) error { return errors.New(name) }, func(t *actors.Turn, err error) {
			done = append(done, err.Error())
			h.Notes.Set(err.Error(), 1)
		})
		return nil, nil
	}}}
	w := s.open(t, actors.KindConfig{MaxWork: 2})
	a := w.join()
	for i := range 5 {
		a.tell(fmt.Sprintf(`["go",%d]`, i))
	}
	if got := keys(w.work); !slices.Equal(got, []uint64{1, 2}) {
		t.Fatalf("running: %v", got)
	}
	w.finish(2)
	w.finish(3)
	if got := keys(w.work); !slices.Equal(got, []uint64{1, 4}) {
		t.Fatalf("running: %v", got)
	}
	w.finishAll()
	w.same(done, []string{"1", "2", "0", "3", "4"})
	if len(w.durable()) != 5 {
		t.Errorf("saved %v", w.durable())
	}
}

func TestAPanicInWorkArrivesAsAnError(t *testing.T) {
	var got error
	s := &script{on: on{"go": func(h *hall, t *actors.Turn, _ actors.Args) (any, error) {
		t.Go(func(context.Context) error { panic("oh") }, func(_ *actors.Turn, err error) { got = err })
		t.Go(func(context.Context) error { return nil }, nil)
		return nil, nil
	}}}
	w := s.open(t, actors.KindConfig{})
	w.join().tell(`["go"]`)
	w.finishAll()
	if got == nil || actors.AsError(got).Code != actors.CodeInternal {
		t.Errorf("got %v", got)
	}
}

func TestWorkThatPilesUpFailsInsteadOfWaitingForEver(t *testing.T) {
	failed, again := 0, 0
	var retry func(t *actors.Turn)
	retry = func(t *actors.Turn) {
		t.Go(func(context.Context) error { return nil }, func(t *actors.Turn, err error) {
			if err != nil && actors.AsError(err).Code == actors.CodeOverloaded {
				if failed++; again < 3 { // user code that insists does not hold up the room
					again++
					retry(t)
				}
			}
		})
	}
	s := &script{on: on{"go": func(_ *hall, t *actors.Turn, _ actors.Args) (any, error) { retry(t); return nil, nil }}}
	w := s.open(t, actors.KindConfig{MaxWork: 1})
	a := w.join()
	for range maxQueued + 2 {
		a.tell(`["go"]`)
	}
	if len(w.m.work.queued) != maxQueued {
		t.Fatalf("%d wait", len(w.m.work.queued))
	}
	for want := range 4 {
		if failed != want {
			t.Fatalf("%d failed, want %d", failed, want)
		}
		w.m.Wake(w.now)
	}
}

func TestACallIsAnsweredOnceOrTimesOut(t *testing.T) {
	other := actors.RoomRef{Kind: "hall", ID: "2"}
	for name, c := range map[string]struct {
		answer func(*world)
		want   string
	}{
		"attachment": {func(w *world) {
			w.m.CallDone(w.now, 1, actors.Raw{JSON: []byte(`[{"_placeholder":true,"num":0}]`), Attachments: [][]byte{[]byte("hi")}}, nil)
		}, `"aGk=" <nil>`},
		"value":     {func(w *world) { w.m.CallDone(w.now, 1, actors.Raw{JSON: []byte(`[{"a":1},2]`)}, nil) }, `{"a":1} <nil>`},
		"no value":  {func(w *world) { w.m.CallDone(w.now, 1, actors.Raw{JSON: []byte(`[]`)}, nil) }, `null <nil>`},
		"no answer": {func(w *world) { w.advance(time.Second) }, ` timeout: no answer within 1s`},
		"error": {func(w *world) {
			w.m.CallDone(w.now, 1, actors.Raw{}, actors.Errorf(actors.CodeNotFound, "no"))
		}, ` not_found: no`},
		"another call's": {func(w *world) { w.m.CallDone(w.now, 9, actors.Raw{}, nil) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			s := &script{on: on{"call": func(_ *hall, t *actors.Turn, _ actors.Args) (any, error) {
				t.Call(other, "hi", map[string]int{"x": 1}, time.Second, func(_ *actors.Turn, value actors.Raw, err error) {
					got = append(got, fmt.Sprintf("%s %v", text(value), err))
				})
				t.Call(other, "hi", nil, 0, nil)
				return nil, nil
			}}}
			w := s.open(t, actors.KindConfig{})
			w.join().tell(`["call"]`)
			if c1, c2 := w.calls[1], w.calls[2]; c1.Room != other || string(c1.Payload.JSON) != `[{"x":1}]` || c1.Timeout != time.Second || c2.Timeout != 10*time.Second {
				t.Fatalf("called %+v", w.calls)
			}
			want := []string{c.want}
			if c.want == "" {
				want = nil
			}
			for range 2 { // the second answer is too late
				c.answer(w)
				w.same(got, want)
			}
			w.m.CallDone(w.now, 1, actors.Raw{}, actors.Errorf(actors.CodeNotFound, "late"))
			if c.want != "" {
				w.same(got, want)
			}
			w.m.CallDone(w.now, 2, actors.Raw{}, nil)
			if n := len(w.m.timers); c.want != "" && n != 0 {
				t.Errorf("%d timers run", n)
			}
			w.advance(time.Minute)
			if len(w.m.work.calls) != 0 {
				t.Errorf("%d calls wait", len(w.m.work.calls))
			}
		})
	}
}

// text is a value as JSON, attachments in it as base64.
func text(v actors.Raw) string {
	if v.JSON == nil {
		return ""
	}
	b, err := v.MarshalJSON()
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func TestACallRunsAsATurnWithoutAMember(t *testing.T) {
	s := &script{on: on{
		"sum": func(h *hall, t *actors.Turn, in actors.Args) (any, error) {
			if t.Member().ID != "" {
				return nil, errors.New("somebody")
			}
			h.Notes.Set("n", len(in.List))
			return len(in.List), nil
		},
		"fail":  func(*hall, *actors.Turn, actors.Args) (any, error) { return nil, actors.Errorf("no", "no") },
		"panic": setter["panic"],
	}}
	w := s.open(t, actors.KindConfig{})
	w.call(1, "sum", `[1,2,3]`)
	w.call(2, "fail", `[]`)
	w.call(3, "panic", `[]`)
	w.call(4, "none", `[]`)
	w.call(5, "sum", `{}`)
	w.call(6, "sum", `[1,{"$parlor":{"cid":"x"}}]`) // Go code has no client metadata
	want := map[uint64]string{1: `[3]`, 2: "no", 3: "internal", 4: "unknown_event", 5: "bad_payload", 6: `[2]`}
	if fmt.Sprint(w.answers) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", w.answers, want)
	}
	w.m.Close(w.now, actors.ReasonShutdown)
	w.call(7, "sum", `[]`)
	if w.answers[7] != "moved" {
		t.Errorf("a late call is answered %s", w.answers[7])
	}
}
