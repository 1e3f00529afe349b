package hub

import (
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// over is a client that comes over from an earlier activation.
func over(client, node string, epoch, pos uint64) *wire.HubEnter {
	e := enter(client, node)
	e.Had = &wire.HubPos{Epoch: epoch, Pos: pos}
	return e
}

func TestANodeThatComesOverIsSentWhatItMissed(t *testing.T) {
	m, e := open()
	m.Emit(0, event("[1]")) // before anybody is there
	m.Enter(1, over("a", "one", 6, 5))
	m.Emit(0, event("[2]"))
	volatile, local := event("[v]"), event("[l]")
	volatile.Volatile, local.Local = true, "one"
	m.Emit(0, volatile)
	m.Emit(0, local)
	expect(t, e, "one emit [1] 1", "one enter a 1", "one emit [2] 2", "one emit [v] 0", "one emit [l] 0")
	m.Enter(2, enter("new", "two"))
	m.Emit(0, event("[3]"))
	m.Enter(3, over("b", "two", 6, 5)) // its node is sent what is new already
	m.Enter(4, over("c", "two", 6, 5))
	expect(t, e, "two enter new 2", "one emit [3] 3", "two emit [3] 3", "two emit [1] 1", "two emit [2] 2", "two enter b 3", "two enter c 3")
}

// TestANodeThatLacksWhatAnotherHadIsTold: whatever the order in which they come
// over from an activation that has died.
func TestANodeThatLacksWhatAnotherHadIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		had  []*wire.HubEnter
		want []string
	}{
		"the same":       {[]*wire.HubEnter{over("a", "one", 6, 5), over("b", "two", 6, 5)}, nil},
		"less, later":    {[]*wire.HubEnter{over("a", "one", 6, 5), over("b", "two", 6, 4)}, []string{"two gap"}},
		"less, earlier":  {[]*wire.HubEnter{over("a", "one", 6, 4), over("b", "two", 6, 5)}, []string{"one gap"}},
		"an older life":  {[]*wire.HubEnter{over("a", "one", 5, 9), over("b", "two", 6, 1)}, []string{"one gap"}},
		"told once each": {[]*wire.HubEnter{over("a", "one", 6, 4), over("c", "one", 6, 4), over("b", "two", 6, 5)}, []string{"one gap"}},
		"a later life":   {[]*wire.HubEnter{over("a", "one", 8, 4), over("b", "two", 6, 5)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			m, e := open()
			for i, h := range c.had {
				m.Enter(uint64(i), h)
			}
			var gaps []string
			for _, s := range e.take() {
				if s == "one gap" || s == "two gap" {
					gaps = append(gaps, s)
				}
			}
			e.sent = gaps
			expect(t, e, c.want...)
		})
	}
}

func TestWhatIsNotKeptForThoseWhoComeOverIsTold(t *testing.T) {
	big := event(`"` + string(make([]byte, youngBytes)) + `"`)
	for name, c := range map[string]struct {
		before func(*Machine)
		had    uint64 // of its own life
		want   string
	}{
		"too many":         {func(m *Machine) { emit(m, youngMost+1) }, 0, "one gap"},
		"too much":         {func(m *Machine) { m.Emit(0, big) }, 0, "one gap"},
		"too late":         {func(m *Machine) { emit(m, 1); m.Enter(8, enter("x", "x")); m.Wake(start.Add(youngFor)) }, 0, "one gap"},
		"none of it lacks": {func(m *Machine) { emit(m, 1); m.Enter(8, enter("x", "x")); m.Wake(start.Add(youngFor)) }, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m, e := open()
			c.before(m)
			e.take()
			m.Enter(1, over("a", "one", 7, c.had))
			got := e.take()
			if told := got[0] == "one gap"; told != (c.want != "") {
				t.Errorf("sent %q", got)
			}
		})
	}
	m, _ := open()
	if want := start.Add(min(youngFor, idleAfter)); !m.NextWake().Equal(want) {
		t.Errorf("wakes at %v, want %v", m.NextWake(), want)
	}
	m.Enter(1, enter("a", "one"))
	m.Wake(start.Add(youngFor))
	if !m.NextWake().IsZero() {
		t.Error("it wakes once more")
	}
	m.Emit(0, event("[1]"))
	m.NodeLost(start.Add(time.Hour), "one")
}

func emit(m *Machine, n int) {
	for range n {
		m.Emit(0, event("[1]"))
	}
}
