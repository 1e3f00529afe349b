package node

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/link"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
	"github.com/parlor-rooms/parlor/actors/internal/wire/codec"
)

// When a link is given up while both nodes live, members and clients enter again
// what they were in over it, with what they have heard, and calls fail or are
// repeated. But what is emitted to clients of gateways nobody waits for: it is
// marked, and those who may have missed it are told.

// emitMark is what a link remembers of an event until the other node has it.
type emitMark struct {
	namespace string
	room      string // or the id of a client; empty: everybody
	onlyThere bool   // it is for clients of the other node; otherwise for whoever is in the room, anywhere
	pos       uint64 // its number among what every node is sent; zero if it has none
}

// marksOf returns the marks of the reliable events that a message for another
// node carries, but for those that their hub repeats to nodes that come back,
// and those whose sender waits for answers.
func marksOf(msg any) []emitMark {
	switch msg := msg.(type) {
	case *wire.HubSend:
		return markOf(msg)
	case *wire.HubMissed:
		return markOf(&msg.HubSend)
	case *wire.GateDeliver:
		var marks []emitMark
		for _, item := range msg.Items {
			e, ok := item.(wire.GateEmit)
			switch {
			case !ok || e.Volatile:
			case e.AskID != 0 && e.Pos != 0: // of which only its number is to be made up for
				marks = append(marks, emitMark{onlyThere: true, pos: e.Pos})
			case e.AskID != 0:
			case e.Scope == wire.ScopeClient:
				marks = append(marks, emitMark{namespace: msg.Namespace, room: e.Room})
			case e.Scope != wire.ScopeRoom:
				marks = append(marks, emitMark{msg.Namespace, e.Room, true, e.Pos})
			}
		}
		return marks
	}
	return nil
}

func markOf(s *wire.HubSend) []emitMark {
	if s.Emit.Volatile || s.Emit.AskID != 0 {
		return nil
	}
	return []emitMark{{namespace: strings.TrimPrefix(s.Room.Kind, "@"), room: s.Room.ID}}
}

// lossRooms is of how many rooms of a namespace a loss is announced by name;
// beyond it is announced to everybody in the namespace.
const lossRooms = 256

// mark notes the number of what is about to be sent.
func (l *linkActor) mark(marks []emitMark) {
	for _, m := range marks {
		l.numbered = max(l.numbered, m.pos)
	}
}

// announce tells whoever may have missed what is lost. What every node is sent
// the other one is told first, before anything else that is sent there, and only
// then the last number, for which clients that move away wait, and which the
// other node has forgotten with the session. Of what was on its way to a room,
// clients anywhere may be the ones that have missed it.
func (l *linkActor) announce(now time.Time) {
	if len(l.missed) == 0 && !l.restarted {
		return
	}
	missed, restarted := l.missed, l.restarted
	l.missed, l.restarted = nil, false
	last := uint64(0)
	if restarted {
		last = l.numbered
	}
	there, anywhere := make(roomSets), make(roomSets)
	for _, m := range missed {
		if last = max(last, m.pos); m.onlyThere {
			there.add(m.namespace, m.room)
		} else {
			anywhere.add(m.namespace, m.room)
		}
	}
	for namespace, rooms := range anywhere {
		l.node.announceLoss(namespace, rooms.names())
	}
	for namespace, rooms := range there {
		d := &wire.GateDeliver{Namespace: namespace}
		for _, room := range rooms.names() {
			d.Items = append(d.Items, wire.GateEmit{Scope: wire.ScopeLoss, Room: room, From: l.node.id})
		}
		if !l.replace(now, d) {
			missed = slices.DeleteFunc(missed, func(m emitMark) bool { return !m.onlyThere })
			l.missed = append(l.missed, missed...) // with the next message
			return
		}
	}
	if last > 0 {
		l.replace(now, numberOnly(l.node.id, last))
	}
}

// replace sends what takes the place of what was lost. It reports false if the
// session was given up for it.
func (l *linkActor) replace(now time.Time, d *wire.GateDeliver) bool {
	data, err := codec.Marshal(d)
	if err == nil {
		err = l.send(now, &outgoing{lane: link.Data, class: actors.Reliable, data: data, marks: marksOf(d)})
	}
	if err != nil {
		l.node.log.Error("a loss could not be announced", "peer", l.peer.ID, "error", err)
	}
	return !errors.Is(err, link.ErrLost)
}

// numberOnly takes the place of what a node has sent to all of a namespace, up
// to a number, where it is not to be had.
func numberOnly(node string, pos uint64) *wire.GateDeliver {
	return &wire.GateDeliver{Items: []wire.GateItem{wire.GateEmit{
		Scope: wire.ScopeNamespace, From: node, Pos: pos, Data: actors.Raw{JSON: []byte("[]")},
	}}}
}

// roomSets are rooms, by namespace.
type roomSets map[string]roomSet

type roomSet map[string]bool

func (s roomSets) add(namespace, room string) {
	if s[namespace] == nil {
		s[namespace] = make(roomSet)
	}
	s[namespace][room] = true
}

// names are those of the rooms, or one that means all if they are too many.
func (s roomSet) names() []string {
	if len(s) > lossRooms {
		return []string{""}
	}
	return slices.Sorted(maps.Keys(s))
}
