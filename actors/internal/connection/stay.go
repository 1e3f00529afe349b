package connection

import (
	"slices"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// windowPerStay is how many events of one namespace may be on their way
// before packets are no longer let in. It is larger than the number of events
// after which a room sends Credit, so that the last ones held are let in.
const windowPerStay = 32

type stayState uint8

const (
	waiting        stayState = iota // for the answer to the stay before
	authenticating                  // who the client is was asked
	joining                         // a room was asked for a seat
	joined                          // or handed over to a gateway
	seeking                         // the room has gone elsewhere, and is followed
)

// space is one namespace of the connection. It exists while it has one of the
// two stays.
type space struct {
	stay *stay // what the client has asked for; nil if it has left
	left *stay // an earlier one whose answer is still to come: until then, stay waits
}

// stay is one time that the client was, or wants to be, in a namespace.
type stay struct {
	namespace string
	serial    uint64 // the order in which the client asked
	gateway   bool   // a gateway serves it, not a room
	state     stayState
	token     string // until authenticated
	join      *wire.Join
	member    actors.MemberID // join.Member, until the room says otherwise
	link      uint64          // events taken
	done      uint64          // events the room has worked off
	held      int             // packets let in only after a Credit: those beyond windowPerStay
	early     []*wire.Event   // events that came before the room's answer
	follows   *following      // nil for a gateway, and where rooms do not move

	counted bool               // among the connections of its user, see Machine.count
	warned  bool               // that its identity expires
	renewal *renewal           // of its identity; asked about once it is joined
	ending  actors.LeaveReason // the server has sent it away, and the room has yet to say that it has gone

	// confused says that a room has let an earlier stay in after the client
	// had left it: the client may take that CONNECT answer for this stay's.
	confused bool
}

// asks reports whether a question about the stay is open.
func (s *stay) asks() bool {
	return s.state == authenticating || s.state == joining || s.state == joined && s.renewal != nil
}

// beyond is how many events more than windowPerStay are on their way.
func (s *stay) beyond() int { return max(0, int(s.link-s.done)-windowPerStay) }

// begin asks the first question about a stay.
func (m *Machine) begin(s *stay) {
	if !m.cfg.Authenticates {
		m.enter(s)
		return
	}
	s.state = authenticating
	m.effect.Authenticate(s.join.Member, s.join.Trace, &actors.AuthRequest{
		Handshake: m.cfg.Handshake, Namespace: s.namespace, Token: s.token, Auth: s.join.Auth,
	})
}

func (m *Machine) enter(s *stay) {
	s.token = ""
	m.outside = outside{}
	if s.gateway {
		s.state = joined // its handlers wait for the connect hooks
		m.effect.OpenClient(s.namespace, s.join)
		m.entered(s)
		return
	}
	s.state = joining
	m.follow(s)
	m.effect.ToRoom(s.join.Room, s.join)
}

// tellLeft tells whoever was asked to let the client in that it has left.
func (m *Machine) tellLeft(s *stay, why actors.LeaveReason) {
	switch {
	case s.state != joining && s.state != joined && s.state != seeking || s.ending != "":
	case s.gateway:
		m.effect.ClientLeft(s.namespace, why)
	default:
		member := s.member
		if s.state == joining {
			member = s.join.Member
		}
		m.effect.ToRoom(s.join.Room, &wire.Leave{Room: s.join.Room, Conn: m.cfg.Ref, Member: member, Why: why})
	}
}

// end ends the stay in a namespace because the server has left it: what the
// client sent before it knew is ignored.
func (m *Machine) end(namespace string, sp *space) {
	s := sp.stay
	m.vacate(sp)
	if s.state == joined && s.renewal != nil {
		sp.left = s
	}
	m.tidy(namespace, sp)
	m.late.add(namespace)
}

// vacate takes the stay out of its namespace.
func (m *Machine) vacate(sp *space) {
	m.letIn(sp.stay)
	m.uncount(sp.stay)
	sp.stay = nil
	m.outside.ask = m.cfg.Limits.OutsideFor > 0
}

// turnAway ends a stay that has not begun.
func (m *Machine) turnAway(namespace string, sp *space, err *actors.Error) {
	confused := sp.stay.confused
	m.end(namespace, sp)
	m.refuse(namespace, err, confused)
}

// answered says that the question of sp.left has its answer.
func (m *Machine) answered(namespace string, sp *space) {
	sp.left = nil
	if sp.stay != nil && !m.closing {
		m.begin(sp.stay)
	}
	m.tidy(namespace, sp)
}

func (m *Machine) tidy(namespace string, sp *space) {
	if sp.stay == nil && sp.left == nil {
		delete(m.spaces, namespace)
	}
}

// letIn lets in what was held for a stay that is over.
func (m *Machine) letIn(s *stay) {
	if s.held > 0 {
		m.effect.Release(s.held)
		s.held = 0
	}
	s.early, s.follows = nil, nil
}

// lateList remembers the latest namespaces that the server has left, and the
// client may not know it yet.
type lateList struct {
	names []string // oldest first
	limit int
}

func (l *lateList) add(name string) {
	l.remove(name)
	if len(l.names) >= l.limit {
		l.names = slices.Delete(l.names, 0, 1)
	}
	l.names = append(l.names, name)
}

func (l *lateList) has(name string) bool { return slices.Contains(l.names, name) }

func (l *lateList) remove(name string) {
	if i := slices.Index(l.names, name); i >= 0 {
		l.names = slices.Delete(l.names, i, i+1)
	}
}
