package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

type record struct {
	value   []byte // never modified
	version uint64
	until   time.Time // zero: for ever
}

func (r record) over(now time.Time) bool { return !r.until.IsZero() && !now.Before(r.until) }

// Read implements actors.Records.
func (s *Store) Read(ctx context.Context, key string) ([]byte, uint64, error) {
	if err := actors.CheckRecord(key, nil, 0); err != nil {
		return nil, 0, err
	}
	if err := s.begin(ctx); err != nil {
		return nil, 0, err
	}
	defer s.mu.Unlock()
	r, ok := s.records[key]
	if !ok || r.over(s.now()) {
		return nil, 0, nil
	}
	return append([]byte{}, r.value...), r.version, nil
}

// Write implements actors.Records.
func (s *Store) Write(ctx context.Context, key string, value []byte, ifVersion uint64, ttl time.Duration) (uint64, error) {
	if err := actors.CheckRecord(key, value, ttl); err != nil {
		return 0, err
	}
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	now := s.now()
	s.sweep(now)
	r, ok := s.records[key]
	if ok && r.over(now) {
		r = record{}
	}
	if r.version != ifVersion {
		return 0, fmt.Errorf("record at version %d, not %d: %w", r.version, ifVersion, actors.ErrVersion)
	}
	if value == nil {
		delete(s.records, key)
		return 0, nil
	}
	s.version++
	n := record{value: append([]byte{}, value...), version: s.version}
	if ttl > 0 {
		n.until = now.Add(ttl)
	}
	s.records[key] = n
	return n.version, nil
}

// sweep drops records whose time is over, whenever their number has doubled:
// a constant cost per record, and never more than twice what lives.
func (s *Store) sweep(now time.Time) {
	if len(s.records) < 2*s.swept+16 {
		return
	}
	maps.DeleteFunc(s.records, func(_ string, r record) bool { return r.over(now) })
	s.swept = len(s.records)
}

// Schedule implements actors.Agenda.
func (s *Store) Schedule(ctx context.Context, ref actors.RoomRef, at time.Time) error {
	if err := actors.CheckRoom(ref); err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if at.IsZero() {
		delete(s.agenda, ref)
	} else {
		s.agenda[ref] = at.Add(time.Millisecond - 1).UnixMilli()
	}
	return nil
}

// Due implements actors.Agenda.
func (s *Store) Due(ctx context.Context, now, again time.Time, limit int) ([]actors.RoomRef, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var due []actors.RoomRef
	for ref, at := range s.agenda {
		if at <= now.UnixMilli() {
			due = append(due, ref)
		}
	}
	slices.SortFunc(due, func(a, b actors.RoomRef) int {
		return cmp.Or(cmp.Compare(s.agenda[a], s.agenda[b]), cmp.Compare(a.String(), b.String()))
	})
	due = due[:min(len(due), max(limit, 0))]
	if !again.IsZero() {
		for _, ref := range due {
			s.agenda[ref] = again.Add(time.Millisecond - 1).UnixMilli()
		}
	}
	return due, nil
}
