package node

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
	"github.com/parlor-rooms/parlor/actors/store/memory"
)

// quiet is a socket that takes everything, and says which namespaces have let
// its client in.
type quiet struct{ admitted chan string }

func (*quiet) SID() string { return "quiet" }
func (q *quiet) Push(p *actors.Packet) error {
	if p.Type == actors.PacketConnect {
		q.admitted <- p.Namespace
	}
	return nil
}
func (*quiet) Flush()                   {}
func (*quiet) Lagging() bool            { return false }
func (*quiet) WhenDrained(ready func()) { go ready() }
func (*quiet) Close(actors.LeaveReason) {}

type hall struct {
	Notes actors.Map[string, int] `room:"notes,durable"`
}

// checked is a node with one member of a room that is kept, and one client of
// a gateway, both of one connection.
func checked(t *testing.T) (*Node, *connection) {
	t.Helper()
	kind := actors.NewKind("hall", func() *hall { return new(hall) }, actors.KindConfig{})
	actors.OnAck(kind, "note", func(h *hall, t *actors.Turn, n int) (bool, error) { h.Notes.Set("n", n); return true, nil })
	store := memory.New(memory.Config{})
	n, err := New(Config{
		Kinds: []actors.Behavior{kind}, Gateways: []actors.GatewayBehavior{actors.NewGateway[struct{}]("/gate", actors.GatewayConfig{})},
		Store: store, DrainTimeout: 50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = n.Run(ctx) }() // the test spoils its counts: it may end with an error
	t.Cleanup(func() { stop(); <-done; _ = store.Close() })
	q := &quiet{admitted: make(chan string, 2)}
	c, err := n.Accept(q, &actors.Handshake{Address: "192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Closed(actors.ReasonTransportClosed) })
	for _, namespace := range []string{"/hall/1", "/gate"} {
		c.Receive(&actors.Packet{Type: actors.PacketConnect, Namespace: namespace})
		select {
		case <-q.admitted:
		case <-time.After(10 * time.Second):
			t.Fatalf("%s does not answer", namespace)
		}
	}
	return n, c.(*connection)
}

// TestAPlantedFaultIsFound spoils one table at a time.
func TestAPlantedFaultIsFound(t *testing.T) {
	room := actors.RoomRef{Kind: "hall", ID: "1"}
	fanOf := func(n *Node) *fan { return n.fans[n.shardOf(room)] }
	admit := func(n *Node, ref actors.RoomRef, conn uint64, member actors.MemberID) {
		n.send(fanOf(n).pid, &delivery{Deliver: &wire.Deliver{Room: ref, Epoch: 1 << 52, Items: []wire.Item{
			wire.Admit{Member: member, Conn: wire.ConnRef{Node: n.id, ID: conn}},
		}}})
	}
	for name, c := range map[Fault]func(*Node, *connection){
		FaultConnections: func(n *Node, _ *connection) { n.live.Add(2) },
		FaultRooms:       func(n *Node, _ *connection) { n.rooms.Add(-1) },
		FaultMemberConnection: func(n *Node, c *connection) {
			admit(n, actors.RoomRef{Kind: "hall", ID: "elsewhere"}, c.id, "ghost")
		},
		FaultMemberRoom: func(n *Node, c *connection) { admit(n, room, c.id, "ghost") },
		FaultMemberUnsent: func(n *Node, _ *connection) {
			n.send(fanOf(n).pid, &delivery{Deliver: &wire.Deliver{Room: room, Epoch: 1 << 52, Items: []wire.Item{wire.End{}}}})
		},
		FaultMemberNode: func(n *Node, _ *connection) {
			tables, err := inspectAll[directoryTable](context.Background(), &look{}, n, "directory", n.shards[n.shardOf(room):][:1])
			if err != nil {
				panic(err)
			}
			n.send(tables[0].awake[room], &wire.Join{Room: room, Conn: wire.ConnRef{Node: "lost", ID: 7}, Member: "ghost", Handshake: &actors.Handshake{}})
		},
		FaultClientConnection: func(n *Node, c *connection) {
			n.send(c.pid, clientGone{"/gate", clientOf(n).id})
		},
		FaultClientUnsent: func(n *Node, _ *connection) {
			cl := clientOf(n)
			n.send(cl.shard.pid, &wire.GateDeliver{Namespace: "/gate", Items: []wire.GateItem{wire.GateDetach{Client: cl.id}}})
		},
		FaultOwner: func(n *Node, _ *connection) {
			owner, err := n.store.Owner(context.Background(), room)
			if err != nil {
				panic(err)
			}
			other := actors.Owner{Node: "thief", Nonce: "0123456789abcdef012345"}
			if _, err := n.store.Claim(context.Background(), room, actors.Claim{Owner: other, Expect: owner}); err != nil {
				panic(err)
			}
		},
	} {
		t.Run(string(name), func(t *testing.T) {
			n, conn := checked(t)
			if r, err := n.Check(t.Context(), time.Millisecond); err != nil || r.Total != 0 ||
				r.Connections != 1 || r.Rooms != 1 || r.Members != 1 || r.Clients != 1 || r.Owners != 1 {
				t.Fatalf("before: %+v, %v", r, err)
			}
			c(n, conn)
			r, err := n.Check(t.Context(), time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(r.Disagreements, func(d Disagreement) bool { return d.Fault == name }) {
				t.Errorf("found %+v", r)
			}
		})
	}
}

func clientOf(n *Node) (found *client) {
	n.clients.Range(func(_, c any) bool { found = c.(*client); return false })
	return found
}
