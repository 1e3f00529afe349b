// Package hub is the state machine of one room of a gateway: who is in it,
// and the order of what it is sent. It has no goroutine, no lock and no clock;
// whoever drives it calls it from one goroutine at a time and carries out its
// Effects.
package hub

import (
	"slices"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// idleAfter is how long an empty room stays in memory.
const idleAfter = 10 * time.Second

// A room that has woken keeps what it is sent for nodes whose clients have yet
// to come over from its earlier activation: for so long, at most so much.
const (
	youngFor   = 10 * time.Second
	youngMost  = 1_000   // events
	youngBytes = 1 << 20 // of them
)

// Effects is how a hub acts on the world. No method may block or call the
// machine back.
type Effects interface {
	// Deliver sends to the gateway fan-out of a node.
	Deliver(node string, d *wire.GateDeliver)
	// Done answers a request.
	Done(request uint64, done *wire.HubDone)
	// Retire asks for the room to be taken off the directory. The machine is
	// done, and answers nothing any more.
	Retire()
}

// Machine is one room of a gateway. Use it from one goroutine at a time.
type Machine struct {
	namespace, room string
	epoch           uint64
	effect          Effects

	members map[string]*member
	order   []*member // in the order of entering
	nodes   []node    // those that hold members, in the order of their first
	pos     uint64    // events so far that count: those that every node is sent and none may lack
	young   *young    // nil once everybody has had time to come over
	idle    time.Time // when an empty room retires; zero while it has members
	retired bool
}

type member struct {
	info actors.ClientInfo
	conn wire.ConnRef
}

type node struct {
	name    string
	members int
	from    uint64 // position when it was first sent to
}

// New returns an empty room: a later activation than all with a lower epoch.
func New(now time.Time, namespace, room string, epoch uint64, e Effects) *Machine {
	return &Machine{
		namespace: namespace, room: room, epoch: epoch, effect: e, members: make(map[string]*member),
		idle: now.Add(idleAfter), young: &young{until: now.Add(youngFor), had: make(map[string]wire.HubPos)},
	}
}

// Retired reports whether the room has left: what still arrives must be sent
// to the next activation.
func (m *Machine) Retired() bool { return m.retired }

// NextWake is when Wake has something to do; the zero Time if never.
func (m *Machine) NextWake() time.Time {
	if m.retired {
		return time.Time{}
	}
	if m.young != nil && (m.idle.IsZero() || m.young.until.Before(m.idle)) {
		return m.young.until
	}
	return m.idle
}

// Wake retires a room that has been empty for long enough, and forgets what
// only a young one needs.
func (m *Machine) Wake(now time.Time) {
	if m.young != nil && !m.young.until.After(now) {
		m.young = nil
	}
	if !m.retired && !m.idle.IsZero() && !m.idle.After(now) {
		m.Close()
	}
}

// Close ends the room at once.
func (m *Machine) Close() {
	if !m.retired {
		m.retired = true
		m.effect.Retire()
	}
}

// Enter takes a client in, or updates what is known of it. One that comes from
// another node than it was on moves there: its earlier node has every event
// before, and the other every one after.
func (m *Machine) Enter(request uint64, e *wire.HubEnter) {
	mem := m.members[e.Client]
	if mem == nil {
		mem = &member{conn: e.Conn}
		m.members[e.Client] = mem
		m.order = append(m.order, mem)
		m.count(e.Conn.Node, 1)
	} else if from := mem.conn.Node; from != e.Conn.Node {
		m.deliver(from, wire.GateExit{Client: e.Client, Room: m.room, Epoch: m.epoch})
		m.count(from, -1)
		m.count(e.Conn.Node, 1)
	}
	mem.conn = e.Conn
	mem.info = actors.ClientInfo{ID: e.Client, UserID: e.User, Data: e.Data, Node: e.Conn.Node}
	m.idle = time.Time{}
	if e.Had != nil {
		m.again(e.Conn.Node, *e.Had)
	}
	m.deliver(e.Conn.Node, wire.GateEnter{Client: e.Client, Room: m.room, HubPos: wire.HubPos{Epoch: m.epoch, Pos: m.pos}})
	m.effect.Done(request, &wire.HubDone{})
}

// Exit takes a client out, if it is in and on the node that says so.
func (m *Machine) Exit(now time.Time, request uint64, e *wire.HubExit) {
	if mem := m.members[e.Client]; mem != nil && mem.conn.Node == e.Conn.Node {
		delete(m.members, e.Client)
		m.order = slices.DeleteFunc(m.order, func(other *member) bool { return other == mem })
		m.deliver(mem.conn.Node, wire.GateExit{Client: e.Client, Room: m.room, Epoch: m.epoch})
		m.count(mem.conn.Node, -1)
	}
	if len(m.members) == 0 && m.idle.IsZero() {
		m.idle = now.Add(idleAfter)
	}
	m.effect.Done(request, &wire.HubDone{})
}

// NodeLost takes out everybody on a node that has died, or that this room has
// lost touch with: what lives there of them enters again.
func (m *Machine) NodeLost(now time.Time, name string) {
	m.order = slices.DeleteFunc(m.order, func(mem *member) bool {
		if mem.conn.Node != name {
			return false
		}
		delete(m.members, mem.info.ID)
		return true
	})
	m.nodes = slices.DeleteFunc(m.nodes, func(n node) bool { return n.name == name })
	m.young.forget(name)
	if len(m.members) == 0 && m.idle.IsZero() {
		m.idle = now.Add(idleAfter)
	}
}

// Nodes returns the nodes that hold members.
func (m *Machine) Nodes() []string {
	names := make([]string, 0, len(m.nodes))
	for _, n := range m.nodes {
		names = append(names, n.name)
	}
	return names
}

// Emit sends an event to the members.
func (m *Machine) Emit(request uint64, e *wire.HubEmit) {
	item := wire.GateEmit{
		Scope: wire.ScopeRoom, Room: m.room, Epoch: m.epoch, Except: e.Except, Data: e.Data,
		Volatile: e.Volatile, EmitID: e.EmitID, AskID: e.AskID, AskFor: e.AskFor, From: e.From.Node,
	}
	if !e.Volatile && e.Local == "" {
		m.pos++
		item.Pos = m.pos
		m.young.keep(item)
	}
	done := &wire.HubDone{}
	for _, n := range m.nodes {
		if e.Local == "" || e.Local == n.name {
			done.Nodes = append(done.Nodes, n.name)
			m.effect.Deliver(n.name, &wire.GateDeliver{Namespace: m.namespace, Items: []wire.GateItem{item}, Trace: e.Trace})
		}
	}
	if e.AskID != 0 {
		m.effect.Done(request, done)
	}
}

// List answers with the members, in the order they entered.
func (m *Machine) List(request uint64) {
	done := &wire.HubDone{Members: make([]actors.ClientInfo, 0, len(m.order))}
	for _, mem := range m.order {
		done.Members = append(done.Members, mem.info)
	}
	m.effect.Done(request, done)
}

func (m *Machine) deliver(node string, item wire.GateItem) {
	m.effect.Deliver(node, &wire.GateDeliver{Namespace: m.namespace, Items: []wire.GateItem{item}})
}

// count keeps the number of members per node.
func (m *Machine) count(name string, by int) {
	for i := range m.nodes {
		if m.nodes[i].name == name {
			if m.nodes[i].members += by; m.nodes[i].members == 0 {
				m.nodes = slices.Delete(m.nodes, i, i+1)
			}
			return
		}
	}
	m.nodes = append(m.nodes, node{name, by, m.pos})
}
