package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/room"
)

// How the store is asked: each time for so long, and again after a pause that
// doubles, with jitter.
const (
	storeTimeout  = 5 * time.Second
	storePause    = 10 * time.Millisecond
	storePauseMax = time.Second

	// claimPatience is how long joins wait for a room whose store does not
	// answer; releasePatience how long a room that leaves memory tries to say
	// so. If it cannot, the next activation claims it all the same.
	claimPatience   = 10 * time.Second
	releasePatience = 5 * time.Second
)

// archive is what one activation tells the store. Its methods do not block:
// what they are given happens beside the room, one after the other.
type archive struct {
	node *Node
	ref  actors.RoomRef

	// placed says that the cluster has claimed the room before it began, as
	// owned, and gives it up once it has left memory.
	placed bool
	cause  actors.Trace // of what woke the room, if it is sampled

	mu      sync.Mutex // guards the following
	tasks   []func()
	running bool
	owned   actors.Owned // of which Owner and Epoch count; zero: nothing was claimed
}

// reclaimsAtOnce is how many rooms ask at a time whether they are still this
// node's.
const reclaimsAtOnce = 64

// then runs a task behind those before it.
func (a *archive) then(task func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tasks = append(a.tasks, task)
	if !a.running {
		a.running = true
		a.node.beside.Go(a.run)
	}
}

func (a *archive) run() {
	for {
		a.mu.Lock()
		if len(a.tasks) == 0 {
			a.running = false
			a.mu.Unlock()
			return
		}
		task := a.tasks[0]
		a.tasks = a.tasks[1:]
		a.mu.Unlock()
		task()
	}
}

// claim makes this activation the owner of the room, and loads what is stored
// of it. An owner that is not alive is replaced.
func (a *archive) claim() (room.Loaded, error) {
	ctx, cancel := context.WithTimeout(a.node.ctx, claimPatience)
	defer cancel()
	wake, of := a.node.tracing.startOrBegin(a.cause, "wake", attribute.String("parlor.room", a.ref.String()))
	since := time.Now()
	loaded, err := a.claimAndLoad(ctx, of)
	record(a.node.meters.wake, of, since)
	end(wake, err)
	return loaded, err
}

// claimAndLoad is claim, as part of a trace.
func (a *archive) claimAndLoad(ctx context.Context, of actors.Trace) (room.Loaded, error) {
	owned := a.owned
	if !a.placed {
		span, _ := a.node.tracing.start(of, "claim")
		var err error
		owned, err = a.own(ctx)
		end(span, err)
		if err != nil {
			return room.Loaded{}, fmt.Errorf("claim: %w", err)
		}
		a.mu.Lock()
		a.owned = owned
		a.mu.Unlock()
	}
	return a.load(owned, of)
}

// load loads what is stored of a room that is this activation's.
func (a *archive) load(owned actors.Owned, of actors.Trace) (room.Loaded, error) {
	ctx, cancel := context.WithTimeout(a.node.ctx, claimPatience)
	defer cancel()
	l := room.Loaded{Epoch: owned.Epoch, Owned: owned}
	span, _ := a.node.tracing.start(of, "load")
	var err error
	l.Entries, err = a.node.entries(ctx, a.ref, owned)
	end(span, err)
	if err != nil {
		return room.Loaded{}, fmt.Errorf("load: %w", err)
	}
	return l, nil
}

// reload is load for a room that has hibernated. If the store was rolled back
// meanwhile, the room is claimed as another activation.
func (a *archive) reload() (room.Loaded, error) {
	wake, of := a.node.tracing.startOrBegin(a.cause, "wake", attribute.String("parlor.room", a.ref.String()))
	since := time.Now()
	loaded, err := a.load(a.owned, of)
	if errors.Is(err, actors.ErrFenced) || err == nil && !loaded.Rested() {
		var owned actors.Owned
		ctx, cancel := context.WithTimeout(a.node.ctx, claimPatience)
		if owned, err = a.claimBack(ctx, a.owned); err == nil {
			loaded, err = a.load(owned, of)
		}
		cancel()
	}
	record(a.node.meters.wake, of, since)
	end(wake, err)
	return loaded, err
}

// own claims the room.
func (a *archive) own(ctx context.Context) (owned actors.Owned, err error) {
	claim := actors.Claim{Owner: actors.Owner{Node: a.node.id, Nonce: newID()}}
	err = a.node.again(ctx, func(ctx context.Context) (err error) {
		for range 3 { // an owner that is dead may have been replaced by another
			owned, err = a.node.store.Claim(ctx, a.ref, claim)
			var held *actors.HeldError
			if !errors.As(err, &held) || a.node.alive(held.Owner) {
				return err
			}
			claim.Expect = held.Owner
		}
		return err
	})
	return owned, err
}

// alive reports whether an owner may still be at work. The directory starts
// one activation of a room at a time, so that an earlier one of this node is
// not.
func (n *Node) alive(o actors.Owner) bool {
	return o.Node != n.id && n.cfg.OwnerAlive != nil && n.cfg.OwnerAlive(o)
}

// append has the store keep a batch and tells done what has become of it,
// however long that takes; nothing if the node ends first.
func (a *archive) append(x room.Append, done func(error)) {
	a.then(func() {
		ctx := a.node.ctx
		if !x.Wake.IsZero() {
			if a.node.again(ctx, func(ctx context.Context) error { return a.node.store.Schedule(ctx, a.ref, x.Wake) }) != nil && ctx.Err() != nil {
				return
			}
		}
		span, of := a.node.tracing.start(x.Trace, "append", attribute.Int("parlor.entries", len(x.Batch.Entries)))
		since := time.Now()
		err := a.node.again(ctx, func(ctx context.Context) error { return a.node.store.Append(ctx, a.ref, x.Batch) })
		record(a.node.meters.write, of, since)
		end(span, err)
		if ctx.Err() == nil || err == nil {
			done(err)
		}
	})
}

// reclaim makes this activation the owner once more of a room that it owns as
// o, unless somebody has claimed it since, and tells done, as append does.
func (a *archive) reclaim(o actors.Owned, done func(actors.Owned, error)) {
	a.then(func() {
		n := a.node
		select {
		case n.reclaims <- struct{}{}:
			defer func() { <-n.reclaims }()
		case <-n.ctx.Done():
			return
		}
		owned, err := a.claimBack(n.ctx, o)
		switch {
		case err == nil:
			if owned.Generation != o.Generation || owned.Sequence != o.Sequence {
				n.counts.repairs.Add(1)
			}
		case a.placed && errors.Is(err, actors.ErrHeld):
			n.counts.divergences.Add(1)
			n.log.Error("rollback_divergence: the store was rolled back, and the room was claimed before its owner could give back what was lost",
				"room", a.ref.String(), "batches", o.Sequence, "error", err)
		}
		if n.ctx.Err() == nil || err == nil {
			done(owned, err)
		}
	})
}

// claimBack is reclaim, and blocks until it is known.
func (a *archive) claimBack(ctx context.Context, o actors.Owned) (owned actors.Owned, err error) {
	err = a.node.again(ctx, func(ctx context.Context) (err error) {
		if a.placed {
			owned, err = a.node.cfg.Cluster.Reclaim(ctx, a.ref, o)
		} else {
			owned, err = a.node.store.Claim(ctx, a.ref, actors.Claim{Owner: o.Owner, Back: true, Floor: o.Epoch})
		}
		return err
	})
	if err == nil {
		a.mu.Lock()
		a.owned = owned
		a.mu.Unlock()
	}
	return owned, err
}

// schedule sets when the room is to be woken, if the store takes it.
func (a *archive) schedule(at time.Time) {
	a.then(func() {
		ctx, cancel := context.WithTimeout(a.node.ctx, releasePatience)
		defer cancel()
		if err := a.node.again(ctx, func(ctx context.Context) error { return a.node.store.Schedule(ctx, a.ref, at) }); err != nil {
			a.node.log.Warn("the agenda was not told", "room", a.ref.String(), "error", err)
		}
	})
}

// destroy has the store forget the room and tells done, as append does.
func (a *archive) destroy(done func(error)) {
	a.then(func() {
		unknown := false // an earlier try may have done it
		err := a.node.again(a.node.ctx, func(ctx context.Context) error {
			err := a.node.store.Destroy(ctx, a.ref, a.owned)
			if unknown && errors.Is(err, actors.ErrFenced) {
				owner, failed := a.node.store.Owner(ctx, a.ref)
				switch {
				case failed != nil:
					return failed
				case owner == actors.Owner{}:
					return nil
				}
			}
			unknown = unknown || !settled(err) && !errors.Is(err, actors.ErrUnavailable)
			return err
		})
		if err == nil {
			a.owned = actors.Owned{}
		}
		if a.node.ctx.Err() == nil || err == nil {
			done(err)
		}
	})
}

// release gives the room up and calls done, whatever comes of it, on behalf of
// something that may be traced.
func (a *archive) release(of actors.Trace, done func()) {
	a.then(func() {
		defer done()
		a.giveUp(of)
	})
}

// giveUp is release, and blocks until it is done.
func (a *archive) giveUp(of actors.Trace) {
	if a.placed || a.owned.Owner == (actors.Owner{}) {
		return
	}
	ctx, cancel := context.WithTimeout(a.node.ctx, releasePatience)
	defer cancel()
	span, _ := a.node.tracing.start(of, "release")
	err := a.node.again(ctx, func(ctx context.Context) error { return a.node.store.Release(ctx, a.ref, a.owned) })
	end(span, err)
	if err != nil && !errors.Is(err, actors.ErrFenced) {
		a.node.log.Warn("room was not released", "room", a.ref.String(), "error", err)
	}
}

// settled reports whether an error says what has become of a call, so that it
// makes no sense to repeat it.
func settled(err error) bool {
	return err == nil || errors.Is(err, actors.ErrFenced) || errors.Is(err, actors.ErrHeld) ||
		errors.Is(err, actors.ErrNoDurability) || errors.Is(err, actors.ErrMalformed) ||
		errors.Is(err, errRoomTooLarge) || errors.Is(err, errCrowded)
}

// again asks the store until it says what has become of a call, or ctx ends.
func (n *Node) again(ctx context.Context, call func(context.Context) error) error {
	for pause := storePause; ; pause = min(2*pause, storePauseMax) {
		once, cancel := context.WithTimeout(ctx, storeTimeout)
		err := call(once)
		cancel()
		if settled(err) {
			return err
		}
		n.counts.storeRetries.Add(1)
		wait := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return err
		}
	}
}
