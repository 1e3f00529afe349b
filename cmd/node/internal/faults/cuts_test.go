package faults

import (
	"context"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/cmd/node/internal/app"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// TestANodeThatIsCutOffFromRedisEnds, whether nothing of it arrives or only
// nothing comes back: the others then have its rooms, and who was connected to
// it goes to them.
func TestANodeThatIsCutOffFromRedisEnds(t *testing.T) {
	for name, there := range map[string]bool{"both ways": true, "answers only": false} {
		t.Run(name, func(t *testing.T) {
			l := newWiredLab(t, 3)
			halls := newCrowd(t, "hall", rooms, guests, everySay, l.sockets)
			lobbies := newCrowd(t, "lobby", rooms, guests, everySay, l.sockets)
			halls.flows(30 * time.Second)
			lobbies.flows(30 * time.Second)
			halls.mark()
			at, dead := halls.where(), "http://"+l.nodes[2].Public()
			l.wires[2].redis.Hold(there, true)
			waitStatus(t, l.nodes[2], app.StatusExpelled)
			halls.flows(60 * time.Second)
			lobbies.flows(60 * time.Second)
			halls.report(l, "a node cut off from Redis, "+name)
			halls.stays(at, dead)
			halls.check()
			lobbies.check()
			l.exactMembers(lobbies, 30*time.Second)
		})
	}
}

// TestNodesThatAreCutOffFromEachOther, but not from Redis: rooms stay where they
// are, nobody is disconnected, and when they find each other again nothing is
// missing.
func TestNodesThatAreCutOffFromEachOther(t *testing.T) {
	for name, nodes := range map[string][]int{"each from each": {0, 1, 2}, "nothing reaches one": {2}} {
		t.Run(name, func(t *testing.T) {
			l := newWiredLab(t, 3)
			halls := newCrowd(t, "hall", rooms, guests, everySay, l.sockets)
			lobbies := newCrowd(t, "lobby", rooms, guests, everySay, l.sockets)
			halls.flows(30 * time.Second)
			lobbies.flows(30 * time.Second)
			halls.mark()
			for _, i := range nodes {
				l.wires[i].cutLinks(true)
			}
			testenv.Pause(context.Background(), cut)
			for _, i := range nodes {
				l.wires[i].cutLinks(false)
			}
			halls.flows(60 * time.Second)
			lobbies.flows(60 * time.Second)
			halls.report(l, "nodes cut off from each other, "+name)
			halls.check()
			lobbies.check()
			l.exactMembers(lobbies, 30*time.Second)
			for i, n := range l.nodes {
				select {
				case <-n.Ended():
					t.Errorf("node %d has ended", i)
				default:
				}
			}
		})
	}
}
