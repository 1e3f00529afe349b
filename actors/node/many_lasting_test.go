package node_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/actors/store/memory"
)

// minutes is a room whose members resume and whose lines are kept.
type minutes struct {
	Lines actors.Value[int] `room:"lines,durable"`
	notes *ledger
}

func (r *minutes) Say(t *actors.Turn, text string) (int, error) {
	r.Lines.Set(r.Lines.Get() + 1)
	t.Broadcast("said", text, r.Lines.Get())
	return r.Lines.Get(), nil
}

func (r *minutes) Joined(_ *actors.Turn, m actors.Member) { r.notes.note("joined %s", m.ID) }
func (r *minutes) Left(_ *actors.Turn, m actors.Member, _ actors.LeaveReason) {
	r.notes.note("left %s", m.ID)
}

func minuteRooms(notes *ledger) actors.Behavior {
	k := actors.NewKind("minutes", func() *minutes { return &minutes{notes: notes} }, actors.KindConfig{ResumeWithin: time.Minute})
	actors.OnAck(k, "say", (*minutes).Say)
	return k
}

var may = actors.RoomRef{Kind: "minutes", ID: "may"}

// lines takes the offsets off events.
func lines(p *peer) (got []string) {
	for _, payload := range p.events("/minutes/may", "said") {
		var text string
		var n int
		if _, err := fmt.Sscanf(payload, `["said",%q,%d,`, &text, &n); err != nil {
			p.t.Fatalf("%s: %v", payload, err)
		}
		got = append(got, fmt.Sprint(n, " ", text))
	}
	return got
}

// The node that owns the room goes away for the others, and goes on by itself
// as a paused process would that comes back: what it still does is refused by
// the store and not heard.
func TestMembersOfALastingRoomNoticeNothingWhenItsNodeDies(t *testing.T) {
	notes := &ledger{}
	w, nodes := many(t, 3, node.Config{Kinds: []actors.Behavior{minuteRooms(notes)}, Store: memory.New(memory.Config{})})
	w.Put(may, nodes[0].ID())
	ada, bob := connect(t, nodes[1]), connect(t, nodes[2])
	a, b := ada.enter("/minutes/may", ""), bob.enter("/minutes/may", "")

	const each = 60
	for i := range each {
		if i == each/2 {
			w.Kill(nodes[0].ID())
		}
		for _, p := range []*peer{ada, bob} {
			p.send(actors.PacketEvent, "/minutes/may", fmt.Sprintf(`["say","%s %d"]`, map[*peer]string{ada: "ada", bob: "bob"}[p], i))
		}
	}
	for _, p := range []*peer{ada, bob} {
		until(t, "everything is heard", func() bool { return len(lines(p)) >= 2*each })
	}
	got := lines(ada)
	checkLines(t, "ada", got, 2*each)
	checkLines(t, "bob", lines(bob), 2*each)
	if !slices.Equal(got, lines(bob)) {
		t.Error("ada and bob heard different things")
	}
	for _, p := range []*peer{ada, bob} {
		if n, why := len(p.find(actors.PacketConnect, "/minutes/may", "sid")), p.reason(); n != 1 || why != "" {
			t.Errorf("%d CONNECT answers, closed %q", n, why)
		}
	}
	for _, id := range []string{a, b} {
		if joined, left := notes.count("joined "+id), notes.count("left "+id); joined != 1 || left != 0 {
			t.Errorf("%s joined %d times and left %d times", id, joined, left)
		}
	}
}

// checkLines sees that lines are numbered without a gap, as are those of each
// who said them.
func checkLines(t *testing.T, whose string, lines []string, want int) {
	t.Helper()
	next := map[string]int{}
	for i, line := range lines {
		var n, k int
		var who string
		if _, err := fmt.Sscanf(line, "%d %s %d", &n, &who, &k); err != nil || n != i+1 || k != next[who] {
			t.Errorf("%s: line %d is %q, want number %d of %s: %v; around it %v", whose, i+1, line, next[who], who, err, lines[max(0, i-3):min(len(lines), i+4)])
			return
		}
		next[who]++
	}
	if len(lines) != want {
		t.Errorf("%s heard %d lines, want %d", whose, len(lines), want)
	}
}
