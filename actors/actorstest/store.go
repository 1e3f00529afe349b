package actorstest

import (
	"context"
	"errors"
	"fmt"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/room"
)

// load claims the room for an activation and loads what is stored of it.
func (r *Room) load() room.Loaded {
	r.t.Helper()
	ctx := context.Background()
	claim := actors.Claim{Owner: actors.Owner{Node: "test", Nonce: fmt.Sprintf("n%d", r.epoch)}}
	owned, err := r.cfg.Store.Claim(ctx, r.ref, claim)
	var held *actors.HeldError
	if errors.As(err, &held) { // by an activation that is over
		claim.Expect = held.Owner
		owned, err = r.cfg.Store.Claim(ctx, r.ref, claim)
	}
	if err != nil {
		r.t.Fatalf("actorstest: claim: %v", err)
	}
	return r.read(owned)
}

// read loads a room that is the present activation's.
func (r *Room) read(owned actors.Owned) room.Loaded {
	r.t.Helper()
	r.owned = owned
	l := room.Loaded{Epoch: owned.Epoch, Owned: owned}
	err := r.cfg.Store.Load(context.Background(), r.ref, owned, func(key string, value []byte) error {
		l.Entries = append(l.Entries, actors.Entry{Key: key, Value: value})
		return nil
	})
	if err != nil {
		r.t.Fatalf("actorstest: load: %v", err)
	}
	return l
}

// commit carries out what the store was asked, unless it is away.
func (r *Room) commit() {
	ctx := context.Background()
	switch b := r.batch; {
	case r.away:
	case r.reclaiming != nil:
		o := *r.reclaiming
		r.reclaiming = nil
		owned, err := r.cfg.Store.Claim(ctx, r.ref, actors.Claim{Owner: o.Owner, Back: true, Floor: o.Epoch})
		if err == nil {
			r.owned = owned
		}
		r.machine.Reclaimed(r.now, owned, err)
	case b != nil:
		r.batch = nil
		r.machine.Appended(r.now, b.ID, r.cfg.Store.Append(ctx, r.ref, b))
	case r.destroying:
		r.machine.Destroyed(r.now, r.cfg.Store.Destroy(ctx, r.ref, r.owned))
	}
}

// rouse wakes a room that hibernates.
func (r *Room) rouse() {
	if r.asleep {
		r.asleep = false
		r.start(r.read(r.owned))
	}
}

// StoreAway makes the store not answer, or answer again. Meanwhile what turns
// change in durable fields is not durable, and members see nothing of it.
func (r *Room) StoreAway(away bool) {
	r.away = away
	r.commit()
	r.settle()
}

// Restart has the room leave memory, and return with what is stored. Members'
// connections are closed; they come back with Member.Return.
func (r *Room) Restart() {
	r.t.Helper()
	r.rouse()
	r.machine.Close(r.now, actors.ReasonShutdown)
	r.settle()
	if r.Awake() {
		r.t.Fatalf("actorstest: the room cannot leave memory while the store is away")
	}
	r.wake()
}

// Crash ends the room's node without a word: what was not durable is lost. The
// room returns with what is stored, once the store answers; members come back
// with Member.Return.
func (r *Room) Crash() {
	r.t.Helper()
	for _, m := range r.members {
		m.joined, m.closed = false, actors.ReasonNodeLost
	}
	r.away, r.batch, r.reclaiming, r.destroying, r.asleep = false, nil, nil, false, false
	r.connectNode()
	r.wake()
}

// TakeOver makes another activation the owner of the room, as another node
// would that believes this one dead: the next change of a durable field is
// refused, members see nothing of it, and their connections are closed. They
// come back with Member.Return.
func (r *Room) TakeOver() {
	r.t.Helper()
	claim := actors.Claim{Owner: actors.Owner{Node: "other", Nonce: fmt.Sprintf("n%d", r.epoch)}, Expect: r.owned.Owner}
	if _, err := r.cfg.Store.Claim(context.Background(), r.ref, claim); err != nil {
		r.t.Fatalf("actorstest: take over: %v", err)
	}
}
