package redis

import (
	"context"
	"fmt"
	"strconv"

	"github.com/parlor-rooms/parlor/actors"
)

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

// Claim implements actors.Ownership.
func (s *Store) Claim(ctx context.Context, ref actors.RoomRef, c actors.Claim) (actors.Owned, error) {
	if err := c.Check(ref); err != nil {
		return actors.Owned{}, err
	}
	if err := s.begin(ctx); err != nil {
		return actors.Owned{}, err
	}
	back := "0"
	if c.Back {
		back = "1"
	}
	list, err := s.run(ctx, s.claim, []string{s.own(ref)},
		c.Owner.Node, c.Owner.Nonce, c.Expect.Node, c.Expect.Nonce, decimal(c.Floor), back)
	if err != nil {
		return actors.Owned{}, fmt.Errorf("claim %v: %w", ref, err)
	}
	o := actors.Owned{Owner: actors.Owner{Node: text(list, 1), Nonce: text(list, 2)}, Generation: text(list, 4)}
	if o.Epoch, err = strconv.ParseUint(text(list, 3), 10, 64); err != nil {
		return actors.Owned{}, fmt.Errorf("claim %v: %w", ref, err)
	}
	if o.Sequence, err = strconv.ParseUint(text(list, 5), 10, 64); err != nil {
		return actors.Owned{}, fmt.Errorf("claim %v: %w", ref, err)
	}
	if text(list, 0) == "HELD" {
		return actors.Owned{}, &actors.HeldError{Owner: o.Owner, Epoch: o.Epoch}
	}
	return o, nil
}

// Owner implements actors.Ownership.
func (s *Store) Owner(ctx context.Context, ref actors.RoomRef) (actors.Owner, error) {
	if err := actors.CheckRoom(ref); err != nil {
		return actors.Owner{}, err
	}
	if err := s.begin(ctx); err != nil {
		return actors.Owner{}, err
	}
	list, err := s.client.HMGet(ctx, s.own(ref), "node", "nonce").Result()
	if err != nil {
		return actors.Owner{}, fmt.Errorf("owner of %v: %w", ref, outcome(err))
	}
	return actors.Owner{Node: text(list, 0), Nonce: text(list, 1)}, nil
}

// Release implements actors.Ownership.
func (s *Store) Release(ctx context.Context, ref actors.RoomRef, o actors.Owned) error {
	return s.give(ctx, ref, o, "0")
}

// Destroy implements actors.Ownership.
func (s *Store) Destroy(ctx context.Context, ref actors.RoomRef, o actors.Owned) error {
	return s.give(ctx, ref, o, "1")
}

func (s *Store) give(ctx context.Context, ref actors.RoomRef, o actors.Owned, destroy string) error {
	if err := o.Check(ref); err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	list, err := s.run(ctx, s.release, []string{s.own(ref), s.data(ref)}, o.Owner.Node, o.Owner.Nonce, decimal(o.Epoch), destroy)
	if err == nil && text(list, 0) == "FENCED" {
		err = actors.ErrFenced
	}
	if err != nil {
		return fmt.Errorf("give up %v: %w", ref, err)
	}
	return nil
}
