package node_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/actors/node/nodetest"
	"github.com/parlor-rooms/parlor/actors/store/memory"
)

// yard is a store that knows which processes own how many rooms.
type yard struct {
	actors.Store
	mu    sync.Mutex // guards the following
	rooms map[string]int
}

func (y *yard) Owners(context.Context) (nodes []string, err error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for node := range y.rooms {
		nodes = append(nodes, node)
	}
	return nodes, nil
}

func (y *yard) Bury(_ context.Context, node string, most int) (bool, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.rooms[node] -= most; y.rooms[node] > 0 {
		return true, nil
	}
	delete(y.rooms, node)
	return false, nil
}

func (y *yard) left() []string {
	nodes, _ := y.Owners(context.Background())
	slices.Sort(nodes)
	return nodes
}

// TestANodeThatIsAloneBuriesItsPredecessors: whoever owned a room before its
// process is dead, unless it is told otherwise.
func TestANodeThatIsAloneBuriesItsPredecessors(t *testing.T) {
	y := &yard{Store: memory.New(memory.Config{}), rooms: map[string]int{"dead": 1000, "alive": 1}}
	start(t, node.Config{Store: y, OwnerAlive: func(o actors.Owner) bool { return o.Node == "alive" }})
	until(t, "the dead are buried", func() bool { return len(y.left()) == 1 })
	if got := y.left(); got[0] != "alive" {
		t.Errorf("left are %v", got)
	}
	one := &yard{Store: memory.New(memory.Config{}), rooms: map[string]int{"another": 1}}
	seat := nodetest.New(1).Seat()
	_, stop := run(t, node.Config{Store: one, Cluster: seat, Carrier: seat})
	stop() // when all that it has begun has ended
	if got := one.left(); len(got) != 1 {
		t.Error("a node of a cluster buries on its own")
	}
}
