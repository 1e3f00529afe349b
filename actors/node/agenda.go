package node

import (
	"context"
	"sync"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// How the agenda is asked: so often, for so many rooms, of which so many are
// woken at a time.
const (
	agendaEvery = time.Second
	agendaMost  = 1000
	agendaWakes = 32
)

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
		if n.stopping.Load() {
			return
		}
		n.wakeDue(n.ctx)
	}
}

func (n *Node) wakeDue(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*claimPatience)
	defer cancel()
	due, err := n.store.Due(ctx, time.Now(), agendaMost)
	if err != nil {
		n.log.Warn("the agenda cannot be read", "error", err)
		return
	}
	var wakes sync.WaitGroup
	slots := make(chan struct{}, agendaWakes)
	for _, ref := range due {
		if kind := n.kinds[ref.Kind]; kind == nil || !kind.Lasts() {
			continue // another node serves it
		}
		slots <- struct{}{}
		wakes.Go(func() {
			defer func() { <-slots }()
			if _, err := n.request(ctx, &roomCall{room: ref, op: &wire.RoomDue{}}); err != nil && n.ctx.Err() == nil {
				n.log.Warn("a room that is due was not woken", "room", ref.String(), "error", err)
			}
		})
	}
	wakes.Wait()
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
