package embedded

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/parlor-rooms/parlor/actors"
)

// stripes are locks by key, so that records of different keys share an fsync.
// Records that end are indexed by stripe, so that whoever writes one may drop
// others of its stripe.
type stripes [64]chan struct{}

func newStripes() (s stripes) {
	for i := range s {
		s[i] = make(chan struct{}, 1)
	}
	return s
}

// stripe is the same in every process: it is part of keys.
func stripe(key string) byte {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return byte(h.Sum32() % uint32(len(stripes{})))
}

// record is a record as it is on disk.
type record struct {
	version uint64
	end     uint64 // Unix milliseconds; zero: never
	value   []byte
}

func (r record) over(now time.Time) bool { return r.end != 0 && uint64(now.UnixMilli()) >= r.end }

func (r record) encode() []byte {
	return append(number(number(make([]byte, 0, 16+len(r.value)), r.version), r.end), r.value...)
}

func recordKey(key string) []byte { return append([]byte{sortRecord}, key...) }

func endKey(key string, end uint64) []byte {
	return append(number([]byte{sortEnd, stripe(key)}, end), key...)
}

// record returns what is on disk, whether its time is over or not; the zero
// record if there is none.
func (s *Store) record(key string) (r record, err error) {
	value, err := s.get(recordKey(key))
	if err != nil || value == nil {
		return record{}, err
	}
	if r.version, value, err = parseNumber(value); err != nil {
		return record{}, err
	}
	r.end, r.value, err = parseNumber(value)
	return r, err
}

// Read implements actors.Records.
func (s *Store) Read(ctx context.Context, key string) ([]byte, uint64, error) {
	if err := actors.CheckRecord(key, nil, 0); err != nil {
		return nil, 0, err
	}
	if err := s.begin(ctx); err != nil {
		return nil, 0, err
	}
	defer s.calls.Done()
	r, err := s.record(key)
	if err != nil {
		return nil, 0, fmt.Errorf("read a record: %w", err)
	}
	if r.version == 0 || r.over(s.now()) {
		return nil, 0, nil
	}
	return r.value, r.version, nil
}

// Write implements actors.Records.
func (s *Store) Write(ctx context.Context, key string, value []byte, ifVersion uint64, ttl time.Duration) (uint64, error) {
	if err := actors.CheckRecord(key, value, ttl); err != nil {
		return 0, err
	}
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	lock := s.records[stripe(key)]
	select {
	case lock <- struct{}{}:
	case <-s.broken.stopped:
		s.calls.Done()
		return 0, fmt.Errorf("%w: it stopped: %w", actors.ErrUnavailable, s.broken.err())
	case <-ctx.Done():
		s.calls.Done()
		return 0, fmt.Errorf("%w: %w", actors.ErrUnavailable, ctx.Err())
	}
	b, version, err := s.replace(key, value, ifVersion, ttl)
	if err != nil || b == nil {
		<-lock
		s.calls.Done()
		return 0, err
	}
	if err := s.commit(ctx, b, true, func(bool) { <-lock }); err != nil {
		return 0, fmt.Errorf("write a record: %w", err)
	}
	return version, nil
}

// replace is what a write of a record changes on disk; nil if nothing.
func (s *Store) replace(key string, value []byte, ifVersion uint64, ttl time.Duration) (*pebble.Batch, uint64, error) {
	now := s.now()
	old, err := s.record(key)
	if err != nil {
		return nil, 0, fmt.Errorf("write a record: %w", err)
	}
	present := old.version
	if old.over(now) {
		present = 0
	}
	if present != ifVersion {
		return nil, 0, fmt.Errorf("record at version %d, not %d: %w", present, ifVersion, actors.ErrVersion)
	}
	if value == nil && old.version == 0 {
		return nil, 0, nil
	}
	b := s.db.NewBatch() // takes everything, so there are no errors to look at
	if err := s.sweep(b, stripe(key), now); err != nil {
		return nil, 0, fmt.Errorf("write a record: %w", err)
	}
	if old.end != 0 {
		_ = b.Delete(endKey(key, old.end), nil)
	}
	if value == nil {
		_ = b.Delete(recordKey(key), nil)
		return b, 0, nil
	}
	next := record{value: value}
	if next.version, err = s.counter.next(0); err != nil {
		return nil, 0, fmt.Errorf("write a record: %w", err)
	}
	if ttl > 0 {
		next.end = uint64(now.Add(ttl + time.Millisecond - 1).UnixMilli())
		_ = b.Set(endKey(key, next.end), nil, nil)
	}
	_ = b.Set(recordKey(key), next.encode(), nil)
	return b, next.version, nil
}

// sweep deletes up to four records of a stripe whose time is over: more than a
// write makes, so that they do not pile up.
func (s *Store) sweep(b *pebble.Batch, stripe byte, now time.Time) (err error) {
	from := []byte{sortEnd, stripe}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: number(from[:2:2], uint64(now.UnixMilli())+1)})
	if err != nil {
		return readError(err)
	}
	defer func() { err = readError(errors.Join(err, it.Close())) }()
	for i, ok := 0, it.First(); ok && i < 4; i, ok = i+1, it.Next() {
		_ = b.Delete(it.Key(), nil)
		_ = b.Delete(recordKey(string(it.Key()[len(from)+8:])), nil)
	}
	return it.Error()
}

// Schedule implements actors.Agenda. It does not wait for the disk: the log is
// kept up to some point, and an append that is acknowledged lies behind what
// was scheduled before it.
func (s *Store) Schedule(ctx context.Context, ref actors.RoomRef, at time.Time) error {
	if err := actors.CheckRoom(ref); err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.calls.Done()
	if err := s.wait(func() error { return s.schedule(ref, at) }); err != nil {
		return fmt.Errorf("schedule %v: %w", ref, err)
	}
	return nil
}

func (s *Store) schedule(ref actors.RoomRef, at time.Time) error {
	s.agenda.Lock()
	defer s.agenda.Unlock()
	place := roomKey(sortPlace, ref)
	old, err := s.get(place)
	if err != nil {
		return err
	}
	b := s.db.NewBatch()
	if old != nil {
		_ = b.Delete(agendaKey(old, ref), nil)
	}
	if at.IsZero() {
		_ = b.Delete(place, nil)
	} else {
		ms := agendaTime(at)
		_ = b.Set(place, ms, nil)
		_ = b.Set(agendaKey(ms, ref), nil, nil)
	}
	return b.Commit(pebble.NoSync)
}

func agendaTime(at time.Time) []byte {
	return number(nil, uint64(max(0, at.Add(time.Millisecond-1).UnixMilli())))
}

func agendaKey(ms []byte, ref actors.RoomRef) []byte {
	return append(append([]byte{sortAgenda}, ms...), ref.String()...)
}

// Due implements actors.Agenda. It costs what is due.
func (s *Store) Due(ctx context.Context, now, again time.Time, limit int) ([]actors.RoomRef, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	if again.IsZero() {
		due, _, err := s.readAgenda(now, limit)
		return due, err
	}
	taken := make(chan []actors.RoomRef, 1)
	err := s.wait(func() error {
		due, err := s.takeDue(now, again, limit)
		taken <- due
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("take what is due: %w", err)
	}
	return <-taken, nil
}

func (s *Store) takeDue(now, again time.Time, limit int) ([]actors.RoomRef, error) {
	s.agenda.Lock()
	defer s.agenda.Unlock()
	due, keys, err := s.readAgenda(now, limit)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	b, ms := s.db.NewBatch(), agendaTime(again)
	for i, ref := range due {
		_ = b.Delete(keys[i], nil) // a batch in memory takes everything
		_ = b.Set(roomKey(sortPlace, ref), ms, nil)
		_ = b.Set(agendaKey(ms, ref), nil, nil)
	}
	return due, b.Commit(pebble.NoSync)
}

// readAgenda returns rooms that are due, and their keys.
func (s *Store) readAgenda(now time.Time, limit int) (due []actors.RoomRef, keys [][]byte, err error) {
	to := number([]byte{sortAgenda}, uint64(max(0, now.UnixMilli()))+1)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{sortAgenda}, UpperBound: to})
	if err != nil {
		return nil, nil, fmt.Errorf("read the agenda: %w", readError(err))
	}
	defer func() { err = readError(errors.Join(err, it.Close())) }()
	for ok := it.First(); ok && len(due) < limit; ok = it.Next() {
		ref, err := parseRoom(it.Key()[1+8:])
		if err != nil {
			return nil, nil, err
		}
		due, keys = append(due, ref), append(keys, slices.Clone(it.Key()))
	}
	return due, keys, it.Error()
}
