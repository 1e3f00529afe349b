package node_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
)

// TestTheTablesOfABusyNodeAgree checks a node while people come and go.
func TestTheTablesOfABusyNodeAgree(t *testing.T) {
	n := new(door).serve(t, node.NoLimits())
	for i := range 20 {
		p := connect(t, n)
		p.enter(fmt.Sprint("/hall/", i%3), badge{User: "stays"}.auth())
		p.enter("/gate", badge{User: "stays"}.auth())
	}
	over := make(chan struct{})
	var coming sync.WaitGroup
	for i := range 4 {
		coming.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				p := connect(t, n)
				p.enter(fmt.Sprint("/hall/", i), badge{User: "comes"}.auth())
				p.enter("/gate", badge{User: "comes"}.auth())
				p.send(actors.PacketEvent, fmt.Sprint("/hall/", i), `["say"]`, 1)
				p.conn.Closed(actors.ReasonTransportClosed)
			}
		})
	}
	r, err := n.Check(t.Context(), 2*time.Second)
	close(over)
	coming.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if r.Total != 0 {
		t.Errorf("it is said that %+v", r.Disagreements)
	}
	if r.Connections < 20 || r.Rooms < 3 || r.Members < 20 || r.Clients < 20 {
		t.Errorf("it has looked at too little: %+v", r)
	}
}
