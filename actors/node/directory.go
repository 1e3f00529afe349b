package node

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.opentelemetry.io/otel/attribute"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// directory knows the rooms of its shard that are in memory or hibernate, and
// wakes them. It owns the map from room to address; the address of a room whose
// kind hibernates is the directory itself.
type directory struct {
	node     *Node
	self     *actor.PID
	rooms    map[actors.RoomRef]*resident
	later    []chore                 // for rooms that sleep
	deserted map[actors.RoomRef]bool // hubs that have left, or were lost, lately with clients in them
	stopping bool

	// Of a node that is one of many.
	away   map[actors.RoomRef]string // nodes that have rooms, as far as was heard; at most maxAway
	asking map[actors.RoomRef]*asking
}

// asking is what waits for Cluster.Locate.
type asking struct {
	peek     bool         // the question does not wake the room
	wake     bool         // one that does is to follow
	cause    actors.Trace // of the first of what waits that is traced
	locates  []*locate
	arrivals []*roomBound
}

// placed is the answer.
type placed struct {
	cause actors.Trace // of what the room wakes for, if that is traced
	query Query
	place Place
	err   error
}

// retire takes a room off the directory; the room is answered retired.
type retire struct {
	room     actors.RoomRef
	pid      *actor.PID
	owned    actors.Owned // as it was last; zero if it is as it was claimed
	deserted bool         // a hub with clients in it
}

type retired struct{}

// settledIn says that those who were in a hub that has left are elsewhere.
type settledIn struct{ room actors.RoomRef }

// deserts says that a hub is lost with its node, with clients in it perhaps.
type deserts struct{ room actors.RoomRef }

// forgotten tells the caller of the shard that an address is void.
type forgotten struct {
	room actors.RoomRef
	pid  *actor.PID // nil: whatever it is
}

// closeRooms ends every room of the shard and refuses to wake others.
type closeRooms struct{}

// linger is how long a retired room still answers Moved. A message can only
// come that late if its sender learned the address before the room retired.
const linger = 2 * time.Second

// maxAway is for how many rooms on other nodes a directory remembers where
// they are.
const maxAway = 65_536

// locateTimeout bounds one question where a room is.
const locateTimeout = 10 * time.Second

// misledPause is how long a question waits that an earlier answer has misled,
// so that nodes whose views differ do not send a message to and fro at speed.
const misledPause = 25 * time.Millisecond

func newDirectory(n *Node) *directory {
	return &directory{
		node: n, rooms: make(map[actors.RoomRef]*resident), deserted: make(map[actors.RoomRef]bool),
		away: make(map[actors.RoomRef]string), asking: make(map[actors.RoomRef]*asking),
	}
}

// Receive implements actor.Actor.
func (d *directory) Receive(ctx actor.Context) {
	d.self = ctx.Self()
	switch msg := ctx.Message().(type) {
	case *locate:
		d.locate(msg)
	case *roomBound:
		d.arrived(msg)
	case *placed:
		d.placed(msg)
	case nodeLost:
		for room, node := range d.away {
			if node == msg.node {
				delete(d.away, room)
			}
		}
		d.nodeLost(msg)
	case chores:
		d.work()
	case *drowsy:
		d.drowsy(msg)
	case *sleeps:
		d.sleeps(msg)
	case *lateClaim:
		d.claimedLate(msg)
	case hasRoom:
		msg.answer <- d.rooms[msg.room] != nil
	case *retire:
		if e := d.rooms[msg.room]; e.at(msg.pid) {
			delete(d.rooms, msg.room)
			if msg.owned.Epoch != 0 && e.placed {
				e.owned = msg.owned
			}
			if e.early {
				d.node.early.drop(msg.room)
			}
			d.node.givenUp(msg.room, e)
			switch {
			case msg.deserted:
				d.desert(msg.room)
			case !isHub(msg.room): // a hub's callers are told when it has answered for long enough
				ctx.Send(d.node.callers[d.node.shardOf(msg.room)], forgotten{room: msg.room})
			}
		}
		ctx.Send(msg.pid, retired{})
	case deserts:
		d.desert(msg.room)
	case settledIn:
		delete(d.deserted, msg.room)
	case recheckRooms:
		d.recheck()
	case *reclaimedRoom:
		d.reclaimed(msg)
	case moveRooms:
		d.move(msg)
	case inspect:
		msg.answers <- d.table()
	case trimHistory:
		for _, e := range d.rooms {
			if e.pid != nil {
				ctx.Send(e.pid, msg)
			}
		}
	case closeRooms:
		d.close()
	}
}

// desert notes that clients are about to enter the next activation of a hub:
// until then what is emitted to it wakes it.
func (d *directory) desert(room actors.RoomRef) {
	self := d.self
	d.deserted[room] = true
	time.AfterFunc(linger, func() { d.node.send(self, settledIn{room}) })
}

// awaits reports whether clients may be about to enter a hub that is not in
// memory, so that what is emitted to it is to wake it.
func (d *directory) awaits(room actors.RoomRef) bool {
	return d.deserted[room] || isHub(room) && d.node.unsettled()
}

func (d *directory) locate(l *locate) {
	if l.peek && d.awaits(l.room) {
		l.peek, l.wakes = false, true
	}
	switch e := d.rooms[l.room]; {
	case e != nil:
		d.answer(l, e, "", nil)
	case d.node.clustered():
		d.locateAmongMany(l)
	case l.peek:
		d.node.send(l.from, &unreachable{room: l.room})
	default:
		e, err := d.wake(activation{ref: l.room, epoch: d.node.epoch.Add(1), trace: l.trace})
		d.answer(l, e, "", err)
	}
}

func (d *directory) answer(l *locate, e *resident, node string, err *actors.Error) {
	at := &located{room: l.room, node: node, wakes: l.wakes}
	switch kind := d.node.kinds[l.room.Kind]; {
	case e == nil && node == "":
		d.node.send(l.from, &unreachable{l.room, err})
		return
	case e != nil && kind != nil && kind.Config().HibernateAfter > 0:
		at.pid, at.directory = d.self, true
	case e != nil:
		at.pid = e.pid
	}
	d.node.send(l.from, at)
}

// givenUp tells the cluster that a room has left the memory of this node.
func (n *Node) givenUp(ref actors.RoomRef, e *resident) {
	if n.clustered() && !e.early {
		n.cfg.Cluster.Release(ref, e.owned)
	}
}

// wake starts a room on this node.
func (d *directory) wake(a activation) (*resident, *actors.Error) {
	a.kind = d.node.kinds[a.ref.Kind]
	e := &resident{owned: a.owned, placed: a.placed, early: a.early}
	switch {
	case d.stopping:
		return nil, actors.Errorf(actors.CodeUnavailable, "the node is stopping")
	case isHub(a.ref):
		e.pid = d.node.startHub(a.ref, a.epoch)
	case a.kind == nil || !a.ref.Valid():
		return nil, actors.Errorf(actors.CodeBadRoom, "there is no room %s", clip(a.ref.String()))
	default:
		e.pid = d.node.startRoom(a)
	}
	d.node.rooms.Add(1)
	d.rooms[a.ref] = e
	if a.early {
		d.node.claimLater(a.ref)
	}
	return e, nil
}

// locateAmongMany answers from what was heard, or asks.
func (d *directory) locateAmongMany(l *locate) {
	node := d.away[l.room]
	if node != "" && node != l.misled {
		d.answer(l, nil, node, nil)
		return
	}
	delete(d.away, l.room)
	a := d.ask(Query{Room: l.room, Peek: l.peek, Misled: l.misled}, l.trace)
	a.locates = append(a.locates, l)
}

// arrived takes a message for a room: of another node, or of this one if the
// room's kind hibernates. In the latter case the room was here.
func (d *directory) arrived(b *roomBound) {
	if s, ok := b.msg.(*wire.HubSend); ok && d.awaits(b.room) {
		s.Wakes = true // where it is next, unless that is here
	}
	switch a := d.asking[b.room]; {
	case d.rooms[b.room] != nil || b.from == "":
		d.hand(b)
	case a != nil:
		a.arrivals = append(a.arrivals, b)
		if b.wakes() {
			d.ask(Query{Room: b.room, Here: true}, traceOfMessage(b.msg))
		}
	case b.wakes():
		a := d.ask(Query{Room: b.room, Here: true}, traceOfMessage(b.msg))
		a.arrivals = append(a.arrivals, b)
	default:
		d.node.sendBack(b)
	}
}

// hand hands a message to its room, or says that it is not here.
func (d *directory) hand(b *roomBound) {
	if e := d.rooms[b.room]; e != nil {
		d.post(b.room, e, b.msg)
	} else {
		d.node.sendBack(b)
	}
}

// ask asks where a room is, unless that is being asked. A question that does
// not wake the room is followed by one for those who would wake it.
func (d *directory) ask(q Query, of actors.Trace) *asking {
	a := d.asking[q.Room]
	if a != nil {
		if !a.cause.Sampled() {
			a.cause = of
		}
		a.wake = a.wake || a.peek && !q.Peek
		return a
	}
	a = &asking{peek: q.Peek, cause: of}
	d.asking[q.Room] = a
	d.locateBeside(q, of)
	return a
}

func (d *directory) locateBeside(q Query, of actors.Trace) {
	n, self := d.node, d.self
	kind := n.kinds[q.Room.Kind]
	q.Brief = kind != nil && !kind.Lasts()
	n.beside.Go(func() {
		ctx, cancel := context.WithTimeout(n.ctx, locateTimeout)
		defer cancel()
		if q.Misled != "" {
			pause := time.NewTimer(misledPause)
			defer pause.Stop()
			select {
			case <-pause.C:
			case <-ctx.Done():
			}
		}
		span, own := n.tracing.start(of, "locate", attribute.String("parlor.room", q.Room.String()))
		place, err := n.cfg.Cluster.Locate(contextOf(ctx, own), q)
		if err == nil && place.Unclaimed {
			place = n.unlessElsewhere(ctx, q, place)
		}
		if span != nil {
			span.SetAttributes(attribute.String("parlor.node", place.Node))
		}
		end(span, err)
		n.send(self, &placed{of, q, place, err})
	})
}

// placed takes the answer of the cluster.
func (d *directory) placed(p *placed) {
	ref := p.query.Room
	a := d.asking[ref]
	if a == nil {
		return
	}
	if a.wake && p.place.Node == "" {
		a.peek, a.wake = false, false
		d.locateBeside(Query{Room: ref, Here: len(a.arrivals) > 0}, a.cause)
		return
	}
	delete(d.asking, ref)
	e, failed := d.settle(p)
	for _, l := range a.locates {
		node := p.place.Node
		if node == d.node.id {
			node = ""
		}
		d.answer(l, e, node, failed)
	}
	for _, b := range a.arrivals {
		d.hand(b)
	}
}

// settle does what the answer asks for. It returns the room if it is here.
func (d *directory) settle(p *placed) (*resident, *actors.Error) {
	ref := p.query.Room
	switch {
	case p.err != nil:
		failed := actors.AsError(p.err)
		if failed.Code == actors.CodeInternal {
			d.node.log.Warn("a room could not be located", "room", ref.String(), "error", p.err)
			failed = actors.Errorf(actors.CodeUnavailable, "the room cannot be found at the moment; try again")
		}
		return nil, failed
	case p.place.Node == d.node.id && p.query.Peek:
		return d.rooms[ref], nil // nil: it was here until a moment ago
	case p.place.Node == d.node.id:
		epoch := p.place.Owned.Epoch
		switch {
		case p.place.Unclaimed:
			epoch = d.node.earlyEpoch()
		case epoch == 0:
			epoch = d.node.nextEpoch()
		}
		e, failed := d.wake(activation{
			ref: ref, epoch: epoch, owned: p.place.Owned, placed: p.place.Owned.Owner != actors.Owner{}, early: p.place.Unclaimed, trace: p.cause,
		})
		if failed != nil && !p.place.Unclaimed {
			d.node.cfg.Cluster.Release(ref, p.place.Owned)
		}
		return e, failed
	case p.place.Node != "":
		if len(d.away) >= maxAway {
			clear(d.away)
		}
		d.away[ref] = p.place.Node
	}
	return nil, nil
}
