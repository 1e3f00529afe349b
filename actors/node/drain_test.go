package node_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/actors/store/memory"
)

// TestADrainedNodesRoomsGoOnElsewhere drains the node of a room that lasts and
// of one that is ephemeral while members on two nodes, this one included, talk.
func TestADrainedNodesRoomsGoOnElsewhere(t *testing.T) {
	notes := &ledger{}
	w, nodes := many(t, 2, node.Config{
		Kinds: []actors.Behavior{minuteRooms(notes), talks(notes, actors.KindConfig{})}, Store: memory.New(memory.Config{}),
	})
	w.Put(may, nodes[0].ID())
	w.Put(q3, nodes[0].ID())
	ada, bob := connect(t, nodes[0]), connect(t, nodes[1])
	for _, p := range []*peer{ada, bob} {
		p.enter("/minutes/may", "")
		p.enter("/talk/q3", "")
	}
	const each = 60
	drained := make(chan error, 1)
	for i := range each {
		if i == each/2 {
			go func() { // answers below
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				drained <- nodes[0].Drain(ctx)
			}()
		}
		ada.send(actors.PacketEvent, "/minutes/may", fmt.Sprintf(`["say","ada %d"]`, i))
		bob.send(actors.PacketEvent, "/minutes/may", fmt.Sprintf(`["say","bob %d"]`, i))
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
	for name, p := range map[string]*peer{"ada": ada, "bob": bob} {
		until(t, "everything is heard", func() bool { return len(lines(p)) >= 2*each })
		checkLines(t, name, lines(p), 2*each)
		p.say("/talk/q3", name)
		until(t, "the ephemeral room answers elsewhere", func() bool { return len(p.events("/talk/q3", "said")) > 0 })
		if why := p.reason(); why != "" {
			t.Errorf("%s was closed: %s", name, why)
		}
	}
	// Members may follow once everything was said.
	until(t, "everybody has followed", func() bool {
		to := nodes[1].Stats()
		return to.Rooms == 2 && to.Joins[node.JoinedFollowed] >= 4
	})
	from, to := nodes[0].Stats(), nodes[1].Stats()
	if from.Rooms != 0 || from.HandOvers != 2 {
		t.Errorf("%d rooms stayed, %d were counted as handed over", from.Rooms, from.HandOvers)
	}
	if from.Nodes != 2 || to.Nodes != 2 {
		t.Errorf("%d and %d nodes are known, want 2", from.Nodes, to.Nodes)
	}
	if err := nodes[0].Call(t.Context(), actors.RoomRef{Kind: "talk", ID: "new"}, "who", struct{}{}, nil); err != nil {
		t.Error(err)
	}
	if rooms := nodes[0].Stats().Rooms; rooms != 0 {
		t.Errorf("%d rooms woke on the node that drains", rooms)
	}
}
