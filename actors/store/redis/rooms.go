package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

// settle is for how long no room is claimed from a Redis process that the store
// has not met before, but by its owner. It may have lost what the one before
// had acknowledged, and the owners that live take back first what they have.
const settle = 2 * time.Second

// met notes that a Redis process answers.
func (s *Store) met(run string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.runs[run]; !known {
		s.runs[run] = s.now().Add(settle)
	}
}

// settled lists the processes that rooms may be claimed from.
func (s *Store) settled() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, list := s.now(), make([]string, 0, len(s.runs))
	for run, at := range s.runs {
		if !now.Before(at) {
			list = append(list, run)
		}
	}
	return strings.Join(list, " ")
}

// Claim implements actors.Ownership. From a Redis process that has taken the
// place of another it returns actors.ErrUnavailable for 2 s, unless c.Back is
// set.
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
	noted := entryOf(ref, c.Owner)
	list, err := s.enter(ctx, noted, s.claim, []string{s.own(ref)},
		c.Owner.Node, c.Owner.Nonce, c.Expect.Node, c.Expect.Nonce, decimal(c.Floor), back, s.settled())
	if err == nil && text(list, 0) == "OTHER" {
		s.met(text(list, 1))
		err = fmt.Errorf("%w: Redis was started, or another has taken its place: owners that live come first", actors.ErrUnavailable)
	}
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
		_ = s.client.ZRem(ctx, s.owned, noted).Err() // otherwise it is there until the node is buried
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
	list, err := s.strike(ctx, entryOf(ref, o.Owner), s.release, []string{s.own(ref), s.data(ref)}, o.Owner.Node, o.Owner.Nonce, decimal(o.Epoch), destroy)
	if err == nil && text(list, 0) == "FENCED" {
		err = actors.ErrFenced
	}
	if err != nil {
		return fmt.Errorf("give up %v: %w", ref, err)
	}
	return nil
}
