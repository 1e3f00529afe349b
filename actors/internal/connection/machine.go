// Package connection is the state machine of one Socket.IO connection: its
// namespaces and the rooms they stand for. It has no goroutine, no lock and no
// clock. Whoever drives it calls it from one goroutine at a time and carries
// out its Effects.
package connection

import (
	"encoding/json"
	"fmt"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// Effects is how a connection acts on the world. No method may block or call
// the machine back.
type Effects interface {
	// ToRoom sends Join, Event, Ack or Leave to a room, wherever it is. If
	// the room cannot be reached the machine is told by Unreachable.
	ToRoom(room actors.RoomRef, msg any)
	// Relocate forgets where a room was.
	Relocate(room actors.RoomRef)
	// Authenticate runs beside the connection and comes back with
	// Machine.Authenticated.
	Authenticate(member actors.MemberID, r *actors.AuthRequest)
	// Push sends a packet to the client at once.
	Push(p *actors.Packet)
	// Close closes the transport.
	Close(why actors.LeaveReason)
	// Release lets n more packets in.
	Release(n int)

	// OpenClient hands a CONNECT for a gateway over, with j.Room empty. The
	// CONNECT answer or refusal comes from the gateway.
	OpenClient(namespace string, j *wire.Join)
	// ClientEvent hands an EVENT over; the gateway lets the next packet in
	// with one Release.
	ClientEvent(namespace string, p *actors.Packet)
	// ClientAck hands an ACK over.
	ClientAck(namespace string, p *actors.Packet)
	// ClientLeft says that the client has left the gateway, or is gone.
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
	MaxNamespaces int
	NewID         func() string
	Effects       Effects
}

// windowPerStay is how many events of one namespace may be on their way
// before packets are no longer let in. It is larger than the number of events
// after which a room sends Credit.
const windowPerStay = 32

// Machine is one connection. Use it from one goroutine at a time.
type Machine struct {
	cfg    Config
	effect Effects
	stays  map[string]*stay // by namespace
	closed bool
}

type stayState uint8

const (
	authenticating stayState = iota
	joining
	joined
	gone // the server has left the namespace: late packets are ignored
)

// stay is one namespace the client has connected to.
type stay struct {
	namespace string
	gateway   bool // a gateway serves it, not a room
	state     stayState
	join      *wire.Join
	member    actors.MemberID
	link      uint64        // events sent to the room
	done      uint64        // events it has worked off
	held      int           // packets let in only after a Credit
	early     []*wire.Event // events that came before Joined
}

// New returns a connection without namespaces.
func New(cfg Config) *Machine {
	return &Machine{cfg: cfg, effect: cfg.Effects, stays: make(map[string]*stay)}
}

// Packet takes a packet of the client. Every packet is matched by one unit of
// Effects.Release.
func (m *Machine) Packet(p *actors.Packet) {
	if m.closed {
		m.effect.Release(1)
		return
	}
	s := m.stays[p.Namespace]
	switch {
	case p.Type == actors.PacketConnect && (s == nil || s.state == gone):
		m.connect(p)
	case s == nil, p.Type == actors.PacketConnect, p.Type == actors.PacketConnectError:
		m.effect.Close(actors.ReasonProtocolError)
	case s.state == gone:
		if p.Type == actors.PacketDisconnect {
			delete(m.stays, p.Namespace)
		}
	case p.Type == actors.PacketDisconnect:
		m.disconnect(s)
	case s.gateway && p.Type == actors.PacketEvent && s.state == joined:
		m.effect.ClientEvent(s.namespace, p)
		return
	case s.gateway && s.state == joined:
		m.effect.ClientAck(s.namespace, p)
	case s.gateway: // before its identity is known: nothing can be asked of it yet
		m.effect.Close(actors.ReasonProtocolError)
	case p.Type == actors.PacketEvent:
		m.event(s, p)
		return
	case p.Type == actors.PacketAck && s.state == joined:
		m.effect.ToRoom(s.join.Room, &wire.Ack{
			Room: s.join.Room, Conn: m.cfg.Ref, Member: s.member, ID: p.ID,
			Data: actors.Raw{JSON: p.Data, Attachments: p.Attachments},
		})
	}
	m.effect.Release(1)
}

func (m *Machine) connect(p *actors.Packet) {
	delete(m.stays, p.Namespace)
	gateway := m.cfg.Directory.Gateway(p.Namespace)
	var room actors.RoomRef
	var err error
	if !gateway {
		room, err = m.cfg.Directory.Room(p.Namespace)
	}
	if err == nil && len(m.stays) >= m.cfg.MaxNamespaces {
		err = actors.Errorf(actors.CodeTooLarge, "a connection may hold %d namespaces", m.cfg.MaxNamespaces)
	}
	var auth authPayload
	if err == nil {
		auth, err = readAuth(p.Data)
	}
	if err != nil {
		m.refuse(p.Namespace, actors.AsError(err))
		return
	}
	join := &wire.Join{
		Room: room, Conn: m.cfg.Ref, Member: actors.MemberID(m.cfg.NewID()), Auth: auth.rest,
		Address: m.cfg.Handshake.Address, Handshake: m.cfg.Handshake, PID: auth.PID, Offset: auth.Offset,
	}
	s := &stay{namespace: p.Namespace, gateway: gateway, join: join, member: join.Member}
	m.stays[p.Namespace] = s
	if m.cfg.Authenticates {
		m.effect.Authenticate(join.Member, &actors.AuthRequest{
			Handshake: m.cfg.Handshake, Namespace: p.Namespace, Token: auth.Token, Auth: auth.rest,
		})
		return
	}
	m.enter(s)
}

func (m *Machine) enter(s *stay) {
	if s.gateway {
		s.state = joined // its handlers wait for the connect hooks
		m.effect.OpenClient(s.namespace, s.join)
		return
	}
	s.state = joining
	m.effect.ToRoom(s.join.Room, s.join)
}

// Authenticated brings back the result of Effects.Authenticate.
func (m *Machine) Authenticated(member actors.MemberID, id actors.Identity, err error) {
	s := m.asked(member)
	if s == nil || s.state != authenticating {
		return
	}
	if err != nil {
		e := actors.AsError(err)
		if e.Code == actors.CodeInternal {
			e = actors.Errorf(actors.CodeUnauthorized, "not authorized")
		}
		m.drop(s)
		m.refuse(s.namespace, e)
		return
	}
	s.join.Identity = id
	m.enter(s)
}

// asked finds the stay that asked for a seat under this member id.
func (m *Machine) asked(member actors.MemberID) *stay {
	for _, s := range m.stays {
		if s.join.Member == member && s.state != gone {
			return s
		}
	}
	return nil
}

func (m *Machine) event(s *stay, p *actors.Packet) {
	s.link++
	e := &wire.Event{
		Room: s.join.Room, Conn: m.cfg.Ref, Member: s.member, Link: s.link, ID: p.ID, HasID: p.HasID,
		Data: actors.Raw{JSON: p.Data, Attachments: p.Attachments},
	}
	if s.state == joined {
		m.effect.ToRoom(e.Room, e)
	} else {
		s.early = append(s.early, e)
	}
	if s.link-s.done > windowPerStay {
		s.held++
		return
	}
	m.effect.Release(1)
}

func (m *Machine) disconnect(s *stay) {
	m.drop(s)
	if s.state != authenticating {
		m.leave(s, actors.ReasonClientLeft)
	}
}

func (m *Machine) leave(s *stay, why actors.LeaveReason) {
	if s.gateway {
		m.effect.ClientLeft(s.namespace, why)
		return
	}
	m.effect.ToRoom(s.join.Room, &wire.Leave{Room: s.join.Room, Conn: m.cfg.Ref, Member: s.member, Why: why})
}

// drop forgets a stay and lets in what waited for it.
func (m *Machine) drop(s *stay) {
	delete(m.stays, s.namespace)
	m.unhold(s)
}

func (m *Machine) unhold(s *stay) {
	if s.held > 0 {
		m.effect.Release(s.held)
		s.held = 0
	}
	s.early = nil
}

func (m *Machine) refuse(namespace string, err *actors.Error) {
	m.effect.Push(&actors.Packet{
		Type: actors.PacketConnectError, Namespace: namespace, Data: wire.ConnectError(err),
	})
}

// Joined says that a room has given a seat.
func (m *Machine) Joined(j *wire.Joined) {
	s := m.asked(j.Asked)
	if s == nil || s.state != joining {
		return // the client has left meanwhile, and the room was told
	}
	s.state, s.member = joined, j.Member
	for _, e := range s.early {
		e.Member = s.member
		m.effect.ToRoom(e.Room, e)
	}
	s.early = nil
}

// Refused says that a room has given no seat.
func (m *Machine) Refused(r *wire.Refused) {
	if s := m.asked(r.Asked); s != nil && s.state == joining {
		m.drop(s)
		m.refuse(s.namespace, r.Err)
	}
}

// Gone says that a room has taken the member out.
func (m *Machine) Gone(g *wire.Gone) {
	if s := m.stays[g.Room.Namespace()]; s != nil && s.state == joined && s.member == g.Member {
		s.state = gone
		m.unhold(s)
	}
}

// ClientGone says that a gateway has refused the client, or sent it away.
func (m *Machine) ClientGone(namespace string) {
	if s := m.stays[namespace]; s != nil && s.gateway {
		s.state = gone
	}
}

// Credit says that a room has worked off events.
func (m *Machine) Credit(c *wire.Credit) {
	s := m.stays[c.Room.Namespace()]
	if s == nil || s.member != c.Member || c.Link <= s.done {
		return
	}
	s.done = c.Link
	if room := windowPerStay - int(s.link-s.done); s.held > 0 && room > 0 {
		n := min(room, s.held)
		s.held -= n
		m.effect.Release(n)
	}
}

// Moved says that a room has left memory or moved: a join is sent again, and a
// member whose room went away reconnects.
func (m *Machine) Moved(v *wire.Moved) {
	m.effect.Relocate(v.Room)
	s := m.stays[v.Room.Namespace()]
	switch {
	case s == nil:
	case s.state == joining:
		m.effect.ToRoom(s.join.Room, s.join)
	case s.state == joined:
		m.effect.Close(actors.ReasonShutdown)
	}
}

// Unreachable says that a room could not be found.
func (m *Machine) Unreachable(room actors.RoomRef, err *actors.Error) {
	s := m.stays[room.Namespace()]
	switch {
	case s == nil:
	case s.state == joining:
		m.drop(s)
		m.refuse(s.namespace, err)
	case s.state == joined:
		m.effect.Close(actors.ReasonShutdown)
	}
}

// Closed ends the connection: every room is told once.
func (m *Machine) Closed(why actors.LeaveReason) {
	if m.closed {
		return
	}
	m.closed = true
	for _, s := range m.stays {
		m.unhold(s)
		if s.state == joining || s.state == joined {
			m.leave(s, why)
		}
	}
	clear(m.stays)
}

// Namespaces is how many namespaces are open.
func (m *Machine) Namespaces() int { return len(m.stays) }

// authPayload is a CONNECT payload, docs/protocol.md section 2.
type authPayload struct {
	Token, PID, Offset string
	rest               json.RawMessage
}

func readAuth(data []byte) (authPayload, error) {
	var a authPayload
	if len(data) == 0 {
		return a, nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return a, actors.Errorf(actors.CodeBadAuth, "auth: want an object")
	}
	a.rest = data
	for key, to := range map[string]*string{"token": &a.Token, "pid": &a.PID, "offset": &a.Offset, "$parlor": nil} {
		raw, has := all[key]
		if !has {
			continue
		}
		if to != nil && string(raw) != "null" && json.Unmarshal(raw, to) != nil {
			return a, actors.Errorf(actors.CodeBadAuth, "auth: %s: want a string", key)
		}
		delete(all, key)
		a.rest = nil
	}
	if a.rest == nil && len(all) > 0 {
		var err error
		if a.rest, err = json.Marshal(all); err != nil {
			return a, fmt.Errorf("auth: %w", err)
		}
	}
	return a, nil
}
