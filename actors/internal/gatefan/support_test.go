package gatefan

import (
	"encoding/json"
	"net"
	"slices"
	"strings"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

const namespace = "/chat"

// socket records what it is given.
type socket struct {
	got     []*actors.Packet // flushed
	pushed  []*actors.Packet
	limit   int // of packets that were pushed and not flushed; 0: none
	lagging bool
	polls   bool // takes what was flushed with a GET only
	drained []func()
	closed  actors.LeaveReason
}

func (s *socket) SID() string          { return "sid" }
func (s *socket) Lagging() bool        { return s.lagging || s.polls && len(s.pushed) > 0 }
func (s *socket) WhenDrained(f func()) { s.drained = append(s.drained, f) }
func (s *socket) Close(why actors.LeaveReason) {
	if s.closed == "" {
		s.closed = why
	}
}
func (s *socket) Flush() {
	if !s.polls {
		s.got, s.pushed = append(s.got, s.pushed...), nil
	}
}

// get takes what waits, and reports whether there was any.
func (s *socket) get() bool {
	if len(s.pushed) == 0 {
		return false
	}
	s.got, s.pushed = append(s.got, s.pushed...), nil
	drained := s.drained
	s.drained = nil
	for _, f := range drained {
		f()
	}
	return true
}
func (s *socket) Push(p *actors.Packet) error {
	switch {
	case s.closed != "":
		return net.ErrClosed
	case s.lagging && p.Class == actors.Volatile:
		return actors.ErrDropped
	case s.limit > 0 && len(s.pushed) >= s.limit:
		s.Close(actors.ReasonTooSlow)
		return actors.ErrTooSlow
	}
	s.pushed = append(s.pushed, p)
	return nil
}

// tester is a *testing.T or a *rapid.T.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// lab is a machine with what it was told to do.
type lab struct {
	*Machine
	t       tester
	sockets map[uint64]*socket
	asked   map[uint64][]string
	resumed []bool

	arrived   map[string][]wire.Heard
	handed    map[string]*wire.Session
	forwarded []string
	gone      map[string]bool
	posted    []Drained
}

func newLab(t tester) *lab {
	l := &lab{t: t, sockets: make(map[uint64]*socket), asked: make(map[uint64][]string)}
	l.arrived, l.handed = make(map[string][]wire.Heard), make(map[string]*wire.Session)
	l.Machine = New(Config{
		Socket: func(conn uint64) (actors.Socket, bool) {
			s, ok := l.sockets[conn]
			return s, ok
		},
		Asked:      func(e *wire.GateEmit, clients []string) { l.asked[e.AskID] = append(l.asked[e.AskID], clients...) },
		Resumed:    func(_ string, recovered bool) { l.resumed = append(l.resumed, recovered) },
		Arrived:    func(client string, heard []wire.Heard) { l.arrived[client] = heard },
		Handed:     func(client string, s *wire.Session) { l.handed[client] = s },
		Forward:    func(node, _ string, _ wire.GateEmit) { l.forwarded = append(l.forwarded, node) },
		Drained:    func(d Drained) { l.posted = append(l.posted, d) },
		Gone:       func(node string) bool { return l.gone[node] },
		Generation: "gen",
	})
	return l
}

func (l *lab) tell(items ...wire.GateItem) {
	l.Deliver(&wire.GateDeliver{Namespace: namespace, Items: items})
	l.Flush()
}

// open attaches and accepts a client on a connection of its own.
func (l *lab) open(id string, conn uint64, pid string) *socket {
	l.sockets[conn] = new(socket)
	l.tell(
		wire.GateAttach{Client: id, Conn: wire.ConnRef{ID: conn}, PID: pid, RecoverEvents: 5, RecoverBytes: 1 << 20},
		wire.GateAccept{Client: id, Answer: wire.ConnectAnswer(id, pid)},
	)
	return l.sockets[conn]
}

func room(name, event string) wire.GateEmit {
	return wire.GateEmit{Scope: wire.ScopeRoom, Room: name, Data: actors.Raw{JSON: json.RawMessage(`["` + event + `"]`)}}
}

func one(client, event string) wire.GateEmit {
	e := room(client, event)
	e.Scope = wire.ScopeClient
	return e
}

func everyone(event string) wire.GateEmit {
	e := room("", event)
	e.Scope = wire.ScopeNamespace
	return e
}

// events are the names of the events a socket was sent, "CONNECT" and the
// like for other packets.
func (s *socket) events() []string {
	names := []string{}
	for _, p := range s.got {
		switch p.Type {
		case actors.PacketEvent:
			var elems []any
			_ = json.Unmarshal(p.Data, &elems)
			names = append(names, elems[0].(string))
		default:
			names = append(names, [...]string{"CONNECT", "DISCONNECT", "EVENT", "ACK", "CONNECT_ERROR"}[p.Type])
		}
	}
	return names
}

// offset is the one at the end of the latest event that has one.
func (s *socket) offset() (last string) {
	for _, p := range s.got {
		if p.Type != actors.PacketEvent {
			continue
		}
		var elems []any
		_ = json.Unmarshal(p.Data, &elems)
		if text, ok := elems[len(elems)-1].(string); ok { // as a stock client takes it
			last = text
		}
	}
	return last
}

func (l *lab) expect(s *socket, want ...string) {
	l.t.Helper()
	if got := s.events(); !slices.Equal(got, want) {
		l.t.Errorf("sent %s, want %s", strings.Join(got, " "), strings.Join(want, " "))
	}
}
