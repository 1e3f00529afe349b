// Package connection is the state machine of one Socket.IO connection: its
// namespaces, the rooms and gateways they stand for, who the client is there,
// and how much it may send. It has no goroutine, no lock and no clock. Whoever
// drives it calls it from one goroutine at a time, with the time where that
// matters, and carries out its Effects. The same calls have the same effects,
// in the same order.
//
// It keeps three promises. A room is told exactly once that a client which
// asked for a seat has left. Of one namespace at most one question, who the
// client is or whether it may enter, is open at a time: a client that leaves
// and returns waits for the answer to the question before, so that it can
// neither pile up work nor be taken for its earlier self. And every packet is
// matched by one unit of Release, at once or when a room has worked off
// enough events.
package connection

import (
	"cmp"
	"slices"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// Effects is how a connection acts on the world. No method may block or call
// the machine back.
type Effects interface {
	// ToRoom sends Join, Event, Ack, Renew or Leave to a room, wherever it is. If
	// the room cannot be reached the machine is told by Unreachable.
	ToRoom(room actors.RoomRef, msg any)
	// Relocate forgets where a room was. Whoever drives the machine forgets
	// it at no other time: a message on its way that finds nobody there has to
	// come back as Machine.Moved.
	Relocate(room actors.RoomRef)
	// Seek asks the fan-out what a member was sent last, and comes back with
	// Machine.Sought: nothing more of the activation it is in reaches the
	// client after that.
	Seek(room actors.RoomRef, member actors.MemberID)
	// Authenticate runs beside the connection and comes back with
	// Machine.Authenticated. It is part of a trace, if that is sampled.
	Authenticate(member actors.MemberID, of actors.Trace, r *actors.AuthRequest)
	// Push sends a packet to the client at once.
	Push(p *actors.Packet)
	// Close closes the transport. Packets that still arrive are let in and
	// ignored until Machine.Closed.
	Close(why actors.LeaveReason)
	// Release lets n more packets in.
	Release(n int)
	// Limited says that a limit was met, to be counted.
	Limited(by Limit)
	// TurnedAway says that a CONNECT was refused, to be counted.
	TurnedAway(code actors.Code)

	// OpenClient hands a CONNECT for a gateway over, with j.Room empty. The
	// CONNECT answer or refusal comes from the gateway.
	OpenClient(namespace string, j *wire.Join)
	// ClientEvent hands an EVENT over; the gateway lets the next packet in
	// with one Release, also if the client has left meanwhile.
	ClientEvent(namespace string, p *actors.Packet)
	// ClientAck hands an ACK over.
	ClientAck(namespace string, p *actors.Packet)
	// ClientRenewed says that the client has shown a new credential.
	ClientRenewed(namespace string, id actors.Identity)
	// ClientLeft says that the client has left the gateway, or is gone. With
	// ReasonExpired and ReasonRevoked the gateway sends DISCONNECT.
	ClientLeft(namespace string, why actors.LeaveReason)
}

// Directory says what is served.
type Directory interface {
	// Gateway reports whether a gateway serves a namespace.
	Gateway(namespace string) bool
	// Room finds the room a namespace stands for, or says in an *Error why
	// there is none.
	Room(namespace string) (actors.RoomRef, error)
}

// Config describes one connection.
type Config struct {
	Ref           wire.ConnRef
	Handshake     *actors.Handshake
	Directory     Directory
	Authenticates bool // ask Effects.Authenticate; everybody is anonymous otherwise
	Opened        time.Time
	Limits        *Limits // shared with other connections, read-only; nil limits nothing
	House         House   // nil lets everybody in

	// Follows says that rooms move: a client whose room has gone to another
	// activation is taken there. Otherwise its transport is closed, so that it
	// comes back.
	Follows bool

	// MaxNamespaces is how many namespaces the connection may hold. One that
	// was refused, or that the server has left, does not count; one that the
	// client has left counts until the question about it is answered.
	MaxNamespaces int

	NewID   func() string
	Effects Effects
}

// Machine is one connection. Use it from one goroutine at a time.
type Machine struct {
	cfg     Config
	effect  Effects
	spaces  map[string]*space // by name
	late    lateList          // namespaces the server has left
	serial  uint64            // of the latest stay
	rates   rates
	outside outside
	closing bool // Effects.Close was called: packets are ignored
	closed  bool // Closed was called
}

// New returns a connection without namespaces.
func New(cfg Config) *Machine {
	if cfg.Limits == nil {
		cfg.Limits = &Limits{}
	}
	if cfg.House == nil {
		cfg.House = openHouse{}
	}
	return &Machine{
		cfg: cfg, effect: cfg.Effects, spaces: make(map[string]*space), outside: outside{since: cfg.Opened},
		late: lateList{limit: max(cfg.MaxNamespaces, 1)},
	}
}

// Namespaces is how many namespaces count for Config.MaxNamespaces.
func (m *Machine) Namespaces() int { return len(m.spaces) }

// close closes the transport, once.
func (m *Machine) close(why actors.LeaveReason) {
	if !m.closing && !m.closed {
		m.closing = true
		m.effect.Close(why)
	}
}

// Closed ends the connection: every room is told once, and what was held is
// let in. Only the first call counts.
func (m *Machine) Closed(why actors.LeaveReason) {
	if m.closed {
		return
	}
	m.closed = true
	var stays []*stay
	for _, sp := range m.spaces {
		if sp.stay != nil {
			stays = append(stays, sp.stay)
		}
	}
	slices.SortFunc(stays, func(a, b *stay) int { return cmp.Compare(a.serial, b.serial) })
	for _, s := range stays {
		m.letIn(s)
		m.tellLeft(s, why)
		m.uncount(s)
	}
	clear(m.spaces)
	m.late = lateList{limit: 1}
}
