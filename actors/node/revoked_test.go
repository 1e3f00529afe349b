package node_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/actors/store/memory"
)

// awayStore is a store whose records cannot be reached.
type awayStore struct{ actors.Store }

func (awayStore) Read(context.Context, string) ([]byte, uint64, error) {
	return nil, 0, errors.New("away")
}

func gateOf(t *testing.T, s actors.Store) *node.Node {
	t.Helper()
	g := actors.NewGateway[struct{}]("/gate", actors.GatewayConfig{})
	return start(t, node.Config{Gateways: []actors.GatewayBehavior{g}, Authenticator: badges{}, Store: s})
}

func TestEveryNodeOfAStoreLearnsWhatWasRevoked(t *testing.T) {
	s := memory.New(memory.Config{})
	here, there := gateOf(t, s), gateOf(t, s)
	p := connect(t, there)
	p.enter("/gate", badge{User: "ada", ID: "t-0"}.auth())
	began := time.Now()
	var all sync.WaitGroup
	for i := range 8 { // at the same moment, on two nodes
		all.Go(func() {
			n := []*node.Node{here, there}[i%2]
			if err := n.Revoke(t.Context(), actors.Revocation{TokenID: fmt.Sprint("t-", i)}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	until(t, "the other node sends it away", func() bool { return p.reason() == actors.ReasonRevoked })
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	after := gateOf(t, s) // as after a restart
	for i := range 8 {
		q := connect(t, after)
		q.send(actors.PacketConnect, "/gate", badge{User: "ada", ID: fmt.Sprint("t-", i)}.auth())
		q.await(actors.PacketConnectError, "/gate", "revoked")
	}
	connect(t, after).enter("/gate", badge{User: "ada", ID: "t-9"}.auth())
}

func TestARevocationThatCannotBeWrittenHoldsHere(t *testing.T) {
	n := gateOf(t, awayStore{memory.New(memory.Config{})})
	p := connect(t, n)
	p.enter("/gate", badge{User: "ada"}.auth())
	if err := n.Revoke(t.Context(), actors.Revocation{Subject: "ada"}); !errors.Is(err, node.ErrRevokedHere) {
		t.Errorf("Revoke = %v", err)
	}
	until(t, "it is sent away all the same", func() bool { return p.reason() == actors.ReasonRevoked })
}
