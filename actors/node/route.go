package node

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// locate asks a directory where a room is, waking it if need be. The answer
// is located or unreachable.
type locate struct {
	room actors.RoomRef
	from *actor.PID
	peek bool // do not wake it: answered unreachable, with a nil error, if it is not in memory
}

type located struct {
	room actors.RoomRef
	pid  *actor.PID
}

type unreachable struct {
	room actors.RoomRef
	err  *actors.Error
}

// router sends messages to rooms and remembers where they are. It belongs to
// one actor.
type router struct {
	node   *Node
	self   *actor.PID
	routes map[actors.RoomRef]*route
}

// route is a room whose address is known, or was asked for.
type route struct {
	pid    *actor.PID
	peek   bool // it was asked for without waking it
	queued []any
}

// send sends msg, in order, as soon as the room is located. A Join always
// locates the room afresh.
func (r *router) send(room actors.RoomRef, msg any) {
	rt := r.routes[room]
	if _, join := msg.(*wire.Join); join && rt != nil && rt.pid != nil {
		rt = nil
	}
	if rt == nil {
		_, peek := msg.(*wire.HubEmit)
		rt = &route{peek: peek}
		if r.routes == nil {
			r.routes = make(map[actors.RoomRef]*route, 1)
		}
		r.routes[room] = rt
		r.node.send(r.node.shards[r.node.shardOf(room)], &locate{room, r.self, peek})
	} else if _, emit := msg.(*wire.HubEmit); rt.pid == nil && rt.peek && !emit {
		rt.peek = false
		r.node.send(r.node.shards[r.node.shardOf(room)], &locate{room, r.self, false})
	}
	if rt.pid == nil {
		rt.queued = append(rt.queued, msg)
		return
	}
	r.node.system.Root.RequestWithCustomSender(rt.pid, r.node.tracing.posted(msg), r.self)
}

func (r *router) located(l *located) {
	rt := r.routes[l.room]
	if rt == nil || rt.pid != nil {
		return
	}
	rt.pid = l.pid
	for _, msg := range rt.queued {
		r.node.system.Root.RequestWithCustomSender(rt.pid, r.node.tracing.posted(msg), r.self)
	}
	rt.queued = nil
}

func (r *router) forget(room actors.RoomRef) {
	if rt := r.routes[room]; rt != nil && rt.pid != nil {
		delete(r.routes, room)
	}
}

// asleep says that a room is not in memory, where it was not to be woken.
func (r *router) asleep(room actors.RoomRef) {
	if rt := r.routes[room]; rt != nil && rt.pid == nil && rt.peek {
		delete(r.routes, room)
	}
}

// drop forgets a room together with what waits for it.
func (r *router) drop(room actors.RoomRef) { delete(r.routes, room) }

// at finds the room at an address.
func (r *router) at(pid *actor.PID) (actors.RoomRef, bool) {
	for room, rt := range r.routes {
		if rt.pid != nil && rt.pid.Equal(pid) {
			return room, true
		}
	}
	return actors.RoomRef{}, false
}
