package cluster

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// Request asks Placement where a room is.
type Request struct {
	Room actors.RoomRef

	// Peek asks where the room is without waking it.
	Peek bool

	// Here asks on behalf of another node, which has found that a room that
	// is nowhere wakes on this one.
	Here bool

	// Brief says that nothing of the room outlives its activation.
	Brief bool
}

// Place says where a room is.
type Place struct {
	// Node has the room, or wakes it when a message for it arrives there.
	// Empty: the room is asleep, of a Peek.
	Node string

	// Owned is how this node has claimed the room, if Node is this node and
	// the question was no Peek: it must wake it, and Release it in the end.
	Owned actors.Owned

	// Unclaimed says that the store is away, and that Node is where the room
	// starts if no member has it. If that is this node, it wakes the room and
	// calls Claim.
	Unclaimed bool
}

// Members is what Placement needs of an Agent.
type Members interface {
	View() *View
	Refresh(ctx context.Context, since time.Time) (*View, error)
	Serving() bool
}

// PlacementConfig describes a Placement.
type PlacementConfig struct {
	Self    string // id of this node
	Store   actors.Ownership
	Members Members
	Log     *slog.Logger

	// Unclaimed lets brief rooms start without being claimed while the registry,
	// which is where the store is, is silent for every member: see
	// Place.Unclaimed. Two nodes whose lists differ may then each start one,
	// until the store is back.
	Unclaimed bool

	// Concurrency is how many rooms are claimed at the same moment. Zero means
	// 64.
	Concurrency int
}

// Placement finds rooms and claims those that wake here. Rooms are sticky: one
// that somebody owns is where it is, whatever the rendezvous says, for as long
// as its owner lives. It remembers nothing of rooms; whoever asks keeps the
// answers, asks for one room at a time, and does not ask for rooms that it
// holds. Its methods may be called from any goroutine.
type Placement struct {
	cfg    PlacementConfig
	claims chan struct{} // a slot per claim under way
}

// NewPlacement returns a placement.
func NewPlacement(cfg PlacementConfig) *Placement {
	if cfg.Concurrency <= 0 {
		cfg.Concurrency = 64
	}
	return &Placement{cfg: cfg, claims: make(chan struct{}, cfg.Concurrency)}
}

// Locate blocks until it is known where a room is, or ctx ends. A store that
// fails is asked again meanwhile. The error is an *actors.Error.
func (p *Placement) Locate(ctx context.Context, r Request) (Place, error) {
	retry := backoff{}
	for {
		place, err := p.locate(ctx, r)
		var told *actors.Error
		if err == nil || errors.As(err, &told) {
			return place, err
		}
		if !retry.wait(ctx) {
			p.cfg.Log.Warn("a room could not be placed", "room", r.Room.String(), "err", err)
			return Place{}, actors.Errorf(actors.CodeUnavailable, "the room cannot be found at the moment; try again")
		}
	}
}

func (p *Placement) locate(ctx context.Context, r Request) (Place, error) {
	view := p.cfg.Members.View()
	target, ok := Rendezvous(view, r.Room)
	self, _ := view.Find(p.cfg.Self)
	mine := self.Serves(r.Room) && !self.Draining && (r.Here || target.ID == p.cfg.Self)
	if p.cfg.Unclaimed && r.Brief && !r.Peek && (mine || ok) && time.Now().Before(view.Excused) {
		if mine {
			target = self
		}
		return Place{Node: target.ID, Unclaimed: true}, nil
	}
	if mine && !r.Peek {
		return p.claim(ctx, r.Room)
	}
	asked := time.Now()
	owner, err := p.cfg.Store.Owner(ctx, stored(r.Room))
	if err != nil {
		return Place{}, err
	}
	switch lives, err := p.lives(ctx, owner, asked); {
	case err != nil:
		return Place{}, err
	case lives && owner.Node != p.cfg.Self:
		return Place{Node: owner.Node}, nil
	case r.Peek:
		return Place{}, nil // what this node has it does not ask for
	case lives && self.Serves(r.Room) && !self.Draining:
		return p.claim(ctx, r.Room)
	case !ok:
		return Place{}, actors.Errorf(actors.CodeUnavailable, "no node serves rooms of kind %s at the moment", r.Room.Kind)
	}
	return Place{Node: target.ID}, nil
}

// lives reports whether the node of an owner is a member. One that is in no
// view yet may have joined just now: a view that is younger than what it wrote
// tells.
func (p *Placement) lives(ctx context.Context, o actors.Owner, asked time.Time) (bool, error) {
	if o.Node == "" {
		return false, nil
	}
	if p.cfg.Members.View().Has(o.Node) {
		return true, nil
	}
	view, err := p.cfg.Members.Refresh(ctx, asked)
	if err != nil {
		return false, err
	}
	return view.Has(o.Node), nil
}

// Claim claims a room that this node has started Unclaimed. It blocks until the
// store has answered, or ctx ends. The place is another node if that has the
// room: the activation here must end.
func (p *Placement) Claim(ctx context.Context, room actors.RoomRef) (Place, error) {
	retry := backoff{}
	for {
		place, err := p.claim(ctx, room)
		if err == nil || !retry.wait(ctx) {
			return place, err
		}
	}
}

// claim makes this node the owner of a room, or finds who is. An owner of this
// node that is found is an earlier activation, whose release was lost.
func (p *Placement) claim(ctx context.Context, room actors.RoomRef) (Place, error) {
	select {
	case p.claims <- struct{}{}:
		defer func() { <-p.claims }()
	case <-ctx.Done():
		return Place{}, ctx.Err()
	}
	c := actors.Claim{Owner: actors.Owner{Node: p.cfg.Self, Nonce: newNonce()}}
	for {
		if c.Expect.Node != p.cfg.Self {
			if err := p.settle(ctx); err != nil {
				return Place{}, err
			}
		}
		asked := time.Now()
		owned, err := p.claimOnce(ctx, room, c)
		var held *actors.HeldError
		switch {
		case err == nil:
			return Place{Node: p.cfg.Self, Owned: owned}, nil
		case !errors.As(err, &held):
			return Place{}, err
		case held.Owner.Node == p.cfg.Self:
		default:
			lives, err := p.lives(ctx, held.Owner, asked)
			if err != nil {
				return Place{}, err
			}
			if lives {
				return Place{Node: held.Owner.Node}, nil
			}
		}
		c.Expect, c.Floor = held.Owner, held.Epoch
	}
}

// claimOnce repeats a claim whose outcome is unknown until it is known.
func (p *Placement) claimOnce(ctx context.Context, room actors.RoomRef, c actors.Claim) (actors.Owned, error) {
	retry := backoff{}
	for {
		owned, err := p.cfg.Store.Claim(ctx, stored(room), c)
		if err == nil || errors.Is(err, actors.ErrHeld) || !retry.wait(ctx) {
			return owned, err
		}
	}
}

// settle waits while owners are to claim first what they have.
func (p *Placement) settle(ctx context.Context) error {
	for {
		wait := time.Until(p.cfg.Members.View().Settled)
		if wait <= 0 {
			return nil
		}
		if !sleep(ctx, wait) {
			return ctx.Err()
		}
	}
}

// Release gives a room up. It tries until it succeeds, the room is another's,
// or ctx ends; then the next one to ask for the room finds that this node,
// which lives, does not have it, and it wakes here again.
func (p *Placement) Release(ctx context.Context, room actors.RoomRef, o actors.Owned) error {
	retry := backoff{}
	for {
		err := p.cfg.Store.Release(ctx, stored(room), o)
		if err == nil || errors.Is(err, actors.ErrFenced) {
			return nil
		}
		if !retry.wait(ctx) {
			return err
		}
	}
}

// Reclaim makes this node the owner once more of a room that it has, after the
// store was rolled back; o is the room as it owned it. It returns ErrHeld if
// somebody has claimed the room since, and ErrFenced if this node does not
// serve any more, so that somebody may have: then the activation must end. It
// tries until it knows, or ctx ends.
func (p *Placement) Reclaim(ctx context.Context, room actors.RoomRef, o actors.Owned) (actors.Owned, error) {
	retry := backoff{}
	for {
		if !p.cfg.Members.Serving() {
			return actors.Owned{}, fmt.Errorf("%v: this node may have been taken for dead: %w", room, actors.ErrFenced)
		}
		owned, err := p.cfg.Store.Claim(ctx, stored(room), actors.Claim{Owner: o.Owner, Back: true, Floor: o.Epoch})
		if err == nil || errors.Is(err, actors.ErrHeld) || !retry.wait(ctx) {
			return owned, err
		}
	}
}

// backoff is the pause before something is tried again: 20 ms at first, then
// twice as long each time up to a second, each at random between half of that
// and all.
type backoff struct{ next time.Duration }

// wait reports false if ctx ends first.
func (b *backoff) wait(ctx context.Context) bool {
	b.next = min(max(2*b.next, 20*time.Millisecond), time.Second)
	return sleep(ctx, b.next/2+mathrand.N(b.next/2))
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// newNonce returns 22 characters of [A-Za-z0-9_-], 128 random bits.
func newNonce() string {
	var b [16]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
