package hub

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// effects records what a machine does.
type effects struct {
	sent    []string // "node item"
	done    map[uint64]*wire.HubDone
	retired int
}

func (e *effects) Deliver(node string, d *wire.GateDeliver) {
	for _, item := range d.Items {
		switch item := item.(type) {
		case wire.GateEnter:
			e.sent = append(e.sent, fmt.Sprintf("%s enter %s %d", node, item.Client, item.Pos))
		case wire.GateExit:
			e.sent = append(e.sent, fmt.Sprintf("%s exit %s", node, item.Client))
		case wire.GateGap:
			e.sent = append(e.sent, node+" gap")
		case wire.GateEmit:
			e.sent = append(e.sent, fmt.Sprintf("%s emit %s %d", node, item.Data.JSON, item.Pos))
		}
	}
}
func (e *effects) Done(request uint64, d *wire.HubDone) { e.done[request] = d }
func (e *effects) Retire()                              { e.retired++ }

func (e *effects) take() []string {
	sent := e.sent
	e.sent = nil
	return sent
}

var start = time.Unix(1000, 0)

func open() (*Machine, *effects) {
	e := &effects{done: make(map[uint64]*wire.HubDone)}
	return New(start, "/chat", "tea", 7, e), e
}

func enter(client, node string) *wire.HubEnter {
	return &wire.HubEnter{Client: client, Conn: wire.ConnRef{Node: node}, User: "u-" + client}
}

func exit(client, node string) *wire.HubExit {
	return &wire.HubExit{Client: client, Conn: wire.ConnRef{Node: node}}
}

func event(text string) *wire.HubEmit {
	return &wire.HubEmit{Data: actors.Raw{JSON: json.RawMessage(text)}}
}

func expect(t *testing.T, e *effects, want ...string) {
	t.Helper()
	if got := e.take(); !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}

func TestEmitGoesOnceToEachNodeThatHasMembers(t *testing.T) {
	m, e := open()
	m.Emit(0, event("[0]"))
	m.Enter(1, enter("a", "one"))
	m.Enter(2, enter("b", "two"))
	m.Enter(3, enter("c", "one"))
	expect(t, e, "one enter a 1", "two enter b 1", "one enter c 1")
	m.Emit(0, event("[1]"))
	expect(t, e, "one emit [1] 2", "two emit [1] 2")
	m.Exit(start, 4, exit("a", "one"))
	m.Exit(start, 5, exit("b", "two"))
	expect(t, e, "one exit a", "two exit b")
	m.Emit(0, event("[2]"))
	expect(t, e, "one emit [2] 3")
	for request := range uint64(5) {
		if e.done[request+1] == nil {
			t.Errorf("request %d has no answer", request+1)
		}
	}
}

func TestLocalEmitStaysOnItsNode(t *testing.T) {
	m, e := open()
	m.Enter(1, enter("a", "one"))
	m.Enter(2, enter("b", "two"))
	e.take()
	local := event("[1]")
	local.Local = "two"
	m.Emit(0, local)
	expect(t, e, "two emit [1] 0")
}

func TestAskIsAnsweredWithTheNodesItWentTo(t *testing.T) {
	m, e := open()
	ask := event("[1]")
	ask.AskID = 9
	m.Emit(1, ask)
	m.Enter(2, enter("a", "one"))
	m.Emit(3, ask)
	m.Emit(4, event("[2]"))
	if n := e.done[1].Nodes; len(n) != 0 {
		t.Errorf("an empty room went to %v", n)
	}
	if n := e.done[3].Nodes; !slices.Equal(n, []string{"one"}) {
		t.Errorf("went to %v", n)
	}
	if e.done[4] != nil {
		t.Error("an emit that asks for nothing was answered")
	}
}

func TestMembersAreListedInTheOrderOfEntering(t *testing.T) {
	m, e := open()
	m.Enter(1, enter("b", "one"))
	m.Enter(2, enter("a", "two"))
	again := enter("b", "one")
	again.Data = json.RawMessage(`{"n":1}`)
	m.Enter(3, again)
	m.List(4)
	got := e.done[4].Members
	if len(got) != 2 || got[0].ID != "b" || string(got[0].Data) != `{"n":1}` || got[0].UserID != "u-b" || got[0].Node != "one" || got[1].ID != "a" {
		t.Errorf("members are %+v", got)
	}
	m.Exit(start, 5, exit("nobody", "one"))
	if e.done[5] == nil {
		t.Error("the exit of a stranger was not answered")
	}
}

func TestEmptyRoomRetiresAfterAWhile(t *testing.T) {
	m, e := open()
	if !m.NextWake().Equal(start.Add(idleAfter)) {
		t.Errorf("wakes at %v", m.NextWake())
	}
	m.Enter(1, enter("a", "one"))
	m.Wake(start.Add(time.Hour))
	if m.Retired() || !m.NextWake().IsZero() {
		t.Error("a room with members is to retire")
	}
	left := start.Add(time.Hour)
	m.Exit(left, 2, exit("a", "one"))
	m.Exit(left.Add(time.Second), 3, exit("a", "one"))
	m.Wake(left.Add(idleAfter - 1))
	if m.Retired() {
		t.Error("it retired early")
	}
	m.Wake(left.Add(idleAfter))
	m.Wake(left.Add(idleAfter))
	m.Close()
	if !m.Retired() || e.retired != 1 || !m.NextWake().IsZero() {
		t.Errorf("retired %v, %d times", m.Retired(), e.retired)
	}
}

// TestNodesKnowTheirMembers enters and exits at random: after each step an
// emit reaches exactly the nodes of the members, and the list is exact.
func TestNodesKnowTheirMembers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, e := open()
		nodes := map[string]string{}
		var order []string
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			client := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(t, "client")
			if rapid.Bool().Draw(t, "enters") {
				if nodes[client] == "" {
					order = append(order, client)
				}
				node := rapid.SampledFrom([]string{"one", "two", "three"}).Draw(t, "node")
				nodes[client] = node
				m.Enter(1, enter(client, node))
			} else {
				m.Exit(start, 1, exit(client, "an earlier node"))
				m.Exit(start, 1, exit(client, nodes[client]))
				delete(nodes, client)
				order = slices.DeleteFunc(order, func(c string) bool { return c == client })
			}
			e.take()
			ask := event("[]")
			ask.AskID = 1
			m.Emit(2, ask)
			want := map[string]bool{}
			for _, n := range nodes {
				want[n] = true
			}
			if got := e.done[2].Nodes; len(got) != len(want) || slices.ContainsFunc(got, func(n string) bool { return !want[n] }) {
				t.Fatalf("an emit went to %v, members are on %v", got, nodes)
			}
			m.List(3)
			var listed []string
			for _, info := range e.done[3].Members {
				listed = append(listed, info.ID)
			}
			if !slices.Equal(listed, order) {
				t.Fatalf("listed %v, want %v", listed, order)
			}
		}
	})
}

func TestAClientThatMovesHasEachEventOnOneNode(t *testing.T) {
	m, e := open()
	m.Enter(1, enter("a", "one"))
	m.Emit(0, event("[1]"))
	m.Enter(2, enter("a", "two"))
	m.Emit(0, event("[2]"))
	m.Exit(start, 3, exit("a", "one")) // late, from where it was
	m.Emit(0, event("[3]"))
	expect(t, e, "one enter a 0", "one emit [1] 1", "one exit a", "two enter a 1", "two emit [2] 2", "two emit [3] 3")
}
