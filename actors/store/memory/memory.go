// Package memory is the store that ends with its process: for tests, for
// development, and for rooms that only have to outlive their own passivation.
// It is also the plainest reading of the contract in package actors.
package memory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// Config of a store. The zero Config is useful.
type Config struct {
	// Now is the clock by which records end. Nil means time.Now.
	Now func() time.Time
}

// Store is an actors.Store in the memory of the process. It never blocks
// longer than it takes to copy what is passed in or out.
type Store struct {
	now func() time.Time

	mu      sync.Mutex // guards the following
	closed  bool
	epoch   uint64 // the last one given out
	version uint64 // of records, the last one given out
	rooms   map[actors.RoomRef]*room
	agenda  map[actors.RoomRef]int64 // Unix milliseconds
	records map[string]record
	swept   int // how many records there were after the last sweep
}

// room is what is kept of one room. It is in the map while it has an owner or
// a generation.
type room struct {
	owner      actors.Owner
	epoch      uint64
	generation string
	sequence   uint64
	batch      string // id of the last batch
	entries    map[string][]byte
}

// New returns an empty store.
func New(c Config) *Store {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Store{
		now:     c.Now,
		rooms:   make(map[actors.RoomRef]*room),
		agenda:  make(map[actors.RoomRef]int64),
		records: make(map[string]record),
	}
}

var _ actors.Store = (*Store)(nil)

// begin locks s unless it is closed or ctx has ended.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", actors.ErrUnavailable, err)
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return fmt.Errorf("%w: it is closed", actors.ErrUnavailable)
	}
	return nil
}

// Provides implements actors.Store.
func (s *Store) Provides(_ context.Context, d actors.Durability) error {
	if d != actors.DurabilityDefault && d != actors.DurabilityMemory {
		return fmt.Errorf("%w: %q, where memory is all there is", actors.ErrNoDurability, d)
	}
	return nil
}

// Close implements actors.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// Claim implements actors.Ownership.
func (s *Store) Claim(ctx context.Context, ref actors.RoomRef, c actors.Claim) (actors.Owned, error) {
	if err := c.Check(ref); err != nil {
		return actors.Owned{}, err
	}
	if err := s.begin(ctx); err != nil {
		return actors.Owned{}, err
	}
	defer s.mu.Unlock()
	r := s.rooms[ref]
	if r == nil {
		r = &room{}
	}
	switch {
	case r.owner == c.Owner && r.epoch > c.Floor:
		return r.owned(), nil // it came twice
	case !c.Takes(r.owner, r.epoch):
		return actors.Owned{}, &actors.HeldError{Owner: r.owner, Epoch: r.epoch}
	}
	s.epoch = max(s.epoch, c.Floor) + 1
	r.owner, r.epoch = c.Owner, s.epoch
	s.rooms[ref] = r
	return r.owned(), nil
}

func (r *room) owned() actors.Owned {
	return actors.Owned{Owner: r.owner, Epoch: r.epoch, Generation: r.generation, Sequence: r.sequence}
}

// Owner implements actors.Ownership.
func (s *Store) Owner(ctx context.Context, ref actors.RoomRef) (actors.Owner, error) {
	if err := actors.CheckRoom(ref); err != nil {
		return actors.Owner{}, err
	}
	if err := s.begin(ctx); err != nil {
		return actors.Owner{}, err
	}
	defer s.mu.Unlock()
	if r := s.rooms[ref]; r != nil {
		return r.owner, nil
	}
	return actors.Owner{}, nil
}

// held returns the room that o owns, with s locked; nobody is locked out if it
// returns an error.
func (s *Store) held(ctx context.Context, ref actors.RoomRef, o actors.Owned) (*room, error) {
	if err := o.Check(ref); err != nil {
		return nil, err
	}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	r := s.rooms[ref]
	if r == nil || r.owner != o.Owner || r.epoch != o.Epoch {
		s.mu.Unlock()
		return nil, fmt.Errorf("%v: %w", ref, actors.ErrFenced)
	}
	return r, nil
}

// Release implements actors.Ownership.
func (s *Store) Release(ctx context.Context, ref actors.RoomRef, o actors.Owned) error {
	r, err := s.held(ctx, ref, o)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	r.owner = actors.Owner{}
	if r.generation == "" {
		delete(s.rooms, ref)
	}
	return nil
}

// Destroy implements actors.Ownership.
func (s *Store) Destroy(ctx context.Context, ref actors.RoomRef, o actors.Owned) error {
	if _, err := s.held(ctx, ref, o); err != nil {
		return err
	}
	defer s.mu.Unlock()
	delete(s.rooms, ref)
	return nil
}
