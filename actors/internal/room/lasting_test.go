package room

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

func TestACommandTakesEffectOnceWhateverHappensInBetween(t *testing.T) {
	for name, between := range map[string]func(w *world, a *client){
		"nothing":        func(*world, *client) {},
		"another stay":   func(_ *world, a *client) { a.leave(actors.ReasonClientLeft) },
		"a crash":        func(w *world, _ *client) { w.next() },
		"leaving memory": func(w *world, a *client) { a.leave(actors.ReasonClientLeft); w.advance(time.Hour); w.next() },
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{on: on{"inc": func(h *hall, _ *actors.Turn, _ actors.Args) (any, error) {
				h.Secret.Set(h.Secret.Get() + 1)
				return h.Secret.Get(), nil
			}}}
			w := s.openKept(t, actors.KindConfig{})
			w.user = "ada"
			a := w.join()
			a.send(withCID("inc", "c1"))
			between(w, a)
			w.take()
			b := w.join()
			b.send(withCID("inc", "c1"))
			b.send(withCID("inc", "c2"))
			log := strings.Join(w.take(), "\n")
			if !strings.Contains(log, "#1 [1]") || !strings.Contains(log, "#2 [2]") {
				t.Errorf("the repeated command is answered: %s", log)
			}
			other := w.join(as("bob"))
			other.send(withCID("inc", "c1"))
			if log := strings.Join(w.take(), "\n"); !strings.Contains(log, "#1 [3]") {
				t.Errorf("somebody else's command of that id: %s", log)
			}
		})
	}
}

func TestTheCommandsOfAnAnonymousMemberAreForgottenWithItsSeat(t *testing.T) {
	w := counting().openKept(t, resumable(actors.KindConfig{}))
	a := w.join()
	a.send(withCID("inc", "c1"))
	if len(w.kept.area(areaCommand)) != 1 {
		t.Fatalf("stored: %v", w.kept.entries)
	}
	a.leave(actors.ReasonClientLeft)
	if len(w.kept.area(areaCommand)) != 0 {
		t.Errorf("stored: %v", w.kept.area(areaCommand))
	}
	if w.m.commands != 0 || w.m.commandBytes != 0 {
		t.Errorf("%d commands of %d bytes are remembered", w.m.commands, w.m.commandBytes)
	}
	for _, e := range w.m.whole() {
		if strings.HasPrefix(e.Key, areaCommand) {
			t.Errorf("%s would be given back to a store that has lost something", e.Key)
		}
	}
}

func TestACommandWhoseLateAnswerWasLostIsNotRunAgain(t *testing.T) {
	runs := 0
	s := &script{later: func(h *hall, _ *actors.Turn, _ string, _ actors.Ack[string]) { runs++; h.Secret.Set(runs) }}
	w := s.openKept(t, actors.KindConfig{})
	w.user = "ada"
	later := `["later","x",{"$parlor":{"cid":"c1"}}]`
	w.join().send(later)
	w.next()
	w.take()
	w.join().send(later)
	if log := strings.Join(w.take(), "\n"); runs != 1 || !strings.Contains(log, `"code":"timeout"`) {
		t.Errorf("%d runs; %s", runs, log)
	}
}

func TestWhoReturnsAfterACrashIsSentWhatItMissed(t *testing.T) {
	w := booking().openKept(t, resumable(actors.KindConfig{}))
	a := w.join()
	a.tell(`["say"]`)
	seen := w.m.seen().offset()
	pid := a.pid()
	a.tell(`["say"]`)
	a.tell(`["keep","x"]`)
	w.next()
	w.take()
	b := w.join(with(pid, seen))
	log := strings.Join(w.items(), "\n")
	if b.id() != a.asked || !strings.Contains(log, fmt.Sprintf(`admit a {"sid":"a","pid":%q} replay ["said","r1.`, pid)) ||
		strings.Count(log, `replay ["said"`) != 1 || !strings.Contains(log, `replay ["kept","x",`) || !strings.Contains(log, "mirror v") {
		t.Errorf("%s is sent %s", b.id(), log)
	}
	tag := w.m.seen().offset()
	c := b.back(tag)
	if log := strings.Join(w.items(), "\n"); c.id() != "a" || !strings.Contains(log, " since ") || strings.Contains(log, "replay") {
		t.Errorf("with an offset of this activation: %s", log)
	}
}

func TestAnOffsetOfAForgottenRoomDoesNotCountInTheNext(t *testing.T) {
	s := booking()
	s.on["end"] = func(_ *hall, t *actors.Turn, _ actors.Args) (any, error) { t.Destroy(); return nil, nil }
	w := s.openKept(t, resumable(actors.KindConfig{}))
	a := w.join()
	a.tell(`["say"]`)
	pid, seen := a.pid(), w.m.seen().offset()
	a.tell(`["end"]`)
	w.next()
	b := w.join(with(pid, seen))
	if b.answer() != "joined" || b.id() == "a" || b.pid() == pid {
		t.Errorf("%s is %s with %s", b.answer(), b.id(), b.pid())
	}
}

// ringing is a hall with alarms.
type ringing struct {
	hall
	ring func(*actors.Turn, string)
}

func (r *ringing) Alarm(t *actors.Turn, name string) { r.ring(t, name) }

func ringer(ring func(*ringing, *actors.Turn, string), c actors.KindConfig) actors.Behavior {
	s := &script{}
	k := actors.NewKind("hall", func() *ringing {
		r := &ringing{hall: hall{script: s}}
		r.ring = func(t *actors.Turn, name string) { ring(r, t, name) }
		return r
	}, c)
	actors.On(k, "set", func(_ *ringing, t *actors.Turn, in actors.Args) {
		var name string
		var seconds int
		_, _ = in.Decode(0, &name), in.Decode(1, &seconds)
		t.SetAlarm(name, t.Now().Add(time.Duration(seconds)*time.Second))
	})
	actors.On(k, "cancel", func(_ *ringing, t *actors.Turn, name string) { t.CancelAlarm(name) })
	return k
}

func TestAnAlarmIsGoneWithTheTurnThatItIs(t *testing.T) {
	b := ringer(func(r *ringing, t *actors.Turn, name string) {
		n, _ := r.Notes.Get(name)
		r.Notes.Set(name, n+1)
	}, actors.KindConfig{})
	w := keep(newWorld(t, b))
	a := w.join()
	a.tell(`["set","x",60]`)
	a.tell(`["set","x",30]`)
	a.tell(`["set","y",30]`)
	a.tell(`["cancel","y"]`)
	if at := w.kept.agenda; !at.Equal(start.Add(30 * time.Second)) {
		t.Errorf("the agenda says %v", at)
	}
	w.take()
	w.kept.slow = true
	w.advance(30 * time.Second)
	w.expect("append notes/x=1 -a/x")
	w.next() // the batch was not applied: it rings in the next activation
	w.kept.slow = false
	w.settle()
	w.advance(0)
	w.advance(time.Hour)
	w.next()
	w.advance(time.Hour)
	if got := w.kept.area(areaField); fmt.Sprint(got) != "[notes/x=1]" || len(w.kept.area(areaAlarm)) != 0 || !w.kept.agenda.IsZero() {
		t.Errorf("stored %v, %v; agenda %v", got, w.kept.area(areaAlarm), w.kept.agenda)
	}
}

func TestAnAlarmWhoseTurnFailsIsTriedAgain(t *testing.T) {
	fails := 3
	b := ringer(func(r *ringing, t *actors.Turn, name string) {
		r.Notes.Set(name, 1)
		if fails--; fails >= 0 {
			panic("not yet")
		}
		t.SetAlarm("next", t.Now().Add(time.Hour))
	}, actors.KindConfig{})
	w := keep(newWorld(t, b))
	w.join().tell(`["set","x",1]`)
	w.advance(time.Second)
	w.advance(6 * time.Second) // 1, 2 and 4 more
	if w.durable()["notes/x"] != "" {
		t.Error("a failed turn has left something")
	}
	w.advance(time.Second)
	if w.durable()["notes/x"] != "1" || len(w.kept.area(areaAlarm)) != 1 {
		t.Errorf("%v, alarms %v", w.durable(), w.kept.area(areaAlarm))
	}
}

func TestAlarmsOfATurnThatFailsAreNotSet(t *testing.T) {
	s := &script{on: on{"x": func(h *hall, t *actors.Turn, _ actors.Args) (any, error) {
		t.SetAlarm("x", t.Now()) // the room has no hook
		return nil, nil
	}}}
	w := s.openKept(t, actors.KindConfig{})
	a := w.join()
	a.send(`["x"]`)
	if log := strings.Join(w.take(), "\n"); !strings.Contains(log, `"code":"internal"`) || len(w.kept.area(areaAlarm)) != 0 {
		t.Errorf("%s, %v", log, w.kept.entries)
	}
}

func TestARoomStoredByANewerVersionIsLeftAlone(t *testing.T) {
	s := booking()
	w := s.openKept(t, actors.KindConfig{Version: 2})
	w.join().send(`["keep","x"]`)
	stored := fmt.Sprint(w.kept.entries)
	w.behavior = s.behavior(actors.KindConfig{Version: 1})
	w.next()
	a := w.join()
	if a.answer() != "moved" || w.retired != 1 || fmt.Sprint(w.kept.entries) != stored || !strings.Contains(w.logging.String(), "version 2") {
		t.Errorf("%s, %d retirements, stored %v\n%s", a.answer(), w.retired, w.kept.entries, w.logging)
	}
}

func TestWhatAnOlderVersionStoredIsMigratedInOneBatch(t *testing.T) {
	s := booking()
	w := s.openKept(t, actors.KindConfig{})
	a := w.join()
	a.send(`["keep","x"]`)
	a.send(`["keep","y"]`)
	migrations := 0
	c := actors.KindConfig{Version: 3, Migrate: func(from int, fields map[string]map[string]json.RawMessage) error {
		migrations++
		if from != 0 {
			return fmt.Errorf("from %d", from)
		}
		delete(fields["notes"], "x")
		fields["notes"]["y"] = json.RawMessage("7")
		fields["secret"] = map[string]json.RawMessage{"": json.RawMessage("8")}
		return nil
	}}
	w.behavior = s.behavior(c)
	w.take()
	w.next()
	w.expect("append -notes/x notes/y=7 secret/=8")
	w.next()
	w.expect()
	if d := w.durable(); migrations != 1 || fmt.Sprint(d) != "map[notes/y:7 secret/:8]" || w.kept.entries[keyMeta] != `{"version":3}` {
		t.Errorf("%d migrations, %v, %s", migrations, d, w.kept.entries[keyMeta])
	}
}

func TestAFieldThatIsNotDeclaredAnyMoreStaysStored(t *testing.T) {
	w := newWorld(t, booking().behavior(actors.KindConfig{}))
	w.kept = &kept{entries: map[string]string{"f/notes/x": "1", "f/old/k": `"v"`, keyMeta: "{}"}, owned: actors.Owned{Generation: "g"}}
	w.begin()
	w.join().send(`["keep","y"]`)
	if w.kept.entries["f/old/k"] != `"v"` || w.durable()["notes/x"] != "1" || !strings.Contains(w.logging.String(), "old") {
		t.Errorf("stored %v\n%s", w.kept.entries, w.logging)
	}
}

func TestARoomThatNobodyUsesIsForgottenAfterItsRetention(t *testing.T) {
	day := 24 * time.Hour
	w := booking().openKept(t, actors.KindConfig{Retention: 30 * day})
	a := w.join()
	a.send(`["keep","x"]`)
	w.advance(20 * day)
	a.leave(actors.ReasonClientLeft)
	w.advance(time.Hour)
	if w.retired != 1 || !w.kept.agenda.Equal(start.Add(30*day)) {
		t.Fatalf("%d retirements, the agenda says %v", w.retired, w.kept.agenda)
	}
	w.now = w.kept.agenda
	w.next()
	w.m.Due(w.now) // a wake is no use
	w.settle()
	w.advance(time.Hour)
	if len(w.kept.entries) == 0 || w.retired != 1 || !w.kept.agenda.Equal(start.Add(50*day)) {
		t.Fatalf("stored %v, %d retirements, agenda %v", w.kept.entries, w.retired, w.kept.agenda)
	}
	w.now = start.Add(50 * day)
	w.next()
	w.m.Due(w.now)
	w.settle()
	if len(w.kept.entries) != 0 || w.retired != 1 || !w.kept.agenda.IsZero() {
		t.Errorf("stored %v, %d retirements, agenda %v", w.kept.entries, w.retired, w.kept.agenda)
	}
}

func TestARoomThatKeepsNothingTouchesNoStore(t *testing.T) {
	w := booking().openKept(t, actors.KindConfig{})
	a := w.join()
	a.send(`["look"]`)
	a.send(`["move","x"]`)
	a.leave(actors.ReasonClientLeft)
	w.advance(time.Hour)
	if w.kept.appends != 0 || !w.kept.agenda.IsZero() || w.retired != 1 {
		t.Errorf("%d appends, agenda %v, %d retirements", w.kept.appends, w.kept.agenda, w.retired)
	}
}

func TestAnImportThatWasCutShortIsUndone(t *testing.T) {
	many := Exported{Fields: map[string]map[string]json.RawMessage{"notes": {}}, Alarms: map[string]int64{"x": start.Add(time.Hour).UnixMilli()}}
	for i := range 3 * batchEntries {
		many.Fields["notes"][fmt.Sprint(i)] = json.RawMessage("1")
	}
	payload, err := json.Marshal([]any{many})
	if err != nil {
		t.Fatal(err)
	}
	w := booking().openKept(t, actors.KindConfig{})
	w.kept.slow = true
	w.call(1, ImportCall, string(payload))
	late := w.join()
	w.commit()
	if w.answers[1] != "" || late.answer() != "" {
		t.Fatalf("answered %q, %q in the middle", w.answers[1], late.answer())
	}
	kept := w.kept
	half, owned := map[string]string{}, kept.owned
	for k, v := range kept.entries {
		half[k] = v
	}
	kept.slow = false
	w.settle()
	if _, answered := w.answers[1]; !answered || late.answer() != "moved" || !kept.agenda.Equal(start.Add(time.Hour)) {
		t.Fatalf("answered %v, late %q, agenda %v", answered, late.answer(), kept.agenda)
	}
	w.next()
	if n := len(w.durable()); n != 3*batchEntries {
		t.Errorf("the room has %d entries", n)
	}
	kept.entries, kept.owned = half, owned
	w.next()
	if a := w.join(); a.answer() != "joined" || len(w.durable()) != 0 || len(kept.area(areaField))+len(kept.area(keyImport)) != 0 {
		t.Errorf("%s, with %d entries; stored %d", a.answer(), len(w.durable()), len(kept.entries))
	}
}
