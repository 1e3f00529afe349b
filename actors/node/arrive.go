package node

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/link"
	"github.com/parlor-rooms/parlor/actors/internal/room"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// receipt goes with what arrived over a link to whoever works it off, so that
// the other node sends no faster than this one works.
type receipt struct {
	link *actor.PID
	of   consumed
}

func (r receipt) sign(n *Node) {
	if r.link != nil {
		n.send(r.link, r.of)
	}
}

// roomBound is a message for a room, on its way through the directory.
type roomBound struct {
	from string // the node that it came from; empty: this one
	room actors.RoomRef
	msg  any // as the room takes it
}

// wakes reports whether the message is reason to wake the room.
func (b *roomBound) wakes() bool {
	switch b.msg.(type) {
	case *wire.Join, *roomCall:
		return true
	}
	s, ok := b.msg.(*wire.HubSend)
	return ok && s.Wakes
}

// arrived hands on what came over the data lane. It reports whether somebody
// else signs the receipt.
func (n *Node) arrived(from string, msg any, r receipt) (held bool) {
	switch msg := msg.(type) {
	case *wire.Join:
		n.toDirectory(from, msg.Room, msg)
	case *wire.Event:
		n.toDirectory(from, msg.Room, msg)
	case *wire.Ack:
		n.toDirectory(from, msg.Room, msg)
	case *wire.Renew:
		n.toDirectory(from, msg.Room, msg)
	case *wire.Leave:
		n.toDirectory(from, msg.Room, msg)
	case *wire.HubSend:
		n.toDirectory(from, msg.Room, msg)
	case *wire.Call:
		n.arrivedCall(from, msg)
	case *wire.Deliver:
		msg.From = from
		n.send(n.fans[n.shardOf(msg.Room)].pid, &delivery{Deliver: msg, receipt: r})
		return true
	case *wire.GateDeliver:
		n.deliverGate(msg, r)
		return true
	case *wire.HubGone: // the address that callers have leads to whoever knows what becomes of what they send
		n.reenter([]actors.RoomRef{msg.Room})
	default:
		n.log.Error("a message came on the wrong lane", "peer", from)
	}
	return false
}

// arrivedControl hands on what came over the control lane.
func (n *Node) arrivedControl(from string, msg any) {
	switch msg := msg.(type) {
	case *wire.Joined:
		n.tell(msg.Conn, msg)
	case *wire.Refused:
		n.tell(msg.Conn, msg)
	case *wire.Gone:
		n.tell(msg.Conn, msg)
	case *wire.Credit:
		n.tell(msg.Conn, msg)
	case *wire.Moved:
		n.tell(msg.Conn, msg)
	case *wire.Delivered:
		n.toDirectory(from, msg.Room, msg)
	case *wire.Answer:
		n.away.answer(msg)
	case *wire.HubMissed:
		n.send(n.callers[n.shardOf(msg.Room)], &hubMoved{room: msg.Room, emit: &msg.Emit, wakes: msg.Wakes, node: from})
	case *wire.Asked:
		n.asks.asked(msg.Ask, msg.Node, msg.Shards, msg.Clients)
	case *wire.Answered:
		n.asks.answer(msg.Ask, msg.Client, msg.Args, errorOf(msg.Err))
	default:
		n.log.Error("a message came on the wrong lane", "peer", from)
	}
}

func errorOf(e *actors.Error) error {
	if e == nil {
		return nil
	}
	return e
}

func (n *Node) toDirectory(from string, ref actors.RoomRef, msg any) {
	n.send(n.shards[n.shardOf(ref)], &roomBound{from, ref, msg})
}

// arrivedCall hands a call of another node to the room, or answers it.
func (n *Node) arrivedCall(from string, c *wire.Call) {
	if op, ok := c.Op.(wire.NodeOp); ok {
		_, hands := op.(*wire.ClientHand)
		if hands {
			n.handingOver.Add(1)
			n.awaited.Store(true)
		}
		n.beside.Go(func() {
			n.toPeer(from, link.Control, actors.Reliable, n.nodeOp(n.ctx, c.ID, op))
			if hands {
				n.handingOver.Add(-1)
			}
		})
		return
	}
	n.toDirectory(from, c.Room, &roomCall{
		id: c.ID, room: c.Room, event: c.Event, payload: c.Payload, op: c.Op, node: from,
	})
}

// tell sends a message to a connection, wherever it is.
func (n *Node) tell(c wire.ConnRef, msg any) {
	if c.Node != n.id {
		n.toPeer(c.Node, link.Control, actors.Reliable, msg)
		return
	}
	if held, ok := n.conns.Load(c.ID); ok {
		n.send(held.(*connection).pid, msg)
	}
}

// answerCall answers whoever called.
func (n *Node) answerCall(c *roomCall, r *callResult) {
	r.id, r.room = c.id, c.room
	if c.node == "" {
		n.send(c.from, r)
		return
	}
	a := &wire.Answer{ID: r.id, Moved: r.err == room.ErrMoved, Result: r.result, Done: r.done, Err: r.err}
	if a.Moved {
		a.Err = nil
	}
	n.toPeer(c.node, link.Control, actors.Reliable, a)
}

// sendBack tells whoever sent a message to a room that it is not here.
func (n *Node) sendBack(b *roomBound) {
	switch msg := b.msg.(type) {
	case *wire.Join:
		n.tell(msg.Conn, &wire.Moved{Room: b.room, Conn: msg.Conn, Member: msg.Member})
	case *wire.Event:
		n.tell(msg.Conn, &wire.Moved{Room: b.room, Conn: msg.Conn, Member: msg.Member})
	case *roomCall:
		n.answerCall(msg, &callResult{err: room.ErrMoved})
	case *wire.HubSend:
		n.hubMissed(msg)
	}
}

// lost says everywhere that what was under way to or from a node is lost. It
// is called by the actor of the link, so that it follows what arrived.
func (n *Node) lost(peer string) {
	msg := nodeLost{peer}
	for _, f := range n.fans {
		n.send(f.pid, msg)
	}
	for _, d := range n.shards {
		n.send(d, msg)
	}
	for _, c := range n.callers {
		n.send(c, msg)
	}
	n.conns.Range(func(_, c any) bool {
		n.send(c.(*connection).pid, msg)
		return true
	})
	n.away.lost(peer)
	n.asks.lost(peer)
}
