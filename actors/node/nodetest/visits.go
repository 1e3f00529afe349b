package nodetest

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
)

// porch is a room that could keep something and does not.
type porch struct {
	Guests actors.Value[int] `room:"guests,durable"`
}

// lawn is a room that cannot.
type lawn struct{}

// visitor is a socket that says when it was let in, and takes everything else.
type visitor struct{ entered chan bool }

func (v *visitor) SID() string              { return "visitor" }
func (v *visitor) Flush()                   {}
func (v *visitor) Lagging() bool            { return false }
func (v *visitor) WhenDrained(f func())     { f() }
func (v *visitor) Close(actors.LeaveReason) {}

func (v *visitor) Push(p *actors.Packet) error {
	switch p.Type {
	case actors.PacketConnect:
		v.entered <- true
	case actors.PacketConnectError:
		v.entered <- false
	}
	return nil
}

// Visits has so many clients enter rooms that nobody has entered before, of a
// kind that keeps nothing and of one that could, one room each, on a node over
// a store, and leave again. It returns when every room has left memory and the
// node has stopped.
func Visits(t testing.TB, store actors.Store, visits int) {
	t.Helper()
	quickly := actors.KindConfig{IdleAfter: time.Millisecond}
	n, err := node.New(node.Config{
		Kinds: []actors.Behavior{
			actors.NewKind("porch", func() *porch { return new(porch) }, quickly),
			actors.NewKind("lawn", func() *lawn { return new(lawn) }, quickly),
		},
		Store: store, Limits: node.NoLimits(), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }() // waited for below
	var next atomic.Int64
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for i := next.Add(1); i <= int64(visits); i = next.Add(1) {
				if err := visit(n, fmt.Sprintf("/%s/room-%d", [...]string{"porch", "lawn"}[i%2], i)); err != nil {
					t.Errorf("visit %d: %v", i, err)
					return
				}
			}
		})
	}
	all.Wait()
	for n.Stats().Rooms > 0 {
		<-time.After(time.Millisecond)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func visit(n *node.Node, namespace string) error {
	v := &visitor{make(chan bool, 1)}
	c, err := n.Accept(v, &actors.Handshake{Address: "127.0.0.1"})
	if err != nil {
		return err
	}
	defer c.Closed(actors.ReasonTransportClosed)
	c.Receive(&actors.Packet{Type: actors.PacketConnect, Namespace: namespace})
	select {
	case in := <-v.entered:
		if !in {
			return fmt.Errorf("%s: refused", namespace)
		}
		return nil
	case <-time.After(time.Minute):
		return fmt.Errorf("%s: no answer", namespace)
	}
}
