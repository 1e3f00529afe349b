package gatefan

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// A client that may recover moves to another node in such a way that each node
// has a part of what it is sent, and both parts together are everything, once.
//
// For a room its hub makes the cut: it takes the client out here and in there
// at one point of its events. What goes to all of a namespace is sent to every
// node by whoever emits it, numbered: the next node says what it had heard when
// it began to listen, and here the client stays until it has been given that
// much; it says up to where the client has it. What is emitted to the client itself comes here, and is passed on
// afterwards.

// maxMoved is of how many clients that have moved is remembered where they are.
const maxMoved = 65_536

// maxMoving is how many bytes of events a client may have missed that moves. A
// message between nodes may be larger.
const maxMoving = 4 << 20

// moving is a client that is about to move away.
type moving struct {
	space  string
	client *client
	hand   *wire.GateHand // nil until it has come
}

func (m *Machine) take(c *client, namespace string, t wire.GateTake) {
	if c == nil || c.state != live && c.state != away {
		m.cfg.Handed(t.Client, nil)
		return
	}
	if c.socket != nil {
		c.socket.Close(actors.ReasonReplaced)
	}
	c.state, c.socket, c.also = away, nil, t.Rooms
	m.moving = append(m.moving, &moving{space: namespace, client: c})
}

func (m *Machine) hand(c *client, h wire.GateHand) {
	for _, mv := range m.moving {
		if mv.client == c {
			mv.hand = &h
		}
	}
	m.settle()
}

// keep ends the wait for a client to move.
func (m *Machine) keep(id string) {
	if m.stay(id) {
		m.cfg.Handed(id, nil)
	}
}

// stay takes a client off those that are about to move, and reports whether it
// was among them.
func (m *Machine) stay(id string) bool {
	before := len(m.moving)
	m.moving = slices.DeleteFunc(m.moving, func(mv *moving) bool { return mv.client.id == id })
	return len(m.moving) < before
}

// settle gives away the clients that have everything that is to come here.
func (m *Machine) settle() {
	for i := 0; i < len(m.moving); {
		mv := m.moving[i]
		if mv.hand == nil || len(mv.client.rooms) > 0 || !m.hasHeard(mv.hand.Heard) {
			i++
			continue
		}
		m.moving = slices.Delete(m.moving, i, i+1)
		m.giveAway(mv)
	}
}

// NodeLost says that nothing more comes of a node.
func (m *Machine) NodeLost(node string) {
	delete(m.heard, node)
	m.settle()
}

func (m *Machine) hasHeard(list []wire.Heard) bool {
	for _, h := range list {
		if at, known := m.heard[h.Node]; at < h.Pos && (known || !m.cfg.Gone(h.Node)) {
			return false
		}
	}
	return true
}

func (m *Machine) giveAway(mv *moving) {
	c := mv.client
	seq, ok := c.parseOffset(mv.hand.Offset)
	missed, whole := c.history.since(seq)
	if !ok || !whole || sizeOf(missed) > maxMoving {
		m.cfg.Handed(c.id, nil)
		return
	}
	s := &wire.Session{Client: c.id, Generation: c.generation, Seq: c.history.seq, Heard: c.givenSoFar(m.heardSoFar())}
	for _, p := range missed {
		s.Events = append(s.Events, actors.Raw{JSON: p.Data, Attachments: p.Attachments})
	}
	for _, seen := range c.seen {
		s.Seen = append(s.Seen, seen.pack())
	}
	m.forget(mv.space, m.spaces[mv.space], c)
	if len(m.moved) >= maxMoved {
		clear(m.moved)
	}
	m.moved[c.id] = mv.hand.To
	m.cfg.Handed(c.id, s)
}

func sizeOf(list []*actors.Packet) (bytes int) {
	for _, p := range list {
		bytes += size(p)
	}
	return bytes
}

func (m *Machine) arrive(namespace string, a wire.GateArrive) {
	c := m.add(namespace, a.Client, a.Conn)
	c.state, c.also = arriving, a.Rooms
	m.cfg.Arrived(a.Client, m.heardSoFar())
}

func (m *Machine) heardSoFar() []wire.Heard {
	heard := make([]wire.Heard, 0, len(m.heard))
	for node, pos := range m.heard {
		heard = append(heard, wire.Heard{Node: node, Pos: pos})
	}
	slices.SortFunc(heard, func(a, b wire.Heard) int { return strings.Compare(a.Node, b.Node) })
	return heard
}

// givenSoFar is heard, or what the client had before it came here if that is
// more.
func (c *client) givenSoFar(heard []wire.Heard) []wire.Heard {
	for _, had := range c.before {
		i := slices.IndexFunc(heard, func(h wire.Heard) bool { return h.Node == had.Node })
		if i < 0 {
			heard = append(heard, had)
		} else {
			heard[i].Pos = max(heard[i].Pos, had.Pos)
		}
	}
	return heard
}

// hadBefore reports whether the client was given an event for all of the
// namespace before it came here.
func (c *client) hadBefore(e *wire.GateEmit) bool {
	for _, h := range c.before {
		if h.Node == e.From {
			return (e.Scope == wire.ScopeNamespace || e.Scope == wire.ScopeLoss) && e.Pos != 0 && e.Pos <= h.Pos
		}
	}
	return false
}

// hold keeps an event for a client that is arriving. A volatile one is not
// kept, as for a client that is away. A client that more comes for than may wait
// does not recover.
func (m *Machine) hold(c *client, e *wire.GateEmit) bool {
	switch {
	case c.socket == nil && e.AskID != 0, c.overrun:
		return false
	case e.Volatile:
		m.count.volatileDropped.Add(1)
		return false
	case len(c.held) >= maxWaiting:
		m.count.tooSlow.Add(1)
		c.held, c.overrun = nil, true
		return false
	}
	c.held = append(c.held, e)
	return true
}

func (m *Machine) install(c *client, namespace string, i wire.GateInstall) {
	if c == nil || c.state != arriving || c.overrun {
		m.cfg.Resumed(i.Client, false)
		return
	}
	held := c.held
	c.state, c.held, c.also, c.pid = live, nil, nil, i.PID
	c.receive(i)
	m.cfg.Resumed(i.Client, true) // first, as for one that resumes here
	m.push(c, &actors.Packet{Type: actors.PacketConnect, Namespace: namespace, Data: i.Answer})
	for _, e := range i.Session.Events {
		p := &actors.Packet{Type: actors.PacketEvent, Namespace: namespace, Data: e.JSON, Attachments: e.Attachments}
		c.history.seq++
		c.history.keep(p)
	}
	for _, e := range held {
		m.sendTo(namespace, c, e)
	}
	m.catchUp(c)
}

// receive takes what the earlier node knew.
func (c *client) receive(i wire.GateInstall) {
	s := i.Session
	c.generation, c.before = s.Generation, s.Heard
	first := s.Seq - uint64(len(s.Events))
	c.history = history{seq: first, floor: first, maxEvents: i.RecoverEvents, maxBytes: i.RecoverBytes, next: first + 1}
	for _, ids := range s.Seen {
		c.seen = append(c.seen, unpackSeen(ids))
	}
}

func (s seen) pack() wire.SeenIDs {
	bits := make([]byte, 0, len(s.ids.bits)*8)
	for _, word := range s.ids.bits {
		bits = binary.BigEndian.AppendUint64(bits, word)
	}
	return wire.SeenIDs{Node: s.node, Top: s.ids.top, Bits: bits}
}

// unpackSeen is the inverse of pack. Bits that are missing are not set.
func unpackSeen(w wire.SeenIDs) seen {
	s := seen{w.Node, &recent{top: w.Top}}
	for i := range s.ids.bits {
		if len(w.Bits) >= (i+1)*8 {
			s.ids.bits[i] = binary.BigEndian.Uint64(w.Bits[i*8:])
		}
	}
	return s
}
