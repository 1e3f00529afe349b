package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/rawjson"
	"github.com/parlor-rooms/parlor/actors/internal/room"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// client is one client of a gateway: what its handlers are lent, and the queue
// on which they run one at a time.
type client struct {
	// Set by newClient, read-only afterwards.
	gw      *gateway
	id      string
	pid     string               // empty: it cannot recover
	shard   *fan                 // the fan-out shard that knows it, for life
	details actors.ClientDetails // as it first connected
	user    actors.GatewayClient
	trace   running // what its queue works on
	ctx     context.Context
	cancel  context.CancelFunc
	arrived chan []wire.Heard // of a client that moves here: what its fan-out had heard

	mu       sync.Mutex // guards the following
	conn     *connection
	current  *actors.ClientDetails // as it last connected
	permit   actors.Permit         // of current.Identity
	state    clientState
	why      actors.LeaveReason // once leaving
	rooms    []string
	roomless bool // the end: it enters no room any more
	data     json.RawMessage
	queue    []job
	running  bool
	join     *wire.Join           // of the latest resume
	window   *time.Timer          // runs while it is away
	lost     time.Time            // when it lost its connection, while it is away
	kick     *wire.GateDetach     // what Disconnect asked for while connect hooks ran
	record   clientRecord         // of where it is, for other nodes
	handed   chan<- *wire.Session // while it moves: told what becomes of it; buffered
}

type clientState uint8

const (
	clientConnecting clientState = iota // connect hooks run
	clientLive
	clientAway    // it lost its connection and may recover
	clientMoving  // another node is taking it
	clientLeaving // its end is queued
)

// job is one thing to do on a client's queue. conn is set if the connection
// has not been let to send on yet.
type job struct {
	run  func()
	conn *connection
}

// push queues a job. It does not block.
func (c *client) push(j job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if j.conn != nil && len(c.queue) < c.gw.config.Queue {
		<-j.conn.window
		j.conn = nil
	}
	c.queue = append(c.queue, j)
	if !c.running {
		c.running = true
		c.gw.node.beside.Go(c.work)
	}
}

// work runs what is queued, and ends when nothing is left.
func (c *client) work() {
	for {
		c.mu.Lock()
		if len(c.queue) == 0 {
			c.running = false
			c.queue = nil
			c.mu.Unlock()
			return
		}
		j := c.queue[0]
		c.queue[0] = job{}
		c.queue = c.queue[1:]
		c.mu.Unlock()
		if j.conn != nil {
			<-j.conn.window
		}
		c.safely(j.run)
	}
}

// safely keeps a panic of user code from ending more than one job.
func (c *client) safely(f func()) {
	defer func() {
		if v := recover(); v != nil {
			c.gw.node.log.Error("gateway hook panicked", "namespace", c.details.Namespace, "client", c.id,
				"panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
	}()
	f()
}

// guarded runs a handler and turns its panic into an error.
func (c *client) guarded(what string, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			c.gw.node.log.Error("gateway handler panicked", "namespace", c.details.Namespace, "client", c.id, "event", what,
				"panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			err = actors.Errorf(actors.CodeInternal, "internal error")
		}
	}()
	return f()
}

func (c *client) tell(items ...wire.GateItem) {
	d := &wire.GateDeliver{Namespace: c.details.Namespace, Items: items, Trace: c.trace.now()}
	d.Prepare()
	c.gw.node.send(c.shard.pid, d)
}

// connect runs the connect hooks and answers the CONNECT.
func (c *client) connect(j *wire.Join) {
	span, of := c.gw.node.tracing.start(j.Trace, "connect")
	c.trace.set(of)
	defer c.trace.set(actors.Trace{})
	defer end(span, nil)
	ctx, cancel := context.WithTimeout(contextOf(c.ctx, of), c.gw.config.ConnectTimeout)
	defer cancel()
	err := c.guarded("connect", func() error {
		if err := c.enterOwnRooms(ctx); err != nil {
			return err
		}
		return c.user.Connect(ctx)
	})
	if err != nil {
		e := actors.AsError(err)
		c.logFailure("connect", err, e)
		c.refuse(e)
		return
	}
	c.mu.Lock()
	left, kick := c.state == clientLeaving, c.kick
	if !left {
		c.state = clientLive
	}
	c.mu.Unlock()
	if !left {
		c.remember()
	}
	outcome := room.JoinNew
	if c.pid != "" && j.PID != "" {
		outcome = room.JoinCut // what it came back for is not there
	}
	accept := wire.GateAccept{Client: c.id, Answer: wire.ConnectAnswer(c.id, c.pid)}
	switch {
	case !left:
		c.gw.node.counts.joined(outcome)
		c.tell(accept)
	case kick != nil:
		c.tell(accept, *kick) // a client without any answer would wait for ever
	}
}

// enterOwnRooms joins the room of the client's user, and those the user kept.
func (c *client) enterOwnRooms(ctx context.Context) error {
	user := c.details.Identity.Subject
	if user == "" {
		return nil
	}
	if err := c.enter(ctx, userRoom(user)); err != nil {
		return err
	}
	if !c.gw.config.KeepRooms {
		return nil
	}
	kept := c.gw.kept(ctx, c.details.Namespace, user)
	return c.Join(ctx, slices.DeleteFunc(kept, func(room string) bool { return !c.mayJoin(room) }), nil)
}

// refuse ends a client whose connect hooks failed.
func (c *client) refuse(e *actors.Error) {
	c.mu.Lock()
	conn := c.conn
	if c.state == clientLeaving {
		conn = nil // it knows
	}
	c.state = clientLeaving
	queue := c.queue
	c.queue = nil
	c.mu.Unlock()
	for _, j := range queue { // events that came meanwhile: no handler ever runs
		if j.conn != nil {
			<-j.conn.window
		}
	}
	c.leaveRooms()
	c.gw.node.counts.refuse(e.Code)
	if conn != nil { // before the client is told, which may ask again at once
		c.gw.node.send(conn.pid, clientGone{c.details.Namespace, c.id})
	}
	c.tell(wire.GateRefuse{Client: c.id, Answer: wire.ConnectError(e)})
	c.forget()
}

// event queues the handling of an event.
func (c *client) event(conn *connection, p *actors.Packet) {
	c.push(job{conn: conn, run: func() {
		c.mu.Lock()
		moving := c.state == clientMoving
		dead := c.state == clientLeaving && c.why != actors.ReasonClientLeft
		c.mu.Unlock()
		if moving || dead && c.ctx.Err() != nil {
			return
		}
		c.handle(p)
	}})
}

func (c *client) handle(p *actors.Packet) {
	name, args, err := rawjson.SplitEvent(p.Data)
	if err != nil {
		c.respond(p, "", actors.GatewayResult{}, actors.Errorf(actors.CodeBadPayload, "not an event"))
		return
	}
	args, _ = wire.CutMetadata(args)
	if !c.mayPublish(name) {
		c.respond(p, name, actors.GatewayResult{}, actors.Errorf(actors.CodeForbidden, "the credential does not allow to send %q", wire.Clip(name)))
		return
	}
	ev := &actors.Event{Name: name, Args: actors.Args{List: args, Attachments: p.Attachments}, WantsAck: p.HasID}
	var result actors.GatewayResult
	span, of := c.gw.node.tracing.start(p.Trace, "handler")
	if span != nil {
		span.SetAttributes(eventAttribute(name))
	}
	c.trace.set(of)
	err = c.guarded(name, func() (err error) {
		result, err = c.user.Handle(contextOf(c.ctx, of), ev)
		return err
	})
	e := actors.AsError(err)
	c.logFailure(name, err, e)
	c.respond(p, name, result, e)
	c.trace.set(actors.Trace{})
	end(span, err)
}

// logFailure logs what a hook or handler failed with where the client, which
// is told e, is not told that. A panic has been logged.
func (c *client) logFailure(what string, err error, e *actors.Error) {
	var guard *actors.GuardError
	log := c.gw.node.log.With("namespace", c.details.Namespace, "client", c.id, "event", what)
	switch {
	case errors.As(err, &guard):
		log.Info("gateway guard refused", "error", guard.Cause)
	case e != nil && e.Code == actors.CodeInternal && !errors.Is(err, e):
		log.Error("gateway handler failed", "error", err)
	}
}

func (c *client) respond(p *actors.Packet, event string, r actors.GatewayResult, e *actors.Error) {
	switch {
	case e != nil && p.HasID:
		c.tell(wire.GateReply{Client: c.id, ID: p.ID, Data: wire.ErrorAck(e)})
	case e != nil:
		c.tell(wire.GateEmit{Scope: wire.ScopeClient, Room: c.id, Data: wire.Exception(e, event)})
	default:
		for _, reply := range r.Replies {
			c.tell(wire.GateEmit{Scope: wire.ScopeClient, Room: c.id, Data: reply})
		}
		if p.HasID && !r.NoAck {
			c.tell(wire.GateReply{Client: c.id, ID: p.ID, Data: r.Ack})
		}
	}
}

// left says that the client has left, or that its connection is gone. Only
// the connection that it is on counts.
func (c *client) left(conn *connection, why actors.LeaveReason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != conn || c.state == clientLeaving {
		return
	}
	within := c.gw.config.RecoverWithin
	if c.gw.node.stopping.Load() {
		within = min(within, time.Duration(c.gw.node.parting.Load()))
	}
	if c.state == clientLive && c.pid != "" && why.MayReturn() && within > 0 {
		c.state, c.lost = clientAway, time.Now()
		c.conn = nil
		c.tell(wire.GateAway{Client: c.id})
		c.window = time.AfterFunc(within, func() { c.expire(why) })
		return
	}
	if why == actors.ReasonExpired || why == actors.ReasonRevoked {
		c.dismiss(wire.GateDetach{Client: c.id, Disconnect: true})
	}
	c.leave(why)
}

// dismiss tells the client that it is sent away; while connect hooks run, when
// they have succeeded. mu is held.
func (c *client) dismiss(d wire.GateDetach) {
	if c.state == clientConnecting {
		c.kick = &d
	} else {
		c.tell(d)
	}
}

// renew takes another credential of the same subject.
func (c *client) renew(id actors.Identity) {
	c.mu.Lock()
	defer c.mu.Unlock()
	details := *c.current
	details.Identity = id
	c.identify(&details)
}

// identify makes details those of the client. mu is held, or nobody else has
// the client yet.
func (c *client) identify(details *actors.ClientDetails) {
	c.current, c.permit = details, details.Identity.In(details.Namespace)
}

func (c *client) mayPublish(event string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.permit.MayPublish(event)
}

// resume takes a client over to another connection, where it has state to go
// back to. Whether the events it missed are still kept is for the fan-out to
// say; see resumed.
func (c *client) resume(conn *connection, j *wire.Join) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != clientLive && c.state != clientAway {
		return false
	}
	if c.window != nil {
		c.window.Stop()
	}
	details := c.details
	details.Auth, details.Handshake, details.Identity, details.Recovered = j.Auth, j.Handshake, j.Identity, true
	c.identify(&details)
	c.state, c.conn, c.join = clientLive, conn, j
	c.tell(wire.GateResume{
		Client: c.id, Conn: wire.ConnRef{Node: c.gw.node.id, ID: conn.id}, Offset: j.Offset,
		Answer: wire.ConnectAnswer(c.id, c.pid),
	})
	return true
}

// resumed is told by the fan-out whether the client has missed nothing. If it
// has, it ends here, and its connection starts a fresh client.
func (c *client) resumed(recovered bool) {
	if recovered {
		c.gw.node.counts.joined(room.JoinResumed)
		c.push(job{run: func() {
			ctx, cancel := context.WithTimeout(c.ctx, c.gw.config.ConnectTimeout)
			defer cancel()
			if err := c.guarded("connect", func() error { return c.user.Connect(ctx) }); err != nil {
				c.Disconnect(false)
			}
		}})
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == clientLeaving || c.conn == nil {
		return
	}
	c.gw.node.send(c.conn.pid, clientAfresh{c.details.Namespace, c.id, c.join})
	c.conn = nil
	c.leave(actors.ReasonTransportClosed)
}

// part ends the wait for a client that is away when its node stops: at once, or
// when other nodes have had their time to take it.
func (c *client) part() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != clientAway {
		return
	}
	c.window.Stop()
	rest := time.Duration(c.gw.node.parting.Load()) - time.Since(c.lost)
	c.window = time.AfterFunc(max(0, rest), func() { c.expire(actors.ReasonShutdown) })
}

// expire ends a client that did not come back.
func (c *client) expire(why actors.LeaveReason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == clientAway {
		c.leave(why)
	}
}

// leave queues the end of the client. mu is held.
func (c *client) leave(why actors.LeaveReason) {
	c.state, c.why = clientLeaving, why
	if c.window != nil {
		c.window.Stop()
	}
	if why != actors.ReasonClientLeft {
		c.cancel() // nobody waits for what its handlers do
	}
	c.queue = append(c.queue, job{run: func() { c.end(why) }})
	if !c.running {
		c.running = true
		c.gw.node.beside.Go(c.work)
	}
}

// end runs the disconnect hooks and leaves nothing of the client behind.
func (c *client) end(why actors.LeaveReason) {
	c.safely(func() { c.user.Disconnected(context.WithoutCancel(c.ctx), why) })
	c.leaveRooms()
	c.tell(wire.GateDetach{Client: c.id})
	c.forget()
}

// forget takes the client out of the node's tables.
func (c *client) forget() {
	c.cancel()
	n := c.gw.node
	n.clients.Delete(c.id)
	c.gw.sessions.remove(c.pid)
	c.forgetRecord()
	n.clientGone(c.id)
	n.liveClients.Add(-1)
}
