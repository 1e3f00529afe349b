package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/link"
	"github.com/parlor-rooms/parlor/actors/internal/rawjson"
	"github.com/parlor-rooms/parlor/actors/internal/room"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// roomActor drives one room machine.
type roomActor struct {
	// Set by startRoom, read-only afterwards.
	node   *Node
	ref    actors.RoomRef
	epoch  uint64 // of a room that is not kept
	early  bool   // it began unclaimed
	kind   actors.Behavior
	fan    *fan
	ctx    context.Context // ends when the room leaves memory
	cancel context.CancelFunc
	waits  backlog

	// Owned by Receive.
	self     *actor.PID
	machine  *room.Machine // nil once the room has fallen asleep
	paused   *pause        // nil: the machine takes messages
	opened   bool          // the machine has been open
	store    *archive      // nil: nothing is kept of the kind
	out      callTable
	incoming map[uint64]*roomCall
	inID     uint64
	timer    *time.Timer
	armed    time.Time // when timer fires; zero: not armed

	moving    bool         // to another node
	handing   trace.Span   // of the hand-over, if it is traced
	handingOf actors.Trace // zero without it
}

type (
	wake      struct{}
	closeRoom struct{ why actors.LeaveReason }
	leaveNow  struct{}
	moveRoom  struct{ trace actors.Trace } // to another node: nobody is to notice
	claimed   struct {
		loaded room.Loaded
		err    error
	}
	appended struct {
		id  string
		err error
	}
	destroyed struct{ err error }
	reclaimed struct {
		owned actors.Owned
		err   error
	}
	workDone struct {
		id  uint64
		err error
	}
)

// activation is what a room begins with.
type activation struct {
	ref    actors.RoomRef
	kind   actors.Behavior
	epoch  uint64       // of a room that is not kept
	owned  actors.Owned // as the cluster has claimed it, or as it fell asleep; zero: to be claimed
	placed bool         // the cluster has claimed it
	early  bool         // nobody has claimed it yet, and nothing of it is kept
	slept  bool         // it goes on where it fell asleep
	nodes  []string     // that hold its members, if it slept
	trace  actors.Trace // of what it wakes for, if that is sampled
}

// startRoom wakes a room.
func (n *Node) startRoom(a activation) *actor.PID {
	r := &roomActor{node: n, ref: a.ref, kind: a.kind, epoch: a.epoch, early: a.early, fan: n.fans[n.shardOf(a.ref)], incoming: make(map[uint64]*roomCall)}
	if n.meters.wait != nil {
		r.waits.waited = n.meters.waited
	}
	r.ctx, r.cancel = context.WithCancel(n.ctx)
	r.machine = r.newMachine()
	if a.kind.Lasts() {
		r.store = &archive{node: n, ref: a.ref, owned: a.owned, cause: a.trace, placed: a.placed}
	}
	if a.slept {
		r.paused = &pause{waking: true, nodes: a.nodes}
	}
	return n.system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor { return r },
		actor.WithDispatcher(&n.workers), actor.WithMailbox(actor.Unbounded(&r.waits))))
}

func (r *roomActor) newMachine() *room.Machine {
	return room.New(room.Config{
		Traced:  contextOf,
		Decided: r.decided, Ticked: r.node.meters.ticked(),
		Ref: r.ref, Behavior: r.kind, Begin: r.node.house.begin, Authenticates: r.node.cfg.Authenticator != nil,
		Log:  r.node.log.With(slog.String("room", r.ref.String())),
		Rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), NewID: newID, Effects: r, Follows: r.node.clustered(),
		MaxBytes: r.node.cfg.MaxRoomBytes, Apart: r.node.apart,
	})
}

// Receive implements actor.Actor. A panic of the runtime itself, which turns
// do not cause, ends this room only.
func (r *roomActor) Receive(ctx actor.Context) {
	defer func() {
		if v := recover(); v != nil {
			r.node.log.Error("room ended by a fault of the runtime", "room", r.ref.String(), "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			r.abandon()
		}
	}()
	now := time.Now()
	msg := r.node.tracing.taken(ctx.Message())
	if look, ok := msg.(inspect); ok {
		look.answers <- r.table()
		return
	}
	if r.paused == nil || !r.keeps(msg) {
		r.take(ctx, msg, now)
	}
	r.opened = r.opened || r.machine != nil && r.machine.Open()
	r.resume(ctx, now)
	r.drowse()
	if r.machine != nil {
		r.arm(now)
	}
}

// take hands a message to the machine.
func (r *roomActor) take(ctx actor.Context, msg any, now time.Time) {
	m := r.machine
	switch msg := msg.(type) {
	case *actor.Started:
		r.self = ctx.Self()
		r.out = newCallTable(r.node, r.self)
		r.start(now)
	case claimed:
		if msg.err == nil {
			m.Start(now, msg.loaded)
			break
		}
		m.Fail(now, r.unclaimed(msg))
	case appended:
		m.Appended(now, msg.id, msg.err)
	case destroyed:
		m.Destroyed(now, msg.err)
	case reclaimed:
		m.Reclaimed(now, msg.owned, msg.err)
	case recheckRoom:
		m.Recheck(now)
	case *wire.Join:
		r.join(now, msg)
	case *wire.Event:
		if m.Retired() && !r.opened { // it failed to wake before this came: its sender was told nothing
			r.node.sendBack(&roomBound{room: r.ref, msg: msg})
		} else if r.waits.waiting() > int64(r.node.cfg.MaxMailbox) || r.waits.bytes.Load() > int64(r.node.cfg.MaxMailboxBytes) {
			m.Overloaded(now, msg)
		} else {
			r.event(now, msg)
		}
	case *wire.Ack:
		m.Ack(now, msg)
	case *wire.Renew:
		m.Renew(now, msg)
	case *wire.Leave:
		m.Leave(now, msg)
	case *wire.Delivered:
		m.Delivered(now, msg)
	case trimHistory:
		m.Trim()
	case wake:
		r.armed = time.Time{}
		m.Wake(now)
	case workDone:
		m.WorkDone(now, msg.id, msg.err)
	case *roomCall:
		if _, due := msg.op.(*wire.RoomDue); due {
			m.Due(now)
			r.node.answerCall(msg, &callResult{err: r.moved()})
			break
		}
		r.inID++
		r.incoming[r.inID] = msg
		m.Call(now, r.inID, msg.event, msg.payload)
		r.node.meters.took(r.ctx, now)
	case nodeLost:
		r.out.receive(msg, nil)
		m.NodeLost(now, msg.node)
	case *callResult, *located, *unreachable, *actor.DeadLetterResponse:
		r.out.receive(msg, func(a *callResult) { m.CallDone(now, a.id, a.result, a.err) })
	case closeRoom:
		m.Close(now, msg.why)
	case moveRoom:
		r.move(now, msg)
	case claimedAs:
		m.Claimed(now, msg.epoch)
	case retired:
		r.handedOver()
		r.lingers()
		r.gone()
	case leaveNow:
		ctx.Stop(r.self)
	}
}

// unclaimed is what those are told who wait for a room that could not be claimed
// or loaded.
func (r *roomActor) unclaimed(c claimed) *actors.Error {
	r.node.log.Error("room could not be claimed", "room", r.ref.String(), "error", c.err)
	var held *actors.HeldError
	if errors.As(c.err, &held) { // while it slept: its members go there
		for _, name := range c.loaded.Slept {
			r.Deliver(name, &wire.Deliver{Room: r.ref, Namespace: r.ref.Namespace(), Epoch: held.Epoch, Confirm: true})
		}
	}
	if errors.Is(c.err, errRoomTooLarge) {
		return actors.Errorf(actors.CodeTooLarge, "the room is larger than may be loaded")
	}
	return actors.Errorf(actors.CodeUnavailable, "the room cannot be loaded at the moment; try again")
}

// event runs the turn of an event, in a span if it is traced.
func (r *roomActor) event(now time.Time, e *wire.Event) {
	span, of := r.node.tracing.start(e.Trace, "turn", attribute.String("parlor.room", r.ref.String()))
	if span == nil {
		r.machine.Event(now, e)
		r.node.meters.took(r.ctx, now)
		return
	}
	if name, _, err := rawjson.SplitEvent(e.Data.JSON); err == nil {
		span.SetAttributes(eventAttribute(name))
	}
	own := *e // the message is not ours to change
	own.Trace = of
	r.machine.Event(now, &own)
	r.node.meters.took(contextOf(r.ctx, of), now)
	span.End()
}

// join takes up a join, in a span if it is traced.
func (r *roomActor) join(now time.Time, j *wire.Join) {
	span, of := r.node.tracing.start(j.Trace, "join", attribute.String("parlor.room", r.ref.String()))
	if span == nil {
		r.machine.Join(now, j)
		return
	}
	own := *j
	own.Trace = of
	r.machine.Join(now, &own)
	span.End()
}

// decided counts a join that was let in, and tells of every one that is traced.
// Those that were refused are counted where their connections are.
func (r *roomActor) decided(j *wire.Join, o room.JoinOutcome, err *actors.Error) {
	outcome := "refused"
	if err == nil {
		r.node.counts.joined(o)
		outcome = string(outcomes[o])
	}
	if span, _ := r.node.tracing.start(j.Trace, "admit", attribute.String("parlor.outcome", outcome)); span != nil {
		if err != nil {
			span.SetAttributes(attribute.String("parlor.code", string(err.Code)))
		}
		end(span, nil)
	}
}

// move begins the hand-over to another node, once.
func (r *roomActor) move(now time.Time, m moveRoom) {
	if !r.moving {
		r.moving = true
		r.handing, r.handingOf = r.node.tracing.start(m.trace, "handover", attribute.String("parlor.room", r.ref.String()))
	}
	r.machine.Move(now)
}

// handedOver ends what move began.
func (r *roomActor) handedOver() {
	if r.moving {
		r.node.counts.handOvers.Add(1)
		end(r.handing, nil)
	}
}

// start opens the room, once it is this activation's if it is kept.
func (r *roomActor) start(now time.Time) {
	if r.store == nil {
		r.machine.Start(now, room.Loaded{Epoch: r.epoch, Yields: r.early})
		return
	}
	load, slept := r.store.claim, []string(nil)
	if r.paused != nil {
		load, slept = r.store.reload, r.paused.nodes
	}
	r.store.then(func() {
		loaded, err := load()
		loaded.Slept = slept
		r.node.send(r.self, claimed{loaded, err})
	})
}

func (r *roomActor) directory() *actor.PID { return r.node.shards[r.node.shardOf(r.ref)] }

// lingers ends the actor once nothing can come any more.
func (r *roomActor) lingers() {
	time.AfterFunc(linger, func() { r.node.send(r.self, leaveNow{}) })
}

// moved answers what came too late for the room.
func (r *roomActor) moved() *actors.Error {
	if r.machine.Retired() {
		return room.ErrMoved
	}
	return nil
}

// gone is called when the room has retired.
func (r *roomActor) gone() {
	r.cancel()
	r.node.rooms.Add(-1)
}

// abandon ends a room whose machine can no longer be trusted: its members'
// transports are closed, and they come back to another activation.
func (r *roomActor) abandon() {
	defer func() {
		if recover() != nil {
			r.Retire()
		}
	}()
	if r.machine != nil && !r.machine.Retired() {
		r.machine.Abandon(time.Now(), actors.ReasonShutdown)
	}
}

// arm sets the timer to the machine's next wake.
func (r *roomActor) arm(now time.Time) {
	next := r.machine.NextWake()
	if next.Equal(r.armed) || (!r.armed.IsZero() && !next.IsZero() && r.armed.Before(next) && r.armed.After(now)) {
		return // it fires in time; a wake that is too early does no harm
	}
	r.armed = next
	switch {
	case next.IsZero():
		if r.timer != nil {
			r.timer.Stop()
		}
	case r.timer == nil:
		r.timer = time.AfterFunc(next.Sub(now), func() { r.node.send(r.self, wake{}) })
	default:
		r.timer.Reset(next.Sub(now))
	}
}

// Deliver implements room.Effects.
func (r *roomActor) Deliver(node string, d *wire.Deliver) {
	if node == r.node.id {
		r.node.send(r.fan.pid, &delivery{Deliver: d, from: r.self})
		return
	}
	r.node.toPeer(node, link.Data, classOf(d), d)
}

// classOf says what may happen to a Deliver when a node link is full.
func classOf(d *wire.Deliver) actors.Class {
	if d.Confirm {
		return actors.Reliable
	}
	for _, item := range d.Items {
		if e, ok := item.(wire.Emit); !ok || !e.Volatile {
			return actors.Reliable
		}
	}
	return actors.Volatile
}

// Tell implements room.Effects.
func (r *roomActor) Tell(c wire.ConnRef, msg any) {
	if moved, is := msg.(*wire.Moved); is {
		moved.Trace = r.handingOf
	}
	r.node.tell(c, msg)
}

// Run implements room.Effects.
func (r *roomActor) Run(id uint64, work func(context.Context) error) {
	r.node.beside.Go(func() { r.node.send(r.self, workDone{id, work(r.ctx)}) })
}

// Call implements room.Effects.
func (r *roomActor) Call(id uint64, c room.OutCall) {
	r.out.call(&roomCall{id: id, room: c.Room, event: c.Event, payload: c.Payload, from: r.self})
}

// Answer implements room.Effects.
func (r *roomActor) Answer(id uint64, result actors.Raw, err *actors.Error) {
	c := r.incoming[id]
	delete(r.incoming, id)
	if c != nil {
		r.node.answerCall(c, &callResult{result: result, err: err})
	}
}

// Append implements room.Effects.
func (r *roomActor) Append(a room.Append) {
	r.store.append(a, func(err error) { r.node.send(r.self, appended{a.Batch.ID, err}) })
}

// Schedule implements room.Effects.
func (r *roomActor) Schedule(at time.Time) { r.store.schedule(at) }

// Reclaim implements room.Effects.
func (r *roomActor) Reclaim(o actors.Owned) {
	r.store.reclaim(o, func(owned actors.Owned, err error) { r.node.send(r.self, reclaimed{owned, err}) })
}

// Destroy implements room.Effects.
func (r *roomActor) Destroy() {
	r.store.destroy(func(err error) { r.node.send(r.self, destroyed{err}) })
}

// Retire implements room.Effects.
func (r *roomActor) Retire() {
	gone := &retire{room: r.ref, pid: r.self}
	if r.store == nil {
		r.node.send(r.directory(), gone)
		return
	}
	r.store.release(r.handingOf, func() {
		gone.owned = r.store.owned
		r.node.send(r.directory(), gone)
	})
}
