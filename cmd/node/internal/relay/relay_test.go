package relay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/actorstest"
)

// lobby has one event of each sort.
func lobby() Config {
	return Config{
		Events: map[string]Event{
			"chat":   {History: 3, MaxBytes: 64},
			"note":   {MaxBytes: 64},
			"react":  {Volatile: true, MaxBytes: 64},
			"cursor": {Keep: true, Volatile: true, MaxBytes: 64},
			"typing": {Keep: true, MaxBytes: 64},
		},
		Profile:    []string{"name", "color"},
		MaxMembers: 10,
		SyncEvery:  33 * time.Millisecond,
		IdleAfter:  time.Minute,
	}
}

func open(t *testing.T, c Config) *actorstest.Room {
	t.Helper()
	if c.Create == "" {
		c.Create = "anyone"
	}
	return actorstest.Open(t, New("lobby", c), actorstest.Config{Start: time.UnixMilli(1_770_000_000_123)})
}

// list writes the events of a name as they stand on the wire, without it.
func list(m *actorstest.Member, name string) string {
	all := [][]json.RawMessage{}
	for _, e := range m.Events(name) {
		all = append(all, e.Args.List)
	}
	b, _ := json.Marshal(all) // raw messages that came off the wire
	return string(b)
}

func code(err error) actors.Code {
	var e *actors.Error
	errors.As(err, &e)
	if e == nil {
		return ""
	}
	return e.Code
}

func TestAnEventGoesToTheOthersWithTheSendersStamp(t *testing.T) {
	r := open(t, lobby())
	ada, ben, eve := r.JoinAs("u-7", nil), r.Join(nil), r.Join(nil)

	ack, err := ada.Ask("chat", map[string]string{"text": "hi"})
	if err != nil {
		t.Fatal(err)
	}
	stamp := fmt.Sprintf(`{"from":"%s","user":"u-7","at":1770000000123,"seq":1}`, ada.ID())
	want := `[[{"text":"hi"},` + stamp + `]]`
	for name, m := range map[string]*actorstest.Member{"ben": ben, "eve": eve} {
		if got := list(m, "chat"); got != want {
			t.Errorf("%s got %s, want %s", name, got, want)
		}
	}
	if got := list(ada, "chat"); got != "[]" {
		t.Errorf("the sender got its own event: %s", got)
	}
	var answer json.RawMessage
	if err := ack.Decode(&answer); err != nil || string(answer) != stamp {
		t.Errorf("the acknowledgement is %s, %v, want the stamp %s", answer, err, stamp)
	}
}

func TestAnonymousSendersHaveNoUser(t *testing.T) {
	r := open(t, lobby())
	ada, ben := r.Join(nil), r.Join(nil)
	ada.Emit("note", 1)
	if got, want := list(ben, "note"), fmt.Sprintf(`[[1,{"from":"%s","at":1770000000123,"seq":1}]]`, ada.ID()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPayloadsPassUntouched(t *testing.T) {
	r := open(t, lobby())
	ada, ben := r.Join(nil), r.Join(nil)
	const odd = `{"z":1.50,"a":1e2,"t":"\u00e9<&>\ud800","from":"x"}`
	ada.Emit("note", json.RawMessage(odd))
	if got := ben.Events("note")[0].Args.List[0]; string(got) != odd {
		t.Errorf("got %s, want %s", got, odd)
	}
	ada.Emit("note", map[string]any{"file": actors.Binary("abc")})
	var in struct{ File actors.Binary }
	if err := ben.Events("note")[1].Decode(0, &in); err != nil || !bytes.Equal(in.File, []byte("abc")) {
		t.Errorf("the attachment arrived as %q, %v", in.File, err)
	}
}

func TestSequenceCountsReliableEventsThatWereTaken(t *testing.T) {
	r := open(t, lobby())
	ada, ben := r.Join(nil), r.Join(nil)
	ada.Emit("note", "a")
	ada.Emit("react", "wave")
	if _, err := ada.Ask("note"); err == nil {
		t.Error("an event without an argument was taken")
	}
	ben.Emit("cursor", 1)
	ben.Emit("chat", "b")
	var seqs []uint64
	for _, m := range []*actorstest.Member{ben, ada} {
		for _, name := range []string{"note", "chat"} {
			for _, e := range m.Events(name) {
				var s Stamp
				if err := e.Decode(1, &s); err != nil {
					t.Fatal(err)
				}
				seqs = append(seqs, s.Seq)
			}
		}
	}
	if fmt.Sprint(seqs) != "[1 2]" {
		t.Errorf("sequence numbers are %v, want [1 2]", seqs)
	}
	if got, want := list(ben, "react"), fmt.Sprintf(`[["wave",{"from":"%s","at":1770000000123}]]`, ada.ID()); got != want {
		t.Errorf("the volatile event is %s, want %s", got, want)
	}
}

func TestVolatileEventsAreDroppedForMembersThatLag(t *testing.T) {
	r := open(t, lobby())
	ada, ben := r.Join(nil), r.Join(nil)
	ben.Lag(true)
	ada.Emit("react", 1)
	ada.Emit("note", 2)
	ben.Lag(false)
	if len(ben.Events("react")) != 0 || len(ben.Events("note")) != 1 {
		t.Errorf("a lagging member got %d volatile and %d reliable events, want 0 and 1", len(ben.Events("react")), len(ben.Events("note")))
	}
}

func TestKeptEventsAreTheLatestOfEachMemberUntilItLeaves(t *testing.T) {
	r := open(t, lobby())
	ada, ben := r.Join(nil), r.Join(nil)
	ada.Emit("cursor", map[string]int{"x": 1})
	ada.Emit("cursor", map[string]int{"x": 2})
	ben.Emit("cursor", "b")
	ben.Emit("typing", true)
	if got := ben.State("cursor"); len(got) != 0 {
		t.Errorf("before the flush ben has %s", got)
	}
	r.Advance(33 * time.Millisecond)
	for name, m := range map[string]*actorstest.Member{"ada": ada, "ben": ben} {
		got := m.State("cursor")
		if len(got) != 2 || string(got[string(ada.ID())]) != `{"x":2}` || string(got[string(ben.ID())]) != `"b"` {
			t.Errorf("%s has cursors %s", name, got)
		}
	}
	if got := list(ben, "cursor"); got != "[]" {
		t.Errorf("a kept event was relayed too: %s", got)
	}

	ada.Emit("cursor", nil)
	r.Advance(33 * time.Millisecond)
	if got := ben.State("cursor"); len(got) != 1 {
		t.Errorf("null does not remove: %s", got)
	}
	ben.Leave()
	r.Advance(33 * time.Millisecond)
	if c, w := ada.State("cursor"), ada.State("typing"); len(c) != 0 || len(w) != 0 {
		t.Errorf("leaving does not remove: %s %s", c, w)
	}
}

func TestTheAcknowledgementOfAKeptEventIsAStampWithoutSequence(t *testing.T) {
	r := open(t, lobby())
	ada := r.Join(nil)
	ack, err := ada.Ask("cursor", 1)
	if err != nil {
		t.Fatal(err)
	}
	var got json.RawMessage
	want := fmt.Sprintf(`{"from":"%s","at":1770000000123}`, ada.ID())
	if err := ack.Decode(&got); err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

func TestMembersSayWhoIsThere(t *testing.T) {
	r := open(t, lobby())
	ada := r.JoinAs("u-7", map[string]any{"name": "Ada", "color": "#f00", "other": true})
	r.Advance(time.Second)
	ben := r.Join(nil)
	r.Advance(time.Second)
	want := map[actors.MemberID]string{
		ada.ID(): `{"user":"u-7","at":1770000000123,"profile":{"color":"#f00","name":"Ada"}}`,
		ben.ID(): `{"at":1770000001123}`,
	}
	for name, m := range map[string]*actorstest.Member{"ada": ada, "ben": ben} {
		got := m.State("members")
		for id, entry := range want {
			if string(got[string(id)]) != entry {
				t.Errorf("%s sees %s, want %s", name, got[string(id)], entry)
			}
		}
	}
	ada.Leave()
	r.Advance(time.Second)
	if got := ben.State("members"); len(got) != 1 {
		t.Errorf("after a leave the members are %s", got)
	}
}

func TestAProfileThatDoesNotFitIsRefused(t *testing.T) {
	r := open(t, lobby())
	_, err := r.TryJoin(map[string]any{"name": 7})
	if err == nil || err.Code != actors.CodeBadAuth {
		t.Errorf("the refusal is %v, want bad_auth", err)
	}
	if r.Members() != 0 {
		t.Error("a refused client has a seat")
	}
}

func TestGrantsDecideWhatOfARoomAMemberIsGiven(t *testing.T) {
	r := open(t, lobby())
	r.Join(nil).Emit("chat", 1)
	for name, c := range map[string]struct {
		ops     []actors.Op
		want    actors.Code // of the refusal
		history int
		chat    actors.Code
	}{
		"everything":  {[]actors.Op{actors.OpPublish, actors.OpPresence, actors.OpHistory}, "", 1, ""},
		"no history":  {[]actors.Op{actors.OpPublish, actors.OpPresence}, "", 0, ""},
		"no presence": {[]actors.Op{actors.OpPublish, actors.OpHistory}, actors.CodeForbidden, 0, ""},
		"one event":   {[]actors.Op{actors.OpPublishEvent("note"), actors.OpPresence}, "", 0, actors.CodeForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			grants, err := actors.NewGrants(actors.Grant{Pattern: "lobby/*", Ops: c.ops})
			if err != nil {
				t.Fatal(err)
			}
			m, refused := r.TryJoinWith(actors.Identity{Subject: "u", Grants: grants}, nil)
			if c.want != "" {
				if refused == nil || refused.Code != c.want {
					t.Errorf("refused with %v, want %s", refused, c.want)
				}
				return
			}
			if refused != nil {
				t.Fatal(refused)
			}
			if got := len(m.Events(historyEvent)); got != c.history {
				t.Errorf("told the past %d times, want %d", got, c.history)
			}
			if _, err := m.Ask("chat", 2); code(err) != c.chat {
				t.Errorf("chat is answered %v, want %q", err, c.chat)
			}
			m.Leave()
		})
	}
}

func TestARoomHasAsManySeatsAsConfigured(t *testing.T) {
	c := lobby()
	c.MaxMembers = 2
	r := open(t, c)
	r.Join(nil)
	r.Join(nil)
	if _, err := r.TryJoin(nil); err == nil || err.Code != actors.CodeRoomFull {
		t.Errorf("the third of two seats: %v, want room_full", err)
	}
}

func TestANewcomerIsSentTheLastEvents(t *testing.T) {
	r := open(t, lobby())
	ada := r.Join(nil)
	if got := list(ada, historyEvent); got != "[]" {
		t.Fatalf("the first member is told of a past: %s", got)
	}
	for i := range 5 {
		ada.Emit("chat", i)
		ada.Emit("note", i) // not remembered
	}
	event := func(i, seq int) string {
		return fmt.Sprintf(`["chat",%d,{"from":"%s","at":1770000000123,"seq":%d}]`, i, ada.ID(), seq)
	}
	want := `[[{"events":[` + event(2, 5) + `,` + event(3, 7) + `,` + event(4, 9) + `]}]]`
	ben := r.Join(nil)
	if got := list(ben, historyEvent); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := list(ada, historyEvent); got != "[]" {
		t.Errorf("the others were told too: %s", got)
	}
	if len(ben.State("members")) == 0 {
		t.Error("the history came before the members")
	}
}

func TestHistoryLivesAsLongAsTheRoom(t *testing.T) {
	for name, test := range map[string]struct {
		away time.Duration
		want int
	}{
		"within idle_after": {50 * time.Second, 1},
		"after idle_after":  {70 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, lobby())
			ada := r.Join(nil)
			ada.Emit("chat", "hi")
			ada.Leave()
			r.Advance(test.away)
			if got := len(r.Join(nil).Events(historyEvent)); got != test.want {
				t.Errorf("%d histories were sent, want %d", got, test.want)
			}
		})
	}
}

func TestEventsThatDoNotFitAreRefused(t *testing.T) {
	long := make([]byte, 64)
	for i := range long {
		long[i] = 'x'
	}
	for _, test := range []struct {
		name  string
		event string
		args  []any
		want  actors.Code
	}{
		{"unknown event", "other", []any{1}, actors.CodeUnknownEvent},
		{"synced field that is no event", "members", []any{1}, actors.CodeUnknownEvent},
		{"no argument", "chat", nil, actors.CodeBadPayload},
		{"two arguments", "chat", []any{1, 2}, actors.CodeBadPayload},
		{"forged stamp", "chat", []any{1, map[string]string{"from": "x"}}, actors.CodeBadPayload},
		{"kept event, two arguments", "cursor", []any{1, 2}, actors.CodeBadPayload},
		{"too large", "chat", []any{string(long)}, actors.CodeTooLarge},
		{"kept event, too large", "cursor", []any{string(long)}, actors.CodeTooLarge},
		{"attachment too large", "chat", []any{append(long, 'x')}, actors.CodeTooLarge},
		{"kept event with an attachment", "cursor", []any{[]byte("abc")}, actors.CodeBadPayload},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := open(t, lobby())
			ada, ben := r.Join(nil), r.Join(nil)
			if _, err := ada.Ask(test.event, test.args...); code(err) != test.want {
				t.Errorf("answered %v, want %s", err, test.want)
			}
			r.Advance(time.Second)
			if got := ben.AllEvents(); len(got) != 0 {
				t.Errorf("it was relayed all the same: %v", got)
			}
			if got := ben.State("cursor"); len(got) != 0 {
				t.Errorf("it was kept all the same: %v", got)
			}
		})
	}
}

func TestGoCodeMayRelayButNotKeep(t *testing.T) {
	r := open(t, lobby())
	ada := r.Join(nil)
	if err := r.Call("note", "maintenance", nil); err != nil {
		t.Fatal(err)
	}
	if got, want := list(ada, "note"), `[["maintenance",{"from":"","at":1770000000123,"seq":1}]]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := r.Call("cursor", 1, nil); code(err) != actors.CodeForbidden {
		t.Errorf("a kept value of nobody: %v, want forbidden", err)
	}
}

func TestAMemberThatReturnsKeepsItsValuesAndMissesNothing(t *testing.T) {
	c := lobby()
	c.ResumeWithin = 30 * time.Second
	r := open(t, c)
	ada, ben := r.Join(map[string]any{"name": "Ada"}), r.Join(nil)
	ada.Emit("cursor", 1)
	ben.Emit("chat", "before")
	r.Advance(time.Second)
	id := ada.ID()
	ada.Drop()
	ben.Emit("chat", "while away")
	r.Advance(10 * time.Second)
	if got := ben.State("cursor"); len(got) != 1 {
		t.Errorf("the value of a kept seat is gone: %s", got)
	}
	if !ada.Return() || ada.ID() != id {
		t.Fatal("the seat was not given back")
	}
	if got := len(ada.Events("chat")); got != 2 {
		t.Errorf("%d messages arrived, want 2", got)
	}
	if got := len(ada.Events(historyEvent)); got != 0 {
		t.Errorf("a member that missed nothing was sent %d histories", got)
	}
	ada.Drop()
	r.Advance(31 * time.Second)
	if got := ben.State("members"); len(got) != 1 {
		t.Errorf("after resume_within the members are %s", got)
	}
	if ada.Return() {
		t.Error("a seat was given back after resume_within")
	}
	if got := len(ada.Events(historyEvent)); got != 1 {
		t.Errorf("who came too late was sent %d histories, want 1", got)
	}
}

func TestAMemberThatMissedTooMuchIsToldThePast(t *testing.T) {
	c := lobby()
	c.ResumeWithin = 30 * time.Second
	r := open(t, c)
	ada, ben := r.Join(nil), r.Join(nil)
	id := ada.ID()
	ada.Drop()
	for i := range 1001 { // one more than a room keeps for those who return
		ben.Emit("chat", i)
	}
	if ada.Return() || ada.ID() != id {
		t.Fatal("the seat must be kept and the cut announced")
	}
	if got := len(ada.Events(historyEvent)); got != 1 {
		t.Errorf("%d histories, want 1", got)
	}
}
