package node

import (
	"context"
	"fmt"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// moveRooms sends the rooms of a shard to other nodes and says how many there
// still are.
type moveRooms struct {
	left  chan<- int
	trace actors.Trace
}

// moveEvery is how often rooms are asked to move: some wake before the others
// know that none should any more.
const moveEvery = 50 * time.Millisecond

// Drain hands the rooms of this node over to others and lets none wake here any
// more: they are released, wake where their members' connections look for them
// next, and members of kinds that resume notice a pause at most. It blocks
// until no room is left or ctx ends. Clients
// of gateways are in their rooms all the while. Connections stay. A node that is alone keeps
// its rooms.
func (n *Node) Drain(ctx context.Context) error {
	if !n.clustered() || len(n.others()) == 0 {
		return nil
	}
	span, of := n.tracing.begin("drain")
	err := n.drain(ctx, of)
	end(span, err)
	return err
}

func (n *Node) drain(ctx context.Context, of actors.Trace) error {
	n.cfg.Cluster.Drain()
	tick := time.NewTicker(moveEvery)
	defer tick.Stop()
	left := 0
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("node: %d rooms were not handed over: %w", left, ctx.Err())
		case <-n.ctx.Done():
			return nil
		}
		answers := make(chan int, len(n.shards))
		for _, d := range n.shards {
			n.send(d, moveRooms{answers, of})
		}
		left = 0
		for range n.shards {
			select {
			case some := <-answers:
				left += some
			case <-n.ctx.Done():
				return nil
			}
		}
		if left == 0 {
			return nil
		}
	}
}

// move answers moveRooms. Rooms that sleep have to be woken for it: a few at a
// time.
func (d *directory) move(m moveRooms) {
	left, woken := 0, 0
	for ref, e := range d.rooms {
		if isHub(ref) {
			left++
			d.node.send(e.pid, closeRoom{actors.ReasonShutdown})
			continue
		}
		left++
		if e.pid == nil {
			if woken++; woken > wakeMost {
				continue
			}
		}
		d.post(ref, e, moveRoom{m.trace})
	}
	m.left <- left
}
