package node

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parlor-rooms/parlor/actors"
)

// What concerns every room of a directory would wake all those that sleep at
// once, and memory is not there for all of them. So it reaches them a few at a
// time.
const (
	wakeMost  = 256                   // rooms that are woken at once, for what none of them has asked for
	wakeEvery = 50 * time.Millisecond // and again

	// releasesAtOnce is how many rooms that sleep are released at a time when
	// the node stops.
	releasesAtOnce = 16

	// After the store may have been rolled back, recheckMost rooms of a
	// directory look after what they have kept there every recheckEvery, and
	// reclaimsAtOnce of those that keep nothing after who owns them at a time.
	recheckMost  = 64
	recheckEvery = 5 * time.Millisecond
)

// recheckRooms has the rooms of a shard that are awake look after what is
// stored of them; recheckRoom one of them. Those that sleep have nothing in memory
// to give back.
type (
	recheckRooms struct{}
	recheckRoom  struct{}
)

// reclaimedRoom says whether a room that keeps nothing is this node's still.
type reclaimedRoom struct {
	room  actors.RoomRef
	pid   *actor.PID
	owned actors.Owned
	err   error
}

func (d *directory) recheck() {
	var awake []*actor.PID
	var claimed []reclaimedRoom
	for ref, e := range d.rooms {
		switch kind := d.node.kinds[ref.Kind]; {
		case e.pid == nil:
		case kind != nil && kind.Lasts():
			awake = append(awake, e.pid)
		case e.placed && !e.early:
			claimed = append(claimed, reclaimedRoom{room: ref, pid: e.pid, owned: e.owned})
		}
	}
	n, self := d.node, d.self
	n.beside.Go(func() { n.reclaim(self, claimed) })
	n.beside.Go(func() {
		pause := time.NewTicker(recheckEvery)
		defer pause.Stop()
		for some := range slices.Chunk(awake, recheckMost) {
			for _, pid := range some {
				n.send(pid, recheckRoom{})
			}
			select {
			case <-pause.C:
			case <-n.ctx.Done():
				return
			}
		}
	})
}

// reclaim makes this node the owner once more of rooms that keep nothing but
// that, where it has been forgotten.
func (n *Node) reclaim(directory *actor.PID, rooms []reclaimedRoom) {
	var claims sync.WaitGroup
	defer claims.Wait()
	for _, r := range rooms {
		select {
		case n.reclaims <- struct{}{}:
		case <-n.ctx.Done():
			return
		}
		claims.Go(func() {
			defer func() { <-n.reclaims }()
			r.owned, r.err = n.cfg.Cluster.Reclaim(n.ctx, r.room, r.owned)
			n.send(directory, &r)
		})
	}
}

// reclaimed goes on with a room that is this node's. One that another node has
// claimed meanwhile ends here, and whoever is in it goes there.
func (d *directory) reclaimed(r *reclaimedRoom) {
	e := d.rooms[r.room]
	switch {
	case r.err == nil && !e.at(r.pid):
		d.node.cfg.Cluster.Release(r.room, r.owned) // it has left meanwhile
	case r.err == nil:
		e.owned = r.owned
	case e.at(r.pid) && errors.Is(r.err, actors.ErrHeld):
		d.node.log.Warn("a room was claimed by others while it was forgotten whose it is: it ends here", "room", r.room.String(), "error", r.err)
		if isHub(r.room) {
			d.node.send(e.pid, closeRoom{actors.ReasonShutdown})
			return
		}
		d.post(r.room, e, moveRoom{})
	}
}

// chore is a message for a room that sleeps and need not have it at once.
type chore struct {
	room actors.RoomRef
	msg  any
}

// chores reminds a directory of the chores that are left.
type chores struct{}

// nodeLost tells the rooms of the shard.
func (d *directory) nodeLost(msg nodeLost) {
	idle := len(d.later) == 0
	for ref, e := range d.rooms {
		switch {
		case e.pid != nil:
			d.post(ref, e, msg)
		case e.wakesFor(msg):
			d.later = append(d.later, chore{ref, msg})
		}
	}
	if idle {
		d.work()
	}
}

// work does some of the chores.
func (d *directory) work() {
	some := min(len(d.later), wakeMost)
	for _, c := range d.later[:some] {
		if e := d.rooms[c.room]; e != nil {
			d.post(c.room, e, c.msg)
		}
	}
	if d.later = d.later[some:]; len(d.later) == 0 {
		d.later = nil
		return
	}
	self := d.self
	time.AfterFunc(wakeEvery, func() { d.node.send(self, chores{}) })
}

// close ends every room of the shard. Those that sleep have nothing to say:
// their members' seats are stored, and they are released as they are.
func (d *directory) close() {
	d.stopping = true
	awake, asleep := make(map[actors.RoomRef]*resident), make(map[actors.RoomRef]*resident)
	for ref, e := range d.rooms {
		if e.pid == nil {
			asleep[ref] = e
			continue
		}
		awake[ref] = e
		if e.parting == nil { // otherwise it is about to sleep
			d.node.send(e.pid, closeRoom{actors.ReasonShutdown})
		}
	}
	d.rooms = awake
	d.giveUp(asleep)
}

// giveUp releases rooms that sleep and have been taken off the directory.
func (d *directory) giveUp(asleep map[actors.RoomRef]*resident) {
	n := d.node
	n.asleep.Add(-int64(len(asleep)))
	n.beside.Go(func() {
		var releases sync.WaitGroup
		slots := make(chan struct{}, releasesAtOnce)
		for ref, e := range asleep {
			slots <- struct{}{}
			releases.Go(func() {
				defer func() { <-slots }()
				defer n.rooms.Add(-1)
				gone := archive{node: n, ref: ref, owned: e.owned, placed: e.placed}
				gone.giveUp(actors.Trace{})
				n.givenUp(ref, e)
			})
		}
		releases.Wait()
	})
}
