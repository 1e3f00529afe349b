package room

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/parlor-rooms/parlor/actors"
)

var refs = []actors.RoomRef{{Kind: "hall", ID: "1"}, {Kind: "hall", ID: "2"}}

// Connections and rooms, with messages that arrive in any order their channels
// allow, clients that come and go as they like, and rooms that end, restart
// and send away: when everything has arrived everybody agrees on who is where,
// every packet was let in, and nobody waits.
func TestConnectionsAndRoomsAgreeInTheEnd(t *testing.T) {
	for name, mailboxes := range map[string]bool{"in one process": true, "between nodes": false} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { agree(t, mailboxes) })
		})
	}
}

func agree(t *rapid.T, mailboxes bool) {
	n := &network{
		t: t, mailboxes: mailboxes, confirms: rapid.Bool().Draw(t, "authentication is quick"),
		now: start, queues: make(map[string][]func()), active: make(map[actors.RoomRef]*activation), fan: make(map[string]*roomTable),
	}
	var dice *rand.Rand
	roll := func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "dice")
		dice = rand.New(rand.NewPCG(seed, seed))
	}
	roll(t)
	joined, left := map[actors.MemberID]int{}, map[actors.MemberID]int{}
	mischief := func(h *hall, t *actors.Turn) {
		if n.quiet {
			return
		}
		switch dice.IntN(30) {
		case 0, 1:
			panic("user code gives up")
		case 2:
			t.Destroy()
		case 3, 4, 5:
			for who := range t.Members() {
				if dice.IntN(2) == 0 {
					t.Kick(who.ID, "bye")
				}
			}
		case 8, 9, 10, 11:
			h.Notes.Set(fmt.Sprint(dice.IntN(3)), dice.IntN(100))
		case 12:
			t.Broadcast("counted", h.Notes.Len())
		case 6:
			t.Broadcast("said", 1)
		case 7:
			t.All().Ask(time.Second, func(*actors.Turn, []actors.Answer) {}, "ready?")
		}
	}
	s := &script{
		admit: func(h *hall, t *actors.Turn, _ *actors.JoinRequest) error {
			if mischief(h, t); !n.quiet && dice.IntN(8) == 0 {
				return actors.Errorf("no", "no")
			}
			return nil
		},
		joined: func(h *hall, t *actors.Turn, m actors.Member) { joined[m.ID]++; mischief(h, t) },
		left:   func(h *hall, t *actors.Turn, m actors.Member, _ actors.LeaveReason) { left[m.ID]++; mischief(h, t) },
		on:     on{"do": func(h *hall, t *actors.Turn, _ actors.Args) (any, error) { mischief(h, t); return nil, nil }},
		load: func(context.Context, actors.RoomRef) error {
			if !n.quiet && dice.IntN(4) == 0 {
				return errors.New("load")
			}
			return nil
		},
	}
	c := actors.KindConfig{MaxMembers: 3, IdleAfter: 5 * time.Second}
	if rapid.Bool().Draw(t, "resumes") {
		c.ResumeWithin = 3 * time.Second
	}
	if rapid.Bool().Draw(t, "authorizes") {
		c.Authorize = func(context.Context, *actors.JoinRequest) error { return nil }
	}
	if rapid.Bool().Draw(t, "is kept") {
		n.stores = make(map[actors.RoomRef]*kept)
	}
	n.behavior = s.behavior(c)
	if rapid.Bool().Draw(t, "loads") {
		n.behavior = s.loadingBehavior(c)
	}
	n.play(t, roll)
	n.settle(t, roll)
	n.checkAgreement(t)
	for id, times := range left {
		if times != 1 || joined[id] == 0 {
			t.Fatalf("told %d times that %s left, and %d times that it joined", times, id, joined[id])
		}
	}
}

// play lets things happen.
func (n *network) play(t *rapid.T, roll func(*rapid.T)) {
	step := func(f func(*rapid.T)) func(*rapid.T) {
		return func(t *rapid.T) { n.t = t; roll(t); f(t) }
	}
	pids := make(map[string][]*view) // what clients remember, by namespace
	t.Repeat(map[string]func(*rapid.T){
		"arrive": step(func(t *rapid.T) {
			for range rapid.IntRange(1, 12).Draw(t, "messages") {
				if queues := n.pending(); len(queues) > 0 {
					n.arrive(rapid.SampledFrom(queues).Draw(t, "queue"))
				}
			}
		}),
		"client": step(func(t *rapid.T) {
			s := n.anyone(t)
			namespace := rapid.SampledFrom(refs).Draw(t, "room").Namespace()
			n.client(t, s, namespace, pids)
		}),
		"let in": step(func(t *rapid.T) {
			for range rapid.IntRange(1, 30).Draw(t, "packets") {
				n.anyone(t).letIn()
			}
		}),
		"cut": step(func(t *rapid.T) {
			if rapid.IntRange(0, 4).Draw(t, "rarely") == 0 {
				n.anyone(t).close(rapid.SampledFrom([]actors.LeaveReason{actors.ReasonTransportClosed, actors.ReasonPingTimeout}).Draw(t, "why"))
			}
		}),
		"work": step(func(t *rapid.T) { n.work(t) }),
		"time": step(func(t *rapid.T) {
			n.now = n.now.Add(time.Duration(rapid.SampledFrom([]int{1, 100, 1000, 6000}).Draw(t, "ms")) * time.Millisecond)
			n.wake()
		}),
		"linger": step(func(t *rapid.T) {
			for _, a := range n.acts {
				if a.retired && !a.dead && rapid.Bool().Draw(t, "over") {
					a.dead = true
				}
			}
		}),
	})
}

// anyone is a connection whose transport is open.
func (n *network) anyone(t *rapid.T) *socket {
	var open []*socket
	for _, s := range n.sockets {
		if s.closing == "" {
			open = append(open, s)
		}
	}
	if len(open) == 0 || len(open) < 4 && rapid.IntRange(0, 3).Draw(t, "dials") == 0 {
		return n.dial()
	}
	return rapid.SampledFrom(open).Draw(t, "connection")
}

// client does one thing that a client may do.
func (n *network) client(t *rapid.T, s *socket, namespace string, pids map[string][]*view) {
	v := s.view(namespace)
	switch rapid.IntRange(0, 5).Draw(t, "does") {
	case 0, 1:
		switch {
		case v.sid == "" && !v.asking:
			auth := "{}"
			if known := pids[namespace]; len(known) > 0 && rapid.Bool().Draw(t, "resumes") {
				auth = fmt.Sprintf(`{"pid":%q}`, known[rapid.IntRange(0, len(known)-1).Draw(t, "as")].pid)
			}
			s.rude = s.rude || v.left
			v.asking, v.silent, v.left = true, false, false
			s.emit(&actors.Packet{Type: actors.PacketConnect, Namespace: namespace, Data: []byte(auth)})
		case v.sid != "":
			if v.pid != "" {
				pids[namespace] = append(pids[namespace], &view{pid: v.pid})
			}
			v.sid, v.left = "", true
			s.emit(&actors.Packet{Type: actors.PacketDisconnect, Namespace: namespace})
		default:
			v.asking, v.left = false, true
			if v.silent = rapid.Bool().Draw(t, "silently"); v.silent { // as stock clients do
				return
			}
			s.emit(&actors.Packet{Type: actors.PacketDisconnect, Namespace: namespace})
		}
	case 2, 3, 4:
		if v.sid != "" || v.asking && rapid.Bool().Draw(t, "early") {
			for range rapid.IntRange(1, 60).Draw(t, "events") {
				s.emit(&actors.Packet{Type: actors.PacketEvent, Namespace: namespace, Data: []byte(`["do",1]`)})
			}
		}
	case 5:
		if len(s.asked) > 0 {
			if p := s.asked[0]; s.view(p.Namespace).sid != "" {
				s.emit(p)
			}
			s.asked = s.asked[1:]
		}
	}
}

func (n *network) work(t *rapid.T) {
	for _, a := range n.acts {
		for _, id := range keys(a.work) {
			if t == nil || rapid.Bool().Draw(t, "done") {
				work := a.work[id]
				delete(a.work, id)
				a.m.WorkDone(n.now, id, work(context.Background()))
			}
		}
	}
}

func (n *network) wake() {
	for _, a := range n.acts {
		if next := a.m.NextWake(); !next.IsZero() && !next.After(n.now) {
			a.m.Wake(n.now)
		}
	}
}

// settle lets everything arrive, and gives rooms the time they want, in no
// particular order of queues.
func (n *network) settle(t *rapid.T, roll func(*rapid.T)) {
	roll(t)
	n.quiet = true
	for range 60 {
		for n.step() {
		}
		n.work(nil)
		n.now = n.now.Add(time.Second)
		n.wake()
	}
	for n.step() {
	}
}

// step lets what is possible happen once, and reports whether anything was.
func (n *network) step() bool {
	moved := false
	for _, queue := range n.pending() {
		n.arrive(queue)
		moved = true
	}
	for _, s := range n.sockets {
		moved = s.letIn() || moved
	}
	return moved
}

func (n *network) checkAgreement(t *rapid.T) {
	seats := 0
	for _, s := range n.sockets {
		if s.let != 0 || len(s.out) != 0 || s.closed != (s.closing != "") {
			t.Fatalf("%s: %d packets are not let in, %d wait; closed %v for %q", s.name, s.let, len(s.out), s.closed, s.closing)
		}
		if n.mailboxes && s.closing == actors.ReasonProtocolError && !s.rude {
			t.Fatalf("%s was closed for breaking the protocol", s.name)
		}
		open := 0
		for _, ref := range refs {
			v := s.view(ref.Namespace())
			if s.closed {
				*v = view{}
			}
			if v.asking && !s.rude {
				t.Fatalf("%s waits for an answer of %v", s.name, ref)
			}
			var here *member
			if a := n.active[ref]; a != nil {
				here = a.m.members.byConn[s.ref]
			}
			if sid := actors.MemberID(""); !v.silent && !s.rude {
				if here != nil {
					sid = here.ID
				}
				if v.sid != sid {
					t.Fatalf("%s thinks it is %q in %v, where it is %q", s.name, v.sid, ref, sid)
				}
			}
			if here == nil {
				continue
			}
			open++
			if in := n.fan[ref.Namespace()]; in == nil || in.members[here.ID] != s || in.epoch != n.active[ref].epoch || !here.Connected {
				t.Fatalf("%s is %s in %v, connected %v, and the fan-out has %+v", s.name, here.ID, ref, here.Connected, in)
			}
		}
		if seats += open; s.m.Namespaces() != open {
			t.Fatalf("%s is in %d rooms and holds %d namespaces", s.name, open, s.m.Namespaces())
		}
	}
	for _, a := range n.acts {
		if n.active[a.ref] != a && (a.m.Members() != 0 || !a.m.Retired()) {
			t.Fatalf("%s lives beside the directory with %d members", a.name, a.m.Members())
		}
		for mem := range a.m.members.all() {
			if mem.Connected {
				seats--
			} else if mem.grace.index < 0 {
				t.Fatalf("%s keeps the seat of %s for ever", a.name, mem.ID)
			}
		}
		if len(a.m.joins)+a.m.seats+len(a.m.waiting) != 0 {
			t.Fatalf("%s has %d joins, %d seats, %d that wait", a.name, len(a.m.joins), a.m.seats, len(a.m.waiting))
		}
	}
	if seats != 0 {
		t.Fatalf("rooms and connections count %d seats differently", seats)
	}
}
