package room

import (
	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// node is what the room knows of a node that holds members, or has not
// confirmed everything yet.
type node struct {
	name        string
	members     int  // connected there
	inTable     bool // its fan-out has the room, until an End
	mirrored    bool // it has a copy of the synced fields
	confirm     bool // ask for confirmation of the next Deliver
	unconfirmed int  // Delivers with a flush that were not confirmed
	gathered    *delivery
	adopted     map[actors.MemberID]bool // those who are to stay in its table; see claimed.go
}

// delivery is a Deliver with room for the few items that most steps have: one
// allocation instead of two.
type delivery struct {
	wire.Deliver
	few [3]wire.Item
}

func (m *Machine) node(name string) *node {
	for _, n := range m.nodes {
		if n.name == name {
			return n
		}
	}
	n := &node{name: name}
	m.nodes = append(m.nodes, n)
	return n
}

// send queues an item until the step ends.
func (n *node) send(i wire.Item) {
	if n.gathered == nil {
		n.gathered = &delivery{}
		n.gathered.Items = n.gathered.few[:0]
	}
	n.gathered.Items = append(n.gathered.Items, i)
}

func (n *node) forgotten() bool { return n.members == 0 && n.unconfirmed == 0 }

// deliver sends what was queued. A node whose last member has gone forgets the
// room.
func (m *Machine) deliver(n *node) {
	if n.members == 0 && n.inTable {
		n.send(wire.End{})
		n.inTable, n.mirrored = false, false
	}
	d := n.gathered
	if d == nil {
		return
	}
	d.Room, d.Namespace, d.Epoch, d.Confirm, d.Trace, d.Links = m.cfg.Ref, m.namespace, m.epoch, n.confirm, m.trace.sent, m.trace.links
	d.Yields = m.yields
	if n.confirm {
		n.unconfirmed++
	}
	n.gathered, n.confirm = nil, false
	m.effect.Deliver(n.name, &d.Deliver)
}

// attach puts a member into the table of its node, ahead of everything else
// that is sent to it, and tells the connection.
func (m *Machine) attach(mem *member, a wire.Admit) {
	m.members.byConn[mem.conn] = mem
	a.Conn, a.Member, a.Answer = mem.conn, mem.ID, wire.ConnectAnswer(string(mem.ID), mem.pid)
	joined := &wire.Joined{
		Room: m.cfg.Ref, Conn: mem.conn, Member: mem.ID, Asked: mem.asked,
		Epoch: m.epoch, PID: mem.pid, Link: mem.link,
	}
	if m.shut() {
		m.hold(held{
			bytes: len(a.Answer),
			leave: func() { m.enter(a, joined) },
			lost: func() {
				m.effect.Tell(joined.Conn, &wire.Moved{Room: m.cfg.Ref, Conn: joined.Conn, Member: joined.Asked})
			},
		})
		return
	}
	m.enter(a, joined)
}

func (m *Machine) enter(a wire.Admit, joined *wire.Joined) {
	m.tables[a.Member] = a.Conn
	n := m.node(a.Conn.Node)
	delete(n.adopted, a.Member)
	n.members++
	n.inTable = true
	if m.synced && !n.mirrored {
		m.flush()
		n.mirrored = true
		n.send(m.mirror())
	}
	n.send(a)
	m.effect.Tell(a.Conn, joined)
}

// detach takes a member out of the table of its node and tells the connection.
// It does nothing for a member that is away.
func (m *Machine) detach(mem *member, r wire.Remove) {
	if !mem.Connected {
		return
	}
	mem.Connected = false
	delete(m.members.byConn, mem.conn)
	id, conn := mem.ID, mem.conn
	if m.shut() {
		m.hold(held{leave: func() { m.exit(id, conn, r) }})
		return
	}
	m.exit(id, conn, r)
}

func (m *Machine) exit(id actors.MemberID, conn wire.ConnRef, r wire.Remove) {
	if m.moving || m.tables[id] != conn {
		return // it goes on elsewhere; or was never let in
	}
	delete(m.tables, id)
	n := m.node(conn.Node)
	n.members--
	n.send(r)
	m.effect.Tell(conn, &wire.Gone{Room: m.cfg.Ref, Conn: conn, Member: id, Epoch: m.epoch})
}

// toMembers sends an item to the nodes that hold members it is for.
func (m *Machine) toMembers(e wire.Emit) {
	if e.To == nil {
		var item wire.Item = e
		for _, n := range m.nodes {
			if n.members > 0 {
				n.send(item)
			}
		}
		return
	}
	for _, n := range m.nodes {
		if to := m.present(n, e.To); len(to) > 0 {
			here := e
			here.To = to
			n.send(here)
		}
	}
}

// present returns which members are connected to a node: ids itself if all
// are.
func (m *Machine) present(n *node, ids []actors.MemberID) []actors.MemberID {
	for i, id := range ids {
		if m.isAt(n, id) {
			continue
		}
		here := append([]actors.MemberID(nil), ids[:i]...)
		for _, id := range ids[i+1:] {
			if m.isAt(n, id) {
				here = append(here, id)
			}
		}
		return here
	}
	return ids
}

func (m *Machine) isAt(n *node, id actors.MemberID) bool {
	conn, has := m.tables[id]
	return has && conn.Node == n.name
}
