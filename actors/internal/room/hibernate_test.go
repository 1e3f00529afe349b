package room

import (
	"cmp"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

func sleepy(c actors.KindConfig) actors.KindConfig {
	c.HibernateAfter = time.Minute
	return c
}

func TestMembersDoNotNoticeThatTheirRoomHibernates(t *testing.T) {
	for name, c := range map[string]actors.KindConfig{"resuming": resumable(actors.KindConfig{}), "not resuming": {}} {
		t.Run(name, func(t *testing.T) {
			var hooks []string
			s := booking()
			s.joined = func(_ *hall, _ *actors.Turn, m actors.Member) { hooks = append(hooks, "joined "+string(m.ID)) }
			s.left = func(_ *hall, _ *actors.Turn, m actors.Member, _ actors.LeaveReason) {
				hooks = append(hooks, "left "+string(m.ID))
			}
			s.dropped = func(_ *hall, _ *actors.Turn, m actors.Member, _ actors.LeaveReason) { hooks = append(hooks, "dropped") }
			w := s.openKept(t, sleepy(c))
			a, b := w.join(), w.join(at("n2"))
			a.send(`["keep","x"]`)
			w.confirm()
			version := w.m.sync.version
			w.take()
			w.advance(time.Hour)
			if !w.kept.asleep || !w.m.NextWake().IsZero() {
				t.Fatalf("it is awake: %q", w.take())
			}
			if items := w.items(); len(items) != 0 {
				t.Errorf("members are sent %q", items)
			}
			a.send(`["keep","y"]`)
			log := strings.Join(w.items(), "\n")
			if strings.Contains(log, "mirror") || strings.Contains(log, "admit") || !strings.Contains(log, "reply a #2") || !strings.Contains(log, "0/y=1") {
				t.Errorf("on waking: %s", log)
			}
			if w.m.sync.version != version+1 {
				t.Errorf("version %d behind %d", w.m.sync.version, version)
			}
			w.confirm()
			a.link-- // what it sent before it slept, again
			a.tell(`["keep","z"]`)
			if w.durable()["notes/z"] != "" {
				t.Error("an event is handled twice")
			}
			w.advance(time.Hour)
			if !w.kept.asleep {
				t.Fatal("it does not sleep again")
			}
			b.leave(actors.ReasonClientLeft)
			b.leave(actors.ReasonClientLeft)
			w.same(hooks, []string{"joined a", "joined b", "left b"})
		})
	}
}

func TestARoomThatHasSomethingToLoseDoesNotHibernate(t *testing.T) {
	for name, c := range map[string]struct {
		event string
		twist func(w *world, a *client)
		wait  time.Duration // zero: 90 s
	}{
		"an ephemeral entry":     {event: `["move","x"]`},
		"a timer":                {event: `["timer"]`},
		"a question":             {event: `["ask"]`},
		"work":                   {event: `["work"]`},
		"an answer that is owed": {event: `["later","x"]`},
		"a kept seat":            {twist: func(w *world, _ *client) { w.join().leave(actors.ReasonTransportClosed) }},
		"an append on its way":   {event: `["keep","x"]`, twist: func(w *world, _ *client) { w.kept.slow = true }},
		"an event meanwhile": {twist: func(w *world, a *client) {
			w.kept.slow = true
			w.advance(time.Minute)
			a.tell(`["look"]`)
			w.kept.slow = false
			w.settle()
		}, wait: 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s := booking()
			s.on["timer"] = func(_ *hall, t *actors.Turn, _ actors.Args) (any, error) {
				t.After(time.Hour, func(*actors.Turn) {})
				return nil, nil
			}
			s.on["ask"] = func(_ *hall, t *actors.Turn, _ actors.Args) (any, error) {
				t.All().Ask(time.Hour, func(*actors.Turn, []actors.Answer) {}, "ready?")
				return nil, nil
			}
			s.on["work"] = func(_ *hall, t *actors.Turn, _ actors.Args) (any, error) {
				t.Go(func(context.Context) error { return nil }, nil)
				return nil, nil
			}
			s.later = func(*hall, *actors.Turn, string, actors.Ack[string]) {}
			kind := sleepy(actors.KindConfig{ResumeWithin: time.Hour})
			w := s.openKept(t, kind)
			a := w.join()
			if c.twist != nil {
				c.twist(w, a)
			}
			if c.event != "" {
				a.send(c.event)
			}
			w.confirm()
			w.advance(cmp.Or(c.wait, 90*time.Second))
			if w.kept.asleep {
				t.Error("it hibernates")
			}
		})
	}
}

func TestACrashWhileARoomHibernatesIsACrash(t *testing.T) {
	left := 0
	s := booking()
	s.left = func(*hall, *actors.Turn, actors.Member, actors.LeaveReason) { left++ }
	w := s.openKept(t, sleepy(actors.KindConfig{}))
	w.join()
	w.advance(time.Hour)
	if !w.kept.asleep || !w.kept.agenda.After(w.now) {
		t.Fatalf("asleep %v, agenda %v", w.kept.asleep, w.kept.agenda)
	}
	w.next()
	w.next()
	if left != 1 || w.m.Members() != 0 || len(w.kept.area(areaSeat)) != 0 {
		t.Errorf("left %d times; %d members", left, w.m.Members())
	}
}

func TestAnAlarmWakesARoomThatHibernates(t *testing.T) {
	rung := 0
	b := ringer(func(*ringing, *actors.Turn, string) { rung++ }, sleepy(actors.KindConfig{}))
	w := keep(newWorld(t, b))
	w.join().tell(`["set","x",600]`)
	w.advance(5 * time.Minute)
	if !w.kept.asleep || !w.kept.agenda.Equal(start.Add(10*time.Minute)) {
		t.Fatalf("asleep %v, agenda %v", w.kept.asleep, w.kept.agenda)
	}
	w.now = w.kept.agenda
	w.wake()
	w.m.Due(w.now)
	w.settle()
	if rung != 1 || w.m.Members() != 1 {
		t.Errorf("rung %d times, %d members", rung, w.m.Members())
	}
}

func TestARoomThatFallsAsleepWaitsForASlowStore(t *testing.T) {
	w := booking().openKept(t, sleepy(actors.KindConfig{}))
	w.join()
	w.confirm()
	w.kept.slow = true
	w.advance(time.Hour)
	if next := w.m.NextWake(); w.kept.flight == nil || !next.IsZero() {
		t.Errorf("it wants to be woken at %v; on its way: %v", next, w.kept.flight)
	}
	w.commit()
	if !w.kept.asleep {
		t.Error("it does not hibernate")
	}
}

// However few events a member sends each time that the room is awake, its
// connection is told of them, and its window stays open.
func TestARoomThatHibernatesBetweenEventsStillCreditsThem(t *testing.T) {
	for name, c := range map[string]actors.KindConfig{"resuming": resumable(actors.KindConfig{}), "not resuming": {}} {
		t.Run(name, func(t *testing.T) {
			w := booking().openKept(t, sleepy(c))
			a := w.join()
			var told uint64
			for range 5 * creditEvery {
				a.tell(`["keep","x"]`)
				w.confirm()
				w.advance(time.Hour)
				if !w.kept.asleep {
					t.Fatal("it does not sleep")
				}
				for _, msg := range w.told[a.conn] {
					if c, is := msg.(*wire.Credit); is {
						told = c.Link
					}
				}
				if a.link-told > creditEvery {
					t.Fatalf("of %d events %d are credited", a.link, told)
				}
			}
		})
	}
}
