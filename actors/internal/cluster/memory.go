package cluster

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// Memory is a Registry within one process, for tests. It is the reference for
// what beat.lua does.
type Memory struct {
	// Now is the registry's clock. Nil means time.Now.
	Now func() time.Time

	mu       sync.Mutex // guards the following
	leases   map[string]lease
	ended    map[string]bool
	tick     uint64
	lastSure time.Time
	born     time.Time
	data     uint64
	watchers map[chan struct{}]bool
}

type lease struct {
	member Member
	end    time.Time
}

func (r *Memory) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}

// Beat implements Registry.
func (r *Memory) Beat(_ context.Context, b Beat) (Roll, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	r.begin()
	if r.ended[b.Self.ID] {
		return Roll{Lost: true}, nil
	}
	if r.born.IsZero() {
		r.born, r.data = now, uint64(now.UnixMicro())
	}
	if b.Seen > r.tick {
		r.tick, r.data, r.born = b.Seen, uint64(now.UnixMicro()), now
	}
	r.tick++
	mine, known := r.leases[b.Self.ID]
	changed := !known || !mine.member.equal(b.Self)
	if b.Join {
		for id, l := range r.leases {
			if id != b.Self.ID && l.member.Address == b.Self.Address {
				r.end(id)
			}
		}
	}
	r.leases[b.Self.ID] = lease{b.Self, now.Add(b.TTL)}
	if b.Sure {
		changed = r.sweep(now, b) || changed
	}
	if changed {
		r.changed()
	}
	roll := Roll{Tick: r.tick, Data: r.data, Age: now.Sub(r.born)}
	for _, l := range r.leases {
		roll.Members = append(roll.Members, l.member)
	}
	slices.SortFunc(roll.Members, func(a, b Member) int { return strings.Compare(a.ID, b.ID) })
	return roll, nil
}

func (r *Memory) begin() {
	if r.leases == nil {
		r.leases, r.ended = make(map[string]lease), make(map[string]bool)
	}
}

// sweep ends what has lapsed, or extends all leases if nobody swept lately.
func (r *Memory) sweep(now time.Time, b Beat) (ended bool) {
	silent := now.Sub(r.lastSure) > b.Gap
	r.lastSure = now
	for id, l := range r.leases {
		switch {
		case silent && l.end.Before(now.Add(b.TTL)):
			r.leases[id] = lease{l.member, now.Add(b.TTL)}
		case !silent && !now.Before(l.end):
			r.end(id)
			ended = true
		}
	}
	return ended
}

func (r *Memory) end(id string) {
	delete(r.leases, id)
	r.ended[id] = true
}

// Expire implements Registry.
func (r *Memory) Expire(_ context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begin()
	r.end(id)
	r.changed()
	return nil
}

// Watch implements Registry.
func (r *Memory) Watch(ctx context.Context, changed func()) {
	c := make(chan struct{}, 1)
	r.mu.Lock()
	if r.watchers == nil {
		r.watchers = make(map[chan struct{}]bool)
	}
	r.watchers[c] = true
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.watchers, c)
	}()
	for {
		select {
		case <-c:
			changed()
		case <-ctx.Done():
			return
		}
	}
}

// changed tells the watchers. It is called with mu held.
func (r *Memory) changed() {
	for c := range r.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
