// Package gatefan is the state machine of a shard of a node's gateway
// fan-out: it knows the local clients of gateways, which rooms they are in,
// and writes to their sockets. It has no goroutine, no lock and no clock;
// whoever drives it calls it from one goroutine at a time.
package gatefan

import (
	"errors"
	"net"
	"slices"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// Config describes a shard. Its functions are called from within Deliver and
// must neither block nor call the machine back.
type Config struct {
	// Socket finds a local connection's socket.
	Socket func(conn uint64) (actors.Socket, bool)
	// Asked reports whom an event with an acknowledgement id went to, once
	// for every GateEmit with AskID.
	Asked func(e *wire.GateEmit, clients []string)
	// Resumed reports the outcome of a GateResume.
	Resumed func(client string, recovered bool)
	// Arrived answers a GateArrive with what this shard has heard.
	Arrived func(client string, heard []wire.Heard)
	// Handed reports the outcome of a GateTake once: what the next node is to
	// know of the client, which is gone here; nil if it stays.
	Handed func(client string, s *wire.Session)
	// Forward passes an event on to a client that has moved to another node.
	Forward func(node, namespace string, e wire.GateEmit)
	// Drained brings d to the machine's Drained. Sockets call it from any
	// goroutine, also from within a method of the machine.
	Drained func(d Drained)
	// Gone reports whether a node was there and is lost.
	Gone func(node string) bool
	// Generation marks this life of the shard in offsets: [A-Za-z0-9_-]+.
	Generation string
}

// maxWaiting is how many packets wait for a client whose connect hooks run;
// beyond it the connection is closed as too slow.
const maxWaiting = 1024

// Machine is one shard. Use it from one goroutine at a time, but for Stats.
type Machine struct {
	cfg    Config
	spaces map[string]*space
	dirty  []actors.Socket
	heard  map[string]uint64 // by node: position among what it emits to all of a namespace
	moving []*moving         // that wait to be given away
	moved  map[string]string // clients that have moved, and to which node
	count  counters
}

// space is a namespace.
type space struct {
	clients map[string]*client
	rooms   map[string]*crowd
}

// New returns an empty shard.
func New(cfg Config) *Machine {
	return &Machine{cfg: cfg, spaces: make(map[string]*space), heard: make(map[string]uint64), moved: make(map[string]string)}
}

// Deliver carries out the items of d in order.
func (m *Machine) Deliver(d *wire.GateDeliver) {
	for _, item := range d.Items {
		m.item(d.Namespace, item)
	}
}

func (m *Machine) item(namespace string, item wire.GateItem) {
	s := m.spaces[namespace]
	switch item := item.(type) {
	case wire.GateAttach:
		m.attach(namespace, item)
		return
	case wire.GateArrive:
		m.arrive(namespace, item)
		return
	case wire.GateEmit:
		m.emit(namespace, s, &item)
		m.settle()
		return
	case wire.GateResume:
		if s == nil {
			m.cfg.Resumed(item.Client, false)
			return
		}
	}
	if s == nil {
		return
	}
	switch item := item.(type) {
	case wire.GateAccept:
		m.accept(s.clients[item.Client], namespace, item)
	case wire.GateRefuse:
		m.refuse(s, s.clients[item.Client], namespace, item)
	case wire.GateEnter:
		m.enter(s, s.clients[item.Client], item)
	case wire.GateExit:
		if c := s.clients[item.Client]; c != nil && !s.isOver(item.Room, item.Epoch) {
			s.exit(c, item.Room)
			m.settle()
		}
	case wire.GateGap:
		m.gap(s, item)
	case wire.GateReply:
		if c := s.clients[item.Client]; c != nil {
			m.push(c, &actors.Packet{
				Type: actors.PacketAck, Namespace: namespace, ID: item.ID, HasID: true,
				Data: item.Data.JSON, Attachments: item.Data.Attachments,
			})
		}
	case wire.GateDetach:
		m.detach(namespace, s, s.clients[item.Client], item)
	case wire.GateAway:
		if c := s.clients[item.Client]; c != nil && c.state == live {
			c.state, c.socket = away, nil
		}
	case wire.GateResume:
		m.resume(s.clients[item.Client], namespace, item)
	case wire.GateTake:
		m.take(s.clients[item.Client], namespace, item)
	case wire.GateHand:
		m.hand(s.clients[item.Client], item)
	case wire.GateKeep:
		m.keep(item.Client)
	case wire.GateInstall:
		m.install(s.clients[item.Client], namespace, item)
	}
}

// add takes a client of a namespace into the tables.
func (m *Machine) add(namespace, id string, conn wire.ConnRef) *client {
	s := m.spaces[namespace]
	if s == nil {
		s = &space{clients: make(map[string]*client), rooms: make(map[string]*crowd)}
		m.spaces[namespace] = s
	}
	c := &client{id: id, generation: m.cfg.Generation}
	c.socket, _ = m.cfg.Socket(conn.ID)
	s.clients[id] = c
	delete(m.moved, id) // it has come back
	m.count.clients.Add(1)
	return c
}

func (m *Machine) attach(namespace string, a wire.GateAttach) {
	c := m.add(namespace, a.Client, a.Conn)
	c.pid, c.history.maxEvents, c.history.maxBytes = a.PID, a.RecoverEvents, a.RecoverBytes
}

func (m *Machine) accept(c *client, namespace string, a wire.GateAccept) {
	if c == nil || c.state != pending {
		return
	}
	c.state = live
	waiting := c.waiting
	c.waiting = nil
	m.push(c, &actors.Packet{Type: actors.PacketConnect, Namespace: namespace, Data: a.Answer})
	for _, p := range waiting {
		m.push(c, p)
	}
}

func (m *Machine) refuse(s *space, c *client, namespace string, r wire.GateRefuse) {
	if c == nil {
		return
	}
	if c.state == pending {
		c.state, c.waiting = live, nil
		m.push(c, &actors.Packet{Type: actors.PacketConnectError, Namespace: namespace, Data: r.Answer})
	}
	m.forget(namespace, s, c)
}

func (m *Machine) enter(s *space, c *client, e wire.GateEnter) {
	if c == nil {
		return
	}
	crowd := s.rooms[e.Room]
	if crowd == nil {
		crowd = newCrowd()
		s.rooms[e.Room] = crowd
	}
	crowd.heard(e.HubPos)
	for i := range c.rooms {
		if c.rooms[i].room == e.Room {
			c.rooms[i].reach(e.HubPos)
			return
		}
	}
	c.rooms = append(c.rooms, place{room: e.Room, base: e.Pos, at: e.HubPos})
	crowd.add(c)
}

// isOver reports whether a later activation of a room than that of epoch has
// been heard here.
func (s *space) isOver(room string, epoch uint64) bool {
	crowd := s.rooms[room]
	return crowd != nil && epoch < crowd.at.Epoch
}

// heard takes the place of what came of the room.
func (r *crowd) heard(at wire.HubPos) {
	if at.Epoch > r.at.Epoch {
		r.at = at
	} else if at.Epoch == r.at.Epoch {
		r.at.Pos = max(r.at.Pos, at.Pos)
	}
}

// Had returns what came of a room last, if a client is in it.
func (m *Machine) Had(namespace, client, room string) *wire.HubPos {
	s := m.spaces[namespace]
	if s == nil || s.clients[client] == nil || !s.clients[client].inRoom(room) {
		return nil
	}
	at := s.rooms[room].at
	return &at
}

// gap makes clients that may recover notice that events of a room are lost.
func (m *Machine) gap(s *space, g wire.GateGap) {
	if s.rooms[g.Room] == nil || s.isOver(g.Room, g.Epoch) {
		return
	}
	for _, c := range s.rooms[g.Room].list {
		m.cutOff(c)
	}
}

// loss does the same where nobody can say what was missed. A client that moves
// counts as in a room until it has moved.
func (m *Machine) loss(s *space, e *wire.GateEmit) {
	if s == nil {
		return
	}
	told := func(c *client) {
		if !c.hadBefore(e) {
			m.cutOff(c)
		}
	}
	if c := s.clients[e.Room]; c != nil {
		told(c)
	}
	if crowd := s.rooms[e.Room]; crowd != nil {
		for _, c := range crowd.list {
			told(c)
		}
	}
	for _, c := range s.clients {
		if e.Room == "" || slices.Contains(c.also, e.Room) {
			told(c)
		}
	}
}

// cutOff makes a client that may recover notice that it has missed something.
func (m *Machine) cutOff(c *client) {
	switch {
	case c.state == arriving:
		c.held, c.overrun = nil, true
		return
	case c.pid == "":
		return
	}
	c.history.cut()
	if c.socket != nil {
		c.socket.Flush()
		c.socket.Close(actors.ReasonNodeLost)
		c.socket = nil
	}
}

func (m *Machine) detach(namespace string, s *space, c *client, d wire.GateDetach) {
	if c == nil {
		return
	}
	if d.Disconnect {
		m.push(c, &actors.Packet{Type: actors.PacketDisconnect, Namespace: namespace})
	}
	if d.Close != "" && c.socket != nil {
		c.socket.Flush()
		c.socket.Close(d.Close)
	}
	m.forget(namespace, s, c)
}

// forget takes a client out of every table.
func (m *Machine) forget(namespace string, s *space, c *client) {
	for len(c.rooms) > 0 {
		s.exit(c, c.rooms[len(c.rooms)-1].room)
	}
	delete(s.clients, c.id)
	c.socket = nil // it may be about to drain
	m.stay(c.id)
	m.count.clients.Add(-1)
	if len(s.clients) == 0 {
		delete(m.spaces, namespace)
	}
}

// push queues a packet for a client, or keeps it until it is accepted.
func (m *Machine) push(c *client, p *actors.Packet) {
	switch {
	case c.socket == nil:
	case c.state == pending && p.Class == actors.Volatile:
		m.count.volatileDropped.Add(1)
	case c.state == pending && len(c.waiting) >= maxWaiting:
		m.count.tooSlow.Add(1)
		c.socket.Close(actors.ReasonTooSlow)
		c.socket = nil
	case c.state == pending:
		c.waiting = append(c.waiting, p)
	default:
		m.write(c, p)
	}
}

func (m *Machine) write(c *client, p *actors.Packet) {
	err := c.socket.Push(p)
	switch {
	case err == nil:
		m.count.packets.Add(1)
		m.dirty = append(m.dirty, c.socket)
	case errors.Is(err, actors.ErrDropped):
		m.count.volatileDropped.Add(1)
	case errors.Is(err, actors.ErrTooSlow):
		m.count.tooSlow.Add(1)
		c.socket = nil
	case errors.Is(err, net.ErrClosed):
		c.socket = nil
	}
}

// Flush writes what was pushed since the last Flush, as far as the sockets
// take it at once. It returns how many sockets were written to, some of them
// perhaps twice.
func (m *Machine) Flush() (sockets int) {
	sockets = len(m.dirty)
	for i, s := range m.dirty {
		s.Flush() // a second one of the same socket finds nothing to write
		m.dirty[i] = nil
	}
	if m.dirty = m.dirty[:0]; cap(m.dirty) > 65_536 {
		m.dirty = nil
	}
	return sockets
}
