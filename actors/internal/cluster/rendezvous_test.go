package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
)

func viewOf(ids ...string) *View {
	v := &View{}
	for _, id := range ids {
		v.Members = append(v.Members, Member{ID: id, Rooms: true, Kinds: []string{"board"}})
	}
	slices.SortFunc(v.Members, func(a, b Member) int { return strings.Compare(a.ID, b.ID) })
	return v
}

func board(i int) actors.RoomRef { return actors.RoomRef{Kind: "board", ID: fmt.Sprintf("b-%d", i)} }

// TestRoomsSpreadEvenly uses ids that differ in one digit, for which a plain
// FNV gave shares from 12 to 49 percent.
func TestRoomsSpreadEvenly(t *testing.T) {
	const rooms = 20_000
	for _, nodes := range []int{2, 3, 4, 7} {
		var ids []string
		for i := range nodes {
			ids = append(ids, fmt.Sprintf("127.0.0.1:1800%d", i))
		}
		v := viewOf(ids...)
		count := map[string]int{}
		for i := range rooms {
			m, _ := Rendezvous(v, board(i))
			count[m.ID]++
		}
		for _, id := range ids {
			if skew := float64(count[id])*float64(nodes)/rooms - 1; skew < -0.05 || skew > 0.05 {
				t.Errorf("%d nodes: %s has %d of %d rooms, %+.1f %% off its share", nodes, id, count[id], rooms, skew*100)
			}
		}
	}
}

func TestANodeThatGoesMovesItsOwnRoomsOnly(t *testing.T) {
	before, after := viewOf("a", "b", "c", "d"), viewOf("a", "b", "c")
	for i := range 2000 {
		was, _ := Rendezvous(before, board(i))
		is, _ := Rendezvous(after, board(i))
		if was.ID != "d" && was.ID != is.ID {
			t.Fatalf("%v moved from %s to %s although d left", board(i), was.ID, is.ID)
		}
	}
}

func TestRoomsStartOnlyWhereTheyMay(t *testing.T) {
	v := viewOf("a", "b", "c", "d")
	v.Members[0].Draining = true
	v.Members[1].Kinds = []string{"game"}
	v.Members[2].Rooms = false
	hub := actors.RoomRef{Kind: "@/chat", ID: "lobby"}
	hubs := map[string]bool{}
	for i := range 200 {
		if m, ok := Rendezvous(v, board(i)); !ok || m.ID != "d" {
			t.Fatalf("%v starts on %q, want d", board(i), m.ID)
		}
		hub.ID = fmt.Sprint(i)
		m, _ := Rendezvous(v, hub)
		hubs[m.ID] = true
	}
	if len(hubs) != 2 || !hubs["b"] || !hubs["d"] {
		t.Errorf("rooms of a gateway start on %v, want b and d", hubs)
	}
	if m, ok := Rendezvous(v, actors.RoomRef{Kind: "chess", ID: "1"}); ok {
		t.Errorf("a kind that nobody serves starts on %s", m.ID)
	}
}
