package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/actorstest"
)

// sync is longer than one interval between patches.
const sync = 40 * time.Millisecond

func open(t *testing.T) *actorstest.Room {
	return actorstest.Open(t, Kind(), actorstest.Config{ID: "main"})
}

func named(name string) map[string]any { return map[string]any{"name": name} }

// seen is what of a field one member sees under the id of another.
func seen[V any](t *testing.T, by *actorstest.Member, field string, of *actorstest.Member) (v V, has bool) {
	t.Helper()
	raw, has := by.State(field)[string(of.ID())]
	if has {
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatalf("%s of %s is %s: %v", field, of.ID(), raw, err)
		}
	}
	return v, has
}

func TestEverybodySeesCursorsMove(t *testing.T) {
	r := open(t)
	ada, ben := r.Join(named("Ada")), r.Join(named("Ben"))
	ada.Emit("cursor", Point{100, 200})
	r.Advance(sync)
	if at, _ := seen[Point](t, ben, "cursors", ada); at != (Point{100, 200}) {
		t.Fatalf("Ben sees Ada at %v", at)
	}
	if p, _ := seen[Person](t, ben, "people", ada); p.Name != "Ada" {
		t.Fatalf("Ben sees Ada as %+v", p)
	}
}

func TestLatestPositionIsSentOncePerInterval(t *testing.T) {
	r := open(t)
	ada, ben := r.Join(named("Ada")), r.Join(named("Ben"))
	r.Advance(time.Second)
	ada.Emit("cursor", Point{1, 1})
	r.Advance(5 * time.Millisecond)
	for x := range 50 {
		ada.Emit("cursor", Point{x, 7})
		if at, _ := seen[Point](t, ben, "cursors", ada); at[0] > 1 && at[0] < 49 {
			t.Fatalf("Ben was sent a position between two intervals: %v", at)
		}
	}
	r.Advance(sync)
	if at, _ := seen[Point](t, ben, "cursors", ada); at != (Point{49, 7}) {
		t.Fatalf("Ben sees %v, want the latest", at)
	}
}

func TestNewcomerSeesTheBoardAsItIs(t *testing.T) {
	r := open(t)
	ada := r.Join(named("Ada"))
	ada.Emit("cursor", Point{5, 6})
	ada.Emit("say", "hello")
	ada.Emit("ink", Line{{1, 1}, {2, 2}})
	ben := r.Join(named("Ben"))
	r.Advance(sync)
	if at, _ := seen[Point](t, ben, "cursors", ada); at != (Point{5, 6}) {
		t.Errorf("cursor: %v", at)
	}
	if words, _ := seen[string](t, ben, "says", ada); words != "hello" {
		t.Errorf("words: %q", words)
	}
	if len(ben.State("ink")) != 1 {
		t.Errorf("ink: %v", ben.State("ink"))
	}
}

func TestWhoLeavesIsGone(t *testing.T) {
	tests := map[string]func(*actorstest.Member){
		"on purpose":      (*actorstest.Member).Leave,
		"connection lost": (*actorstest.Member).Drop,
	}
	for name, leave := range tests {
		t.Run(name, func(t *testing.T) {
			r := open(t)
			ada, ben := r.Join(named("Ada")), r.Join(named("Ben"))
			ada.Emit("cursor", Point{5, 6})
			ada.Emit("say", "bye")
			r.Advance(sync)
			leave(ada)
			r.Advance(sync)
			for _, field := range []string{"people", "cursors", "says"} {
				if _, has := seen[any](t, ben, field, ada); has {
					t.Errorf("%s still has Ada", field)
				}
			}
		})
	}
}

func TestHiddenCursorIsTakenFromTheBoard(t *testing.T) {
	r := open(t)
	ada, ben := r.Join(named("Ada")), r.Join(named("Ben"))
	ada.Emit("cursor", Point{5, 6})
	ada.Emit("hide")
	r.Advance(sync)
	if at, has := seen[Point](t, ben, "cursors", ada); has {
		t.Fatalf("Ben sees Ada at %v", at)
	}
	if _, has := seen[Person](t, ben, "people", ada); !has {
		t.Fatal("Ada is not among the people")
	}
}

func TestInkDries(t *testing.T) {
	r := open(t)
	ada := r.Join(named("Ada"))
	ada.Emit("ink", Line{{1, 1}, {2, 2}})
	r.Advance(inkFor / 2)
	ada.Emit("ink", Line{{3, 3}, {4, 4}})
	r.Advance(inkFor / 2)
	r.Advance(sweepEvery + sync)
	if n := len(ada.State("ink")); n != 1 {
		t.Fatalf("%d pieces are wet, want the later one", n)
	}
	r.Advance(inkFor)
	if n := len(ada.State("ink")); n != 0 {
		t.Fatalf("%d pieces are still there", n)
	}
}

func TestBoardHoldsSoMuchInk(t *testing.T) {
	r := open(t)
	var crowd []*actorstest.Member
	for range 6 {
		crowd = append(crowd, r.Join(named("Ada")))
	}
	for range 20 {
		for _, m := range crowd {
			for range paceRate {
				m.Emit("ink", Line{{1, 1}, {2, 2}})
			}
		}
		r.Advance(time.Second)
	}
	if n := len(crowd[0].State("ink")); n != inkLimit {
		t.Fatalf("%d pieces, want %d", n, inkLimit)
	}
}

func TestWordsFadeAfterAWhile(t *testing.T) {
	r := open(t)
	ada, ben := r.Join(named("Ada")), r.Join(named("Ben"))
	ada.Emit("say", "hel")
	r.Advance(sayFor / 2)
	ada.Emit("say", "hello")
	r.Advance(sayFor - sweepEvery)
	if words, _ := seen[string](t, ben, "says", ada); words != "hello" {
		t.Fatalf("words: %q", words)
	}
	r.Advance(2 * sweepEvery)
	if words, has := seen[string](t, ben, "says", ada); has {
		t.Fatalf("still there: %q", words)
	}
}

func TestEmptyWordsAreTakenBack(t *testing.T) {
	r := open(t)
	ada, ben := r.Join(named("Ada")), r.Join(named("Ben"))
	ada.Emit("say", "oh")
	ada.Emit("say", "  ")
	r.Advance(sync)
	if words, has := seen[string](t, ben, "says", ada); has {
		t.Fatalf("words: %q", words)
	}
}

func TestBurstReachesTheOthersWithItsAuthor(t *testing.T) {
	r := open(t)
	ada, ben := r.Join(named("Ada")), r.Join(named("Ben"))
	ada.Emit("burst", Burst{Kind: "ripple", At: Point{3, 4}, By: "somebody else"})
	got := ben.Events("burst")
	if len(got) != 1 || len(ada.Events("burst")) != 0 {
		t.Fatalf("Ben got %d, Ada %d", len(got), len(ada.Events("burst")))
	}
	var b Burst
	if err := got[0].Decode(0, &b); err != nil || b != (Burst{"ripple", Point{3, 4}, ada.ID()}) {
		t.Fatalf("%+v, %v", b, err)
	}
}

func TestFloodOfBurstsIsCut(t *testing.T) {
	r := open(t)
	ada, ben := r.Join(named("Ada")), r.Join(named("Ben"))
	for range 10 * paceBurst {
		ada.Emit("burst", Burst{Kind: "ripple", At: Point{3, 4}})
	}
	if n := len(ben.Events("burst")); n != paceBurst {
		t.Fatalf("%d came through, want %d", n, paceBurst)
	}
	r.Advance(time.Second)
	ada.Emit("burst", Burst{Kind: "ripple", At: Point{3, 4}})
	if n := len(ben.Events("burst")); n != paceBurst+1 {
		t.Fatal("after a second of silence nothing comes through")
	}
}

func TestWhatIsNotOnTheBoardIsRefused(t *testing.T) {
	long := make(Line, inkPoints+1)
	tests := map[string]struct {
		event   string
		payload any
		code    actors.Code
	}{
		"cursor beside the board": {"cursor", Point{boardWidth + 1, 0}, actors.CodeInvalid},
		"cursor above the board":  {"cursor", Point{0, -1}, actors.CodeInvalid},
		"cursor that is no point": {"cursor", "here", actors.CodeBadPayload},
		"line of one point":       {"ink", Line{{1, 1}}, actors.CodeInvalid},
		"line that is too long":   {"ink", long, actors.CodeInvalid},
		"line that leaves":        {"ink", Line{{1, 1}, {1, boardHeight + 1}}, actors.CodeInvalid},
		"unknown effect":          {"burst", Burst{Kind: "bomb"}, actors.CodeInvalid},
		"colour nobody has":       {"rename", Person{Name: "Ada", Colour: colours + 1}, actors.CodeInvalid},
		"unknown event":           {"erase", nil, actors.CodeUnknownEvent},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := open(t)
			ada := r.Join(named("Ada"))
			_, err := ada.Ask(tt.event, tt.payload)
			var refused *actors.Error
			if !errors.As(err, &refused) || refused.Code != tt.code {
				t.Fatalf("got %v, want %s", err, tt.code)
			}
		})
	}
}

func TestNamesAreMadeTidy(t *testing.T) {
	tests := map[string]struct{ asked, given string }{
		"as it is":           {"Ada", "Ada"},
		"spaces":             {"  Ada \t\n Lovelace ", "Ada Lovelace"},
		"nothing":            {"", "Guest"},
		"only spaces":        {" \u00a0 ", "Guest"},
		"control characters": {"A\u0000da\u202e", "Ada"},
		"too long":           {strings.Repeat("é", nameLimit+1), strings.Repeat("é", nameLimit)},
		"cut at a space":     {strings.Repeat("x", nameLimit-1) + " y", strings.Repeat("x", nameLimit-1)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := open(t)
			ada := r.Join(named(tt.asked))
			r.Advance(sync)
			if p, _ := seen[Person](t, ada, "people", ada); p.Name != tt.given {
				t.Fatalf("%q became %q, want %q", tt.asked, p.Name, tt.given)
			}
		})
	}
}

func TestEntryIsRefusedIfItDoesNotFit(t *testing.T) {
	tests := map[string]struct {
		auth any
		code actors.Code
	}{
		"name is a number":  {map[string]any{"name": 7}, actors.CodeBadAuth},
		"colour is too big": {map[string]any{"colour": colours + 1}, actors.CodeInvalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := open(t).TryJoin(tt.auth); err == nil || err.Code != tt.code {
				t.Fatalf("got %v, want %s", err, tt.code)
			}
		})
	}
}

func TestColoursDifferWhileThereAreEnough(t *testing.T) {
	r := open(t)
	var last *actorstest.Member
	for range colours {
		last = r.Join(nil)
	}
	r.Advance(sync)
	taken := make(map[int]bool)
	for _, raw := range last.State("people") {
		var p Person
		if err := json.Unmarshal(raw, &p); err != nil {
			t.Fatal(err)
		}
		taken[p.Colour] = true
	}
	if len(taken) != colours {
		t.Fatalf("%d people have %d colours", colours, len(taken))
	}
}

func TestRenameAnswersWithWhatEverybodySees(t *testing.T) {
	r := open(t)
	ada, ben := r.Join(named("Ada")), r.Join(named("Ben"))
	ack, err := ada.Ask("rename", Person{Name: " Countess ", Colour: 9})
	if err != nil {
		t.Fatal(err)
	}
	var answer Person
	if err := ack.Decode(&answer); err != nil {
		t.Fatal(err)
	}
	r.Advance(sync)
	if p, _ := seen[Person](t, ben, "people", ada); p != answer || p != (Person{"Countess", 9}) {
		t.Fatalf("answered %+v, Ben sees %+v", answer, p)
	}
}
