package embedded

import (
	"context"
	"fmt"
	"strings"

	"github.com/parlor-rooms/parlor/actors"
)

// room is what is known in memory of a room that has an owner or that a call
// is about.
type room struct {
	turn  chan struct{} // holds one value while a call has the room; nil while none has or wants it
	users int           // calls that have or want it; both guarded by Store.mu, and turn by users

	// Owned by whoever has the room.
	known      bool // the following three are as on disk
	generation string
	sequence   uint64
	batch      string
	owner      actors.Owner
	epoch      uint64
}

// enter admits a call and gives it the room. leave ends both.
func (s *Store) enter(ctx context.Context, ref actors.RoomRef) (*room, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	r := s.rooms[ref]
	if r == nil {
		r = &room{}
		s.rooms[ref] = r
	}
	if r.users == 0 { // rooms that are owned and left alone may be many
		r.turn = make(chan struct{}, 1)
	}
	r.users++
	s.mu.Unlock()
	var err error
	select {
	case r.turn <- struct{}{}:
		if !r.known {
			if err = s.readMeta(ref, r); err != nil {
				<-r.turn
			}
		}
	case <-s.broken.stopped:
		err = fmt.Errorf("%w: it stopped: %w", actors.ErrUnavailable, s.broken.err())
	case <-ctx.Done():
		err = fmt.Errorf("%w: %w", actors.ErrUnavailable, ctx.Err())
	}
	if err != nil {
		s.forget(ref, r)
		s.calls.Done()
		return nil, fmt.Errorf("%v: %w", ref, err)
	}
	return r, nil
}

// exit gives a room back; the call goes on.
func (s *Store) exit(ref actors.RoomRef, r *room) {
	<-r.turn
	s.forget(ref, r)
}

func (s *Store) leave(ref actors.RoomRef, r *room) {
	s.exit(ref, r)
	s.calls.Done()
}

// forget drops what is known of a room that has no owner once no call wants
// it: then its fields are this one's to read.
func (s *Store) forget(ref actors.RoomRef, r *room) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.users--; r.users > 0 {
		return
	}
	r.turn = nil
	if r.owner == (actors.Owner{}) {
		delete(s.rooms, ref)
	}
}

// readMeta fills in what is on disk.
func (s *Store) readMeta(ref actors.RoomRef, r *room) error {
	value, err := s.get(roomKey(sortMeta, ref))
	if err != nil {
		return err
	}
	if value != nil {
		n, rest, err := parseNumber(value)
		if err != nil {
			return err
		}
		r.sequence = n
		r.generation, r.batch, _ = strings.Cut(string(rest), " ")
	}
	r.known = true
	return nil
}

func meta(o actors.Owned, batch string) []byte {
	return append(number(nil, o.Sequence), o.Generation+" "+batch...)
}

func (r *room) owned() actors.Owned {
	return actors.Owned{Owner: r.owner, Epoch: r.epoch, Generation: r.generation, Sequence: r.sequence}
}

// held is enter for o, the owner.
func (s *Store) held(ctx context.Context, ref actors.RoomRef, o actors.Owned) (*room, error) {
	if err := o.Check(ref); err != nil {
		return nil, err
	}
	r, err := s.enter(ctx, ref)
	if err != nil {
		return nil, err
	}
	if r.owner != o.Owner || r.epoch != o.Epoch {
		s.leave(ref, r)
		return nil, fmt.Errorf("%v: %w", ref, actors.ErrFenced)
	}
	return r, nil
}

// Claim implements actors.Ownership.
func (s *Store) Claim(ctx context.Context, ref actors.RoomRef, c actors.Claim) (actors.Owned, error) {
	if err := c.Check(ref); err != nil {
		return actors.Owned{}, err
	}
	r, err := s.enter(ctx, ref)
	if err != nil {
		return actors.Owned{}, err
	}
	defer s.leave(ref, r)
	switch {
	case r.owner == c.Owner && r.epoch > c.Floor:
		return r.owned(), nil // it came twice
	case c.Back && r.owner != c.Owner, !c.Takes(r.owner, r.epoch):
		return actors.Owned{}, &actors.HeldError{Owner: r.owner, Epoch: r.epoch}
	}
	epoch, err := s.counter.next(c.Floor)
	if err != nil {
		return actors.Owned{}, fmt.Errorf("claim %v: %w", ref, err)
	}
	r.owner, r.epoch = c.Owner, epoch
	return r.owned(), nil
}

// Owner implements actors.Ownership.
func (s *Store) Owner(ctx context.Context, ref actors.RoomRef) (actors.Owner, error) {
	if err := actors.CheckRoom(ref); err != nil {
		return actors.Owner{}, err
	}
	r, err := s.enter(ctx, ref)
	if err != nil {
		return actors.Owner{}, err
	}
	defer s.leave(ref, r)
	return r.owner, nil
}

// Release implements actors.Ownership.
func (s *Store) Release(ctx context.Context, ref actors.RoomRef, o actors.Owned) error {
	r, err := s.held(ctx, ref, o)
	if err != nil {
		return err
	}
	defer s.leave(ref, r)
	r.owner = actors.Owner{}
	return nil
}

// Destroy implements actors.Ownership.
func (s *Store) Destroy(ctx context.Context, ref actors.RoomRef, o actors.Owned) error {
	r, err := s.held(ctx, ref, o)
	if err != nil {
		return err
	}
	if r.generation == "" { // nothing is on disk
		r.owner = actors.Owner{}
		s.leave(ref, r)
		return nil
	}
	b := s.db.NewBatch()
	from, to := entryBounds(ref)
	_ = b.DeleteRange(from, to, nil) // a batch in memory takes everything
	_ = b.Delete(roomKey(sortMeta, ref), nil)
	err = s.commit(ctx, b, true, func(written bool) {
		if written {
			r.owner, r.generation, r.sequence, r.batch = actors.Owner{}, "", 0, ""
		}
		s.exit(ref, r)
	})
	if err != nil {
		return fmt.Errorf("destroy %v: %w", ref, err)
	}
	return nil
}
