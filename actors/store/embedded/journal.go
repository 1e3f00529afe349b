package embedded

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/parlor-rooms/parlor/actors"
)

// Load implements actors.Journal. It reads from one moment on: the room may
// get another owner meanwhile, whose entries it does not see.
func (s *Store) Load(ctx context.Context, ref actors.RoomRef, o actors.Owned, each func(string, []byte) error) (err error) {
	r, err := s.held(ctx, ref, o)
	if err != nil {
		return err
	}
	defer s.calls.Done()
	from, to := entryBounds(ref)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	s.exit(ref, r)
	if err != nil {
		return fmt.Errorf("load %v: %w", ref, readError(err))
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("load %v: %w", ref, readError(err))
		}
		if err := each(string(it.Key()[len(from):]), append([]byte{}, value...)); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("load %v: %w", ref, readError(err))
	}
	return nil
}

// Append implements actors.Journal. With DurabilityMemory it does not wait for
// the disk.
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
	after := b.After()
	switch {
	case r.batch == b.ID && r.generation == after.Generation && r.sequence == after.Sequence:
		s.leave(ref, r)
		return nil // it came twice
	case r.generation != b.Generation || r.sequence != b.Sequence:
		defer s.leave(ref, r)
		return fmt.Errorf("append to %v: at batch %d of %q, not %d of %q: %w",
			ref, r.sequence, r.generation, b.Sequence, b.Generation, actors.ErrFenced)
	}
	w, id := s.write(ref, b, after), b.ID
	err = s.commit(ctx, w, b.Durability != actors.DurabilityMemory, func(written bool) {
		if written {
			r.generation, r.sequence, r.batch = after.Generation, after.Sequence, id
		}
		s.exit(ref, r)
	})
	if err != nil {
		return fmt.Errorf("append to %v: %w", ref, err)
	}
	return nil
}

// write is a batch as Pebble takes it. A batch in memory takes everything, so
// there are no errors to look at.
func (s *Store) write(ref actors.RoomRef, b *actors.Batch, after actors.Owned) *pebble.Batch {
	from, to := entryBounds(ref)
	w := s.db.NewBatch()
	if b.Replace {
		_ = w.DeleteRange(from, to, nil)
	}
	for _, e := range b.Entries {
		key := append(from[:len(from):len(from)], e.Key...)
		if e.Value == nil {
			_ = w.Delete(key, nil)
		} else {
			_ = w.Set(key, e.Value, nil)
		}
	}
	_ = w.Set(roomKey(sortMeta, ref), meta(after, b.ID), nil)
	return w
}
