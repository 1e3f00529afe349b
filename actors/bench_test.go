package actors_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
)

type cursor struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

type cursors struct {
	Cursors actors.Map[actors.MemberID, cursor] `room:"cursors,synced"`
}

// Move is the hottest handler there is: a thousand members, twenty times a
// second each.
func (c *cursors) Move(t *actors.Turn, in cursor) { c.Cursors.Set(t.Member().ID, in) }

// Shout emits to everybody.
func (c *cursors) Shout(t *actors.Turn, in cursor) { t.Broadcast("moved", in) }

// Relay passes on what it was sent.
func (c *cursors) Relay(t *actors.Turn, in actors.Raw) { t.Broadcast("moved", in, stamp{"ada", 41}) }

type stamp struct {
	From actors.MemberID `json:"from"`
	Seq  int             `json:"seq"`
}

// discard is a host that keeps nothing.
type discard struct{ fakeHost }

func (*discard) Emit(*actors.Outgoing) {}

// turns returns a function that runs one transaction with one event, taking
// the payloads in rotation. The Turn, one more allocation, is the runtime's.
func turns(t testing.TB, event string, payloads ...string) func() {
	k := actors.NewKind("cursors", func() *cursors { return new(cursors) }, actors.KindConfig{})
	actors.On(k, "move", (*cursors).Move)
	actors.On(k, "shout", (*cursors).Shout)
	actors.On(k, "relay", (*cursors).Relay)
	i := awake(t, k)
	host := new(discard)
	var events []*actors.Event
	for _, p := range payloads {
		events = append(events, &actors.Event{Name: event, Args: actors.Args{List: []json.RawMessage{[]byte(p)}}})
	}
	n := 0
	turn := actors.NewTurn(host, actors.Cause{Member: actors.Member{ID: "ada"}})
	return func() {
		i.Begin()
		if _, err := i.Handle(turn, events[n%len(events)]); err != nil {
			t.Fatal(err)
		}
		i.Commit()
		n++
	}
}

var hot = map[string]struct {
	turn   func(testing.TB) func()
	allocs float64 // the most it may cost: one more than without the race detector, which empties pools
}{
	"cursor":      {func(t testing.TB) func() { return turns(t, "move", `{"x":10.5,"y":20.25}`, `{"x":11.5,"y":21.25}`) }, 8},
	"same cursor": {func(t testing.TB) func() { return turns(t, "move", `{"x":10.5,"y":20.25}`) }, 7},
	"broadcast":   {func(t testing.TB) func() { return turns(t, "shout", `{"x":10.5,"y":20.25}`) }, 10},
	"relay":       {func(t testing.TB) func() { return turns(t, "relay", `{"x":10.5,"y":20.25}`) }, 7},
}

func TestHotTurnsStayWithinTheirAllocations(t *testing.T) {
	for name, c := range hot {
		t.Run(name, func(t *testing.T) {
			turn := c.turn(t)
			turn()
			got := testing.AllocsPerRun(1000, turn)
			t.Logf("%v allocations", got)
			if got > c.allocs {
				t.Errorf("%v allocations per turn, at most %v are allowed", got, c.allocs)
			}
		})
	}
}

func BenchmarkTurn(b *testing.B) {
	for _, name := range sorted(hot) {
		b.Run(name, func(b *testing.B) {
			turn := hot[name].turn(b)
			b.ReportAllocs()
			for b.Loop() {
				turn()
			}
		})
	}
}

func BenchmarkMapSet(b *testing.B) {
	for _, size := range []int{1, 1000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s, i := room[cursors](b)
			ids := make([]actors.MemberID, size)
			for n := range ids {
				ids[n] = actors.MemberID(fmt.Sprintf("member-%04d", n))
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				i.Begin()
				s.Cursors.Set(ids[n%size], cursor{float64(n), 1})
				i.Commit()
				n++
			}
		})
	}
}

func BenchmarkEncodeArgs(b *testing.B) {
	event := "moved"
	text := actors.Raw{JSON: []byte(`{"x":10.5,"y":20.25,"name":"a longer text than most"}`)}
	for name, args := range map[string][]any{
		"struct":         {cursor{1, 2}},
		"raw":            {text},
		"map":            {map[string]any{"x": 1.5, "y": 2.5, "name": "ada"}},
		"bytes":          {make([]byte, 1024)},
		"binary, nested": {picture{Name: "x", Data: make(B, 1024)}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := actors.EncodeArgs(&event, args...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
