package room

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/parlor-rooms/parlor/actors"
)

func TestAdmissionPrecedesEverythingElse(t *testing.T) {
	s := &script{joined: func(h *hall, t *actors.Turn, m actors.Member) {
		h.Notes.Set("last", t.Now().Second())
		t.Broadcast("hello", string(m.ID))
	}}
	w := s.open(t, actors.KindConfig{})
	w.join()
	w.expect(
		"tell n1/1: joined a as a",
		`n1: mirror v1 `, `n1: admit a {"sid":"a"}`, `n1: sync v2  0/last=0`, `n1: emit ["hello","a"]`,
	)
}

func TestSeatLimitIsNeverOvershot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const seats = 5
		admit := func(context.Context, *actors.JoinRequest) error { return nil }
		s := &script{admit: func(h *hall, t *actors.Turn, r *actors.JoinRequest) error {
			if r.Member.UserID == "no" {
				return actors.Errorf(actors.CodeForbidden, "no")
			}
			return nil
		}}
		w := s.open(t, actors.KindConfig{MaxMembers: seats, Authorize: admit})
		var clients []*client
		for i := range 40 {
			switch action := rapid.IntRange(0, 5).Draw(t, "action"); {
			case action <= 2:
				before := w.m.members.len() + w.m.seats
				c := w.join(as(rapid.SampledFrom([]string{"", "no"}).Draw(t, "user")), called(actors.MemberID(fmt.Sprint(i))))
				clients = append(clients, c)
				if (before >= seats) != (c.answer() == "room_full") {
					t.Fatalf("%d of %d seats are taken: %q", before, seats, c.answer())
				}
			case action == 3 && len(clients) > 0:
				rapid.SampledFrom(clients).Draw(t, "client").leave(actors.ReasonClientLeft)
			case len(w.work) > 0:
				w.finish(rapid.SampledFrom(keys(w.work)).Draw(t, "work"))
			}
			if n := w.m.members.len(); n > seats || n+w.m.seats > seats {
				t.Fatalf("%d members and %d reserved seats of %d", n, w.m.seats, seats)
			}
		}
		for len(w.work) > 0 {
			w.finish(keys(w.work)[0])
		}
		if w.m.seats != 0 || len(w.m.joins) != 0 {
			t.Fatalf("%d seats are reserved, %d joins wait", w.m.seats, len(w.m.joins))
		}
		for _, c := range clients {
			if a := c.answer(); a == "" || len(a) > 12 {
				t.Fatalf("%s was answered %q", c.asked, a)
			}
		}
	})
}

func TestAClientThatLeavesDuringAuthorizeFreesItsSeatAtOnce(t *testing.T) {
	var ended error
	s := &script{}
	w := s.open(t, actors.KindConfig{MaxMembers: 1, Authorize: func(ctx context.Context, r *actors.JoinRequest) error {
		if r.Member.ID == "a" {
			<-ctx.Done()
			ended = ctx.Err()
		}
		return nil
	}})
	a := w.join()
	a.leave(actors.ReasonTransportClosed)
	b := w.join()
	if got := a.answer() + b.answer(); got != "" {
		t.Fatalf("answered %q before Authorize was done", got)
	}
	w.finish(2)
	w.finish(1)
	if !errors.Is(ended, context.Canceled) {
		t.Errorf("Authorize ended with %v", ended)
	}
	if a.answer() != "unavailable" || b.answer() != "joined" || w.m.Members() != 1 {
		t.Errorf("a: %s, b: %s, %d members", a.answer(), b.answer(), w.m.Members())
	}
}

func TestRefusalsBecomeCodes(t *testing.T) {
	for name, c := range map[string]struct {
		err       error
		panics    any
		authorize string
		admit     string
	}{
		"known":      {err: fmt.Errorf("db: %w", actors.Errorf("banned", "go away")), authorize: "banned", admit: "banned"},
		"plain":      {err: errors.New("dial 10.0.0.1"), authorize: "forbidden", admit: "internal"},
		"late":       {err: fmt.Errorf("db: %w", context.DeadlineExceeded), authorize: "unavailable", admit: "internal"},
		"bad code":   {err: &actors.Error{Code: "No Such"}, authorize: "forbidden", admit: "internal"},
		"typed nil":  {err: (*actors.Error)(nil), authorize: "forbidden", admit: "internal"},
		"panic":      {panics: "oh", authorize: "internal", admit: "internal"},
		"panic(nil)": {panics: nil, authorize: "internal", admit: "internal"},
		"explosive":  {err: explosive{}, authorize: "internal", admit: "internal"},
	} {
		t.Run(name, func(t *testing.T) {
			fail := func() error {
				if c.err == nil {
					panic(c.panics)
				}
				return c.err
			}
			w := (&script{}).open(t, actors.KindConfig{Authorize: func(context.Context, *actors.JoinRequest) error { return fail() }})
			a := w.join()
			w.finishAll()
			s := &script{admit: func(*hall, *actors.Turn, *actors.JoinRequest) error { return fail() }}
			w2 := s.open(t, actors.KindConfig{})
			b := w2.join()
			if a.answer() != c.authorize || b.answer() != c.admit {
				t.Errorf("Authorize: %s, want %s; Admit: %s, want %s", a.answer(), c.authorize, b.answer(), c.admit)
			}
			if w.m.Members()+w2.m.Members() != 0 || w.m.seats+w2.m.seats != 0 {
				t.Errorf("somebody has a seat")
			}
		})
	}
}

// explosive is an error none of whose methods works.
type explosive struct{}

func (explosive) Error() string                { panic("Error") }
func (explosive) As(any) bool                  { panic("As") }
func (explosive) Unwrap() error                { panic("Unwrap") }
func (explosive) MarshalJSON() ([]byte, error) { panic("MarshalJSON") }

func TestARefusedMemberWasNeverThere(t *testing.T) {
	s := &script{
		admit: func(h *hall, t *actors.Turn, r *actors.JoinRequest) error {
			h.Notes.Set("x", 1)
			t.Broadcast("knock")
			t.Kick("a", "make place")
			if _, is := t.Lookup(r.Member.ID); is {
				return errors.New("a member before it is admitted")
			}
			if r.Member.ID != "a" {
				return actors.Errorf("no", "no")
			}
			return nil
		},
		joined: func(h *hall, t *actors.Turn, m actors.Member) { t.Broadcast("in", string(m.ID)) },
		left:   func(h *hall, t *actors.Turn, m actors.Member, _ actors.LeaveReason) { t.Broadcast("out", string(m.ID)) },
	}
	w := s.open(t, actors.KindConfig{})
	a := w.join()
	w.take()
	b := w.join()
	w.expect("tell n1/2: refused b no")
	if a.answer() != "joined" || b.answer() != "no" || w.m.Members() != 1 || len(w.durable()) != 1 {
		t.Errorf("a %s, b %s, %d members, saved %v", a.answer(), b.answer(), w.m.Members(), w.durable())
	}
}

func TestAdmitMayMakePlaceForTheNewcomer(t *testing.T) {
	var order []string
	s := &script{
		admit: func(h *hall, t *actors.Turn, r *actors.JoinRequest) error {
			for m := range t.Members() {
				t.Kick(m.ID, "")
			}
			return nil
		},
		joined: func(_ *hall, _ *actors.Turn, m actors.Member) { order = append(order, "joined "+string(m.ID)) },
		left: func(_ *hall, _ *actors.Turn, m actors.Member, _ actors.LeaveReason) {
			order = append(order, "left "+string(m.ID))
		},
	}
	w := s.open(t, actors.KindConfig{MaxMembers: 2})
	for range 3 {
		w.join()
	}
	w.same(order, []string{"joined a", "left a", "joined b", "left b", "joined c"})
	if w.m.Members() != 1 {
		t.Errorf("%d members", w.m.Members())
	}
}

func TestJoinsAndCallsWaitForLoad(t *testing.T) {
	s := &script{
		load: func(ctx context.Context, r actors.RoomRef) error {
			if deadline, has := ctx.Deadline(); r != ref || !has || time.Until(deadline) > loadTimeout {
				return errors.New("Load was called wrongly")
			}
			return nil
		},
		on: on{"hi": func(h *hall, t *actors.Turn, _ actors.Args) (any, error) { return "hi", nil }},
	}
	w := openRoom(t, s.loadingBehavior(actors.KindConfig{MaxMembers: 2}))
	a, b, c := w.join(), w.join(), w.join()
	w.call(9, "hi", `[]`)
	b.leave(actors.ReasonTransportClosed)
	a.leave("") // from another connection: not this member
	w.m.Leave(w.now, leaveOf(a, c))
	w.expect("run 1")
	if w.m.Retired() {
		t.Fatal("retired")
	}
	w.finish(1)
	if a.answer() != "unavailable" || b.answer() != "unavailable" || c.answer() != "joined" || w.answers[9] != `["hi"]` {
		t.Errorf("a %s, b %s, c %s, call %s", a.answer(), b.answer(), c.answer(), w.answers[9])
	}
}

// What waits for the room to open meets it as it is when its turn comes.
func TestWhoWaitedForARoomThatEndsAtOnceIsSentOn(t *testing.T) {
	joined := 0
	s := &script{load: fails(nil), joined: func(_ *hall, t *actors.Turn, _ actors.Member) {
		if joined++; joined == 1 {
			t.Destroy()
		}
	}}
	w := openRoom(t, s.loadingBehavior(actors.KindConfig{}))
	a, b := w.join(), w.join()
	w.call(1, "x", `[]`)
	w.finishAll()
	if a.answer() != "joined" || !a.gone() || b.answer() != "moved" || w.answers[1] != "moved" || joined != 1 {
		t.Errorf("a %s, b %s, call %s, %d joined", a.answer(), b.answer(), w.answers[1], joined)
	}
}

func TestWhoWaitedForARoomThatStartsAgainWaitsOn(t *testing.T) {
	s := &script{load: fails(nil), on: setter}
	w := openRoom(t, s.loadingBehavior(actors.KindConfig{}))
	for i := range faultLimit {
		w.call(uint64(i), "panic", `[]`)
	}
	a := w.join()
	w.finishAll()
	if a.answer() != "" || w.m.phase != opening {
		t.Fatalf("answered %q", a.answer())
	}
	w.advance(backoffMin)
	w.finishAll()
	if a.answer() != "joined" {
		t.Errorf("answered %q", a.answer())
	}
}

func TestARoomThatDoesNotOpenRefusesEverybodyAndEnds(t *testing.T) {
	known := fmt.Errorf("document: %w", actors.Errorf(actors.CodeNotFound, "there is no such document"))
	type kind struct {
		s      *script
		load   bool
		stored []actors.Entry
	}
	for name, c := range map[string]struct {
		kind
		want string
	}{
		"load fails":              {kind{&script{load: fails(errors.New("dial"))}, true, nil}, "unavailable"},
		"load fails for clients":  {kind{&script{load: fails(known)}, true, nil}, "not_found"},
		"load panics":             {kind{&script{load: func(context.Context, actors.RoomRef) error { panic("oh") }}, true, nil}, "unavailable"},
		"opened fails":            {kind{&script{load: fails(nil), opened: func(*hall, *actors.Turn) error { return known }}, true, nil}, "not_found"},
		"opened panics":           {kind{&script{load: fails(nil), opened: func(*hall, *actors.Turn) error { panic("oh") }}, true, nil}, "unavailable"},
		"stored state is garbage": {kind{&script{}, false, []actors.Entry{{Key: "f/notes/a", Value: []byte(`"x"`)}}}, "moved"},
	} {
		t.Run(name, func(t *testing.T) {
			b := c.s.behavior(actors.KindConfig{})
			if c.load {
				b = c.s.loadingBehavior(actors.KindConfig{})
			}
			w := newWorld(t, b)
			w.m.Start(w.now, Loaded{Epoch: 7, Entries: c.stored})
			a, gone := w.join(), w.join()
			gone.leave(actors.ReasonTransportClosed)
			w.call(9, "x", `[]`)
			w.finishAll()
			want := c.want
			if want == "moved" && w.answers[9] == "moved" {
				w.answers[9] = want
			}
			if a.answer() != want || w.answers[9] != want || w.retired != 1 || !w.m.Retired() {
				t.Errorf("a %s, call %s, want %s; %d retirements", a.answer(), w.answers[9], want, w.retired)
			}
			if late := w.join(); late.answer() != "moved" {
				t.Errorf("a later join is answered %s", late.answer())
			}
			if !w.m.NextWake().IsZero() {
				t.Errorf("wants to be woken at %v", w.m.NextWake())
			}
		})
	}
}

func fails(err error) func(context.Context, actors.RoomRef) error {
	return func(context.Context, actors.RoomRef) error { return err }
}

func TestAPanicInTheFunctionThatMakesARoomEndsThatRoomOnly(t *testing.T) {
	s := &script{}
	b := s.behavior(actors.KindConfig{})
	s.make = func() { panic("oh") }
	w := openRoom(t, b)
	w.expect("retire")
	if w.join().answer() != "moved" {
		t.Error("a join is not answered")
	}
}

func TestTooManyThatWaitAreTurnedAway(t *testing.T) {
	s := &script{load: fails(nil)}
	w := openRoom(t, s.loadingBehavior(actors.KindConfig{}))
	for range maxWaiting {
		w.join()
	}
	over := w.join()
	w.call(1, "x", `[]`)
	if over.answer() != "overloaded" || w.answers[1] != "overloaded" {
		t.Errorf("answered %s and %s", over.answer(), w.answers[1])
	}
	first := &client{w: w, conn: w.told0(1), asked: "a"}
	first.leave(actors.ReasonClientLeft) // is heard although the queue is full
	w.finish(1)
	if w.m.Members() != maxWaiting-1 {
		t.Errorf("%d members", w.m.Members())
	}
}

func TestTheSameJoinTwiceTakesOneSeat(t *testing.T) {
	for name, authorize := range map[string]func(context.Context, *actors.JoinRequest) error{
		"at once": nil, "authorized": func(context.Context, *actors.JoinRequest) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			left := 0
			s := &script{left: func(*hall, *actors.Turn, actors.Member, actors.LeaveReason) { left++ }}
			w := s.open(t, actors.KindConfig{Authorize: authorize, ResumeWithin: time.Minute})
			a := w.join()
			w.connID--
			w.join()
			w.finishAll()
			w.connID--
			w.join()
			if a.answer() != "joined" || w.m.Members() != 1 || w.tables["n1"] == nil || len(w.tables["n1"].members) != 1 {
				t.Errorf("%s, %d members", a.answer(), w.m.Members())
			}
			back := a.back("") // and the same with a seat that is taken back
			w.connID--
			w.join(with(back.pid(), ""))
			if back.answer() != "joined" || back.gone() || w.m.Members() != 1 {
				t.Errorf("%s, %d members", back.answer(), w.m.Members())
			}
			back.leave(actors.ReasonClientLeft)
			if left != 1 || w.m.Members() != 0 {
				t.Errorf("%d leaves, %d members", left, w.m.Members())
			}
		})
	}
}

func TestAConnectionHoldsOneSeat(t *testing.T) {
	var left []string
	s := &script{left: func(_ *hall, _ *actors.Turn, m actors.Member, why actors.LeaveReason) {
		left = append(left, string(m.ID)+" "+string(why))
	}}
	w := s.open(t, actors.KindConfig{ResumeWithin: time.Minute})
	a := w.join()
	w.connID--
	b := w.join(called("b"))
	w.same(left, []string{"a client_left"})
	a.asked = "a"
	w.m.Leave(w.now, leaveOf(a, a)) // late, for the one before
	if w.m.Members() != 1 || b.gone() && b.answer() == "" {
		t.Errorf("%d members", w.m.Members())
	}
}

func TestARoomThatEndsInAdmitSeatsNobody(t *testing.T) {
	s := &script{admit: func(h *hall, t *actors.Turn, r *actors.JoinRequest) error {
		if r.Member.ID == "b" {
			t.Destroy()
		}
		return nil
	}}
	w := s.open(t, actors.KindConfig{})
	a := w.join()
	w.take()
	b := w.join()
	w.expect("tell n1/1: gone a", "n1: remove a disconnect", "n1: end", "retire", "tell n1/2: moved")
	if !a.gone() || b.answer() != "moved" {
		t.Errorf("a gone: %v, b %s", a.gone(), b.answer())
	}
}

func TestNewRoomIsTrueForWhomeverFindsNothing(t *testing.T) {
	var got []bool
	s := &script{
		admit: func(h *hall, _ *actors.Turn, r *actors.JoinRequest) error { got = append(got, r.NewRoom); return nil },
		on:    on{"note": func(h *hall, t *actors.Turn, _ actors.Args) (any, error) { h.Secret.Set(1); return nil, nil }},
	}
	w := s.open(t, actors.KindConfig{})
	a := w.join()
	w.join().leave(actors.ReasonClientLeft)
	a.send(`["note"]`)
	a.leave(actors.ReasonClientLeft)
	w.join()
	if fmt.Sprint(got) != "[true false false]" {
		t.Errorf("got %v", got)
	}
}

func TestAuthorizeIsGivenItsTimeAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, limit := range []time.Duration{0, time.Minute} {
			w := new(script).open(t, actors.KindConfig{
				AuthorizeTimeout: limit,
				Authorize: func(ctx context.Context, _ *actors.JoinRequest) error {
					<-ctx.Done()
					return ctx.Err()
				},
			})
			since := time.Now()
			a := w.join()
			w.finishAll()
			if took, want := time.Since(since), cmp.Or(limit, 10*time.Second); took != want || a.answer() != "unavailable" {
				t.Errorf("after %v, want %v: %s", took, want, a.answer())
			}
			if w.m.seats != 0 || w.m.Members() != 0 {
				t.Errorf("%d seats are reserved, %d members", w.m.seats, w.m.Members())
			}
		}
	})
}
