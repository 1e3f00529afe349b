package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parlor-rooms/parlor/actors"
	conn "github.com/parlor-rooms/parlor/actors/internal/connection"
	"github.com/parlor-rooms/parlor/actors/internal/rawjson"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// window is how many packets of one connection may be worked on before
// Receive blocks.
const window = 16

// connection is what the transport holds of a connection actor.
type connection struct {
	node   *Node
	id     uint64
	socket actors.Socket
	pid    *actor.PID
	window chan struct{} // one element per packet that is worked on
	done   chan struct{} // closed by Closed
	once   sync.Once
}

// Accept implements actors.Gate.
func (n *Node) Accept(s actors.Socket, h *actors.Handshake) (actors.Connection, error) {
	if n.stopping.Load() {
		return nil, actors.Errorf(actors.CodeUnavailable, "the node is stopping")
	}
	if n.live.Add(1) > int64(n.cfg.MaxConnections) {
		n.live.Add(-1)
		return nil, actors.Errorf(actors.CodeOverloaded, "the node takes no more connections")
	}
	c := &connection{node: n, id: n.connID.Add(1), socket: s, window: make(chan struct{}, window), done: make(chan struct{})}
	c.pid = n.spawn(func() actor.Actor { return newConnActor(c, h) })
	n.conns.Store(c.id, c)
	if n.stopping.Load() {
		s.Close(actors.ReasonShutdown) // stop may have missed it
	}
	return c, nil
}

// Socket implements fanout.Sockets.
func (n *Node) Socket(id uint64) (actors.Socket, bool) {
	if c, ok := n.conns.Load(id); ok {
		return c.(*connection).socket, true
	}
	return nil, false
}

func (c *connection) Receive(p *actors.Packet) {
	span := c.node.tracing.received(p)
	defer end(span, nil)
	select {
	case c.window <- struct{}{}:
		c.node.send(c.pid, p)
	case <-c.done:
	}
}

func (c *connection) Closed(why actors.LeaveReason) {
	c.once.Do(func() {
		close(c.done)
		c.node.conns.Delete(c.id)
		c.node.send(c.pid, closed{why})
	})
}

type closed struct{ why actors.LeaveReason }

// connActor drives one connection machine.
type connActor struct {
	node    *Node
	c       *connection
	machine *conn.Machine
	routes  router
	clients map[string]*client // by namespace
	comings map[string]*coming // by namespace: clients that are to be had from other nodes
	timer   *time.Timer
	armed   time.Time // when timer fires; zero: not armed
}

func newConnActor(c *connection, h *actors.Handshake) *connActor {
	a := &connActor{node: c.node, c: c}
	a.machine = conn.New(conn.Config{
		Ref:           wire.ConnRef{Node: c.node.id, ID: c.id},
		Handshake:     h,
		Directory:     c.node,
		Authenticates: c.node.cfg.Authenticator != nil,
		Follows:       c.node.clustered(),
		MaxNamespaces: c.node.cfg.MaxNamespaces,
		Opened:        time.Now(),
		Limits:        c.node.house.connection,
		House:         c.node.house,
		NewID:         newID,
		Effects:       a,
	})
	return a
}

// Receive implements actor.Actor.
func (a *connActor) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		a.routes = router{node: a.node, self: ctx.Self()}
	case *actors.Packet:
		span, t := a.node.tracing.start(msg.Trace, "connection")
		msg.Trace = t
		a.machine.Packet(time.Now(), msg)
		end(span, nil)
	case wake:
		a.armed = time.Time{}
		a.machine.Wake(time.Now())
	case recheck:
		a.machine.Recheck()
	case inspect:
		msg.answers <- a.table()
		return
	case *located:
		a.routes.located(msg)
	case *unreachable:
		a.routes.drop(msg.room)
		a.machine.Unreachable(msg.room, msg.err)
	case *authenticated:
		a.machine.Authenticated(time.Now(), msg.member, msg.identity, msg.err)
	case *wire.Joined:
		a.machine.Joined(msg)
	case *wire.Refused:
		a.machine.Refused(msg)
	case *wire.Gone:
		a.machine.Gone(msg)
	case *wire.Credit:
		a.machine.Credit(msg)
	case *wire.Moved:
		a.routes.mislead(msg.Room)
		a.follow(msg)
	case *actor.DeadLetterResponse:
		if room, ok := a.routes.at(msg.Target); ok {
			a.machine.Moved(&wire.Moved{Room: room})
		}
	case nodeLost:
		for _, room := range a.routes.lost(msg.node) {
			a.machine.Moved(&wire.Moved{Room: room})
		}
	case *sought:
		a.machine.Sought(msg.room, msg.member, msg.offset, msg.known)
	case clientGone:
		if c := a.clients[msg.namespace]; c != nil && c.id == msg.client {
			delete(a.clients, msg.namespace)
			a.machine.ClientGone(msg.namespace)
		}
	case clientAfresh:
		if c := a.clients[msg.namespace]; c != nil && c.id == msg.client {
			a.clients[msg.namespace] = c.gw.open(msg.namespace, a.c, msg.join)
		}
	case came:
		a.came(msg)
	case closed:
		a.machine.Closed(msg.why)
		ctx.Stop(ctx.Self())
	case *actor.Stopped:
		a.node.live.Add(-1)
		return
	}
	a.arm()
}

// follow goes after a room that has moved, in a span if its hand-over is traced.
func (a *connActor) follow(m *wire.Moved) {
	span, of := a.node.tracing.start(m.Trace, "follow")
	if span == nil {
		a.machine.Moved(m)
		return
	}
	own := *m
	own.Trace = of
	a.machine.Moved(&own)
	span.End()
}

// arm sets the timer to the machine's next wake.
func (a *connActor) arm() {
	next := a.machine.NextWake()
	if next.Equal(a.armed) {
		return
	}
	a.armed = next
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
	if !next.IsZero() {
		self := a.routes.self
		a.timer = time.AfterFunc(time.Until(next), func() { a.node.send(self, wake{}) })
	}
}

// Limited implements connection.Effects.
func (a *connActor) Limited(by conn.Limit) { a.node.house.met[by].Add(1) }

// TurnedAway implements connection.Effects.
func (a *connActor) TurnedAway(code actors.Code) { a.node.counts.refuse(code) }

// ToRoom implements connection.Effects.
func (a *connActor) ToRoom(room actors.RoomRef, msg any) { a.routes.send(room, msg) }

// Relocate implements connection.Effects.
func (a *connActor) Relocate(room actors.RoomRef) { a.routes.forget(room) }

// Seek implements connection.Effects.
func (a *connActor) Seek(room actors.RoomRef, member actors.MemberID) {
	n := a.node
	n.send(n.fans[n.shardOf(room)].pid, &seek{room, member, a.c.id, a.c.pid})
}

// Push implements connection.Effects.
func (a *connActor) Push(p *actors.Packet) {
	if a.c.socket.Push(p) == nil {
		a.c.socket.Flush()
	}
}

// Close implements connection.Effects.
func (a *connActor) Close(why actors.LeaveReason) { a.c.socket.Close(why) }

// Release implements connection.Effects.
func (a *connActor) Release(n int) {
	for range n {
		<-a.c.window // holds one element per packet that was let in
	}
}

// clientGone says that a gateway has done with a client of this connection.
type clientGone struct{ namespace, client string }

// clientAfresh says that a client that wanted to resume has missed events.
type clientAfresh struct {
	namespace, client string
	join              *wire.Join
}

// OpenClient implements connection.Effects.
func (a *connActor) OpenClient(namespace string, j *wire.Join) {
	if a.clients == nil {
		a.clients, a.comings = make(map[string]*client, 1), make(map[string]*coming)
	}
	g := a.node.gateway(namespace)
	if g.mayCome(j) {
		a.comings[namespace] = g.fetch(namespace, a.c, j)
		return
	}
	a.clients[namespace] = g.open(namespace, a.c, j)
}

// ClientEvent implements connection.Effects.
func (a *connActor) ClientEvent(namespace string, p *actors.Packet) {
	if c := a.clients[namespace]; c != nil {
		c.event(a.c, p)
	} else {
		a.Release(1)
	}
}

// ClientAck implements connection.Effects.
func (a *connActor) ClientAck(namespace string, p *actors.Packet) {
	if c := a.clients[namespace]; c != nil {
		if args, err := rawjson.Split(p.Data); err == nil {
			a.node.answered(p.ID, c.id, actors.Args{List: args, Attachments: p.Attachments}, nil)
		}
	}
}

// ClientRenewed implements connection.Effects.
func (a *connActor) ClientRenewed(namespace string, id actors.Identity) {
	if c := a.clients[namespace]; c != nil {
		c.renew(id)
	}
}

// ClientLeft implements connection.Effects.
func (a *connActor) ClientLeft(namespace string, why actors.LeaveReason) {
	if c := a.clients[namespace]; c != nil {
		delete(a.clients, namespace)
		c.left(a.c, why)
	}
	if coming := a.comings[namespace]; coming != nil {
		delete(a.comings, namespace)
		coming.leave(why)
	}
}

type authenticated struct {
	member   actors.MemberID
	identity actors.Identity
	err      error
}

// Authenticate implements connection.Effects.
func (a *connActor) Authenticate(member actors.MemberID, of actors.Trace, r *actors.AuthRequest) {
	n, self := a.node, a.c.pid
	if err := n.house.mayAuthenticate(r.Handshake.Address); err != nil {
		n.send(self, &authenticated{member: member, err: err})
		return
	}
	n.beside.Go(func() {
		ctx, cancel := context.WithTimeout(n.ctx, n.cfg.AuthTimeout)
		defer cancel()
		span, own := n.tracing.start(of, "authenticate")
		id, err := authenticate(contextOf(ctx, own), n.cfg.Authenticator, r)
		end(span, err)
		if err != nil {
			n.house.refusedCredentials(r.Handshake.Address, err)
			n.log.Info("connect was refused", "namespace", r.Namespace, "error", err)
		}
		n.send(self, &authenticated{member, id, err})
	})
}

func authenticate(ctx context.Context, a actors.Authenticator, r *actors.AuthRequest) (id actors.Identity, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("authenticator panicked: %v", v)
		}
	}()
	return a.Authenticate(ctx, r)
}

// Room implements connection.Directory.
func (n *Node) Room(namespace string) (actors.RoomRef, error) {
	kind, _, _ := strings.Cut(strings.TrimPrefix(namespace, "/"), "/")
	if n.kinds[kind] == nil {
		return actors.RoomRef{}, actors.Errorf(actors.CodeUnknownNamespace, "nobody serves %s; %s", clip(namespace), n.served())
	}
	return actors.ParseRoom(namespace)
}

func (n *Node) served() string {
	var names []string
	for _, g := range n.gateways {
		names = append(names, g.behavior.Namespace())
	}
	for name := range n.kinds {
		names = append(names, "/"+name+"/<id>")
	}
	if len(names) == 0 {
		return "nothing is served here"
	}
	slices.Sort(names)
	return "served here: " + strings.Join(names, ", ")
}

func clip(s string) string {
	const most = 200
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
