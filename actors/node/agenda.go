package node

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// How the agenda is asked: so often, for so many rooms at a time, which are
// this node's to wake then. Of each lot so many are woken at once, and what it
// has not woken, because it died or they cannot be, is due again after
// agendaAgain, to whichever node asks first: rooms that do not wake stand in
// nobody's way.
const (
	agendaEvery = time.Second
	agendaMost  = 256
	agendaWakes = 32
	agendaAgain = 30 * time.Second // more than wakePatience
)

// wakePatience is how long a node tries to wake a lot of rooms.
const wakePatience = 2 * claimPatience

// watchAgenda wakes the rooms that are due, until the node stops.
func (n *Node) watchAgenda() {
	tick := time.NewTicker(agendaEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-n.ctx.Done():
			return
		}
		for more := true; more && !n.stopping.Load(); {
			more = n.wakeDue()
		}
	}
}

// wakeDue wakes a lot of the rooms that are due, and reports whether there may
// be more.
func (n *Node) wakeDue() (more bool) {
	ctx, cancel := context.WithTimeout(n.ctx, wakePatience)
	defer cancel()
	now := time.Now()
	due, err := n.store.Due(ctx, now, now.Add(agendaAgain), agendaMost)
	if err != nil {
		n.log.Warn("the agenda cannot be read", "error", err)
	}
	var wakes sync.WaitGroup
	var failed atomic.Int64
	slots := make(chan struct{}, agendaWakes)
	for _, ref := range due {
		if kind := n.kinds[ref.Kind]; !n.clustered() && (kind == nil || !kind.Lasts()) {
			continue // nobody serves it
		}
		slots <- struct{}{}
		wakes.Go(func() {
			defer func() { <-slots }()
			_, err := n.request(ctx, &roomCall{room: ref, op: &wire.RoomDue{}})
			if err != nil && n.ctx.Err() == nil && failed.Add(1) == 1 {
				n.log.Warn("a room that is due was not woken", "room", ref.String(), "error", err)
			}
		})
	}
	wakes.Wait()
	if others := failed.Load() - 1; others > 0 {
		n.log.Warn("more rooms that are due were not woken", "rooms", others)
	}
	return err == nil && len(due) == agendaMost
}

// lasting lists the kinds of which something is kept.
func (n *Node) lasting() []actors.Behavior {
	var kinds []actors.Behavior
	for _, k := range n.cfg.Kinds {
		if k.Lasts() {
			kinds = append(kinds, k)
		}
	}
	return kinds
}
