package node

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// A room of which nothing is kept may start although nobody can claim it
// (Place.Unclaimed): early. Before it does, every other node is asked whether
// it has the room. It is claimed once that can be done; if another node has it
// by then, the one here moves there.

// askWithin is how long the others may take to say whether they have a room.
// One that says nothing may be dead.
const askWithin = time.Second

// claimEvery bounds how fast a node claims what has started early: one room at
// a time, and this long between two.
const claimEvery = 5 * time.Millisecond

// early are the rooms of this node that are to be claimed.
type early struct {
	mu       sync.Mutex // guards the following
	rooms    []actors.RoomRef
	claiming bool // a goroutine is at it
}

type (
	// lateClaim says whose a room is that has started early.
	lateClaim struct {
		room  actors.RoomRef
		place Place
	}

	// claimedAs tells such a room its epoch.
	claimedAs struct{ epoch uint64 }

	// hasRoom asks a directory whether it has a room.
	hasRoom struct {
		room   actors.RoomRef
		answer chan<- bool
	}
)

// earlyEpoch is lower than the epoch of any room that was claimed, which is
// microseconds (see nextEpoch, and claim.lua of the Redis store), and higher
// than those of rooms that have started early before, as far as the clocks of
// nodes agree: it is milliseconds.
func (n *Node) earlyEpoch() uint64 { return uint64(time.Now().UnixMilli()) }

// unlessElsewhere is where a room is that nobody can claim: on a node that has
// it, or else where it is to start.
func (n *Node) unlessElsewhere(ctx context.Context, q Query, p Place) Place {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	var at []string
	_ = n.ofOthers(func(node string) (func(), error) {
		_, err := n.askNode(ctx, node, &wire.RoomHere{Room: q.Room})
		return func() { at = append(at, node) }, err
	})
	slices.Sort(at)
	switch {
	case len(at) == 0:
		return p
	case at[0] == q.Misled && len(at) > 1:
		return Place{Node: at[1]}
	}
	return Place{Node: at[0]}
}

// hasRoom reports whether this node has a room, or false when ctx ends.
func (n *Node) hasRoom(ctx context.Context, ref actors.RoomRef) bool {
	answer := make(chan bool, 1)
	n.send(n.shards[n.shardOf(ref)], hasRoom{ref, answer})
	select {
	case has := <-answer:
		return has
	case <-ctx.Done():
		return false
	}
}

// claimLater has a room claimed as soon as that can be done.
func (n *Node) claimLater(ref actors.RoomRef) {
	e := &n.early
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rooms = append(e.rooms, ref)
	if !e.claiming {
		e.claiming = true
		n.beside.Go(n.claimEarly) // ends with n.ctx, or when nothing is left
	}
}

// drop forgets a room that has left.
func (e *early) drop(ref actors.RoomRef) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rooms = slices.DeleteFunc(e.rooms, func(r actors.RoomRef) bool { return r == ref })
}

// next takes the room that has waited longest.
func (e *early) next() (ref actors.RoomRef, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.rooms) == 0 {
		e.claiming = false
		return actors.RoomRef{}, false
	}
	ref = e.rooms[0]
	e.rooms = e.rooms[1:]
	return ref, true
}

// claimEarly claims one room after the other.
func (n *Node) claimEarly() {
	pause := time.NewTicker(claimEvery)
	defer pause.Stop()
	for {
		ref, ok := n.early.next()
		if !ok {
			return
		}
		place, err := n.cfg.Cluster.Claim(n.ctx, ref)
		if err != nil {
			return // the node stops
		}
		n.send(n.shards[n.shardOf(ref)], &lateClaim{ref, place})
		select {
		case <-pause.C:
		case <-n.ctx.Done():
			return
		}
	}
}

// claimedLate takes in whose a room is that has started early.
func (d *directory) claimedLate(c *lateClaim) {
	e, owned := d.rooms[c.room], c.place.Owned
	switch {
	case c.place.Node == d.node.id && (e == nil || owned.Epoch < e.owned.Epoch): // it has left meanwhile
		d.node.cfg.Cluster.Release(c.room, owned)
	case c.place.Node == d.node.id: // what it may have been claimed as before does not count any more
		e.early, e.placed, e.owned = false, true, owned
		d.post(c.room, e, claimedAs{owned.Epoch})
	case e != nil && e.early:
		d.node.log.Warn("a room that started while it could not be claimed is on another node too: it ends here", "room", c.room.String(), "node", c.place.Node)
		d.post(c.room, e, moveRoom{})
	}
}
