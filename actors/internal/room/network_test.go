package room

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/connection"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// network is one node in which every actor is its plain machine and every
// message waits until the test lets it arrive.
type network struct {
	t        *rapid.T
	behavior actors.Behavior
	// mailboxes: what is sent to one actor arrives in the order it was sent,
	// whoever sent it, as in one process. Otherwise that holds for each sender
	// only, as between nodes.
	mailboxes bool
	confirms  bool // authenticators answer at once

	now     time.Time
	queues  map[string][]func() // by receiver, or by sender and receiver
	sockets []*socket
	acts    []*activation
	active  map[actors.RoomRef]*activation // the directory
	fan     map[string]*roomTable          // the fan-out, by namespace
	stores  map[actors.RoomRef]*kept       // nil: nothing is kept
	ids     int
	quiet   bool // clients and users do nothing any more
}

func (n *network) send(from, to string, message func()) {
	key := from + ">" + to
	if n.mailboxes {
		key = to
	}
	n.queues[key] = append(n.queues[key], message)
}

// pending lists the queues that hold something.
func (n *network) pending() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(n.queues)), func(k string) bool { return len(n.queues[k]) == 0 })
}

func (n *network) arrive(queue string) {
	message := n.queues[queue][0]
	n.queues[queue] = n.queues[queue][1:]
	message()
}

func (n *network) id(prefix string) string { n.ids++; return fmt.Sprintf("%s%d", prefix, n.ids) }

// activation is a room actor.
type activation struct {
	n       *network
	name    string
	ref     actors.RoomRef
	epoch   uint64
	m       *Machine
	work    map[uint64]func(context.Context) error
	retired bool // the directory has let it go
	dead    bool // it lingers no more
}

func (n *network) activate(ref actors.RoomRef) *activation {
	a := &activation{n: n, name: fmt.Sprintf("act%d", len(n.acts)), ref: ref, epoch: uint64(len(n.acts) + 1), work: make(map[uint64]func(context.Context) error)}
	n.acts = append(n.acts, a)
	a.m = New(Config{
		Ref: ref, Behavior: n.behavior, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Rand: rand.New(rand.NewPCG(1, 1)), NewID: func() string { return n.id("r") }, Effects: a,
	})
	n.send("dir", a.name, func() { a.m.Start(n.now, a.load()) })
	return a
}

// load claims the room, if it is kept, and loads it.
func (a *activation) load() Loaded {
	l := Loaded{Epoch: a.epoch}
	if a.n.stores == nil {
		return l
	}
	k := a.n.stores[a.ref]
	if k == nil {
		k = &kept{entries: make(map[string]string)}
		a.n.stores[a.ref] = k
	}
	k.owned.Epoch, k.owned.Owner = a.epoch, actors.Owner{Node: "n", Nonce: a.name}
	l.Owned, l.Entries = k.owned, k.list()
	return l
}

// ask has the store do something in its own time, and answer.
func (a *activation) ask(do func(*kept) error, answer func(error)) {
	a.n.send(a.name, "store", func() {
		k, err := a.n.stores[a.ref], actors.ErrFenced
		if k.owned.Owner.Nonce == a.name {
			err = do(k)
		}
		a.n.send("store", a.name, func() { answer(err) })
	})
}

func (a *activation) receive(c *socket, msg any) {
	if a.dead {
		c.deadLetter(a)
		return
	}
	switch msg := msg.(type) {
	case *wire.Join:
		a.m.Join(a.n.now, msg)
	case *wire.Event:
		a.m.Event(a.n.now, msg)
	case *wire.Ack:
		a.m.Ack(a.n.now, msg)
	case *wire.Renew:
		a.m.Renew(a.n.now, msg)
	case *wire.Leave:
		a.m.Leave(a.n.now, msg)
	}
}

// Deliver implements Effects.
func (a *activation) Deliver(_ string, d *wire.Deliver) {
	a.n.send(a.name, "fan", func() { a.n.deliver(a, d) })
}

// Tell implements Effects.
func (a *activation) Tell(c wire.ConnRef, msg any) {
	s := a.n.sockets[c.ID]
	a.n.send(a.name, s.name, func() { s.told(msg) })
}

// Run implements Effects.
func (a *activation) Run(id uint64, work func(context.Context) error) { a.work[id] = work }

// Call implements Effects.
func (a *activation) Call(id uint64, _ OutCall) {
	a.n.send("caller", a.name, func() { a.m.CallDone(a.n.now, id, actors.Raw{}, actors.Errorf(actors.CodeTimeout, "")) })
}

// Answer implements Effects.
func (a *activation) Answer(uint64, actors.Raw, *actors.Error) {}

// Append implements Effects.
func (a *activation) Append(x Append) {
	a.ask(func(k *kept) error { k.apply(x.Batch); return nil }, func(err error) { a.m.Appended(a.n.now, x.Batch.ID, err) })
}

// Schedule implements Effects.
func (a *activation) Schedule(time.Time) {}

// Reclaim implements Effects: no store is rolled back here.
func (a *activation) Reclaim(actors.Owned) {
	a.ask(func(*kept) error { return nil }, func(err error) { a.m.Reclaimed(a.n.now, a.n.stores[a.ref].owned, err) })
}

// Destroy implements Effects.
func (a *activation) Destroy() {
	a.ask(func(k *kept) error { clear(k.entries); k.owned = actors.Owned{}; return nil }, func(err error) { a.m.Destroyed(a.n.now, err) })
}

// Hibernate implements Effects.
func (a *activation) Hibernate(actors.Owned, []string) {}

// Retire implements Effects.
func (a *activation) Retire() {
	a.n.send(a.name, "dir", func() {
		if a.n.active[a.ref] == a {
			delete(a.n.active, a.ref)
		}
		a.retired = true
	})
}

// roomTable is what the fan-out has of a room.
type roomTable struct {
	epoch   uint64
	members map[actors.MemberID]*socket
}

func (n *network) deliver(a *activation, d *wire.Deliver) {
	if d.Confirm {
		n.send("fan", a.name, func() { a.m.Delivered(n.now, &wire.Delivered{Room: d.Room, Epoch: d.Epoch, Node: "n"}) })
	}
	tb := n.fan[d.Namespace]
	if tb == nil || d.Epoch > tb.epoch {
		if tb != nil {
			for _, id := range slices.Sorted(maps.Keys(tb.members)) {
				tb.members[id].close(actors.ReasonShutdown) // members of an activation that is over
			}
		}
		tb = &roomTable{epoch: d.Epoch, members: make(map[actors.MemberID]*socket)}
		n.fan[d.Namespace] = tb
	}
	if d.Epoch < tb.epoch {
		for _, item := range d.Items { // whoever was let in by an activation that is over
			if admit, is := item.(wire.Admit); is {
				n.sockets[admit.Conn.ID].close(actors.ReasonShutdown)
			}
		}
		return
	}
	for _, item := range d.Items {
		switch it := item.(type) {
		case wire.Admit:
			s := n.sockets[it.Conn.ID]
			tb.members[it.Member] = s
			s.see(&actors.Packet{Type: actors.PacketConnect, Namespace: d.Namespace, Data: it.Answer})
		case wire.Remove:
			s := tb.members[it.Member]
			if s == nil {
				n.t.Fatalf("%s removes %s, which is not in the table", a.name, it.Member)
			}
			delete(tb.members, it.Member)
			if it.Disconnect {
				s.see(&actors.Packet{Type: actors.PacketDisconnect, Namespace: d.Namespace})
			}
			if it.Close != "" {
				s.close(it.Close)
			}
		case wire.Emit:
			if it.HasAck {
				for _, s := range tb.members {
					s.asked = append(s.asked, &actors.Packet{Type: actors.PacketAck, Namespace: d.Namespace, ID: it.AckID, HasID: true, Data: []byte(`["ok"]`)})
				}
			}
		case wire.End:
			if len(tb.members) > 0 {
				n.t.Fatalf("%s ends and leaves %v", a.name, tb.members)
			}
			delete(n.fan, d.Namespace)
		}
	}
}

// driverWindow is how many packets of one connection are let in at a time.
const driverWindow = 16

// socket is a client, its transport and its connection actor.
type socket struct {
	n      *network
	name   string
	ref    wire.ConnRef
	m      *connection.Machine
	routes map[actors.RoomRef]*path
	let    int // packets that were let in and not released
	out    []*actors.Packet
	asked  []*actors.Packet // acknowledgements the client was asked for

	closing actors.LeaveReason
	closed  bool // the connection actor knows
	spaces  map[string]*view
	rude    bool // it left and asked again: what it is sent may be for either
}

// path is a room's address as the router of a connection knows it.
type path struct {
	act    *activation // nil: it was asked for
	queued []any
}

// view is a namespace as a stock client sees it.
type view struct {
	asking bool // CONNECT was sent
	left   bool // it has left by itself
	silent bool // and said nothing, because it had no answer yet: the server cannot know
	sid    actors.MemberID
	pid    string
}

func (n *network) dial() *socket {
	s := &socket{n: n, routes: make(map[actors.RoomRef]*path), spaces: make(map[string]*view)}
	s.ref = wire.ConnRef{Node: "n", ID: uint64(len(n.sockets))}
	s.name = fmt.Sprintf("conn%d", s.ref.ID)
	s.m = connection.New(connection.Config{
		Ref: s.ref, Handshake: &actors.Handshake{}, Directory: s, Authenticates: true, MaxNamespaces: 3,
		NewID: func() string { return n.id("m") }, Effects: s,
	})
	n.sockets = append(n.sockets, s)
	return s
}

// Gateway implements connection.Directory.
func (s *socket) Gateway(string) bool { return false }

// Room implements connection.Directory.
func (s *socket) Room(namespace string) (actors.RoomRef, error) { return actors.ParseRoom(namespace) }

// ToRoom implements connection.Effects as the node's router does.
func (s *socket) ToRoom(room actors.RoomRef, msg any) {
	p := s.routes[room]
	if _, join := msg.(*wire.Join); join && p != nil && p.act != nil {
		p = nil
	}
	if p == nil {
		p = &path{}
		s.routes[room] = p
		s.n.send(s.name, "dir", func() {
			act := s.n.active[room]
			if act == nil {
				act = s.n.activate(room)
				s.n.active[room] = act
			}
			s.n.send("dir", s.name, func() { s.located(room, act) })
		})
	}
	if p.act == nil {
		p.queued = append(p.queued, msg)
		return
	}
	s.pass(p.act, msg)
}

func (s *socket) pass(act *activation, msg any) {
	s.n.send(s.name, act.name, func() { act.receive(s, msg) })
}

func (s *socket) located(room actors.RoomRef, act *activation) {
	p := s.routes[room]
	if p == nil || p.act != nil {
		return
	}
	p.act = act
	for _, msg := range p.queued {
		s.pass(act, msg)
	}
	p.queued = nil
}

// Relocate implements connection.Effects.
func (s *socket) Relocate(room actors.RoomRef) {
	if p := s.routes[room]; p != nil && p.act != nil {
		delete(s.routes, room)
	}
}

// deadLetter says that an actor is not there any more.
func (s *socket) deadLetter(a *activation) {
	s.n.send(a.name, s.name, func() {
		if p := s.routes[a.ref]; p != nil && p.act == a {
			s.m.Moved(&wire.Moved{Room: a.ref})
		}
	})
}

func (s *socket) told(msg any) {
	switch msg := msg.(type) {
	case *wire.Joined:
		s.m.Joined(msg)
	case *wire.Refused:
		s.m.Refused(msg)
	case *wire.Gone:
		s.m.Gone(msg)
	case *wire.Credit:
		s.m.Credit(msg)
	case *wire.Moved:
		s.m.Moved(msg)
	}
}

// Seek implements connection.Effects. Rooms do not move in this network.
func (s *socket) Seek(actors.RoomRef, actors.MemberID) { panic("a room was sought") }

// Authenticate implements connection.Effects.
func (s *socket) Authenticate(m actors.MemberID, _ actors.Trace, _ *actors.AuthRequest) {
	if s.n.confirms {
		s.n.send("auth", s.name, func() { s.m.Authenticated(s.n.now, m, actors.Identity{}, nil) })
		return
	}
	s.n.send("auth "+string(m), s.name, func() { s.m.Authenticated(s.n.now, m, actors.Identity{}, nil) })
}

// Push implements connection.Effects.
func (s *socket) Push(p *actors.Packet) { s.see(p) }

// Close implements connection.Effects.
func (s *socket) Close(why actors.LeaveReason) { s.close(why) }

// Release implements connection.Effects.
func (s *socket) Release(n int) {
	if s.let -= n; s.let < 0 {
		s.n.t.Fatalf("%s lets more packets in than there were", s.name)
	}
}

// TurnedAway implements connection.Effects.
func (s *socket) TurnedAway(actors.Code) {}

// OpenClient implements connection.Effects.
func (s *socket) OpenClient(string, *wire.Join) { s.n.t.Fatalf("there are no gateways") }

// ClientEvent implements connection.Effects.
func (s *socket) ClientEvent(string, *actors.Packet) { s.n.t.Fatalf("there are no gateways") }

// ClientAck implements connection.Effects.
func (s *socket) ClientAck(string, *actors.Packet) { s.n.t.Fatalf("there are no gateways") }

// ClientRenewed implements connection.Effects.
func (s *socket) ClientRenewed(string, actors.Identity) { s.n.t.Fatalf("there are no gateways") }

// Limited implements connection.Effects.
func (s *socket) Limited(connection.Limit) { s.n.t.Fatalf("nothing is limited") }

// ClientLeft implements connection.Effects.
func (s *socket) ClientLeft(string, actors.LeaveReason) { s.n.t.Fatalf("there are no gateways") }

// close closes the transport: what was not let in is lost.
func (s *socket) close(why actors.LeaveReason) {
	if s.closing != "" {
		return
	}
	s.closing = why
	s.out, s.asked = nil, nil
	s.n.send("socket "+s.name, s.name, func() {
		s.closed = true
		s.m.Closed(why)
		if s.let != 0 {
			s.n.t.Fatalf("%s: %d packets are not let in after Closed", s.name, s.let)
		}
	})
}

// see is what a stock client does with a packet.
func (s *socket) see(p *actors.Packet) {
	if s.closing != "" {
		return
	}
	v := s.view(p.Namespace)
	switch p.Type {
	case actors.PacketConnect:
		if !v.asking && v.sid == "" {
			return // it has given up
		}
		var answer struct {
			SID actors.MemberID `json:"sid"`
			PID string          `json:"pid"`
		}
		if err := json.Unmarshal(p.Data, &answer); err != nil {
			s.n.t.Fatalf("CONNECT %s: %v", p.Data, err)
		}
		v.asking, v.sid, v.pid = false, answer.SID, answer.PID
	case actors.PacketDisconnect:
		v.asking, v.sid = false, ""
	case actors.PacketConnectError:
		if v.sid != "" && !s.rude {
			s.n.t.Fatalf("%s: CONNECT_ERROR for %s, where the client is %s", s.name, p.Namespace, v.sid)
		}
		v.asking = false
	}
}

func (s *socket) view(namespace string) *view {
	if s.spaces[namespace] == nil {
		s.spaces[namespace] = &view{}
	}
	return s.spaces[namespace]
}

// emit puts a packet on the wire.
func (s *socket) emit(p *actors.Packet) {
	if s.closing == "" {
		s.out = append(s.out, p)
	}
}

// letIn passes the next packet on, if the window allows it.
func (s *socket) letIn() bool {
	if len(s.out) == 0 || s.let >= driverWindow {
		return false
	}
	p := s.out[0]
	s.out = s.out[1:]
	s.let++
	s.n.send("socket "+s.name, s.name, func() {
		if s.closed {
			s.let--
			return
		}
		s.m.Packet(s.n.now, p)
	})
	return true
}
