package node

import (
	"fmt"
	"slices"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// TestWhatALinkRemembersOfWhatItCarries: the events that nobody would miss, and
// nothing of the rest.
func TestWhatALinkRemembersOfWhatItCarries(t *testing.T) {
	room := hubRef("/chat", "x")
	send := func(e wire.HubEmit) wire.HubSend { return wire.HubSend{Room: room, Emit: e} }
	deliver := func(items ...wire.GateItem) *wire.GateDeliver {
		return &wire.GateDeliver{Namespace: "/chat", Items: items}
	}
	plain := send(wire.HubEmit{})
	anywhere := emitMark{namespace: "/chat", room: "x"}
	for name, c := range map[string]struct {
		msg  any
		want []emitMark
	}{
		"on its way to a room":        {&plain, []emitMark{anywhere}},
		"given back by a room":        {&wire.HubMissed{HubSend: plain}, []emitMark{anywhere}},
		"volatile":                    {&wire.HubSend{Room: room, Emit: wire.HubEmit{Volatile: true}}, nil},
		"whose sender waits":          {&wire.HubSend{Room: room, Emit: wire.HubEmit{AskID: 1}}, nil},
		"to a client":                 {deliver(wire.GateEmit{Scope: wire.ScopeClient, Room: "x"}), []emitMark{anywhere}},
		"to a client, who is asked":   {deliver(wire.GateEmit{Scope: wire.ScopeClient, Room: "x", AskID: 1}), nil},
		"to everybody, who are asked": {deliver(wire.GateEmit{Scope: wire.ScopeNamespace, Pos: 3, AskID: 1}), []emitMark{{"", "", true, 3}}},
		"of a room":                   {deliver(wire.GateEmit{Scope: wire.ScopeRoom, Room: "x", Pos: 3}), nil},
		"to everybody":                {deliver(wire.GateEmit{Scope: wire.ScopeNamespace, Pos: 3}), []emitMark{{"/chat", "", true, 3}}},
		"to everybody, volatile":      {deliver(wire.GateEmit{Scope: wire.ScopeNamespace, Volatile: true}), nil},
		"losses": {
			deliver(wire.GateEmit{Scope: wire.ScopeLoss, Room: "x", Pos: 4}, wire.GateEmit{Scope: wire.ScopeLoss, Room: "y"}),
			[]emitMark{{"/chat", "x", true, 4}, {"/chat", "y", true, 0}},
		},
		"no event": {deliver(wire.GateEnter{Room: "x"}), nil},
		"a call":   {&wire.Call{Op: &wire.HubEmit{AskID: 1}}, nil},
		"an event": {&wire.Event{Room: actors.RoomRef{Kind: "talk", ID: "x"}}, nil},
	} {
		if got := marksOf(c.msg); !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestALossOfTooManyRoomsIsAnnouncedToEverybody of their namespace.
func TestALossOfTooManyRoomsIsAnnouncedToEverybody(t *testing.T) {
	sets := make(roomSets)
	var all []string
	for i := range lossRooms {
		room := fmt.Sprintf("%04d", i)
		all = append(all, room)
		sets.add("/chat", room)
		sets.add("/chat", room)
	}
	if names := sets["/chat"].names(); !slices.Equal(names, all) {
		t.Errorf("%d names of %d", len(names), lossRooms)
	}
	sets.add("/chat", "one more")
	if names := sets["/chat"].names(); !slices.Equal(names, []string{""}) {
		t.Errorf("%d names", len(names))
	}
}
