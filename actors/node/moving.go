package node

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/link"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// A client that may recover and comes back on another node than it was on moves
// there. The next node fences the earlier one by the record of where the client
// is, has it stop the client's handlers and close its connection, enters its
// rooms in its stead and is then given what was missed; gatefan/move.go says how
// nothing is lost or doubled meanwhile. Until it has given the client away the
// earlier node answers for it: where the move fails, the client ends there, and
// the connection starts a fresh one here.

const (
	// takeWithin bounds what the next node does before it asks for what the
	// client missed, handWithin how long the earlier one waits to be asked
	// and to have everything.
	takeWithin = 5 * time.Second
	handWithin = 5 * time.Second
)

// clientRoom is the hidden room of a client that has moved: where it is found
// once the node that its id names has gone.
func clientRoom(id string) string { return "\x00client:" + id }

// coming is a client that a connection waits for.
type coming struct {
	mu     sync.Mutex // guards the following
	conn   *connection
	client *client
	left   actors.LeaveReason // not empty: the connection does not wait any more
}

// came says that the wait is over. Without a client, join starts a fresh one.
type came struct {
	namespace string
	coming    *coming
	join      *wire.Join
}

// leave says that the client has left, or lost its connection.
func (f *coming) leave(why actors.LeaveReason) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = why
	if f.client != nil {
		f.client.left(f.conn, why)
	}
}

func (f *coming) came(c *client) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.client = c
	if c != nil && f.left != "" {
		c.left(f.conn, f.left)
	}
}

// came puts a client on its connection.
func (a *connActor) came(m came) {
	if a.comings[m.namespace] != m.coming {
		return
	}
	delete(a.comings, m.namespace)
	m.coming.mu.Lock()
	c := m.coming.client
	m.coming.mu.Unlock()
	if c == nil {
		c = a.node.gateway(m.namespace).open(m.namespace, a.c, m.join)
	}
	a.clients[m.namespace] = c
}

// mayCome reports whether a client may be on another node.
func (g *gateway) mayCome(j *wire.Join) bool {
	return g.config.RecoverWithin > 0 && g.node.clustered() && j.PID != "" && g.sessions.get(j.PID) == nil
}

// fetch takes a client from another node, if it is on one, and tells the
// connection's actor what came of it.
func (g *gateway) fetch(namespace string, conn *connection, j *wire.Join) *coming {
	f := &coming{conn: conn}
	g.node.beside.Go(func() {
		c, s := g.take(namespace, conn, j)
		f.came(c)
		g.node.send(conn.pid, came{namespace, f, j})
		if c == nil {
			return
		}
		c.tell(wire.GateInstall{ // behind what the connection is told, for it runs hooks
			Client: c.id, PID: c.pid, RecoverEvents: g.config.RecoverEvents, RecoverBytes: g.config.RecoverBytes,
			Session: s, Answer: wire.ConnectAnswer(c.id, c.pid),
		})
	})
	return f
}

// take takes a client from the node where it is. It returns nil if the client
// is nowhere, is not this subject's, or has missed what is not kept any more.
func (g *gateway) take(namespace string, conn *connection, j *wire.Join) (*client, *wire.Session) {
	n := g.node
	ctx, cancel := context.WithTimeout(n.ctx, takeWithin)
	defer cancel()
	from, version := g.fence(ctx, namespace, j)
	if from == "" {
		return nil, nil
	}
	r, err := n.askNode(ctx, from, &wire.ClientTake{Namespace: namespace, PID: j.PID})
	if err != nil || r.moves == nil {
		g.deleteRecord(j.PID, version)
		return nil, nil
	}
	c := g.newClient(r.moves.Client, namespace, conn, j)
	c.pid, c.join, c.data = j.PID, j, r.moves.Data
	c.details.Recovered = true
	c.record.version = version
	n.clients.Store(c.id, c)
	n.liveClients.Add(1)
	s := c.arrive(ctx, from, r.moves)
	if s == nil {
		c.abandon()
		return nil, nil
	}
	c.mu.Lock()
	c.state = clientLive
	c.mu.Unlock()
	g.sessions.put(c.pid, c)
	c.refreshRecord()
	return c, s
}

// arrive has the client listen here, enters its rooms and returns what it
// missed; nil if it cannot move.
func (c *client) arrive(ctx context.Context, from string, s *wire.Session) *wire.Session {
	n := c.gw.node
	if err := c.guarded("restore", func() error { return c.user.Restore(s.Data) }); err != nil {
		n.log.Warn("a client's data does not move", "namespace", c.details.Namespace, "client", c.id, "error", err)
		return nil
	}
	c.arrived = make(chan []wire.Heard, 1)
	c.tell(wire.GateArrive{Client: c.id, Conn: wire.ConnRef{Node: n.id, ID: c.conn.id}, Rooms: s.Rooms})
	var heard []wire.Heard
	select {
	case heard = <-c.arrived:
	case <-ctx.Done():
		return nil
	}
	if err := c.enterFrom(ctx, from, s.Rooms); err != nil {
		n.log.Warn("a client's rooms do not move", "namespace", c.details.Namespace, "client", c.id, "error", err)
		return nil
	}
	ctx, cancel := context.WithTimeout(n.ctx, 2*handWithin) // the other node answers in handWithin
	defer cancel()
	r, err := n.askNode(ctx, from, &wire.ClientHand{Client: c.id, To: n.id, Offset: c.join.Offset, Heard: heard})
	if err != nil {
		return nil
	}
	return r.moves
}

// enterFrom enters the rooms that the client is in from another node, but for
// those that its credential does not grant any more.
func (c *client) enterFrom(ctx context.Context, from string, rooms []string) error {
	if own := clientRoom(c.id); !slices.Contains(rooms, own) {
		rooms = append(slices.Clone(rooms), own)
	}
	for _, room := range rooms {
		var err error
		if hidden(room) || c.mayJoin(room) {
			err = c.enter(ctx, room)
		} else {
			e := &wire.HubExit{Client: c.id, Conn: wire.ConnRef{Node: from}}
			_, err = c.gw.node.askHub(ctx, c.details.Namespace, room, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// abandon leaves nothing here of a client that did not arrive.
func (c *client) abandon() {
	c.mu.Lock()
	c.state = clientLeaving
	c.mu.Unlock()
	c.leaveRooms()
	c.tell(wire.GateDetach{Client: c.id})
	c.forget()
}

// arrivedClient is told by the fan-out what it had heard when a client came.
func (n *Node) arrivedClient(id string, heard []wire.Heard) {
	if c, ok := n.clients.Load(id); ok {
		c.(*client).arrived <- heard // buffered, and told once
	}
}

// takeFrom gets a client of this node ready to move. Whose it is, and of which
// namespace, the node that asks knows by the record that it has fenced.
func (n *Node) takeFrom(ctx context.Context, op *wire.ClientTake) *wire.Session {
	g := n.gateway(op.Namespace)
	if g == nil {
		return nil
	}
	c := g.sessions.get(op.PID)
	if c == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, takeWithin)
	defer cancel()
	ready := make(chan *wire.Session, 1)
	if !c.depart(ready) {
		return nil
	}
	select {
	case s := <-ready:
		return s
	case <-ctx.Done():
		return nil
	}
}

// depart has the client move as soon as the handler that is running has ended:
// ready is told what the next node has to know first. It reports false if the
// client is not one to move.
func (c *client) depart(ready chan<- *wire.Session) bool {
	c.mu.Lock()
	if c.state != clientLive && c.state != clientAway {
		c.mu.Unlock()
		return false
	}
	if c.window != nil {
		c.window.Stop()
	}
	c.state, c.conn = clientMoving, nil
	c.mu.Unlock()
	c.gw.sessions.remove(c.pid)
	c.push(job{run: func() { ready <- c.pack() }})
	return true
}

// pack tells the fan-out that the client moves and returns what it takes along;
// nil if that cannot be said.
func (c *client) pack() *wire.Session {
	var data json.RawMessage
	err := c.guarded("save", func() (err error) {
		data, err = c.user.Save()
		return err
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.gw.node.log.Warn("a client's data does not move", "namespace", c.details.Namespace, "client", c.id, "error", err)
		c.leave(actors.ReasonTransportClosed)
		return nil
	}
	rooms := slices.Clone(c.rooms)
	c.roomless = true
	c.tell(wire.GateTake{Client: c.id, Rooms: rooms})
	c.window = time.AfterFunc(handWithin, func() { c.tell(wire.GateKeep{Client: c.id}) })
	return &wire.Session{Client: c.id, Rooms: rooms, Data: data}
}

// handOver gives a client to the node that has taken it.
func (n *Node) handOver(ctx context.Context, op *wire.ClientHand) *wire.Session {
	v, ok := n.clients.Load(op.Client)
	if !ok {
		return nil
	}
	c, handed := v.(*client), make(chan *wire.Session, 1)
	c.mu.Lock()
	moving := c.state == clientMoving && c.handed == nil
	if moving {
		c.handed = handed
	}
	c.mu.Unlock()
	if !moving {
		return nil
	}
	c.tell(wire.GateHand{Client: op.Client, To: op.To, Offset: op.Offset, Heard: op.Heard})
	select {
	case s := <-handed:
		return s
	case <-ctx.Done():
		return nil
	}
}

// finish returns when the others have been told of every client that was handed
// over, and of what was given up, or have had their time: they ask no more of a
// node that has left, and take what it said last for lost.
func (n *Node) finish(within time.Duration) {
	if !n.awaited.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	for _, node := range n.others() {
		_, _ = n.askNode(ctx, node, &wire.ClientsList{}) // what it answers comes behind
	}
}

// handed is told by the fan-out what has become of a client that was to move.
func (n *Node) handed(id string, s *wire.Session) {
	v, ok := n.clients.Load(id)
	if !ok {
		return
	}
	c := v.(*client)
	c.mu.Lock()
	handed := c.handed
	c.handed = nil
	if c.window != nil {
		c.window.Stop()
	}
	if s == nil && c.state == clientMoving {
		c.leave(actors.ReasonTransportClosed)
	}
	c.mu.Unlock()
	if s != nil {
		c.forget() // without a hook: it lives on
	}
	if handed != nil {
		handed <- s
	}
}

// forwardGate passes on what was emitted to a client that has moved.
func (n *Node) forwardGate(node, namespace string, e wire.GateEmit) {
	if n.toPeer(node, link.Data, volatile(e.Volatile), &wire.GateDeliver{Namespace: namespace, Items: []wire.GateItem{e}}) {
		return
	}
	n.tellHub(namespace, clientRoom(e.Room), &wire.HubEmit{
		Except: e.Except, Data: e.Data, Volatile: e.Volatile, EmitID: e.EmitID, From: wire.ConnRef{Node: e.From},
	})
}
