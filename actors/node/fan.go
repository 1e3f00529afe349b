package node

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/parlor-rooms/parlor/actors/internal/fanout"
	"github.com/parlor-rooms/parlor/actors/internal/gatefan"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// fan drives the fan-out machine of one shard of rooms.
type fan struct {
	node    *Node
	pid     *actor.PID
	machine *fanout.Machine  // of rooms; owned by Receive, but for Stats
	gate    *gatefan.Machine // of gateways; owned by Receive, but for Stats

	flushing bool // owned by Receive: a flush is in the mailbox
}

// delivery is a Deliver with the address for its confirmation.
type delivery struct {
	*wire.Deliver
	from *actor.PID
}

// flush comes after everything that waited when the first packet of a batch
// was pushed, so that a socket is written to once per batch.
type flush struct{}

func startFan(n *Node) *fan {
	f := &fan{node: n}
	f.machine = fanout.New(fanout.Config{
		Node: n.id, Sockets: n, Post: func(d fanout.Drained) { n.send(f.pid, d) },
	})
	f.gate = gatefan.New(gatefan.Config{
		Socket: n.Socket, Asked: n.asked, Generation: n.id,
		Resumed: func(id string, recovered bool) {
			if c, ok := n.clients.Load(id); ok {
				c.(*client).resumed(recovered)
			}
		},
	})
	f.pid = n.spawn(func() actor.Actor { return f })
	return f
}

// Receive implements actor.Actor.
func (a *fan) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *delivery:
		if confirm := a.machine.Deliver(msg.Deliver); confirm != nil {
			ctx.Send(msg.from, confirm)
		}
	case *wire.GateDeliver:
		a.gate.Deliver(msg)
	case fanout.Drained:
		a.machine.Drained(msg)
	case flush:
		a.flushing = false
		a.machine.Flush()
		a.gate.Flush()
		return
	default:
		return
	}
	if !a.flushing {
		a.flushing = true
		ctx.Send(ctx.Self(), flush{})
	}
}
