package memory

import (
	"bytes"
	"context"
	"fmt"
	"maps"

	"github.com/parlor-rooms/parlor/actors"
)

// Load implements actors.Journal.
func (s *Store) Load(ctx context.Context, ref actors.RoomRef, o actors.Owned, each func(string, []byte) error) error {
	r, err := s.held(ctx, ref, o)
	if err != nil {
		return err
	}
	entries := maps.Clone(r.entries) // values in it are never modified
	s.mu.Unlock()
	for key, value := range entries {
		if err := each(key, append([]byte{}, value...)); err != nil {
			return err
		}
	}
	return nil
}

// Append implements actors.Journal.
func (s *Store) Append(ctx context.Context, ref actors.RoomRef, b *actors.Batch) error {
	if err := b.Check(ref); err != nil {
		return err
	}
	if err := s.Provides(ctx, b.Durability); err != nil {
		return err
	}
	r, err := s.held(ctx, ref, b.Owned)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	after := b.After()
	switch {
	case r.batch == b.ID && r.generation == after.Generation && r.sequence == after.Sequence:
		return nil // it came twice
	case r.generation != b.Generation || r.sequence != b.Sequence:
		return fmt.Errorf("append to %v: at batch %d of %q, not %d of %q: %w",
			ref, r.sequence, r.generation, b.Sequence, b.Generation, actors.ErrFenced)
	}
	if r.entries == nil || b.Replace {
		r.entries = make(map[string][]byte)
	}
	for _, e := range b.Entries {
		if e.Value == nil {
			delete(r.entries, e.Key)
		} else {
			r.entries[e.Key] = append([]byte{}, e.Value...)
		}
	}
	r.generation, r.sequence, r.batch = after.Generation, after.Sequence, b.ID
	return nil
}

// Copy returns a store of its own that holds what s holds, so that a test can
// bring back a past with Restore.
func (s *Store) Copy() *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := New(Config{Now: s.now})
	c.take(s)
	return c
}

// Restore makes s hold what past held, which is left as it is: the store lost
// what happened since. Epochs go on growing, as those of a Redis do, which come
// from its clock.
func (s *Store) Restore(past *Store) {
	c := past.Copy()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take(c)
}

// take copies the contents of o. Both are locked, or the caller's alone.
func (s *Store) take(o *Store) {
	s.epoch, s.version, s.swept = max(s.epoch, o.epoch), o.version, o.swept
	s.agenda = maps.Clone(o.agenda)
	s.records = maps.Clone(o.records)
	s.rooms = make(map[actors.RoomRef]*room, len(o.rooms))
	for ref, r := range o.rooms {
		n := *r
		n.entries = maps.Clone(r.entries)
		s.rooms[ref] = &n
	}
}

// Mark returns a function that brings back what s holds at this moment. See
// storetest.Rewinder.
func (s *Store) Mark() (rewind func()) {
	past := s.Copy()
	return func() { s.Restore(past) }
}

// Equal reports whether both hold the same: for tests that say that something
// left no trace. The counters of epochs and versions do not count.
func (s *Store) Equal(o *Store) bool {
	a, b := s.Copy(), o.Copy()
	return maps.EqualFunc(a.rooms, b.rooms, func(x, y *room) bool {
		return x.owned() == y.owned() && x.batch == y.batch && maps.EqualFunc(x.entries, y.entries, bytes.Equal)
	}) && maps.Equal(a.agenda, b.agenda) && maps.EqualFunc(a.records, b.records, func(x, y record) bool {
		return bytes.Equal(x.value, y.value) && x.until.Equal(y.until)
	})
}
