package node

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// What is emitted to a gateway's room that cannot be located is held in its
// route, and the room is asked for again until it can be: it is woken then, for
// clients may be in it that have nowhere to enter meanwhile. What is too much to
// be held is given up, and whoever may have missed it is told.

// What waits in one shard for rooms to be located is at most so much: beyond it
// that of the rooms for which the most waits is given up, until half is free.
const (
	heldMost  = 16_384   // events
	heldBytes = 16 << 20 // of them
)

// The pause before a room that could not be located is asked for again, which
// doubles each time.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = time.Second
)

// holds is what waits for gateways' rooms to be located.
type holds struct {
	rooms map[actors.RoomRef]*hold
	load
}

// hold is what waits for one of them.
type hold struct {
	load
	pause  time.Duration // before it is asked for again; zero: it is asked for the first time
	again  *time.Timer   // ends that pause
	enters bool          // clients of this node are to enter it again
}

type load struct{ events, bytes int }

func (h *holds) of(room actors.RoomRef) *hold {
	one := h.rooms[room]
	if one == nil {
		if h.rooms == nil {
			h.rooms = make(map[actors.RoomRef]*hold)
		}
		one = &hold{}
		h.rooms[room] = one
	}
	return one
}

// add counts an event.
func (h *holds) add(room actors.RoomRef, bytes int) {
	for _, l := range []*load{&h.load, &h.of(room).load} {
		l.events++
		l.bytes += bytes
	}
}

// empty says that nothing waits for a room any more.
func (h *holds) empty(room actors.RoomRef) {
	if one := h.rooms[room]; one != nil {
		h.events -= one.events
		h.bytes -= one.bytes
		one.load = load{}
	}
}

// forget ends what was held for a room.
func (h *holds) forget(room actors.RoomRef) {
	h.empty(room)
	if one := h.rooms[room]; one != nil && one.again != nil {
		one.again.Stop()
	}
	delete(h.rooms, room)
}

// excess returns the rooms for which the most waits: those without which half of
// what may be held is free, if it is more than that.
func (h *holds) excess() (rooms []actors.RoomRef) {
	if h.events <= heldMost && h.bytes <= heldBytes {
		return nil
	}
	share := func(room actors.RoomRef) int {
		l := h.rooms[room].load
		return max(l.events*(heldBytes/heldMost), l.bytes)
	}
	most := slices.SortedFunc(maps.Keys(h.rooms), func(a, b actors.RoomRef) int { return cmp.Compare(share(b), share(a)) })
	left := h.load
	for _, room := range most {
		if left.events <= heldMost/2 && left.bytes <= heldBytes/2 {
			break
		}
		left.events -= h.rooms[room].events
		left.bytes -= h.rooms[room].bytes
		rooms = append(rooms, room)
	}
	return rooms
}

// askAgain asks once more for a room that could not be located.
type askAgain struct{ room actors.RoomRef }

// giveUp gives up everything that is held.
type giveUp struct{ done chan<- struct{} }

// emit sends an event to a gateway's room, or holds it.
func (c *caller) emit(room actors.RoomRef, e *wire.HubEmit, wakes bool) {
	held := c.held.rooms[room]
	unknown := held != nil && held.pause > 0
	if unknown && e.Volatile {
		return
	}
	if wakes || unknown {
		c.out.routes.send(room, &wire.HubSend{Room: room, Emit: *e, Wakes: true})
	} else {
		c.out.routes.send(room, e)
	}
	if !c.out.routes.waits(room) {
		return
	}
	c.held.add(room, emitSize(e))
	if rooms := c.held.excess(); len(rooms) > 0 {
		c.giveUp(rooms)
	}
}

// located forgets what was held, which has been sent.
func (c *caller) located(room actors.RoomRef) {
	held := c.held.rooms[room]
	if held == nil || c.out.routes.waits(room) {
		return
	}
	c.held.forget(room)
	if held.enters {
		c.node.reenter([]actors.RoomRef{room})
	}
}

// unreachable fails the calls to a room that cannot be located, and has what is
// emitted to it wait.
func (c *caller) unreachable(failed *unreachable) {
	rests := c.rest(failed)
	c.out.receive(failed, c.answered)
	if rests != nil {
		c.out.routes.routes[failed.room] = rests
	} else if !c.out.routes.waits(failed.room) {
		c.held.forget(failed.room)
	}
}

// rest takes what is to be held off a gateway's room that cannot be located: it
// returns the route in which it waits until the room is asked for again; nil if
// there is nothing.
func (c *caller) rest(failed *unreachable) *route {
	room := failed.room
	rt := c.out.routes.routes[room]
	if failed.err == nil || !isHub(room) || !c.node.clustered() || rt == nil || rt.known() {
		return nil
	}
	held := c.held.of(room)
	c.held.empty(room)
	for _, call := range c.out.pending {
		if _, enters := call.op.(*wire.HubEnter); enters && call.room == room && c.waiting[call.id] == nil {
			held.enters = true
		}
	}
	rests := &route{rests: true}
	for _, msg := range rt.queued {
		if s := hubSendOf(room, msg); s != nil && !s.Emit.Volatile {
			rests.queued = append(rests.queued, s)
			c.held.add(room, emitSize(&s.Emit))
		}
	}
	if len(rests.queued) == 0 && !held.enters {
		return nil
	}
	held.pause = min(max(2*held.pause, firstPause), lastPause)
	if held.again != nil {
		held.again.Stop()
	}
	held.again = time.AfterFunc(held.pause, func() { c.node.send(c.out.routes.self, askAgain{room}) })
	return rests
}

// hubSendOf is an event that waits for a gateway's room, as one that wakes it;
// nil if msg is something else.
func hubSendOf(room actors.RoomRef, msg any) *wire.HubSend {
	switch msg := msg.(type) {
	case *wire.HubEmit:
		return &wire.HubSend{Room: room, Emit: *msg, Wakes: true}
	case *wire.HubSend:
		return msg
	}
	return nil
}

func emitSize(e *wire.HubEmit) int {
	size := len(e.Data.JSON)
	for _, a := range e.Data.Attachments {
		size += len(a)
	}
	return size
}

// giveUp drops what is held for rooms, and has those who may recover know.
func (c *caller) giveUp(rooms []actors.RoomRef) {
	lost := make(map[string][]string)
	for _, room := range rooms {
		if c.out.routes.giveUp(room) {
			namespace := strings.TrimPrefix(room.Kind, "@")
			lost[namespace] = append(lost[namespace], room.ID)
		}
		c.held.empty(room)
	}
	for namespace, rooms := range lost {
		c.node.log.Warn("what was emitted to rooms that cannot be located is given up", "namespace", namespace, "rooms", len(rooms))
		c.node.announceLoss(namespace, rooms)
	}
}

// waits reports whether what is sent to a room waits until it is located.
func (r *router) waits(room actors.RoomRef) bool {
	rt := r.routes[room]
	return rt != nil && !rt.known()
}

// giveUp drops the events that wait for a gateway's room, and reports whether
// one of them was reliable.
func (r *router) giveUp(room actors.RoomRef) (reliable bool) {
	rt := r.routes[room]
	if rt == nil {
		return false
	}
	rt.queued = slices.DeleteFunc(rt.queued, func(msg any) bool {
		s := hubSendOf(room, msg)
		reliable = reliable || s != nil && !s.Emit.Volatile
		return s != nil
	})
	return reliable
}

// askAgain asks for a room for which something rests.
func (r *router) askAgain(room actors.RoomRef) {
	if rt := r.routes[room]; rt != nil && rt.rests {
		rt.rests = false
		r.locate(room, false, nil)
	}
}

// announceLoss tells every node that its clients in rooms may have missed
// something. It is numbered with what goes to everybody, so that a client that
// moves meanwhile is told on one of its nodes.
func (n *Node) announceLoss(namespace string, rooms []string) {
	n.toAll.Lock()
	defer n.toAll.Unlock()
	var items []wire.GateItem
	for _, room := range rooms {
		n.toAllPos++
		items = append(items, wire.GateEmit{Scope: wire.ScopeLoss, Room: room, From: n.id, Pos: n.toAllPos})
	}
	for _, node := range append(n.others(), n.id) {
		n.deliverGateTo(node, &wire.GateDeliver{Namespace: namespace, Items: slices.Clone(items)})
	}
	n.awaited.Store(true)
}

// giveUpHeld gives up what is held when the node stops.
func (n *Node) giveUpHeld(within time.Duration) {
	if !n.clustered() {
		return
	}
	limit := time.NewTimer(within)
	defer limit.Stop()
	done := make(chan struct{}, len(n.callers))
	for _, c := range n.callers {
		n.send(c, giveUp{done})
	}
	for range n.callers {
		select {
		case <-done:
		case <-limit.C:
			return
		}
	}
}
