package node

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.opentelemetry.io/otel/attribute"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/fanout"
	"github.com/parlor-rooms/parlor/actors/internal/gatefan"
	"github.com/parlor-rooms/parlor/actors/internal/link"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// fan drives the fan-out machine of one shard of rooms.
type fan struct {
	node    *Node
	pid     *actor.PID
	machine *fanout.Machine  // of rooms; owned by Receive, but for Stats
	gate    *gatefan.Machine // of gateways; owned by Receive, but for Stats

	flushing bool           // owned by Receive: a flush is in the mailbox
	traces   []actors.Trace // owned by Receive: of the deliveries that it is for, as far as they are traced
}

// delivery is a Deliver with the address for its confirmation.
type delivery struct {
	*wire.Deliver
	from    *actor.PID // of a room on this node
	receipt receipt    // of one on another
}

// gateDelivery is a GateDeliver from another node, for the shard that signs
// for it.
type gateDelivery struct {
	*wire.GateDeliver
	receipt receipt
}

// seek asks what a member of a room that has moved was sent last, and takes
// it out of the table: it stays on its connection, which asks for a seat.
type seek struct {
	room   actors.RoomRef
	member actors.MemberID
	conn   uint64
	from   *actor.PID
}

type sought struct {
	room   actors.RoomRef
	member actors.MemberID
	offset string
	known  bool
}

// flush comes after everything that waited when the first packet of a batch
// was pushed, so that a socket is written to once per batch.
type flush struct{}

func startFan(n *Node) *fan {
	f := &fan{node: n}
	f.machine = fanout.New(fanout.Config{
		Node: n.id, Sockets: n, Post: func(d fanout.Drained) { n.send(f.pid, d) },
		Stale: func(room actors.RoomRef, conn uint64, member actors.MemberID) {
			ref := wire.ConnRef{Node: n.id, ID: conn}
			n.tell(ref, &wire.Moved{Room: room, Conn: ref, Member: member})
		},
	})
	f.gate = gatefan.New(gatefan.Config{
		Socket: n.Socket, Asked: n.asked, Generation: n.id,
		Resumed: func(id string, recovered bool) {
			if c, ok := n.clients.Load(id); ok {
				c.(*client).resumed(recovered)
			}
		},
		Arrived: n.arrivedClient, Handed: n.handed, Forward: n.forwardGate,
		Drained: func(d gatefan.Drained) { n.send(f.pid, d) },
		Gone:    n.wasPeer,
	})
	f.pid = n.spawn(func() actor.Actor { return f })
	return f
}

// Receive implements actor.Actor.
func (a *fan) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *delivery:
		a.traced(msg.Trace, msg.Links, len(msg.Items), func() uint64 { return a.machine.Stats().Packets }, func() { a.deliver(ctx, msg) })
	case *wire.GateDeliver:
		a.traced(msg.Trace, nil, len(msg.Items), func() uint64 { return a.gate.Stats().Packets }, func() { a.gate.Deliver(msg) })
	case *gateDelivery:
		a.traced(msg.Trace, nil, len(msg.Items), func() uint64 { return a.gate.Stats().Packets }, func() { a.gate.Deliver(msg.GateDeliver) })
		msg.receipt.sign(a.node)
	case nodeLost:
		a.machine.NodeLost(msg.node)
		a.gate.NodeLost(msg.node)
	case *seek:
		offset, known := a.machine.Seek(msg.room, msg.member, msg.conn)
		ctx.Send(msg.from, &sought{msg.room, msg.member, offset, known})
	case *again:
		a.again(msg)
		return
	case fanout.Drained:
		a.machine.Drained(msg)
	case gatefan.Drained:
		a.gate.Drained(msg)
	case trimHistory:
		a.gate.Trim()
		return
	case inspect:
		msg.answers <- a.table()
		return
	case flush:
		a.flush()
		return
	default:
		return
	}
	if !a.flushing {
		a.flushing = true
		ctx.Send(ctx.Self(), flush{})
	}
}

// flush writes to the sockets that were pushed to.
func (a *fan) flush() {
	a.flushing = false
	if len(a.traces) == 0 {
		a.machine.Flush()
		a.gate.Flush()
		return
	}
	since := time.Now()
	a.node.tracing.flushed(a.traces, since, a.machine.Flush()+a.gate.Flush())
	a.traces = a.traces[:0]
}

// maxFlushTraces is how many traced deliveries the span of a flush tells of.
const maxFlushTraces = 64

// traced hands items to a machine, in a span if they are traced: of one trace,
// and linked to others.
func (a *fan) traced(t actors.Trace, links []actors.Trace, items int, packets func() uint64, deliver func()) {
	if !t.Sampled() {
		deliver()
		return
	}
	before := packets()
	span, own := a.node.tracing.start(t, "deliver", attribute.Int("parlor.items", items))
	linkedTo(span, links)
	deliver()
	if span == nil {
		return
	}
	span.SetAttributes(attribute.Int64("parlor.packets", int64(packets()-before)))
	span.End()
	if len(a.traces) < maxFlushTraces {
		a.traces = append(a.traces, own)
	}
}

func (a *fan) deliver(ctx actor.Context, d *delivery) {
	confirm := a.machine.Deliver(d.Deliver)
	switch {
	case confirm == nil:
	case d.from != nil:
		ctx.Send(d.from, confirm)
	default:
		a.node.toPeer(d.From, link.Control, actors.Reliable, confirm)
	}
	d.receipt.sign(a.node)
}
