package node_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/actors/node/nodetest"
	"github.com/parlor-rooms/parlor/actors/store/memory"
)

// TestARoomThatKeepsNothingStaysOneWhenItIsForgottenWhoseItIs, as by a Redis
// that comes back empty: whoever comes then meets those who were in it. If
// somebody was faster than its node, they meet there.
func TestARoomThatKeepsNothingStaysOneWhenItIsForgottenWhoseItIs(t *testing.T) {
	for name, faster := range map[string]bool{"its node is first": false, "another node is": true} {
		t.Run(name, func(t *testing.T) {
			w, nodes := many(t, 3, node.Config{Kinds: []actors.Behavior{talks(&ledger{}, actors.KindConfig{})}})
			w.Put(q3, nodes[0].ID())
			ada, bob := connect(t, nodes[1]), connect(t, nodes[2])
			ada.enter("/talk/q3", "")
			w.Forget(q3)
			w.Put(q3, nodes[1].ID())
			if !faster {
				w.Forget(q3)
				w.RolledBack()
				until(t, "it is its node's again", func() bool { return w.Owner(q3) == nodes[0].ID() })
			}
			bob.enter("/talk/q3", "")
			if faster {
				w.RolledBack()
				until(t, "there is one room", func() bool { return nodes[0].Stats().Rooms == 0 })
			}
			until(t, "they meet", func() bool {
				bob.say("/talk/q3", "hello")
				return len(ada.events("/talk/q3", "said")) > 0
			})
			rooms := int64(0)
			for _, n := range nodes {
				rooms += n.Stats().Rooms
			}
			if rooms != 1 {
				t.Errorf("%d rooms are awake", rooms)
			}
		})
	}
}

// TestARoomOfAGatewayStaysOneWhenItIsForgottenWhoseItIs, likewise.
func TestARoomOfAGatewayStaysOneWhenItIsForgottenWhoseItIs(t *testing.T) {
	x := actors.RoomRef{Kind: "@" + roamNS, ID: "x"}
	for name, faster := range map[string]bool{"its node is first": false, "another node is": true} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 3, actors.GatewayConfig{RecoverWithin: time.Minute})
			f.world.Put(x, f.nodes[0].ID())
			var clients []*roamer
			enter := func(at int, user string) {
				f.world.Put(actors.RoomRef{Kind: "@" + roamNS, ID: "\x00user:" + user}, f.nodes[at].ID())
				r := &roamer{f: f, user: user}
				r.open(at)
				r.ask("join", `["x"]`)
				clients = append(clients, r)
			}
			enter(1, "ada")
			f.world.Forget(x)
			if faster {
				f.world.Put(x, f.nodes[2].ID())
				enter(2, "bob")
				f.world.RolledBack()
				until(t, "one is left", func() bool { return f.nodes[0].Stats().Rooms == 0 })
			} else {
				f.world.RolledBack()
				until(t, "it is its node's again", func() bool { return f.world.Owner(x) == f.nodes[0].ID() })
				enter(2, "bob")
			}
			for i := range f.nodes {
				f.say(i, "to both")
			}
			for _, r := range clients {
				until(t, "everything arrives", func() bool { return len(r.find(actors.PacketEvent, roamNS, `["news","to both"`)) == len(f.nodes) })
				if why := r.reason(); why != "" {
					t.Errorf("%s was cut off: %s", r.user, why)
				}
			}
		})
	}
}

// TestWhereAClientIsIsKnownAgain once what keeps that has lost it, or could not
// be told when the client connected.
func TestWhereAClientIsIsKnownAgain(t *testing.T) {
	for name, lose := range map[string]func(f *fleet, key string){
		"lost": func(f *fleet, key string) {
			_, version, err := f.store.Read(t.Context(), key)
			if err == nil {
				_, err = f.store.Write(t.Context(), key, nil, version, 0)
			}
			if err != nil {
				t.Fatal(err)
			}
			f.world.RolledBack()
		},
		"never told": func(f *fleet, _ string) {
			f.store.(*forgetful).away.Store(false)
			f.world.Away(true)
			f.world.Away(false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := &forgetful{Store: memory.New(memory.Config{})}
			store.away.Store(name == "never told")
			f := &fleet{t: t, world: nodetest.New(1), notes: &ledger{}, store: store}
			for range 2 {
				f.add(store, actors.GatewayConfig{RecoverWithin: time.Minute})
			}
			r := &roamer{f: f, user: "ada"}
			r.open(0)
			r.ask("join", `["x"]`)
			f.say(1, "heard")
			r.await(actors.PacketEvent, roamNS, `["news","heard"`)
			lose(f, "session/"+r.pid)
			until(t, "it is known again", func() bool {
				value, _, err := f.store.Read(t.Context(), "session/"+r.pid)
				return err == nil && value != nil
			})
			r.drop(1, true)
			f.say(1, "missed")
			if !r.open(1) {
				t.Error("it has not recovered on the other node")
			}
			r.await(actors.PacketEvent, roamNS, `["news","missed"`)
		})
	}
}

// forgetful is a store whose records cannot be written while it is away.
type forgetful struct {
	actors.Store
	away atomic.Bool
}

func (s *forgetful) Write(ctx context.Context, key string, value []byte, ifVersion uint64, ttl time.Duration) (uint64, error) {
	if s.away.Load() {
		return 0, actors.ErrUnavailable
	}
	return s.Store.Write(ctx, key, value, ifVersion, ttl)
}
