package node

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// locate asks a directory where a room is, waking it if need be. The answer
// is located or unreachable.
type locate struct {
	room   actors.RoomRef
	from   *actor.PID
	peek   bool         // do not wake it: answered unreachable, with a nil error, if it is not in memory
	wakes  bool         // it was to be a peek, but clients are about to enter
	misled string       // the node where it was said to be, and was not
	trace  actors.Trace // of what is to be sent there, if it is sampled
}

// located says where a room is: an actor of this node, or another node.
type located struct {
	room      actors.RoomRef
	pid       *actor.PID
	directory bool // pid is the directory's, which hands on what is roomBound
	node      string
	wakes     bool // what is emitted to it there is to wake it
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
	misled map[actors.RoomRef]string // nodes where rooms turned out not to be, until they are asked for
}

// route is a room whose address is known, or was asked for.
type route struct {
	pid    *actor.PID // on this node
	shared bool       // pid is the directory's
	node   string     // on another node
	peek   bool       // it was asked for without waking it
	rests  bool       // it could not be located, and is not being asked for
	queued []any
}

func (rt *route) known() bool { return rt.pid != nil || rt.node != "" }

// send sends msg, in order, as soon as the room is located. A Join always
// locates the room afresh.
func (r *router) send(room actors.RoomRef, msg any) {
	rt := r.routes[room]
	if _, join := msg.(*wire.Join); join && rt != nil && rt.known() {
		rt = nil
	}
	if rt == nil {
		_, peek := msg.(*wire.HubEmit)
		rt = &route{peek: peek}
		if r.routes == nil {
			r.routes = make(map[actors.RoomRef]*route, 1)
		}
		r.routes[room] = rt
		r.locate(room, peek, msg)
	} else if _, emit := msg.(*wire.HubEmit); !rt.known() && rt.peek && !emit {
		rt.peek = false
		r.locate(room, false, msg)
	} else if _, call := msg.(*roomCall); call && rt.rests { // somebody waits for it
		rt.rests = false
		r.locate(room, false, msg)
	}
	if !rt.known() {
		rt.queued = append(rt.queued, msg)
		return
	}
	r.dispatch(room, rt, msg)
}

func (r *router) locate(room actors.RoomRef, peek bool, msg any) {
	l := &locate{room: room, from: r.self, peek: peek, misled: r.misled[room], trace: traceOfMessage(msg)}
	delete(r.misled, room)
	r.node.send(r.node.shards[r.node.shardOf(room)], l)
}

// dispatch sends msg where the room is. If its node has gone, the router's own
// actor is told as the room would have told it.
func (r *router) dispatch(room actors.RoomRef, rt *route, msg any) {
	if rt.shared {
		r.node.system.Root.RequestWithCustomSender(rt.pid, &roomBound{room: room, msg: msg}, r.self)
		return
	}
	if rt.pid != nil {
		r.node.system.Root.RequestWithCustomSender(rt.pid, r.node.tracing.posted(msg), r.self)
		return
	}
	if r.node.toRoom(rt.node, room, msg) {
		return
	}
	switch msg := msg.(type) {
	case *wire.Join:
		r.node.send(r.self, &wire.Moved{Room: room, Conn: msg.Conn, Member: msg.Member})
	case *wire.Event:
		r.node.send(r.self, &wire.Moved{Room: room, Conn: msg.Conn, Member: msg.Member})
	case *roomCall:
		r.node.answerCall(msg, &callResult{err: errMoved})
	case *wire.HubEmit:
		r.node.send(r.self, &hubMoved{room: room, emit: msg, wakes: true, node: rt.node})
	case *wire.HubSend:
		r.node.send(r.self, &hubMoved{room: room, emit: &msg.Emit, wakes: true, node: rt.node})
	}
}

func (r *router) located(l *located) {
	rt := r.routes[l.room]
	if rt == nil || rt.known() {
		return
	}
	rt.pid, rt.shared, rt.node = l.pid, l.directory, l.node
	for _, msg := range rt.queued {
		if s := hubSendOf(l.room, msg); l.wakes && s != nil {
			msg = s
		}
		r.dispatch(l.room, rt, msg)
	}
	rt.queued = nil
}

// forgetAt forgets a room if it is known to be where it is not: at an address,
// or on another node.
func (r *router) forgetAt(room actors.RoomRef, pid *actor.PID, node string) {
	rt := r.routes[room]
	switch {
	case rt == nil:
	case rt.pid != nil && pid != nil && rt.pid.Equal(pid):
		delete(r.routes, room)
	case rt.node != "" && rt.node == node:
		r.mislead(room)
		delete(r.routes, room)
	}
}

func (r *router) forget(room actors.RoomRef) {
	if rt := r.routes[room]; rt != nil && rt.known() {
		delete(r.routes, room)
	}
}

// mislead notes that a room is not where it was said to be.
func (r *router) mislead(room actors.RoomRef) {
	rt := r.routes[room]
	if rt == nil || rt.node == "" {
		return
	}
	if r.misled == nil {
		r.misled = make(map[actors.RoomRef]string, 1)
	}
	r.misled[room] = rt.node
}

// lost forgets the rooms of a node and returns them.
func (r *router) lost(node string) (rooms []actors.RoomRef) {
	for room, rt := range r.routes {
		if rt.node == node {
			delete(r.routes, room)
			rooms = append(rooms, room)
		}
	}
	return rooms
}

// asleep says that a room is not in memory, where it was not to be woken.
func (r *router) asleep(room actors.RoomRef) {
	if rt := r.routes[room]; rt != nil && !rt.known() && rt.peek {
		delete(r.routes, room)
	}
}

// drop forgets a room together with what waits for it.
func (r *router) drop(room actors.RoomRef) { delete(r.routes, room) }

// at finds a room at an address.
func (r *router) at(pid *actor.PID) (actors.RoomRef, bool) {
	for room, rt := range r.routes {
		if rt.pid != nil && rt.pid.Equal(pid) {
			return room, true
		}
	}
	return actors.RoomRef{}, false
}
