package node_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/actors/node/nodetest"
)

// ledger is what hooks of talk rooms have seen, on any node.
type ledger struct {
	mu     sync.Mutex // guards the following
	events []string
}

func (l *ledger) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, fmt.Sprintf(format, args...))
}

func (l *ledger) count(event string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events {
		if e == event {
			n++
		}
	}
	return n
}

// talk is a room that passes on what members say.
type talk struct {
	Said  actors.Value[int] `room:"said,synced"`
	notes *ledger
}

func (r *talk) Say(t *actors.Turn, text string) (int, error) {
	r.Said.Set(r.Said.Get() + 1)
	t.Broadcast("said", text, r.Said.Get())
	return r.Said.Get(), nil
}

func (r *talk) Hang(_ *actors.Turn, _ struct{}, _ actors.Ack[string]) { r.notes.note("hangs") }

func (r *talk) Who(t *actors.Turn, _ struct{}) (int, error) {
	n := 0
	for range t.Members() {
		n++
	}
	return n, nil
}

func (r *talk) Joined(_ *actors.Turn, m actors.Member) { r.notes.note("joined %s", m.ID) }
func (r *talk) Left(_ *actors.Turn, m actors.Member, why actors.LeaveReason) {
	r.notes.note("left %s %s", m.ID, why)
}

func talks(notes *ledger, c actors.KindConfig) actors.Behavior {
	k := actors.NewKind("talk", func() *talk { return &talk{notes: notes} }, c)
	actors.OnAck(k, "say", (*talk).Say)
	actors.OnAck(k, "who", (*talk).Who)
	actors.OnLater(k, "hang", (*talk).Hang)
	return k
}

var q3 = actors.RoomRef{Kind: "talk", ID: "q3"}

// many starts nodes of one cluster.
func many(t *testing.T, count int, cfg node.Config) (*nodetest.World, []*node.Node) {
	t.Helper()
	w := nodetest.New(1)
	var nodes []*node.Node
	for range count {
		seat := w.Seat()
		one := cfg
		one.Cluster, one.Carrier = seat, seat
		nodes = append(nodes, start(t, one))
	}
	return w, nodes
}

func (p *peer) events(namespace, name string) (payloads []string) {
	for _, packet := range p.find(actors.PacketEvent, namespace, `["`+name+`"`) {
		payloads = append(payloads, string(packet.Data))
	}
	return payloads
}

func (p *peer) say(namespace, text string) {
	p.send(actors.PacketEvent, namespace, fmt.Sprintf(`["say",%q]`, text))
}

func said(texts ...string) (events []string) {
	for i, text := range texts {
		events = append(events, fmt.Sprintf(`["said",%q,%d]`, text, i+1))
	}
	return events
}

func TestARoomIsOneWhereverItsMembersAre(t *testing.T) {
	notes := &ledger{}
	w, nodes := many(t, 3, node.Config{Kinds: []actors.Behavior{talks(notes, actors.KindConfig{})}})
	w.Put(q3, nodes[0].ID())
	var peers []*peer
	for _, n := range nodes {
		p := connect(t, n)
		p.enter("/talk/q3", "")
		peers = append(peers, p)
	}
	for i, p := range peers {
		p.send(actors.PacketEvent, "/talk/q3", fmt.Sprintf(`["say","%d"]`, i), 7)
		p.await(actors.PacketAck, "/talk/q3", fmt.Sprintf("[%d]", i+1))
	}
	for _, p := range peers {
		until(t, "everybody hears everything", func() bool { return slices.Equal(p.events("/talk/q3", "said"), said("0", "1", "2")) })
		p.await(actors.PacketEvent, "/talk/q3", `"set":{"said":3}`)
	}
	for _, n := range nodes {
		var members int
		if err := n.Call(t.Context(), q3, "who", struct{}{}, &members); err != nil || members != 3 {
			t.Errorf("node %s sees %d members: %v", n.ID(), members, err)
		}
	}
	if rooms := nodes[0].Stats().Rooms + nodes[1].Stats().Rooms + nodes[2].Stats().Rooms; rooms != 1 {
		t.Errorf("the room is there %d times", rooms)
	}
	peers[1].send(actors.PacketDisconnect, "/talk/q3", "")
	until(t, "a leave", func() bool {
		var members int
		return nodes[2].Call(t.Context(), q3, "who", struct{}{}, &members) == nil && members == 2
	})
}

func TestLinksLoseNothingThatTheCarrierLoses(t *testing.T) {
	notes := &ledger{}
	w, nodes := many(t, 2, node.Config{Kinds: []actors.Behavior{talks(notes, actors.KindConfig{})}})
	w.Put(q3, nodes[0].ID())
	near, far := connect(t, nodes[0]), connect(t, nodes[1])
	near.enter("/talk/q3", "")
	far.enter("/talk/q3", "")
	w.Fault(nodetest.Faults{Lose: 0.2, Double: 0.2})
	var want []string
	for i := range 100 {
		text := fmt.Sprint(i)
		want = append(want, text)
		far.say("/talk/q3", text)
	}
	for _, p := range []*peer{near, far} {
		until(t, "every event once and in order", func() bool { return len(p.events("/talk/q3", "said")) >= len(want) })
		if got := p.events("/talk/q3", "said"); !slices.Equal(got, said(want...)) {
			t.Errorf("got %v", got)
		}
	}
}

func TestADeadNodesMembersLeaveOnce(t *testing.T) {
	notes := &ledger{}
	w, nodes := many(t, 2, node.Config{Kinds: []actors.Behavior{talks(notes, actors.KindConfig{})}})
	w.Put(q3, nodes[0].ID())
	near, far := connect(t, nodes[0]), connect(t, nodes[1])
	near.enter("/talk/q3", "")
	id := far.enter("/talk/q3", "")
	w.Kill(nodes[1].ID())
	left := fmt.Sprintf("left %s %s", id, actors.ReasonNodeLost)
	until(t, left, func() bool { return notes.count(left) == 1 })
	near.say("/talk/q3", "still here")
	near.await(actors.PacketEvent, "/talk/q3", "still here")
	var members int
	if err := nodes[0].Call(t.Context(), q3, "who", struct{}{}, &members); err != nil || members != 1 {
		t.Errorf("%d members are left: %v", members, err)
	}
}

func TestClientsFollowARoomWhoseNodeHasDied(t *testing.T) {
	notes := &ledger{}
	w, nodes := many(t, 3, node.Config{Kinds: []actors.Behavior{talks(notes, actors.KindConfig{})}})
	w.Put(q3, nodes[0].ID())
	ada, bob := connect(t, nodes[1]), connect(t, nodes[2])
	id := ada.enter("/talk/q3", "")
	bob.enter("/talk/q3", "")
	ada.say("/talk/q3", "before")
	bob.await(actors.PacketEvent, "/talk/q3", "before")

	w.Kill(nodes[0].ID())
	until(t, "both are in the next activation", func() bool {
		var members int
		return nodes[1].Call(t.Context(), q3, "who", struct{}{}, &members) == nil && members == 2
	})
	bob.say("/talk/q3", "after")
	for _, p := range []*peer{ada, bob} {
		p.await(actors.PacketEvent, "/talk/q3", `["said","after",1]`) // in another life of the room
		if n := len(p.find(actors.PacketEvent, "/talk/q3", `"room:state"`)); n != 2 {
			t.Errorf("%d states, want one per life of the room", n)
		}
		if n := len(p.find(actors.PacketConnect, "/talk/q3", "sid")); n != 1 {
			t.Errorf("%d CONNECT answers", n)
		}
		if why := p.reason(); why != "" {
			t.Errorf("its socket was closed: %s", why)
		}
	}
	if got := notes.count("joined " + id); got != 2 {
		t.Errorf("ada joined %d times under her id, want once per life of the room", got)
	}
}

// A client whose stay cannot be continued without a gap that it would not
// notice has to notice.
func TestClientsThatCanTellAreCutWhenTheirRoomIsLost(t *testing.T) {
	notes := &ledger{}
	w, nodes := many(t, 2, node.Config{Kinds: []actors.Behavior{talks(notes, actors.KindConfig{ResumeWithin: time.Minute})}})
	w.Put(q3, nodes[0].ID())
	fresh, returned := connect(t, nodes[1]), connect(t, nodes[1])
	fresh.enter("/talk/q3", "")
	returned.enter("/talk/q3", `{"pid":"of an earlier stay","offset":"r1.x.1.1"}`)
	w.Kill(nodes[0].ID())
	until(t, "a transport that is closed", func() bool { return fresh.reason() == actors.ReasonShutdown })
	until(t, "a second CONNECT answer", func() bool { return len(returned.find(actors.PacketConnect, "/talk/q3", "sid")) == 2 })
	if why := returned.reason(); why != "" {
		t.Errorf("a client that takes a second answer was closed: %s", why)
	}
}

// When the link breaks and both nodes live, the members come back to the same
// room with everything they missed.
func TestABrokenLinkCostsResumingMembersNothing(t *testing.T) {
	notes := &ledger{}
	w, nodes := many(t, 2, node.Config{
		Kinds: []actors.Behavior{talks(notes, actors.KindConfig{ResumeWithin: time.Minute})},
		Links: node.LinkLimits{GiveUpAfter: 50 * time.Millisecond, ResendAfter: 10 * time.Millisecond},
	})
	w.Put(q3, nodes[0].ID())
	near, far := connect(t, nodes[0]), connect(t, nodes[1])
	near.enter("/talk/q3", "")
	id := far.enter("/talk/q3", "")
	near.say("/talk/q3", "one")
	far.await(actors.PacketEvent, "/talk/q3", "one")
	w.Cut(nodes[0].ID(), nodes[1].ID(), true)
	near.say("/talk/q3", "two")
	far.say("/talk/q3", "three")
	until(t, "both ends give up", func() bool {
		return nodes[0].Stats().LinksLost > 0 && nodes[1].Stats().LinksLost > 0
	})
	w.Cut(nodes[0].ID(), nodes[1].ID(), false)
	for _, p := range []*peer{near, far} {
		until(t, "everything arrives", func() bool { return len(p.events("/talk/q3", "said")) >= 3 })
		if got := p.events("/talk/q3", "said"); len(got) != 3 {
			t.Errorf("got %v", got)
		}
		if why := p.reason(); why != "" {
			t.Errorf("its socket was closed: %s", why)
		}
	}
	if n := notes.count("joined " + id); n != 1 {
		t.Errorf("it joined %d times", n)
	}
}

func TestLimitsOfLinksAreThoseOfTheConfiguration(t *testing.T) {
	notes := &ledger{}
	w, nodes := many(t, 2, node.Config{Kinds: []actors.Behavior{talks(notes, actors.KindConfig{})}, Links: node.LinkLimits{Message: 2000}})
	w.Put(q3, nodes[0].ID())
	near, far := connect(t, nodes[0]), connect(t, nodes[1])
	near.enter("/talk/q3", "")
	far.enter("/talk/q3", "")
	long := strings.Repeat("long", 1000)
	near.say("/talk/q3", long)
	near.say("/talk/q3", "short")
	far.await(actors.PacketEvent, "/talk/q3", "short")
	near.await(actors.PacketEvent, "/talk/q3", long)
	if n := len(far.events("/talk/q3", "said")); n != 1 {
		t.Errorf("%d events have crossed, want the short one", n)
	}
}

func TestLimitsOfLinksThatCannotBeAreRefused(t *testing.T) {
	for want, l := range map[string]node.LinkLimits{
		"0 or more of each":     {Volatile: -1},
		"Window or more":        {Queue: 1 << 20},
		"less than GiveUpAfter": {ResendAfter: time.Minute},
		"ResendAfter is 250ms":  {GiveUpAfter: 10 * time.Millisecond},
	} {
		_, err := node.New(node.Config{Links: l})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", l, err, want)
		}
	}
}

func TestCallsAcrossNodes(t *testing.T) {
	notes := &ledger{}
	w, nodes := many(t, 2, node.Config{Kinds: []actors.Behavior{counters(actors.KindConfig{}), talks(notes, actors.KindConfig{})}})
	w.Put(room("a"), nodes[0].ID())
	w.Put(room("b"), nodes[1].ID())
	w.Put(q3, nodes[1].ID())
	var sum string
	if err := nodes[1].Call(t.Context(), room("a"), "sum", "b", &sum); err != nil || sum != "0+1" {
		t.Errorf("a room that calls a room on another node: %q, %v", sum, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- nodes[0].Call(ctx, q3, "hang", struct{}{}, nil) }() // ends below
	until(t, "the call is with the room", func() bool { return notes.count("hangs") == 1 })
	w.Kill(nodes[1].ID())
	err := <-ended
	cancel()
	if e := actors.AsError(err); e == nil || e.Code != actors.CodeTimeout {
		t.Errorf("a call whose node died: %v", err)
	}
}

func TestAnExpelledNodeStops(t *testing.T) {
	w := nodetest.New(1)
	seat := w.Seat()
	n, err := node.New(node.Config{Kinds: []actors.Behavior{counters(actors.KindConfig{})}, Cluster: seat, Carrier: seat})
	if err != nil {
		t.Fatal(err)
	}
	p := connect(t, n)
	ended := make(chan error, 1)
	go func() { ended <- n.Run(t.Context()) }() // ends below
	w.Expel(n.ID(), fmt.Errorf("its lease ran out"))
	if err := <-ended; !errors.Is(err, node.ErrExpelled) {
		t.Errorf("Run: %v", err)
	}
	if p.reason() != actors.ReasonShutdown {
		t.Errorf("its sockets: %q", p.reason())
	}
}
