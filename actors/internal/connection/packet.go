package connection

import (
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// Packet takes a packet of the client. Every packet is matched by one unit of
// Effects.Release, or is handed over with Effects.ClientEvent. One that breaks
// the protocol closes the transport; one for a namespace that the server has
// left is ignored, because the client may not know it yet.
func (m *Machine) Packet(now time.Time, p *actors.Packet) {
	if m.closed || m.closing || !m.take(now, p) {
		m.effect.Release(1)
	}
}

// take reports whether the packet is matched by a unit of Release already, or
// will be.
func (m *Machine) take(now time.Time, p *actors.Packet) (matched bool) {
	var s *stay
	if sp := m.spaces[p.Namespace]; sp != nil {
		s = sp.stay
	}
	within := m.within(now, p)
	switch {
	case m.closing:
		return false
	case s == nil && p.Type == actors.PacketConnect:
		m.connect(now, p)
		return false
	case s == nil:
		m.tooLate(p)
		return false
	}
	switch {
	case p.Type == actors.PacketDisconnect:
		m.disconnect(s)
	case s.ending != "" && p.Type != actors.PacketConnect && p.Type != actors.PacketConnectError:
		// The client may not know it yet.
	case p.Type == actors.PacketEvent && !within:
		m.tooMuch(s, p)
	case p.Type == actors.PacketEvent && m.cfg.Authenticates && names(p.Data, renewEvent):
		m.renew(s, p)
	case p.Type == actors.PacketEvent:
		return m.event(s, p)
	case p.Type == actors.PacketAck:
		m.ack(s, p)
	case p.Type == actors.PacketConnect && !s.begun():
		// Stock clients that give up before the answer send no DISCONNECT.
		m.disconnect(s)
		m.connect(now, p)
	default: // a second CONNECT, or CONNECT_ERROR
		m.close(actors.ReasonProtocolError)
	}
	return false
}

// tooLate takes a packet for a namespace that the client is not in.
func (m *Machine) tooLate(p *actors.Packet) {
	switch {
	case !m.late.has(p.Namespace):
		m.close(actors.ReasonProtocolError)
	case p.Type == actors.PacketDisconnect:
		m.late.remove(p.Namespace)
	case p.Type != actors.PacketEvent && p.Type != actors.PacketAck:
		m.close(actors.ReasonProtocolError)
	}
}

func (m *Machine) connect(now time.Time, p *actors.Packet) {
	m.late.remove(p.Namespace)
	s, err := m.newStay(p)
	if err == nil {
		if err = m.mayConnect(now); m.closing {
			return
		}
	}
	sp := m.spaces[p.Namespace]
	if err != nil {
		m.refuse(p.Namespace, actors.AsError(err), sp != nil && sp.left.state == joining)
		return
	}
	if sp == nil {
		sp = &space{}
		m.spaces[p.Namespace] = sp
	}
	if sp.stay = s; sp.left == nil {
		m.begin(s)
	}
}

func (m *Machine) newStay(p *actors.Packet) (*stay, error) {
	gateway := m.cfg.Directory.Gateway(p.Namespace)
	var room actors.RoomRef
	var err error
	if !gateway {
		if room, err = m.cfg.Directory.Room(p.Namespace); err != nil {
			return nil, err
		}
	}
	if m.spaces[p.Namespace] == nil && len(m.spaces) >= m.cfg.MaxNamespaces {
		return nil, actors.Errorf(actors.CodeTooLarge, "a connection may hold %d namespaces", m.cfg.MaxNamespaces)
	}
	auth, err := readAuth(p.Data)
	if err != nil {
		return nil, err
	}
	m.serial++
	join := &wire.Join{
		Room: room, Conn: m.cfg.Ref, Member: actors.MemberID(m.cfg.NewID()), Auth: auth.Rest,
		Address: m.cfg.Handshake.Address, Handshake: m.cfg.Handshake, PID: auth.PID, Offset: auth.Offset, Trace: p.Trace,
	}
	return &stay{
		namespace: p.Namespace, serial: m.serial, gateway: gateway,
		token: auth.Token, join: join, member: join.Member,
	}, nil
}

func (m *Machine) disconnect(s *stay) {
	sp := m.spaces[s.namespace]
	m.tellLeft(s, actors.ReasonClientLeft)
	m.vacate(sp)
	if s.asks() {
		sp.left = s
	}
	m.tidy(s.namespace, sp)
}

func (m *Machine) event(s *stay, p *actors.Packet) (matched bool) {
	if s.gateway {
		if s.state == joined {
			m.effect.ClientEvent(s.namespace, p)
			return true
		}
		m.close(actors.ReasonProtocolError) // nothing can be asked of it yet
		return false
	}
	s.link++
	e := &wire.Event{
		Room: s.join.Room, Conn: m.cfg.Ref, Member: s.member, Link: s.link, ID: p.ID, HasID: p.HasID,
		Data: actors.Raw{JSON: p.Data, Attachments: p.Attachments}, Trace: p.Trace,
	}
	if s.follows != nil {
		s.follows.events = append(s.follows.events, e)
	}
	switch {
	case s.state == joined:
		m.effect.ToRoom(e.Room, e)
	case s.follows == nil:
		s.early = append(s.early, e)
	}
	if s.beyond() > 0 {
		s.held++
		return true
	}
	return false
}

// ack passes an acknowledgement on. Nobody who is not in the room yet was
// asked for one.
func (m *Machine) ack(s *stay, p *actors.Packet) {
	switch {
	case s.gateway && s.state == joined:
		m.effect.ClientAck(s.namespace, p)
	case s.gateway:
		m.close(actors.ReasonProtocolError)
	case s.state == joined:
		m.effect.ToRoom(s.join.Room, &wire.Ack{
			Room: s.join.Room, Conn: m.cfg.Ref, Member: s.member, ID: p.ID,
			Data: actors.Raw{JSON: p.Data, Attachments: p.Attachments},
		})
	}
}

// refuse sends CONNECT_ERROR. A client that may be connected as far as it knows
// would hang after that: its transport is closed, and it asks again.
func (m *Machine) refuse(namespace string, err *actors.Error, confused bool) {
	if confused {
		m.close(actors.ReasonShutdown)
		return
	}
	m.late.add(namespace)
	m.effect.TurnedAway(err.Code)
	m.effect.Push(&actors.Packet{Type: actors.PacketConnectError, Namespace: namespace, Data: wire.ConnectError(err)})
}
