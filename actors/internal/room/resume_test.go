package room

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

func resumable(c actors.KindConfig) actors.KindConfig {
	c.ResumeWithin = time.Minute
	return c
}

// gen is the generation of a room's history: it begins the first id made.
const gen = "id-00001"

func TestReliableEventsEndInTheOffsetAndVolatileOnesOnlyIfTheyMust(t *testing.T) {
	w := (&script{on: setter}).open(t, resumable(actors.KindConfig{}))
	a := w.join()
	w.expectItems(`n1: mirror v1 r1.`+gen+`.0.1`, `n1: admit a {"sid":"a","pid":"id-00002"}`)
	a.tell(`["say",1]`)
	a.tell(`["say"]`)
	a.tell(`["set","a",1]`)
	a.tell(`["hush",1]`)
	a.tell(`["hush","x"]`)
	a.tell(`["hush"]`)
	w.expectItems(
		`n1: emit ["said",1,"r1.`+gen+`.1.1"]`, `n1: emit ["said","r1.`+gen+`.2.1"]`,
		`n1: sync v2 r1.`+gen+`.2.2 0/a=1`,
		`n1: emit ["hushed",1] volatile`, `n1: emit ["hushed","x","r1.`+gen+`.2.2"] volatile`, `n1: emit ["hushed","r1.`+gen+`.2.2"] volatile`,
	)
}

func TestKindsThatDoNotResumeSayNothingOfIt(t *testing.T) {
	w := (&script{on: setter}).open(t, actors.KindConfig{})
	a := w.join()
	a.tell(`["set","a",1]`)
	a.tell(`["say","x"]`)
	a.tell(`["hush","x"]`)
	w.expectItems(`n1: mirror v1 `, `n1: admit a {"sid":"a"}`, `n1: sync v2  0/a=1`, `n1: emit ["said","x"]`, `n1: emit ["hushed","x"] volatile`)
	if len(w.m.history.kept) > 0 {
		t.Error("events are kept for nobody")
	}
	a.leave(actors.ReasonTransportClosed)
	if w.m.Members() != 0 {
		t.Error("a seat is kept for nobody")
	}
}

func offset(seq, version int) string { return fmt.Sprintf("r1.%s.%d.%d", gen, seq, version) }

func TestWhatAReturningMemberIsSent(t *testing.T) {
	for name, c := range map[string]struct {
		config   actors.KindConfig
		offset   string
		missed   int // events while it is away
		admit    string
		newPID   bool
		subject  string
		newcomer bool // it is not given the seat
	}{
		"nothing missed":           {offset: offset(2, 3), admit: "since 3"},
		"two events":               {offset: offset(1, 2), missed: 1, admit: `since 2 replay ["said",2,"` + offset(2, 3) + `"] replay ["said",3,"` + offset(3, 3) + `"]`},
		"no offset at all":         {missed: 1, admit: `replay ["said",1,"` + offset(1, 2) + `"] replay ["said",2,"` + offset(2, 3) + `"] replay ["said",3,"` + offset(3, 3) + `"]`},
		"an offset before its own": {offset: offset(0, 0), admit: `replay ["said",1,"` + offset(1, 2) + `"] replay ["said",2,"` + offset(2, 3) + `"]`},
		"another generation":       {offset: "r1.id-00009.2.3", newPID: true},
		"history is trimmed":       {config: actors.KindConfig{ResumeEvents: 2}, offset: offset(1, 2), missed: 2, newPID: true},
		"history just reaches":     {config: actors.KindConfig{ResumeEvents: 3}, offset: offset(1, 2), missed: 2, admit: `since 2 replay ["said",2,"` + offset(2, 3) + `"] replay ["said",3,"` + offset(3, 3) + `"] replay ["said",4,"` + offset(4, 3) + `"]`},
		"bytes are trimmed":        {config: actors.KindConfig{ResumeBytes: 40}, offset: offset(0, 1), newPID: true},
		"a sequence to come":       {offset: offset(9, 3), newPID: true},
		"a version to come":        {offset: offset(2, 4), newPID: true},
		"garbage":                  {offset: "garbage", newPID: true},
		"half an offset":           {offset: "r1." + gen + ".1", newPID: true},
		"negative":                 {offset: "r1." + gen + ".-1.1", newPID: true},
		"huge":                     {offset: "r1." + gen + ".99999999999999999999999.1", newPID: true},
		"long":                     {offset: "r1." + strings.Repeat("a", 1000) + ".1.1", newPID: true},
		"quoted":                   {offset: `"` + offset(2, 3) + `"`, newPID: true},
		"somebody else":            {offset: offset(2, 3), subject: "eve", newcomer: true},
	} {
		t.Run(name, func(t *testing.T) {
			resumed := 0
			s := &script{on: setter, resumed: func(_ *hall, t *actors.Turn, m actors.Member) {
				if resumed++; m.ID != "a" || !m.Connected || t.Member().ID != "a" {
					panic("resumed as somebody else")
				}
			}}
			w := s.open(t, resumable(c.config))
			a, b := w.join(as("ada")), w.join()
			a.tell(`["set","a",1]`)
			a.tell(`["say",1]`)
			w.confirm()
			a.tell(`["set","a",2]`)
			a.tell(`["say",2]`)
			w.confirm()
			pid := a.pid()
			a.leave(actors.ReasonTransportClosed)
			for i := range c.missed {
				b.tell(fmt.Sprintf(`["say",%d]`, 3+i))
			}
			w.take()
			subject := "ada"
			if c.subject != "" {
				subject = c.subject
			}
			back := w.join(with(pid, c.offset), as(subject))
			items := w.items()
			if c.newcomer {
				if len(items) != 1 || !strings.HasPrefix(items[0], `n1: admit c {"sid":"c","pid":"`) || strings.Contains(items[0], pid) || w.m.Members() != 3 {
					t.Errorf("got %q, %d members", items, w.m.Members())
				}
				return
			}
			want := `n1: admit a {"sid":"a","pid":"` + pid + `"}`
			if c.newPID {
				want = `n1: admit a {"sid":"a","pid":"id-00004"}`
			}
			if c.admit != "" {
				want += " " + c.admit
			}
			w.same(items, []string{want})
			if back.answer() != "joined" || back.id() != "a" || w.m.Members() != 2 || resumed != 1 {
				t.Errorf("%s as %s, %d members, resumed %d times", back.answer(), back.id(), w.m.Members(), resumed)
			}
			if c.newPID { // the old secret is worth nothing
				if thief := w.join(with(pid, "")); thief.id() == "a" {
					t.Error("the seat can still be taken with the old pid")
				}
			}
			back.tell(`["say",9]`) // and the member is fully there
			if items := w.items(); len(items) == 0 || !strings.HasPrefix(items[len(items)-1], `n1: emit ["said",9,`) {
				t.Errorf("got %q", items)
			}
		})
	}
}

// A stock client keeps its last offset when it has to start afresh: that does
// not make events from before its admission missed ones.
func TestAnOffsetFromAnEarlierStayIsNotTakenForThisOne(t *testing.T) {
	w := (&script{on: setter}).open(t, resumable(actors.KindConfig{}))
	b := w.join()
	for i := range 5 {
		b.tell(fmt.Sprintf(`["say",%d]`, i))
	}
	a := w.join()
	a.leave(actors.ReasonTransportClosed)
	b.tell(`["say",5]`)
	w.take()
	a.back(offset(2, 1))
	w.expectItems(`n1: admit b {"sid":"b","pid":"id-00003"} replay ["said",5,"` + offset(6, 1) + `"]`)
}

func TestAMemberThatHadToStartAfreshCanReturnAfterwards(t *testing.T) {
	w := (&script{on: setter}).open(t, resumable(actors.KindConfig{ResumeEvents: 1}))
	a, b := w.join(), w.join()
	a.leave(actors.ReasonTransportClosed)
	for i := range 5 {
		b.tell(fmt.Sprintf(`["say",%d]`, i))
	}
	afresh := a.back("")
	afresh.leave(actors.ReasonPingTimeout)
	pid := afresh.pid()
	w.take()
	afresh.back(offset(0, 1))
	w.expectItems(`n1: admit a {"sid":"a","pid":"` + pid + `"}`)
}

func TestReplayHoldsWhatWasMeantForTheMember(t *testing.T) {
	s := &script{on: on{"say": func(_ *hall, t *actors.Turn, _ actors.Args) (any, error) {
		t.To().Emit("for nobody")
		t.To("b").Emit("not for a")
		t.To("a", "b").Emit("for both")
		t.All().Except("a").Emit("not for a")
		t.All().Except("b").Emit("for a")
		t.All().Volatile().Emit("not kept")
		t.All().Ask(time.Second, func(*actors.Turn, []actors.Answer) {}, "asked")
		return nil, nil
	}}}
	w := s.open(t, resumable(actors.KindConfig{}))
	a, b := w.join(), w.join()
	a.leave(actors.ReasonTransportClosed)
	b.tell(`["say"]`)
	w.take()
	a.back("")
	w.expectItems(`n1: admit a {"sid":"a","pid":"id-00002"} replay ["for both","` + offset(2, 1) + `"] replay ["for a","` + offset(4, 1) + `"] replay ["asked","` + offset(5, 1) + `"] ask 1`)
}

func TestASeatIsHeldOnce(t *testing.T) {
	var left, dropped []string
	s := &script{
		on: setter,
		left: func(_ *hall, _ *actors.Turn, m actors.Member, why actors.LeaveReason) {
			left = append(left, string(why))
		},
		dropped: func(_ *hall, _ *actors.Turn, m actors.Member, why actors.LeaveReason) {
			dropped = append(dropped, string(why))
		},
	}
	w := s.open(t, resumable(actors.KindConfig{}))
	a := w.join()
	w.take()
	b := a.back("", at("n2"))
	w.expect("tell n1/1: gone a", "tell n2/2: joined b as a", "n1: remove a close replaced", "n1: end",
		`n2: mirror v1 `+offset(0, 1), `n2: admit a {"sid":"a","pid":"id-00002"}`)
	a.tell(`["say","from the old connection"]`)
	a.leave(actors.ReasonTransportClosed) // its transport was closed
	a.ack(1, `[]`)
	w.expect()
	c := b.back("", at("n2"))
	w.expectItems(`n2: remove a close replaced`, `n2: admit a {"sid":"a","pid":"id-00002"}`) // no second copy
	if w.m.Members() != 1 || len(left)+len(dropped) != 0 || !b.gone() || c.gone() {
		t.Errorf("%d members, left %v, dropped %v", w.m.Members(), left, dropped)
	}
}

func TestASeatIsKeptForAsLongAsTheKindSays(t *testing.T) {
	var events []string
	note := func(what string) func(*hall, *actors.Turn, actors.Member, actors.LeaveReason) {
		return func(_ *hall, t *actors.Turn, m actors.Member, why actors.LeaveReason) {
			here := []string{}
			for m := range t.Members() {
				here = append(here, fmt.Sprintf("%s %v", m.ID, m.Connected))
			}
			events = append(events, fmt.Sprintf("%s %s %v %s %v", what, m.ID, m.Connected, why, here))
		}
	}
	s := &script{dropped: note("dropped"), left: note("left")}
	w := s.open(t, resumable(actors.KindConfig{MaxMembers: 2}))
	a, b := w.join(), w.join()
	a.leave(actors.ReasonPingTimeout)
	a.leave(actors.ReasonPingTimeout)
	if w.join().answer() != "room_full" {
		t.Error("the seat was given away")
	}
	w.advance(59 * time.Second)
	a = a.back("")
	w.advance(time.Hour) // the grace of the first time is over
	a.leave(actors.ReasonTransportError)
	w.advance(59 * time.Second)
	b.leave(actors.ReasonClientLeft) // who means it does not keep a seat
	w.advance(time.Second)
	w.same(events, []string{
		"dropped a false ping_timeout [a false b true]",
		"dropped a false transport_error [a false b true]",
		"left b false client_left [a false]",
		"left a false transport_error []",
	})
	if w.m.Members() != 0 {
		t.Errorf("%d members", w.m.Members())
	}
}

// A member that sees events and is dropped and returns, whenever it likes and
// with whatever offset it has seen last, has in the end every reliable event
// for it exactly once, or is told to start afresh.
func TestNoGapAndNoDuplicateAcrossReturns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config := actors.KindConfig{ResumeEvents: rapid.IntRange(1, 10).Draw(t, "kept")}
		w := (&script{on: setter}).open(t, resumable(config))
		a, b := w.join(), w.join()
		pid, next := a.pid(), 0     // next: the event that comes next
		var seen []string           // what the client has
		expect := []string(nil)     // what it should have, from its last fresh start
		last, connected := "", true // the client's offset
		receive := func(e wire.Emit) {
			text := string(e.Data.JSON)
			seen = append(seen, text)
			last = strings.Trim(text[strings.LastIndex(text, ",")+1:], `"]`)
		}
		read := 0 // how far the log was read
		drain := func(upTo int) {
			for ; read < upTo; read++ {
				line := w.log[read]
				if connected && strings.HasPrefix(line, "n1: emit [") {
					receive(wire.Emit{Data: actors.Raw{JSON: []byte(strings.TrimPrefix(line, "n1: emit "))}})
				}
			}
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "action") {
			case 0, 1:
				b.tell(fmt.Sprintf(`["say",%d]`, next))
				next++
				expect = append(expect, fmt.Sprintf(`["said",%d,`, next-1))
			case 2:
				if connected { // some of what was sent never arrives
					drain(rapid.IntRange(read, len(w.log)).Draw(t, "arrived"))
					a.leave(actors.ReasonTransportClosed)
					connected = false
				}
			case 3:
				if !connected {
					drain(len(w.log))
					before := len(w.log)
					old := pid
					a = w.join(with(pid, last))
					connected, pid = true, a.pid()
					line := w.log[before+slices.IndexFunc(w.log[before:], func(s string) bool { return strings.HasPrefix(s, "n1: admit") })]
					read = len(w.log)
					if !strings.Contains(line, `"pid":"`+pid+`"`) {
						t.Fatalf("answered %s", line)
					}
					if pid != old {
						seen, expect = nil, nil // it starts afresh, and keeps its last offset
					}
					for _, replayed := range strings.Split(line, " replay ")[1:] {
						receive(wire.Emit{Data: actors.Raw{JSON: []byte(replayed)}})
					}
				}
			}
			if connected {
				drain(len(w.log))
				if len(seen) != len(expect) {
					t.Fatalf("saw %q, want %q", seen, expect)
				}
				for i := range seen {
					if !strings.HasPrefix(seen[i], expect[i]) {
						t.Fatalf("saw %q, want %q", seen, expect)
					}
				}
			}
		}
	})
}
