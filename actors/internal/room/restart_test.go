package room

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// panicking panics in "panic" and tells the test what hooks it runs.
func panicking(got *[]string) *script {
	note := func(format string, args ...any) { *got = append(*got, fmt.Sprintf(format, args...)) }
	return &script{
		opened: func(h *hall, _ *actors.Turn) error { note("opened with %d notes", h.Notes.Len()); return nil },
		joined: func(h *hall, t *actors.Turn, m actors.Member) {
			note("joined %s %v", m.ID, m.Connected)
			h.Spots.Set(m.ID, "new")
		},
		left: func(_ *hall, _ *actors.Turn, m actors.Member, why actors.LeaveReason) { note("left %s %s", m.ID, why) },
		on:   setter,
	}
}

func (w *world) panics(c *client, n int) {
	for range n {
		c.tell(`["panic"]`)
	}
}

func TestARoomThatKeepsPanickingStartsAgainWithWhatIsDurable(t *testing.T) {
	var got []string
	w := panicking(&got).open(t, resumable(actors.KindConfig{}))
	a, b, c := w.join(), w.join(at("n2")), w.join()
	a.tell(`["set","x",1]`)
	a.tell(`["spot"]`)
	c.leave(actors.ReasonTransportClosed)
	w.confirm()
	got = nil
	w.panics(a, faultLimit-1)
	w.take()
	w.panics(a, 1)
	if items := w.items(); len(items) != 1 || !strings.Contains(items[0], `"code":"internal"`) {
		t.Errorf("the event that was too much: %q", items)
	}
	a.send(`["set","y",1]`) // meanwhile
	if items := w.items(); len(items) != 1 || !strings.Contains(items[0], `#1 [{"error":{"code":"unavailable"`) {
		t.Errorf("while it starts: %q", items)
	}
	late := w.join()
	b.leave(actors.ReasonClientLeft) // is told when there is somebody to tell
	if late.answer() != "" || len(got) != 0 || w.m.Members() != 2 {
		t.Errorf("late %q, hooks %q, %d members", late.answer(), got, w.m.Members())
	}
	w.take()
	w.advance(backoffMin - 1)
	w.expect()
	w.advance(1)
	w.same(got, []string{"opened with 1 notes", "joined a true", "joined c false", "joined d true", "left b client_left"})
	w.expectItems( // plain and ephemeral state is gone, sockets are not
		`n1: mirror v4 `+offset(0, 4)+` 0/x=1`, `n1: admit d {"sid":"d","pid":"id-00005"}`,
		`n1: sync v5 `+offset(0, 5)+` 1/a="new" 1/c="new" 1/d="new"`,
	)
	a.tell(`["say",1]`)
	if items := w.items(); len(items) == 0 || !strings.HasPrefix(items[len(items)-1], `n1: emit ["said",1`) {
		t.Errorf("afterwards: %q", items)
	}
}

func TestRestartsComeLaterAndLaterAndSoonAgainAfterQuiet(t *testing.T) {
	var got []string
	w := panicking(&got).open(t, actors.KindConfig{})
	a := w.join()
	down := func() time.Duration {
		w.panics(a, faultLimit)
		from := w.now
		for w.m.phase == opening {
			w.advance(w.m.NextWake().Sub(w.now))
		}
		return w.now.Sub(from)
	}
	for _, want := range []int64{100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000} {
		if d := down(); d.Milliseconds() != want {
			t.Fatalf("down for %v, want %d ms", d, want)
		}
	}
	w.advance(backoffMax + 1)
	if d := down(); d != backoffMin {
		t.Errorf("after quiet down for %v", d)
	}
}

func TestPanicsNowAndThenAreForgotten(t *testing.T) {
	var got []string
	w := panicking(&got).open(t, actors.KindConfig{})
	a := w.join()
	for range 50 {
		w.panics(a, 1)
		w.advance(faultWindow / (faultLimit - 1))
	}
	if w.m.phase != open || strings.Contains(w.logging.String(), "starts again") || len(w.m.faults.recent) > faultLimit {
		t.Errorf("the room started again; %d panics are remembered", len(w.m.faults.recent))
	}
}

func TestNothingOfTheInstanceBeforeRunsInTheNext(t *testing.T) {
	ran, worked := 0, 0
	run := func(*actors.Turn) { ran++ }
	s := &script{on: on{
		"start": func(_ *hall, t *actors.Turn, _ actors.Args) (any, error) {
			t.After(time.Second, run)
			for range 3 {
				t.Go(func(context.Context) error { worked++; return nil }, func(t *actors.Turn, _ error) { run(t) })
			}
			t.Call(ref, "x", nil, time.Second, nil)
			t.All().Ask(time.Second, func(t *actors.Turn, _ []actors.Answer) { run(t) }, "x")
			return nil, nil
		},
		"panic": setter["panic"],
	}}
	w := s.open(t, actors.KindConfig{MaxWork: 1})
	a := w.join()
	a.tell(`["start"]`)
	w.panics(a, faultLimit)
	w.advance(backoffMin)
	if len(w.m.asks) != 0 {
		t.Errorf("%d questions are left", len(w.m.asks))
	}
	a.ack(1, `[]`)
	w.finishAll()
	w.m.CallDone(w.now, 2, actors.Raw{}, nil)
	w.advance(time.Minute)
	if ran != 0 || worked != 1 {
		t.Errorf("%d continuations ran, and %d works, of which one ran before", ran, worked)
	}
	if w.m.work.user != 0 || w.m.work.busy() {
		t.Errorf("%d works of the instance before count", w.m.work.user)
	}
}

func TestARoomThatCannotStartAgainSendsItsMembersAway(t *testing.T) {
	loads := 0
	s := &script{on: setter, load: func(context.Context, actors.RoomRef) error {
		if loads++; loads > 1 {
			return errors.New("gone")
		}
		return nil
	}}
	w := openRoom(t, s.loadingBehavior(actors.KindConfig{}))
	w.finishAll()
	a := w.join()
	w.panics(a, faultLimit)
	w.advance(backoffMin)
	late := w.join()
	w.call(1, "x", `[]`)
	w.take()
	w.finishAll()
	w.expect("tell n1/1: gone a", "tell n1/2: refused b unavailable", "answer 1 unavailable", "n1: remove a close room_closed", "n1: end", "retire")
	if late.answer() != "unavailable" {
		t.Errorf("late: %s", late.answer())
	}
}

func TestNobodyIsToldToHaveJoinedAfterHavingLeft(t *testing.T) {
	var got []string
	again := false
	s := &script{
		joined: func(_ *hall, t *actors.Turn, m actors.Member) {
			if got = append(got, "joined "+string(m.ID)); again {
				t.Kick("b", "")
			}
		},
		left: func(_ *hall, _ *actors.Turn, m actors.Member, _ actors.LeaveReason) {
			got = append(got, "left "+string(m.ID))
		},
		on: setter,
	}
	w := s.open(t, actors.KindConfig{})
	a := w.join()
	w.join()
	w.panics(a, faultLimit)
	got, again = nil, true
	w.advance(backoffMin)
	w.same(got, []string{"joined a", "left b"})
}

// A member that is away asks for its seat while the room starts again, and is
// gone before it has: it stays away.
func TestAReturnThatIsGivenUpDoesNotTakeTheSeat(t *testing.T) {
	w := (&script{on: setter}).open(t, resumable(actors.KindConfig{}))
	a, b := w.join(), w.join()
	a.leave(actors.ReasonTransportClosed)
	w.panics(b, faultLimit)
	back := a.back("")
	back.leave(actors.ReasonTransportClosed)
	w.advance(backoffMin)
	if mem := w.m.members.byID["a"]; mem == nil || mem.Connected || back.answer() != "unavailable" {
		t.Errorf("answered %s; the member is %+v", back.answer(), mem)
	}
	w.advance(time.Minute)
	if w.m.Members() != 1 {
		t.Errorf("%d members", w.m.Members())
	}
}

func TestAnEmptyRoomThatStartsAgainIsNotIdle(t *testing.T) {
	w := (&script{on: setter}).open(t, actors.KindConfig{IdleAfter: backoffMin / 2})
	for i := range faultLimit {
		w.call(uint64(i), "panic", `[]`)
	}
	a := w.join()
	w.advance(backoffMin)
	if a.answer() != "joined" {
		t.Errorf("answered %s", a.answer())
	}
}

// The driver ends a room whose machine has panicked in the middle of a step.
func TestARoomCutShortByAFaultOfTheRuntimeCanBeClosed(t *testing.T) {
	left := 0
	s := &script{
		on: on{"go": func(_ *hall, t *actors.Turn, _ actors.Args) (any, error) {
			t.Kick("a", "")
			t.Go(func(context.Context) error { return nil }, nil)
			return nil, nil
		}},
		left: func(_ *hall, t *actors.Turn, _ actors.Member, _ actors.LeaveReason) { left++ },
	}
	w := s.open(t, actors.KindConfig{})
	a, b := w.join(), w.join()
	w.breaks = true
	func() {
		defer func() { _ = recover() }()
		b.tell(`["go"]`)
		t.Error("nothing broke")
	}()
	w.breaks = false
	w.take()
	w.m.Close(w.now, actors.ReasonShutdown)
	if w.retired != 1 || left != 2 || !a.gone() || !b.gone() {
		t.Errorf("%d retirements, %d left", w.retired, left)
	}
	w.expect("tell n1/1: gone a", "tell n1/2: gone b", "n1: remove a close shutdown", "n1: remove b close shutdown", "n1: end", "retire")
}

func TestACloseWhileTheRoomStartsAgainEndsIt(t *testing.T) {
	var got []string
	w := panicking(&got).open(t, resumable(actors.KindConfig{}))
	a, b := w.join(), w.join()
	b.leave(actors.ReasonTransportClosed)
	w.panics(a, faultLimit)
	late := w.join()
	w.call(1, "x", `[]`)
	got = nil
	w.take()
	w.m.Close(w.now, actors.ReasonShutdown)
	w.expect("tell n1/1: gone a", "n1: remove a close shutdown", "n1: end", "retire", "tell n1/3: moved", "answer 1 moved")
	if late.answer() != "moved" || len(got) != 0 || !w.m.NextWake().IsZero() {
		t.Errorf("late %s, hooks %q", late.answer(), got)
	}
}

// Five panics in the last hooks of a room do not keep it from ending.
func TestARoomThatPanicsWhileItEndsEnds(t *testing.T) {
	left, closings := 0, 0
	s := &script{
		left:    func(*hall, *actors.Turn, actors.Member, actors.LeaveReason) { left++; panic("oh") },
		closing: func(*hall, *actors.Turn) { closings++; panic("oh") },
		on:      setter,
	}
	w := s.open(t, actors.KindConfig{})
	for range 2 * faultLimit {
		w.join()
	}
	w.call(1, "end", `[]`)
	if left != 2*faultLimit || closings != 1 || w.retired != 1 {
		t.Errorf("%d left, %d closings, %d retirements", left, closings, w.retired)
	}
}

// The fifth panic is in a hook Left: those who left with it are told about
// on the next instance, each once.
func TestLeavesAreToldOnceAcrossARestart(t *testing.T) {
	got := make(map[actors.MemberID]int)
	panics := faultLimit
	s := &script{
		left: func(_ *hall, _ *actors.Turn, m actors.Member, _ actors.LeaveReason) {
			got[m.ID]++
			if panics--; panics >= 0 {
				panic("oh")
			}
		},
		on: on{"kick all": func(_ *hall, t *actors.Turn, _ actors.Args) (any, error) {
			for m := range t.Members() {
				t.Kick(m.ID, "")
			}
			return nil, nil
		}},
	}
	w := s.open(t, actors.KindConfig{})
	for range 8 {
		w.join()
	}
	w.call(1, "kick all", `[]`)
	if len(got) != faultLimit {
		t.Fatalf("told about %v before the restart", got)
	}
	w.advance(backoffMin)
	for i := range 8 {
		if id := actors.MemberID(letter(uint64(i + 1))); got[id] != 1 {
			t.Errorf("told %d times that %s left", got[id], id)
		}
	}
}
