package room

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

func TestARoomHasAtMostMaxAlarms(t *testing.T) {
	w := keep(newWorld(t, ringer(func(*ringing, *actors.Turn, string) {}, actors.KindConfig{})))
	a := w.join()
	for i := range actors.MaxAlarms {
		a.tell(fmt.Sprintf(`["set","%d",60]`, i))
	}
	stored := func() int { return len(w.kept.area(areaAlarm)) }
	if stored() != actors.MaxAlarms {
		t.Fatalf("%d alarms are stored", stored())
	}
	a.tell(`["set","one more",60]`)
	a.tell(fmt.Sprintf(`["set",%q,60]`, strings.Repeat("x", 65)))
	if stored() != actors.MaxAlarms {
		t.Errorf("%d alarms are stored", stored())
	}
	a.tell(`["set","0",30]`) // one that is there may be set anew
	a.tell(`["cancel","1"]`)
	a.tell(fmt.Sprintf(`["set",%q,60]`, strings.Repeat("x", 64)))
	if got := w.kept.area(areaAlarm); len(got) != actors.MaxAlarms || !w.kept.agenda.Equal(start.Add(30e9)) {
		t.Errorf("%d alarms are stored, the agenda says %v", len(got), w.kept.agenda)
	}
}

func TestARoomForgetsTheCommandsOfThoseWhoWereQuietLongest(t *testing.T) {
	const perUser = 256
	w := counting().openKept(t, actors.KindConfig{})
	var users []*client
	for u := range rememberAll/perUser + 1 {
		w.user = fmt.Sprint("user-", u)
		users = append(users, w.join())
		for i := range perUser {
			users[u].tell(withCID("inc", fmt.Sprint(i)))
		}
	}
	if n := len(w.kept.area(areaCommand)); n > rememberAll || n < rememberAll/2 || n != w.m.commands {
		t.Errorf("%d commands are stored, and %d counted", n, w.m.commands)
	}
	w.take()
	users[len(users)-1].send(withCID("inc", "255"))
	users[0].send(withCID("inc", "255"))
	ran := len(users) * perUser
	got := strings.Join(w.take(), "\n")
	if !strings.Contains(got, fmt.Sprintf("[%d]", ran)) || !strings.Contains(got, fmt.Sprintf("[%d]", ran+1)) {
		t.Errorf("the latest is answered again, and the first runs again: %s", got)
	}
}

// filling is a room whose notes take as much as they are told: a note takes
// its key, 8 bytes of what precedes it, and a digit.
func filling() *script {
	return &script{
		on: on{
			"add": func(h *hall, t *actors.Turn, in actors.Args) (any, error) {
				var key string
				_ = in.Decode(0, &key)
				h.Notes.Set(key, 1)
				t.Broadcast("added", key)
				return key, nil
			},
			"swap": func(h *hall, t *actors.Turn, in actors.Args) (any, error) {
				var drop, key string
				_, _ = in.Decode(0, &drop), in.Decode(1, &key)
				h.Notes.Delete(drop)
				h.Notes.Set(key, 1)
				return key, nil
			},
			"later": func(h *hall, t *actors.Turn, in actors.Args) (any, error) {
				var key string
				_ = in.Decode(0, &key)
				t.After(time.Second, func(*actors.Turn) { h.Notes.Set(key, 1) })
				return nil, nil
			},
		},
	}
}

const noteBytes = len("f/notes/") + 1

func add(key string) string { return fmt.Sprintf(`["add",%q]`, key) }

func TestARoomKeepsNoMoreThanItMay(t *testing.T) {
	w := filling().openKept(t, actors.KindConfig{})
	w.limit(4 * 100)
	a := w.join()
	key := func(c string, bytes int) string { return strings.Repeat(c, bytes-noteBytes) }
	for _, c := range "abcd" {
		a.send(add(key(string(c), 100)))
	}
	if got := w.kept.counted(); got != 400 || w.m.kept != 400 {
		t.Fatalf("%d bytes are stored, and %d counted", got, w.m.kept)
	}
	w.take()
	a.send(add("e"))
	w.call(1, "add", `["e"]`)
	if log := strings.Join(w.take(), "\n"); strings.Count(log, `"code":"too_large"`) != 1 || w.answers[1] != "too_large" || strings.Contains(log, "added") || w.kept.counted() != 400 {
		t.Errorf("beyond it: %s; the call: %s", log, w.answers[1])
	}
	a.send(add(key("a", 100)))                                          // what is there
	a.send(fmt.Sprintf(`["swap",%q,%q]`, key("a", 100), key("e", 100))) // as large
	a.send(fmt.Sprintf(`["swap",%q,%q]`, key("b", 100), key("f", 99)))  // smaller
	a.send(fmt.Sprintf(`["swap",%q,%q]`, key("c", 100), key("g", 102))) // larger
	a.send(fmt.Sprintf(`["swap",%q,%q]`, key("d", 100), key("h", 101))) // to the last byte
	if log := strings.Join(w.take(), "\n"); strings.Count(log, `"code":"too_large"`) != 1 || w.kept.counted() != 400 {
		t.Errorf("%d bytes are stored: %s", w.kept.counted(), log)
	}
	w.next()
	if w.m.kept != 400 || w.m.phase != open {
		t.Errorf("the next activation counts %d bytes", w.m.kept)
	}
}

// TestTurnsThatNobodyAskedForHaveAnEighthMore: a hook that is refused breaks a
// room, an event that is refused is told.
func TestTurnsThatNobodyAskedForHaveAnEighthMore(t *testing.T) {
	w := filling().openKept(t, actors.KindConfig{})
	w.limit(800)
	a := w.join()
	a.send(add(strings.Repeat("a", 400-noteBytes)))
	a.send(add(strings.Repeat("b", 400-noteBytes)))
	for _, c := range "cde" {
		a.send(fmt.Sprintf(`["later",%q]`, strings.Repeat(string(c), 50-noteBytes)))
	}
	w.advance(2 * time.Second)
	if got := w.kept.counted(); got != MostBytes(800) || w.m.kept != got {
		t.Errorf("%d bytes are stored, %d counted, want %d", got, w.m.kept, MostBytes(800))
	}
}

func TestSeatsCountTowardsWhatARoomKeeps(t *testing.T) {
	w := filling().openKept(t, resumable(actors.KindConfig{}))
	w.limit(3_500)
	auth := func(j *wire.Join) { j.Auth = json.RawMessage(`"` + strings.Repeat("x", 1_500) + `"`) }
	a, b := w.join(auth), w.join()
	if a.answer() != "joined" || b.answer() != "joined" || w.m.kept != w.kept.counted() || w.m.kept < 1_500 {
		t.Fatalf("%s and %s, %d bytes counted, %d stored", a.answer(), b.answer(), w.m.kept, w.kept.counted())
	}
	late := w.join(auth)
	if late.answer() != "too_large" || w.m.members.len() != 2 {
		t.Errorf("who brings too much is %s", late.answer())
	}
	pid := a.pid()
	w.next()
	if c := w.join(with(pid, ""), auth); c.answer() != "joined" || w.m.kept != w.kept.counted() {
		t.Errorf("who has a seat is %s; %d bytes counted, %d stored", c.answer(), w.m.kept, w.kept.counted())
	}
	b.leave(actors.ReasonClientLeft)
	if w.m.kept != w.kept.counted() {
		t.Errorf("%d bytes counted, %d stored", w.m.kept, w.kept.counted())
	}
}

func TestWhatIsTooLargeIsNeitherImportedNorMigrated(t *testing.T) {
	w := filling().openKept(t, actors.KindConfig{})
	w.limit(800)
	x := Exported{Fields: map[string]map[string]json.RawMessage{"notes": {
		strings.Repeat("a", 400-noteBytes): json.RawMessage("1"), strings.Repeat("b", 401-noteBytes): json.RawMessage("1"),
	}}}
	w.call(1, ImportCall, "["+string(encode(x))+"]")
	if w.answers[1] != "too_large" || len(w.kept.entries) != 0 {
		t.Errorf("imported: %s, %d entries", w.answers[1], len(w.kept.entries))
	}
	a := w.join()
	a.send(add("a"))
	before := w.kept.counted()
	grow := 1_000
	w.behavior = filling().behavior(actors.KindConfig{Version: 1, Migrate: func(_ int, fields map[string]map[string]json.RawMessage) error {
		fields["notes"][strings.Repeat("b", grow)] = json.RawMessage("1")
		return nil
	}})
	w.next()
	if b := w.join(); b.answer() != "moved" || w.kept.counted() != before {
		t.Errorf("a room that would be too large opens: %s, %d bytes", b.answer(), w.kept.counted())
	}
	grow = 500
	w.next()
	if b := w.join(); b.answer() != "joined" || w.kept.counted() != w.m.kept || w.m.kept < 500 {
		t.Errorf("one that would not: %s, %d bytes, %d counted", b.answer(), w.kept.counted(), w.m.kept)
	}
}

func TestWhatARoomRemembersOfCommandsIsBoundedInBytes(t *testing.T) {
	w := counting().openKept(t, actors.KindConfig{})
	const each = rememberBytes - 1_000
	for u := range rememberAllBytes/each + 10 {
		w.user = fmt.Sprint("user-", u)
		w.join().tell(fmt.Sprintf(`["big",%d,{"$parlor":{"cid":"1"}}]`, each))
		if w.m.commandBytes > rememberAllBytes {
			t.Fatalf("%d bytes of answers are remembered", w.m.commandBytes)
		}
	}
	stored := w.kept.area(areaCommand)
	if n := len(stored); n != w.m.commands || n < rememberAllBytes*3/4/each || w.m.commandBytes != n*(each+4) {
		t.Errorf("%d answers are stored, %d remembered, of %d bytes", n, w.m.commands, w.m.commandBytes)
	}
	w.next()
	if w.m.commands != len(stored) || w.m.commandBytes != len(stored)*(each+4) {
		t.Errorf("the next activation has %d answers of %d bytes, of %d", w.m.commands, w.m.commandBytes, len(stored))
	}
}
