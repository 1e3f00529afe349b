package node

import (
	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/cluster"
)

// buryAtOnce is how many rooms of a dead process are given up in one call.
const buryAtOnce = 128

// buryOthers gives up the rooms of earlier processes that have died, of a store
// that knows of such. In a cluster that is the members' affair.
func (n *Node) buryOthers() {
	graves, knows := n.store.(cluster.Graves)
	if !knows || n.clustered() {
		return
	}
	owners, err := graves.Owners(n.ctx)
	for _, id := range owners {
		if id == n.id || n.alive(actors.Owner{Node: id}) {
			continue
		}
		for more := true; more && err == nil; {
			more, err = graves.Bury(n.ctx, id, buryAtOnce)
		}
	}
	if err != nil && n.ctx.Err() == nil {
		n.log.Warn("what earlier processes owned is left until the next start", "error", err)
	}
}
