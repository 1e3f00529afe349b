package node

import (
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/room"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// sleeper is a room actor whose room hibernates: the actor stays, so that
// connections find the room where it was, and its machine is gone.
type sleeper struct {
	owned  actors.Owned
	nodes  []string // that hold its members
	waking bool     // it is being loaded, or opens
	stash  []any    // what came meanwhile, in order
}

func (r *roomActor) newMachine() *room.Machine {
	return room.New(room.Config{
		Traced:  contextOf,
		Decided: r.decided, Ticked: r.node.meters.ticked(),
		Ref: r.ref, Behavior: r.kind, Begin: r.node.house.begin, Authenticates: r.node.cfg.Authenticator != nil,
		Log:  r.node.log.With(slog.String("room", r.ref.String())),
		Rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), NewID: newID, Effects: r, Follows: r.node.clustered(),
	})
}

// Hibernate implements room.Effects.
func (r *roomActor) Hibernate(owned actors.Owned, nodes []string) {
	r.asleep = &sleeper{owned: owned, nodes: nodes}
}

// sleeping takes a message for a room that hibernates, and reports whether it
// did: what wants the room wakes it, and waits until it is open.
func (r *roomActor) sleeping(msg any) bool {
	s := r.asleep
	switch msg := msg.(type) {
	case nodeLost:
		if !s.waking && !slices.Contains(s.nodes, msg.node) {
			return true // none of its members was there
		}
		s.stash = append(s.stash, msg)
		r.rouse()
	case *wire.Join, *wire.Event, *wire.Ack, *wire.Renew, *wire.Leave, *roomCall:
		s.stash = append(s.stash, msg)
		r.rouse()
	case moveRoom:
		s.stash = append(s.stash, msg)
		r.rouse()
	case closeRoom:
		if s.waking {
			s.stash = append(s.stash, msg)
			return true
		}
		r.getUp()
		r.machine.Abandon(time.Now(), msg.why) // it knows nobody, and answers Moved
	case wake, trimHistory, *wire.Delivered, *actor.DeadLetterResponse:
		return r.machine == nil // of the machine before
	default:
		return false
	}
	return true
}

// rouse begins to wake the room.
func (r *roomActor) rouse() {
	s := r.asleep
	if s.waking {
		return
	}
	r.getUp()
	r.store.then(func() {
		loaded, err := r.store.reload(s.owned)
		r.node.send(r.self, claimed{loaded, err})
	})
}

func (r *roomActor) getUp() {
	r.asleep.waking = true
	r.machine = r.newMachine()
	r.node.asleep.Add(-1)
}

// drowse lets go of the machine of a room that hibernates; or hands over what
// waited for one that is awake.
func (r *roomActor) drowse(ctx actor.Context, now time.Time) {
	s := r.asleep
	switch {
	case s == nil:
	case !s.waking && r.machine != nil:
		r.machine = nil
		r.node.asleep.Add(1)
		if r.timer != nil {
			r.timer.Stop()
		}
		r.timer, r.armed = nil, time.Time{}
	case s.waking && (r.machine.Open() || r.machine.Retired()):
		r.asleep = nil
		for _, msg := range s.stash {
			r.take(ctx, msg, now)
		}
	}
}
