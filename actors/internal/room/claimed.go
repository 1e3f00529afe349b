package room

import (
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// A room of which nothing is kept may start while nobody can claim it. Its
// epoch is then lower than any that is claimed, and it yields: if a node hears
// another activation it ends, and its members follow. Once it has been claimed
// it goes on under the epoch that it was claimed with, and its members stay
// where they are, except on nodes that have heard another activation meanwhile:
// those have told their members to look for the room, and who comes back comes
// as somebody new.

// Claimed says that the room, which started with Loaded.Yields, is this
// activation's, as the owner with an epoch.
func (m *Machine) Claimed(now time.Time, epoch uint64) {
	m.step(now, func() {
		before := m.epoch
		m.epoch, m.yields = epoch, false
		if m.phase == retiring {
			return
		}
		for _, n := range m.nodes {
			n.unconfirmed = 0 // confirmations under way name the epoch before
			if n.inTable {
				m.adopt(n, before)
			}
		}
	})
}

// adopt has a node take what it knows of the activation for that of its next
// epoch.
func (m *Machine) adopt(n *node, before uint64) {
	n.adopted = make(map[actors.MemberID]bool)
	for id, conn := range m.tables {
		if conn.Node == n.name {
			n.adopted[id] = true
		}
	}
	n.unconfirmed = 1
	m.effect.Deliver(n.name, &wire.Deliver{Room: m.cfg.Ref, Namespace: m.namespace, Epoch: m.epoch, Adopts: before, Confirm: true})
}

// unheard says that a node has heard another activation.
func (m *Machine) unheard(n *node) {
	if m.yields {
		m.move()
		return
	}
	lost := n.adopted
	for _, mem := range m.members.list() {
		if lost[mem.ID] && m.tables[mem.ID] == mem.conn {
			delete(m.tables, mem.ID) // the node has told its connection
			n.members--
			m.cutOff(mem)
		}
	}
	if n.mirrored = m.synced && n.members > 0; n.mirrored {
		n.send(m.mirror()) // for those who came since: it had none for them
	}
}
