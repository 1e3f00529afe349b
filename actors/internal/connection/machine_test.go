package connection

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// recorder carries out nothing and writes down everything.
type recorder struct {
	log      []string
	released int
}

func (r *recorder) note(format string, args ...any) {
	r.log = append(r.log, fmt.Sprintf(format, args...))
}

func (r *recorder) ToRoom(room actors.RoomRef, msg any) {
	switch msg := msg.(type) {
	case *wire.Join:
		r.note("join %v %s", room, msg.Member)
	case *wire.Event:
		r.note("event %v %s #%d %s", room, msg.Member, msg.Link, msg.Data.JSON)
	case *wire.Ack:
		r.note("ack %v %s #%d %s", room, msg.Member, msg.ID, msg.Data.JSON)
	case *wire.Renew:
		r.note("renew %v %s %s", room, msg.Member, msg.Identity.TokenID)
	case *wire.Leave:
		r.note("leave %v %s %s", room, msg.Member, msg.Why)
	}
}
func (r *recorder) Relocate(room actors.RoomRef) { r.note("relocate %v", room) }
func (r *recorder) Seek(room actors.RoomRef, m actors.MemberID) {
	r.note("seek %v %s", room, m)
}
func (r *recorder) Authenticate(m actors.MemberID, _ actors.Trace, q *actors.AuthRequest) {
	r.note("authenticate %s %s %q %s", q.Namespace, m, q.Token, q.Auth)
}
func (r *recorder) Push(p *actors.Packet) {
	r.note("push %d %s %s", p.Type, p.Namespace, p.Data)
}
func (r *recorder) Close(why actors.LeaveReason)            { r.note("close %s", why) }
func (r *recorder) Release(n int)                           { r.released += n; r.note("release %d", n) }
func (r *recorder) TurnedAway(actors.Code)                  {}
func (r *recorder) OpenClient(ns string, j *wire.Join)      { r.note("open %s %s", ns, j.Member) }
func (r *recorder) ClientEvent(ns string, p *actors.Packet) { r.note("client event %s %s", ns, p.Data) }
func (r *recorder) ClientAck(ns string, p *actors.Packet)   { r.note("client ack %s #%d", ns, p.ID) }
func (r *recorder) ClientRenewed(ns string, id actors.Identity) {
	r.note("client renewed %s %s", ns, id.TokenID)
}
func (r *recorder) Limited(by Limit)                           { r.note("limited %d", by) }
func (r *recorder) ClientLeft(ns string, y actors.LeaveReason) { r.note("client left %s %s", ns, y) }

// directory serves rooms of kind "b" and the gateway "/g".
type directory struct{}

func (directory) Gateway(ns string) bool { return ns == "/g" }
func (directory) Room(ns string) (actors.RoomRef, error) {
	if !strings.HasPrefix(ns, "/b/") {
		return actors.RoomRef{}, actors.Errorf(actors.CodeUnknownNamespace, "nobody serves %s", ns)
	}
	return actors.ParseRoom(ns)
}

type fixture struct {
	*Machine
	*recorder
	now time.Time
}

var start = time.Unix(1_700_000_000, 0)

func (f *fixture) Packet(p *actors.Packet) { f.Machine.Packet(f.now, p) }
func (f *fixture) Authenticated(m actors.MemberID, id actors.Identity, err error) {
	f.Machine.Authenticated(f.now, m, id, err)
}

// advance lets time pass, and wakes the machine whenever it wants to be.
func (f *fixture) advance(d time.Duration) {
	end := f.now.Add(d)
	for {
		next := f.NextWake()
		if next.IsZero() || next.After(end) {
			break
		}
		if next.After(f.now) {
			f.now = next
		}
		f.Wake(f.now)
	}
	f.now = end
}

// open returns a connection whose members are m1, m2, …
func open(configure ...func(*Config)) *fixture {
	rec, ids := &recorder{}, 0
	cfg := Config{
		Ref: wire.ConnRef{Node: "n", ID: 7}, Handshake: &actors.Handshake{Address: "192.0.2.1"}, Directory: directory{}, Opened: start,
		MaxNamespaces: 4, NewID: func() string { ids++; return fmt.Sprintf("m%d", ids) }, Effects: rec,
	}
	for _, f := range configure {
		f(&cfg)
	}
	return &fixture{New(cfg), rec, start}
}

func authenticates(c *Config) { c.Authenticates = true }

var room = actors.RoomRef{Kind: "b", ID: "1"}

const ns, gateway = "/b/1", "/g"

func packet(t actors.PacketType, namespace, data string) *actors.Packet {
	p := &actors.Packet{Type: t, Namespace: namespace, ID: 5, HasID: t == actors.PacketAck}
	if data != "" {
		p.Data = []byte(data)
	}
	return p
}

func (f *fixture) connect(namespace string) { f.Packet(packet(actors.PacketConnect, namespace, "")) }
func (f *fixture) disconnect(namespace string) {
	f.Packet(packet(actors.PacketDisconnect, namespace, ""))
}
func (f *fixture) event(namespace string, n int) {
	f.Packet(packet(actors.PacketEvent, namespace, fmt.Sprintf(`["e",%d]`, n)))
}

func (f *fixture) joined(asked, got actors.MemberID) {
	f.Joined(&wire.Joined{Room: room, Asked: asked, Member: got})
}
func (f *fixture) gone(m actors.MemberID) { f.Gone(&wire.Gone{Room: room, Member: m}) }
func (f *fixture) refused(asked actors.MemberID) {
	f.Refused(&wire.Refused{Room: room, Asked: asked, Err: actors.Errorf(actors.CodeRoomFull, "no seat is left")})
}
func (f *fixture) moved() { f.Moved(&wire.Moved{Room: room}) }
func (f *fixture) credit(m actors.MemberID, link uint64) {
	f.Credit(&wire.Credit{Room: room, Member: m, Link: link})
}

// take returns what was written down since the last time.
func (f *fixture) take() []string {
	log := f.log
	f.log = nil
	return log
}

func (f *fixture) expect(t *testing.T, want ...string) {
	t.Helper()
	if got := f.take(); !slices.Equal(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

const refusal = `push 4 /b/1 {"message":"no seat is left","data":{"code":"room_full"}}`

// states are the ways a namespace can stand, as a client and its server see it.
var states = map[string]struct {
	setup func() *fixture
	// want is what CONNECT, DISCONNECT, EVENT, ACK and CONNECT_ERROR lead to,
	// without the release that each is matched by.
	connect, disconnect, event, ack string
	namespace                       string // empty means a room's
}{
	"never joined": {
		setup:   func() *fixture { return open() },
		connect: "join b/1 m1", disconnect: violation, event: violation, ack: violation,
	},
	"authenticating": {
		setup: func() *fixture { f := open(authenticates); f.connect(ns); return f },
	},
	"joining": {
		setup:   func() *fixture { f := open(); f.connect(ns); return f },
		connect: "leave b/1 m1 client_left", disconnect: "leave b/1 m1 client_left",
	},
	"joined": {
		setup:   func() *fixture { f := open(); f.connect(ns); f.joined("m1", "m1"); return f },
		connect: violation, disconnect: "leave b/1 m1 client_left",
		event: `event b/1 m1 #1 ["e"]`, ack: `ack b/1 m1 #5 ["e"]`,
	},
	"resumed under another id": {
		setup:   func() *fixture { f := open(); f.connect(ns); f.joined("m1", "old"); return f },
		connect: violation, disconnect: "leave b/1 old client_left",
		event: `event b/1 old #1 ["e"]`, ack: `ack b/1 old #5 ["e"]`,
	},
	"kicked": {
		setup:   func() *fixture { f := open(); f.connect(ns); f.joined("m1", "m1"); f.gone("m1"); return f },
		connect: "join b/1 m2",
	},
	"refused by the room": {
		setup:   func() *fixture { f := open(); f.connect(ns); f.refused("m1"); return f },
		connect: "join b/1 m2",
	},
	"left while authenticating": {
		setup:      func() *fixture { f := open(authenticates); f.connect(ns); f.disconnect(ns); return f },
		disconnect: violation, event: violation, ack: violation,
	},
	"left while joining": {
		setup:      func() *fixture { f := open(); f.connect(ns); f.disconnect(ns); return f },
		disconnect: violation, event: violation, ack: violation,
	},
	"left while joined": {
		setup:   func() *fixture { f := open(); f.connect(ns); f.joined("m1", "m1"); f.disconnect(ns); return f },
		connect: "join b/1 m2", disconnect: violation, event: violation, ack: violation,
	},
	"waiting": {
		setup: func() *fixture { f := open(); f.connect(ns); f.disconnect(ns); f.connect(ns); return f },
	},
	"gateway, authenticating": {
		setup:     func() *fixture { f := open(authenticates); f.connect(gateway); return f },
		namespace: gateway, event: violation, ack: violation,
	},
	"gateway, joined": {
		setup:     func() *fixture { f := open(); f.connect(gateway); return f },
		namespace: gateway, connect: violation, disconnect: "client left /g client_left",
		event: `client event /g ["e"]`, ack: "client ack /g #5",
	},
	"gateway, gone": {
		setup:     func() *fixture { f := open(); f.connect(gateway); f.ClientGone(gateway); return f },
		namespace: gateway, connect: "open /g m2",
	},
}

const violation = "close protocol_error"

func TestEveryPacketInEveryState(t *testing.T) {
	for name, state := range states {
		namespace := state.namespace
		if namespace == "" {
			namespace = ns
		}
		for _, c := range []struct {
			packet actors.PacketType
			want   string
		}{
			{actors.PacketConnect, state.connect},
			{actors.PacketDisconnect, state.disconnect},
			{actors.PacketEvent, state.event},
			{actors.PacketAck, state.ack},
			{actors.PacketConnectError, violation},
			{9, violation},
		} {
			t.Run(fmt.Sprintf("%s, packet %d", name, c.packet), func(t *testing.T) {
				f := state.setup()
				f.take()
				data := ""
				if c.packet == actors.PacketEvent || c.packet == actors.PacketAck {
					data = `["e"]`
				}
				f.Packet(packet(c.packet, namespace, data))
				var want []string
				if c.want != "" {
					want = append(want, c.want)
				}
				if !strings.HasPrefix(c.want, "client event") { // the gateway releases it
					want = append(want, "release 1")
				}
				f.expect(t, want...)
			})
		}
	}
}
