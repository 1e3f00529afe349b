package node_test

import (
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
)

// split is a fleet whose room x is on node 1, and a client on each node that is
// in it, and one that is not.
type split struct {
	*fleet
	in, out [3]*roamer
}

func newSplit(t *testing.T, links node.LinkLimits) *split {
	t.Helper()
	s := &split{fleet: newLinkedFleet(t, 3, actors.GatewayConfig{
		RecoverWithin: time.Minute, Match: func(namespace string) bool { return strings.HasPrefix(namespace, roamNS) },
	}, links)}
	s.world.Put(actors.RoomRef{Kind: "@" + roamNS, ID: "x"}, s.nodes[1].ID())
	for i := range s.nodes {
		for clients, user := range map[*[3]*roamer]string{&s.in: "in", &s.out: "out"} {
			s.world.Put(actors.RoomRef{Kind: "@" + roamNS, ID: "\x00user:" + user}, s.nodes[2].ID())
			clients[i] = &roamer{f: s.fleet, user: user}
			clients[i].open(i)
		}
		s.in[i].ask("join", `["x"]`)
	}
	s.say(0, "before")
	for _, r := range s.in {
		r.await(actors.PacketEvent, roamNS, `["news","before"`)
	}
	return s
}

// cut stops what the nodes 0 and 1 send each other.
func (s *split) cut(stopped bool) { s.world.Cut(s.nodes[0].ID(), s.nodes[1].ID(), stopped) }

// givenUp waits until node 0 has given up its link to node 1.
func (s *split) givenUp() {
	s.t.Helper()
	until(s.t, "the link is given up", func() bool { return s.nodes[0].Stats().LinksLost > 0 })
}

var impatient = node.LinkLimits{GiveUpAfter: 50 * time.Millisecond, ResendAfter: 10 * time.Millisecond}

// TestWhatIsEmittedOverALinkThatIsGivenUpIsAnnounced: to those whom it was for,
// who come back without having recovered; others notice nothing.
func TestWhatIsEmittedOverALinkThatIsGivenUpIsAnnounced(t *testing.T) {
	type emit func(s *split) error
	full := node.LinkLimits{Window: 4 << 10, Queue: 8 << 10}
	room := func(s *split) error { return s.gates[0].To("x").Emit("news", "lost") }
	for name, c := range map[string]struct {
		links   node.LinkLimits
		emit    emit
		missing func(s *split) []*roamer
	}{
		"to a room": {impatient, room, func(s *split) []*roamer { return s.in[:] }},
		"to a room, more than may wait": {full, func(s *split) error {
			return s.gates[0].To("x").Emit("news", strings.Repeat("x", 16<<10))
		}, func(s *split) []*roamer { return s.in[:] }},
		"to a room, larger than a message": {node.LinkLimits{Message: 10_000}, func(s *split) error {
			return s.gates[0].To("x").Emit("news", strings.Repeat("x", 16<<10))
		}, func(s *split) []*roamer { return s.in[:] }},
		"to everybody": {
			impatient, func(s *split) error { return s.gates[0].Emit("news", "lost") },
			func(s *split) []*roamer { return []*roamer{s.in[1], s.out[1]} },
		},
		"to a client": {
			impatient, func(s *split) error { return s.gates[0].To(s.out[1].id).Emit("news", "lost") },
			func(s *split) []*roamer { return []*roamer{s.out[1]} },
		},
		"volatile": {
			impatient, func(s *split) error { return s.gates[0].To("x").Volatile().Emit("news", "lost") },
			func(s *split) []*roamer { return nil },
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSplit(t, c.links)
			missing := make(map[*roamer]bool)
			for _, r := range c.missing(s) {
				missing[r] = true
			}
			s.cut(true)
			for range 3 { // whatever the link still takes, the next is too much
				if err := c.emit(s); err != nil {
					t.Fatal(err)
				}
			}
			if c.links.Message == 0 {
				s.givenUp()
			}
			s.cut(false)
			for r := range missing {
				until(t, "who may have missed it is cut off", func() bool { return r.reason() == actors.ReasonNodeLost })
			}
			s.say(0, "after")
			for i := range s.nodes {
				for _, r := range []*roamer{s.in[i], s.out[i]} {
					if !missing[r] && r == s.in[i] {
						r.await(actors.PacketEvent, roamNS, `["news","after"`)
					}
					if why := r.reason(); !missing[r] && why != "" {
						t.Errorf("on node %d somebody else is cut off: %s", i, why)
					}
					r.drop(1<<30, !missing[r])
					if recovered := r.open(i); recovered && missing[r] {
						t.Errorf("on node %d a client that has missed something has recovered", i)
					} else if !recovered && !missing[r] && r.offset != "" {
						t.Errorf("on node %d a client that has everything has not recovered", i)
					}
				}
			}
		})
	}
}

// TestAClientThatMovesIsToldWhatALinkHasLost: what was for everybody before it is
// given to another node, and what was for its room wherever it is. One that has
// missed nothing is not kept waiting for what will not come.
func TestAClientThatMovesIsToldWhatALinkHasLost(t *testing.T) {
	for name, emit := range map[string]func(s *split) error{
		"to everybody": func(s *split) error { return s.gates[0].Emit("news", "lost") },
		"to its room":  func(s *split) error { return s.gates[0].To("x").Emit("news", "lost") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSplit(t, impatient)
			r, other := s.in[1], &roamer{f: s.fleet, user: "in", namespace: roamNS + "/other"}
			s.world.Put(actors.RoomRef{Kind: "@" + other.namespace, ID: "\x00user:in"}, s.nodes[2].ID())
			other.open(1)
			if err := s.gates[1].In(other.namespace).Emit("news", "of another namespace"); err != nil {
				t.Fatal(err)
			}
			other.await(actors.PacketEvent, other.namespace, `["news"`)
			if err := s.gates[0].Emit("news", "to all"); err != nil {
				t.Fatal(err)
			}
			for i := range s.nodes {
				s.in[i].await(actors.PacketEvent, roamNS, `["news","to all"`)
			}
			r.drop(2, true)
			other.drop(1, true)
			s.cut(true)
			if err := emit(s); err != nil {
				t.Fatal(err)
			}
			healed := make(chan struct{})
			go func() { // ends before the client has moved, or soon
				defer close(healed)
				s.givenUp()
				s.cut(false)
			}()
			recovered := r.open(2)
			<-healed
			until(t, "both ends know", func() bool { return s.nodes[1].Stats().LinksLost > 0 })
			if recovered {
				until(t, "it is told, or sent what was lost elsewhere", func() bool {
					return r.reason() == actors.ReasonNodeLost || len(r.find(actors.PacketEvent, roamNS, `["news","lost"`)) == 1
				})
			}
			if !other.open(2) {
				t.Error("a client of another namespace has not recovered")
			}
		})
	}
}
