package node

import (
	"context"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/hub"
	"github.com/parlor-rooms/parlor/actors/internal/link"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// hubRef is the address of a gateway's room in the directory. Kind names hold
// no "@", so that it is never a room's.
func hubRef(namespace, room string) actors.RoomRef {
	return actors.RoomRef{Kind: "@" + namespace, ID: room}
}

func isHub(ref actors.RoomRef) bool { return strings.HasPrefix(ref.Kind, "@") }

// hubMoved gives an emit back that reached a hub which has retired. It wakes the
// next one if clients were in it.
type hubMoved struct {
	room  actors.RoomRef
	emit  *wire.HubEmit
	wakes bool
	node  string     // where the hub was not
	pid   *actor.PID // or which it was
}

// hubMissed gives an emit back to the node that it came from.
func (n *Node) hubMissed(s *wire.HubSend) {
	if node := s.Emit.From.Node; node != n.id {
		n.toPeer(node, link.Control, actors.Reliable, &wire.HubMissed{HubSend: *s})
		return
	}
	n.send(n.callers[n.shardOf(s.Room)], &hubMoved{room: s.Room, emit: &s.Emit, wakes: s.Wakes})
}

// hubActor drives one hub machine.
type hubActor struct {
	node *Node
	ref  actors.RoomRef

	// Owned by Receive.
	self    *actor.PID
	machine *hub.Machine
	calls   map[uint64]*roomCall
	callID  uint64
	timer   *time.Timer
	armed   time.Time
}

func (n *Node) startHub(ref actors.RoomRef, epoch uint64) *actor.PID {
	h := &hubActor{node: n, ref: ref, calls: make(map[uint64]*roomCall)}
	h.machine = hub.New(time.Now(), strings.TrimPrefix(ref.Kind, "@"), ref.ID, epoch, h)
	return n.spawn(func() actor.Actor { return h })
}

// Receive implements actor.Actor.
func (h *hubActor) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		h.self = ctx.Self()
	case *roomCall:
		h.call(msg)
	case *wire.HubEmit:
		if h.machine.Retired() {
			ctx.Respond(&hubMoved{room: h.ref, emit: msg, wakes: h.deserted(), pid: h.self})
		} else {
			h.machine.Emit(0, msg)
		}
	case *wire.HubSend:
		if h.machine.Retired() {
			h.missed(msg)
		} else {
			h.machine.Emit(0, &msg.Emit)
		}
	case nodeLost:
		h.machine.NodeLost(time.Now(), msg.node)
	case wake:
		h.armed = time.Time{}
		h.machine.Wake(time.Now())
	case closeRoom:
		h.machine.Close()
	case retired:
		for _, node := range h.machine.Nodes() { // it was closed with members in it
			if node == h.node.id {
				h.node.reenter([]actors.RoomRef{h.ref})
				continue
			}
			h.node.toPeer(node, link.Data, actors.Reliable, &wire.HubGone{Room: h.ref}) // behind what it was sent
		}
		time.AfterFunc(linger/2, func() { h.node.send(h.node.callers[h.node.shardOf(h.ref)], forgotten{h.ref, h.self}) })
		time.AfterFunc(linger, func() { h.node.send(h.self, leaveNow{}) })
		h.node.rooms.Add(-1)
	case leaveNow:
		ctx.Stop(h.self)
	}
	h.arm()
}

func (h *hubActor) call(c *roomCall) {
	if h.machine.Retired() {
		h.node.answerCall(c, &callResult{err: errMoved})
		return
	}
	h.callID++
	h.calls[h.callID] = c
	switch op := c.op.(type) {
	case *wire.HubEnter:
		h.machine.Enter(h.callID, op)
	case *wire.HubExit:
		h.machine.Exit(time.Now(), h.callID, op)
	case *wire.HubEmit:
		h.machine.Emit(h.callID, op)
	case *wire.HubList:
		h.machine.List(h.callID)
	default:
		delete(h.calls, h.callID)
		h.node.answerCall(c, &callResult{err: actors.Errorf(actors.CodeUnknownEvent, "not for a gateway's room")})
	}
}

// missed gives an emit back once the hub has retired.
func (h *hubActor) missed(s *wire.HubSend) {
	back := &wire.HubSend{Room: s.Room, Emit: s.Emit, Wakes: s.Wakes || h.deserted()}
	if s.Emit.From.Node != h.node.id {
		h.node.hubMissed(back)
		return
	}
	h.node.send(h.node.callers[h.node.shardOf(s.Room)], &hubMoved{room: s.Room, emit: &back.Emit, wakes: back.Wakes, pid: h.self})
}

// deserted reports whether the hub has retired with clients in it, which enter
// the next one by themselves.
func (h *hubActor) deserted() bool { return len(h.machine.Nodes()) > 0 }

func (h *hubActor) arm() {
	next := h.machine.NextWake()
	if next.Equal(h.armed) {
		return
	}
	h.armed = next
	switch {
	case next.IsZero():
		h.timer.Stop()
	case h.timer == nil:
		h.timer = time.AfterFunc(time.Until(next), func() { h.node.send(h.self, wake{}) })
	default:
		h.timer.Reset(time.Until(next))
	}
}

// Deliver implements hub.Effects.
func (h *hubActor) Deliver(node string, d *wire.GateDeliver) { h.node.deliverGateTo(node, d) }

// Done implements hub.Effects.
func (h *hubActor) Done(request uint64, done *wire.HubDone) {
	if c := h.calls[request]; c != nil {
		delete(h.calls, request)
		h.node.answerCall(c, &callResult{done: done})
	}
}

// Retire implements hub.Effects.
func (h *hubActor) Retire() {
	h.node.send(h.node.shards[h.node.shardOf(h.ref)], &retire{room: h.ref, pid: h.self, deserted: h.deserted()})
}

// askHub sends an operation to a hub, waking it if need be, and waits.
func (n *Node) askHub(ctx context.Context, namespace, room string, op any) (*wire.HubDone, error) {
	a, err := n.request(ctx, &roomCall{room: hubRef(namespace, room), op: op})
	if err != nil {
		return nil, err
	}
	return a.done, nil
}

// tellHub sends an operation to a hub and does not wait. An emit to a hub that
// is not in memory, and so has no members, goes nowhere.
func (n *Node) tellHub(namespace, room string, op any) {
	ref := hubRef(namespace, room)
	if e, ok := op.(*wire.HubEmit); ok {
		n.send(n.callers[n.shardOf(ref)], &hubSend{ref, e})
		return
	}
	n.send(n.callers[n.shardOf(ref)], &startCall{&roomCall{id: n.callID.Add(1), room: ref, op: op}, nil})
}
