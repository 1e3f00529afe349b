package node

import (
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// A room that hibernates is an entry of its directory and nothing else: its
// actor ends. That loses no message because the directory is the address of
// every room whose kind hibernates, asleep or awake, so that what comes for it
// comes along one path. The actor and the directory part in three messages:
//
//	room → directory   drowsy    the machine is over
//	directory → room   lastCall  what comes from here on, the directory keeps
//	room → directory   sleeps    what had come before, in order
//
// What the room had, and what the directory kept behind it, goes to another
// actor if any of it is reason to wake.
type (
	drowsy struct {
		room actors.RoomRef
		pid  *actor.PID
	}
	lastCall struct{}
	sleeps   struct {
		drowsy
		owned actors.Owned
		nodes []string // that hold its members
		stash []any
	}
)

// pause is a room actor that has no machine to take messages: it falls asleep,
// or it has just been woken and its room is not open yet.
type pause struct {
	waking bool
	owned  actors.Owned // as the room was when it fell asleep
	nodes  []string     // that hold, or held, its members then
	stash  []any        // what came meanwhile, in order
}

// forRoom reports whether a message is for the room rather than for an
// activation of it.
func forRoom(msg any) bool {
	switch msg.(type) {
	case *wire.Join, *wire.Event, *wire.Ack, *wire.Renew, *wire.Leave, *roomCall, nodeLost, moveRoom, closeRoom:
		return true
	}
	return false
}

// Hibernate implements room.Effects.
func (r *roomActor) Hibernate(owned actors.Owned, nodes []string) {
	r.paused = &pause{owned: owned, nodes: nodes}
}

// drowse lets go of the machine of a room that falls asleep.
func (r *roomActor) drowse() {
	if r.paused == nil || r.paused.waking || r.machine == nil {
		return
	}
	r.machine = nil
	if r.timer != nil {
		r.timer.Stop()
	}
	r.node.send(r.directory(), &drowsy{r.ref, r.self})
}

// keeps takes a message while the room is paused, and reports whether it did.
func (r *roomActor) keeps(msg any) bool {
	p := r.paused
	if forRoom(msg) {
		p.stash = append(p.stash, msg)
		return true
	}
	if p.waking {
		return false
	}
	switch msg.(type) {
	case lastCall:
		s := &sleeps{drowsy{r.ref, r.self}, p.owned, p.nodes, p.stash}
		p.stash = nil
		r.store.then(func() { r.node.send(r.directory(), s) }) // the next activation finds the store as this one leaves it
		r.cancel()
		r.lingers()
	case leaveNow:
		return false
	}
	return true // of the machine that is over
}

// resume hands over what waited for a room that has been woken, once it is
// open or will never be.
func (r *roomActor) resume(ctx actor.Context, now time.Time) {
	p := r.paused
	if p == nil || !p.waking || !r.machine.Open() && !r.machine.Retired() {
		return
	}
	r.paused = nil
	for i, msg := range p.stash {
		switch _, event := msg.(*wire.Event); {
		case r.paused != nil: // it falls asleep again
			r.paused.stash = append(r.paused.stash, p.stash[i:]...)
			return
		case event && r.machine.Retired(): // its sender was told nothing
			r.node.sendBack(&roomBound{room: r.ref, msg: msg})
			continue
		}
		r.take(ctx, msg, now)
	}
}

// resident is a room that is in memory, or sleeps with members connected. Of
// the latter a node may have a great many: they are small.
type resident struct {
	pid    *actor.PID   // nil while it sleeps
	owned  actors.Owned // as the cluster has claimed it, or as it fell asleep; zero if it claims itself
	placed bool         // the cluster has claimed it
	early  bool         // nobody has claimed it yet

	nodes   []string // that hold its members, while it sleeps
	parting *[]any   // what came since lastCall, in order; nil otherwise
}

// at reports whether an actor is the one that has the room.
func (e *resident) at(pid *actor.PID) bool { return e != nil && e.pid != nil && e.pid.Equal(pid) }

// drowsy begins to part with the actor of a room.
func (d *directory) drowsy(m *drowsy) {
	if e := d.rooms[m.room]; e.at(m.pid) {
		e.parting = new([]any)
		d.node.send(m.pid, lastCall{})
	}
}

// sleeps makes a mere entry of a room whose actor ends, and wakes it at once if
// something wants it by then.
func (d *directory) sleeps(m *sleeps) {
	e := d.rooms[m.room]
	if !e.at(m.pid) {
		return
	}
	came := append(m.stash, *e.parting...)
	e.pid, e.parting, e.owned, e.nodes = nil, nil, m.owned, m.nodes
	d.node.asleep.Add(1)
	if d.stopping {
		delete(d.rooms, m.room)
		d.giveUp(map[actors.RoomRef]*resident{m.room: e})
	}
	for _, msg := range came {
		d.hand(&roomBound{room: m.room, msg: msg})
	}
}

// post hands a message to a room of this directory, whose actor is started if
// the room sleeps.
func (d *directory) post(ref actors.RoomRef, e *resident, msg any) {
	switch {
	case e.parting != nil:
		*e.parting = append(*e.parting, msg)
		return
	case e.pid == nil && !e.wakesFor(msg):
		return
	case e.pid == nil:
		d.node.asleep.Add(-1)
		e.pid = d.node.startRoom(activation{ref: ref, kind: d.node.kinds[ref.Kind], owned: e.owned, placed: e.placed, slept: true, nodes: e.nodes})
		e.nodes = nil
	}
	d.node.send(e.pid, d.node.tracing.posted(msg))
}

// wakesFor reports whether a message is reason to wake the room.
func (e *resident) wakesFor(msg any) bool {
	if lost, is := msg.(nodeLost); is {
		return slices.Contains(e.nodes, lost.node) // its members there are gone
	}
	return forRoom(msg)
}
