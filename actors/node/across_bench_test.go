package node_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/actors/node/carrier"
	"github.com/parlor-rooms/parlor/actors/node/nodetest"
)

// BenchmarkAcrossNodes is what an event costs whose room is on another node
// than its sender: there, and with the acknowledgement and the broadcast back,
// over Proto.Actor remote without TLS. Sockets cost nothing here. Each sender has
// a room of its own and one event under way, as fast as it goes or, if pace is
// given, that many per second of all of them together.
func BenchmarkAcrossNodes(b *testing.B) {
	for _, load := range []struct{ senders, pace int }{{1, 0}, {128, 0}, {128, 2000}} {
		senders := load.senders
		b.Run(fmt.Sprintf("senders=%d/pace=%d", senders, load.pace), func(b *testing.B) {
			w, nodes := carried(b, 2)
			acks := make([]chan struct{}, senders)
			first := make([]actors.Connection, senders)
			for i := range senders {
				room := fmt.Sprint("r", i)
				w.Put(actors.RoomRef{Kind: "talk", ID: room}, nodes[1].ID())
				acks[i] = make(chan struct{}, 1)
				for k := range 8 {
					s := &sink{}
					if k == 0 {
						s.acks = acks[i]
					}
					c, err := nodes[k%2].Accept(s, &actors.Handshake{Address: "127.0.0.1"})
					if err != nil {
						b.Fatal(err)
					}
					defer c.Closed(actors.ReasonTransportClosed)
					c.Receive(&actors.Packet{Type: actors.PacketConnect, Namespace: "/talk/" + room})
					if k == 0 {
						first[i] = c
					}
				}
			}
			say := func(i int, id uint64) {
				first[i].Receive(&actors.Packet{Type: actors.PacketEvent, Namespace: fmt.Sprint("/talk/r", i), Data: []byte(`["say","hello"]`), ID: id, HasID: true})
				<-acks[i]
			}
			for i := range senders {
				say(i, 0)
			}
			b.ReportAllocs()
			b.ResetTimer()
			before, begun := used(b), time.Now()
			var wait sync.WaitGroup
			for i := range senders {
				wait.Go(func() {
					for id := i; id < b.N; id += senders {
						if load.pace > 0 {
							<-time.After(time.Until(begun.Add(time.Duration(id) * time.Second / time.Duration(load.pace))))
						}
						say(i, uint64(id))
					}
				})
			}
			wait.Wait()
			b.ReportMetric(float64((used(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// used is the processor time of this process.
func used(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// carried starts nodes of one cluster, which is a World, over real carriers.
func carried(b *testing.B, count int) (*nodetest.World, []*node.Node) {
	w := nodetest.New(1)
	var nodes []*node.Node
	for range count {
		c, err := carrier.New(carrier.Config{Listen: "127.0.0.1:0"})
		if err != nil {
			b.Fatal(err)
		}
		n, err := node.New(node.Config{
			Kinds: []actors.Behavior{talks(&ledger{}, actors.KindConfig{})}, Logger: slog.New(slog.DiscardHandler),
			Cluster: w.Seat(), Carrier: c, Limits: node.NoLimits(),
		})
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- n.Run(ctx) }() // ends with ctx
		b.Cleanup(func() {
			cancel()
			if err := <-ended; err != nil {
				b.Error(err)
			}
		})
		nodes = append(nodes, n)
	}
	return w, nodes
}
