package room

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// ticker notes ticks as number, time since the start, lateness and skipped.
func ticker(got *[]string) *script {
	return &script{tick: func(_ *hall, t *actors.Turn, k actors.Tick) {
		*got = append(*got, fmt.Sprintf("%d %v %v %d", k.N, k.At.Sub(start), k.Late, k.Skipped))
	}, on: setter}
}

func TestTicksAreEvenWhateverTheDriverDoes(t *testing.T) {
	var got []string
	w := ticker(&got).open(t, actors.KindConfig{TickEvery: 100 * time.Millisecond})
	w.join()
	for _, ms := range []int{100, 205, 299, 301, 301, 750, 799, 800, 1200} {
		w.now = start.Add(time.Duration(ms) * time.Millisecond)
		w.m.Wake(w.now)
	}
	w.same(got, []string{
		"0 100ms 0s 0", "1 200ms 5ms 0", "2 300ms 1ms 0",
		"6 700ms 50ms 3", // 400, 500 and 600 are left out
		"7 800ms 0s 0",
		"11 1.2s 0s 3",
	})
	if next := w.m.NextWake(); !next.Equal(start.Add(1300 * time.Millisecond)) {
		t.Errorf("the next tick is due at %v", next.Sub(start))
	}
}

func TestTicksStopWithTheLastMemberAndGoOnWithTheNext(t *testing.T) {
	var got []string
	w := ticker(&got).open(t, resumable(actors.KindConfig{TickEvery: time.Second, IdleAfter: time.Hour}))
	w.advance(5 * time.Second)
	a := w.join()
	w.advance(2 * time.Second)
	a.leave(actors.ReasonTransportClosed) // its seat is kept: the room goes on
	w.advance(time.Second)
	a.back("").leave(actors.ReasonClientLeft)
	w.advance(10 * time.Second)
	if next := w.m.NextWake(); next.Sub(w.now) < time.Minute {
		t.Errorf("an empty room wants to be woken at %v", next)
	}
	w.join()
	w.advance(time.Second)
	w.same(got, []string{"0 6s 0s 0", "1 7s 0s 0", "2 8s 0s 0", "3 19s 0s 0"})
}

func TestARoomThatStartsAgainTicksAnew(t *testing.T) {
	var got []string
	w := ticker(&got).open(t, actors.KindConfig{TickEvery: time.Second})
	a := w.join()
	w.advance(2500 * time.Millisecond)
	w.panics(a, faultLimit)
	w.advance(backoffMin + time.Second)
	w.same(got, []string{"0 1s 0s 0", "1 2s 0s 0", "0 3.6s 0s 0"})
}

// TestARoomTicksForMembersWhoseSeatsWereStored, as after the crash of its node
// or a move: nobody joins who is there already.
func TestARoomTicksForMembersWhoseSeatsWereStored(t *testing.T) {
	var got []string
	w := ticker(&got).openKept(t, resumable(actors.KindConfig{TickEvery: time.Second}))
	a := w.join()
	w.advance(time.Second)
	w.next()
	a.back("")
	w.advance(2 * time.Second)
	w.same(got, []string{"0 1s 0s 0", "0 2s 0s 0", "1 3s 0s 0"})
}

func TestAClockThatGoesBackIsIgnored(t *testing.T) {
	var got []string
	w := ticker(&got).open(t, actors.KindConfig{TickEvery: time.Second})
	w.join()
	w.m.Wake(start.Add(time.Second))
	w.m.Wake(start.Add(-time.Hour))
	w.m.Wake(start.Add(time.Second))
	w.now = start.Add(-time.Hour)
	w.join()
	if at := w.m.members.byID["b"].JoinedAt; !at.Equal(start.Add(time.Second)) {
		t.Errorf("somebody joined at %v", at.Sub(start))
	}
	w.m.Wake(start.Add(2 * time.Second))
	w.same(got, []string{"0 1s 0s 0", "1 2s 0s 0"})
}

func TestAPanickingTickDoesNotStopTheClock(t *testing.T) {
	n := 0
	s := &script{tick: func(*hall, *actors.Turn, actors.Tick) { n++; panic("oh") }}
	w := s.open(t, actors.KindConfig{TickEvery: 4 * time.Second})
	w.join()
	w.advance(40 * time.Second)
	if n != 10 {
		t.Errorf("%d ticks", n)
	}
}

func TestTimersRunInOrderAndOnce(t *testing.T) {
	var got []string
	run := func(name string) func(*actors.Turn) {
		return func(t *actors.Turn) { got = append(got, fmt.Sprint(name, " ", t.Now().Sub(start))) }
	}
	var stop, stopFirst, stopLate func() bool
	s := &script{on: on{"start": func(_ *hall, t *actors.Turn, _ actors.Args) (any, error) {
		t.After(2*time.Second, run("b"))
		stop = t.After(time.Second, run("stopped"))
		t.After(time.Second, run("a"))
		t.After(2*time.Second, run("c"))
		stopLate = t.After(0, run("now"))
		t.After(-time.Hour, run("before"))
		stopFirst = t.After(0, run("never"))
		if !stopFirst() || stopFirst() {
			panic("a timer that has not started cannot be stopped once")
		}
		return nil, nil
	}}}
	w := s.open(t, actors.KindConfig{})
	w.join().tell(`["start"]`)
	w.advance(0)
	if stopLate() || !stop() || stop() {
		t.Error("stop does not say whether it stopped anything")
	}
	w.advance(time.Hour)
	w.same(got, []string{"now 0s", "before 0s", "a 1s", "b 2s", "c 2s"})
}

func TestATimerThatStartsItselfAgainDoesNotHoldUpTheRoom(t *testing.T) {
	n := 0
	var again func(*actors.Turn)
	again = func(t *actors.Turn) { n++; t.After(0, again) }
	s := &script{on: on{"start": func(_ *hall, t *actors.Turn, _ actors.Args) (any, error) { again(t); return nil, nil }}}
	w := s.open(t, actors.KindConfig{})
	w.join().tell(`["start"]`)
	for i := range 5 {
		w.m.Wake(w.now)
		if n != i+2 {
			t.Fatalf("ran %d times after %d wakes", n, i+1)
		}
	}
}

func TestNothingRunsBehindTheEnd(t *testing.T) {
	ran := 0
	s := &script{on: on{"start": func(_ *hall, t *actors.Turn, _ actors.Args) (any, error) {
		t.After(time.Second, func(t *actors.Turn) { t.Destroy() })
		t.After(time.Second, func(*actors.Turn) { ran++ })
		return nil, nil
	}}, tick: func(*hall, *actors.Turn, actors.Tick) { ran++ }}
	w := s.open(t, actors.KindConfig{TickEvery: time.Second})
	w.join().tell(`["start"]`)
	w.advance(time.Second)
	if ran != 0 || w.retired != 1 {
		t.Errorf("%d turns after the end", ran)
	}
}

func TestASeatThatIsGivenUpWaitsForNobody(t *testing.T) {
	w := (&script{on: setter}).open(t, actors.KindConfig{ResumeWithin: time.Hour})
	w.join().leave(actors.ReasonTransportClosed)
	w.call(1, "kick", `[]`)
	b := w.join()
	b.leave(actors.ReasonTransportClosed)
	b.back("")
	if n := len(w.m.timers); n != 0 {
		t.Errorf("%d timers run", n)
	}
}

func TestAnEmptyRoomLeavesMemoryWhenNothingKeepsIt(t *testing.T) {
	s := &script{
		on: on{"work": func(_ *hall, t *actors.Turn, _ actors.Args) (any, error) {
			t.Go(func(context.Context) error { return nil }, func(*actors.Turn, error) {})
			return nil, nil
		}, "wait": func(_ *hall, t *actors.Turn, _ actors.Args) (any, error) {
			t.After(5*time.Minute, func(*actors.Turn) {})
			return nil, nil
		}},
		later: func(*hall, *actors.Turn, string, actors.Ack[string]) {},
	}
	for name, c := range map[string]struct {
		keep    func(*world)
		retires time.Duration
	}{
		"nobody ever came":           {func(*world) {}, time.Minute},
		"everybody left":             {func(w *world) { a := w.join(); w.advance(2 * time.Minute); a.leave(actors.ReasonClientLeft) }, 3 * time.Minute},
		"a timer runs":               {func(w *world) { w.call(1, "wait", `[]`) }, 6 * time.Minute},
		"work is done beside it":     {func(w *world) { w.call(1, "work", `[]`); w.advance(time.Hour); w.finishAll() }, 61 * time.Minute},
		"an answer is owed":          {func(w *world) { w.call(1, "later", `[""]`) }, time.Minute},
		"an answer is owed to gone":  {func(w *world) { a := w.join(); a.send(`["later",""]`); a.leave(actors.ReasonClientLeft) }, time.Minute},
		"somebody came and returned": {func(w *world) { w.advance(50 * time.Second); w.join().leave(actors.ReasonClientLeft) }, 110 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			w := s.open(t, actors.KindConfig{IdleAfter: time.Minute})
			c.keep(w)
			w.advance(c.retires - w.now.Sub(start) - 1)
			if w.retired != 0 {
				t.Fatal("it left too early")
			}
			w.advance(1)
			if w.retired != 1 {
				t.Fatal("it stays")
			}
			for id, answer := range w.answers {
				if answer != "unavailable" && answer != "[null]" {
					t.Errorf("call %d is answered %q", id, answer)
				}
			}
		})
	}
}
