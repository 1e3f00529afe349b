package node

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.opentelemetry.io/otel/attribute"

	"github.com/parlor-rooms/parlor/actors"
)

// directory knows the rooms of its shard that are in memory, and wakes them.
// It owns the map from room to address.
type directory struct {
	node     *Node
	self     *actor.PID
	rooms    map[actors.RoomRef]*actor.PID
	stopping bool

	// Of a node that is one of many.
	away   map[actors.RoomRef]string // nodes that have rooms, as far as was heard; at most maxAway
	asking map[actors.RoomRef]*asking
	owned  map[actors.RoomRef]actors.Owned // rooms of this node as the cluster has claimed them
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
	room actors.RoomRef
	pid  *actor.PID
}

type retired struct{}

// forgotten tells the caller of the shard that an address is void.
type forgotten struct{ room actors.RoomRef }

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
		node: n, rooms: make(map[actors.RoomRef]*actor.PID),
		away: make(map[actors.RoomRef]string), asking: make(map[actors.RoomRef]*asking),
		owned: make(map[actors.RoomRef]actors.Owned),
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
		for _, pid := range d.rooms {
			ctx.Send(pid, msg)
		}
	case *retire:
		if pid := d.rooms[msg.room]; pid != nil && pid.Equal(msg.pid) {
			delete(d.rooms, msg.room)
			d.release(msg.room)
			ctx.Send(d.node.callers[d.node.shardOf(msg.room)], forgotten{msg.room})
		}
		ctx.Send(msg.pid, retired{})
	case moveRooms:
		d.move(msg)
	case inspect:
		msg.answers <- d.table()
	case trimHistory:
		for _, pid := range d.rooms {
			ctx.Send(pid, msg)
		}
	case closeRooms:
		d.stopping = true
		for _, pid := range d.rooms {
			ctx.Send(pid, closeRoom{actors.ReasonShutdown})
		}
	}
}

func (d *directory) locate(l *locate) {
	switch pid := d.rooms[l.room]; {
	case pid != nil:
		d.node.send(l.from, &located{room: l.room, pid: pid})
	case d.node.clustered():
		d.locateAmongMany(l)
	case l.peek:
		d.node.send(l.from, &unreachable{room: l.room})
	default:
		pid, err := d.wake(l.room, d.node.epoch.Add(1), actors.Owned{}, l.trace)
		d.answer(l, pid, "", err)
	}
}

func (d *directory) answer(l *locate, pid *actor.PID, node string, err *actors.Error) {
	if pid == nil && node == "" {
		d.node.send(l.from, &unreachable{l.room, err})
		return
	}
	d.node.send(l.from, &located{l.room, pid, node})
}

// release gives up what the cluster has claimed for this node.
func (d *directory) release(ref actors.RoomRef) {
	if o, ok := d.owned[ref]; ok {
		delete(d.owned, ref)
		d.node.cfg.Cluster.Release(ref, o)
	}
}

// wake starts a room on this node.
func (d *directory) wake(ref actors.RoomRef, epoch uint64, owned actors.Owned, of actors.Trace) (*actor.PID, *actors.Error) {
	kind := d.node.kinds[ref.Kind]
	var pid *actor.PID
	switch {
	case d.stopping:
		return nil, actors.Errorf(actors.CodeUnavailable, "the node is stopping")
	case isHub(ref):
		d.node.rooms.Add(1)
		pid = d.node.startHub(ref)
	case kind == nil || !ref.Valid():
		return nil, actors.Errorf(actors.CodeBadRoom, "there is no room %s", clip(ref.String()))
	default:
		d.node.rooms.Add(1)
		pid = d.node.startRoom(ref, kind, epoch, owned, of)
	}
	d.rooms[ref] = pid
	return pid, nil
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

// arrived takes a message of another node for a room.
func (d *directory) arrived(b *roomBound) {
	switch a := d.asking[b.room]; {
	case d.rooms[b.room] != nil:
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

func (d *directory) hand(b *roomBound) {
	d.node.send(d.rooms[b.room], d.node.tracing.posted(b.msg))
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
	pid, failed := d.settle(p)
	for _, l := range a.locates {
		switch {
		case pid != nil:
			d.answer(l, pid, "", nil)
		case p.place.Node == d.node.id:
			d.answer(l, nil, "", failed)
		default:
			d.answer(l, nil, p.place.Node, failed)
		}
	}
	for _, b := range a.arrivals {
		if pid != nil {
			d.hand(b)
		} else {
			d.node.sendBack(b)
		}
	}
}

// settle does what the answer asks for. It returns the room if it is here.
func (d *directory) settle(p *placed) (*actor.PID, *actors.Error) {
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
		d.owned[ref] = p.place.Owned
		epoch := p.place.Owned.Epoch
		if epoch == 0 {
			epoch = d.node.nextEpoch()
		}
		pid, failed := d.wake(ref, epoch, p.place.Owned, p.cause)
		if failed != nil {
			d.release(ref)
		}
		return pid, failed
	case p.place.Node != "":
		if len(d.away) >= maxAway {
			clear(d.away)
		}
		d.away[ref] = p.place.Node
	}
	return nil, nil
}
