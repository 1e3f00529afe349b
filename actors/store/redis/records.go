package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/parlor-rooms/parlor/actors"
)

// Read implements actors.Records.
func (s *Store) Read(ctx context.Context, key string) ([]byte, uint64, error) {
	if err := actors.CheckRecord(key, nil, 0); err != nil {
		return nil, 0, err
	}
	if err := s.begin(ctx); err != nil {
		return nil, 0, err
	}
	list, err := s.client.HMGet(ctx, s.recordKey(key), "version", "value").Result()
	if err != nil {
		return nil, 0, fmt.Errorf("read a record: %w", outcome(err))
	}
	if list[0] == nil {
		return nil, 0, nil
	}
	version, err := strconv.ParseUint(text(list, 0), 10, 64)
	if err != nil {
		return nil, 0, fmt.Errorf("read a record: %w", err)
	}
	return []byte(text(list, 1)), version, nil
}

// Write implements actors.Records.
func (s *Store) Write(ctx context.Context, key string, value []byte, ifVersion uint64, ttl time.Duration) (uint64, error) {
	if err := actors.CheckRecord(key, value, ttl); err != nil {
		return 0, err
	}
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	ms, present := int64((ttl+time.Millisecond-1)/time.Millisecond), "1"
	if value == nil {
		present = "0"
	}
	list, err := s.run(ctx, s.record, []string{s.recordKey(key)}, decimal(ifVersion), ms, present, value)
	if err != nil {
		return 0, fmt.Errorf("write a record: %w", err)
	}
	if text(list, 0) == "VERSION" {
		return 0, fmt.Errorf("record at version %s, not %d: %w", text(list, 1), ifVersion, actors.ErrVersion)
	}
	version, err := strconv.ParseUint(text(list, 1), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("write a record: %w", err)
	}
	return version, nil
}

// agendaShards spread the agenda over the nodes of a Redis Cluster. It is part
// of where things lie: another number would lose what was scheduled.
const agendaShards = 16

func (s *Store) agendaKey(shard int) string {
	return s.prefix + ":agenda:{" + strconv.Itoa(shard) + "}"
}

func shard(ref actors.RoomRef) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(ref.String()))
	return int(h.Sum32() % agendaShards)
}

// Schedule implements actors.Agenda.
func (s *Store) Schedule(ctx context.Context, ref actors.RoomRef, at time.Time) error {
	if err := actors.CheckRoom(ref); err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	key := s.agendaKey(shard(ref))
	var err error
	if at.IsZero() {
		err = s.client.ZRem(ctx, key, ref.String()).Err()
	} else {
		ms := at.Add(time.Millisecond - 1).UnixMilli()
		err = s.client.ZAdd(ctx, key, redis.Z{Score: float64(ms), Member: ref.String()}).Err()
	}
	if err != nil {
		return fmt.Errorf("schedule %v: %w", ref, outcome(err))
	}
	return nil
}

// Due implements actors.Agenda. Who else looks at the same time sees the same
// rooms, and each shard says which of them it gave to whom.
func (s *Store) Due(ctx context.Context, now, again time.Time, limit int) ([]actors.RoomRef, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	if limit <= 0 {
		return nil, nil
	}
	seen, err := s.readAgenda(ctx, now, limit)
	if err != nil || again.IsZero() || len(seen) == 0 {
		return seen, err
	}
	byShard := make([][]any, agendaShards)
	for _, ref := range seen {
		of := shard(ref)
		if byShard[of] == nil {
			byShard[of] = []any{now.UnixMilli(), again.Add(time.Millisecond - 1).UnixMilli()}
		}
		byShard[of] = append(byShard[of], ref.String())
	}
	taken := make(map[string]bool, len(seen))
	var failed error
	for i, args := range byShard {
		if args == nil {
			continue
		}
		list, err := s.run(ctx, s.take, []string{s.agendaKey(i)}, args...)
		if err != nil {
			failed = fmt.Errorf("take what is due: %w", err)
			break
		}
		for at := range list[1:] {
			taken[text(list, at+1)] = true
		}
	}
	return slices.DeleteFunc(seen, func(ref actors.RoomRef) bool { return !taken[ref.String()] }), failed
}

// readAgenda returns rooms that are due, those due first first.
func (s *Store) readAgenda(ctx context.Context, now time.Time, limit int) ([]actors.RoomRef, error) {
	pipe := s.client.Pipeline()
	pages := make([]*redis.ZSliceCmd, agendaShards)
	for i := range pages {
		pages[i] = pipe.ZRangeByScoreWithScores(ctx, s.agendaKey(i), &redis.ZRangeBy{
			Min: "-inf", Max: strconv.FormatInt(now.UnixMilli(), 10), Count: int64(limit),
		})
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("read the agenda: %w", outcome(err))
	}
	var all []redis.Z
	for _, p := range pages {
		all = append(all, p.Val()...)
	}
	slices.SortFunc(all, func(a, b redis.Z) int { return cmp.Compare(a.Score, b.Score) })
	due := make([]actors.RoomRef, 0, min(limit, len(all)))
	for _, z := range all[:min(limit, len(all))] {
		name, _ := z.Member.(string)
		kind, id, _ := strings.Cut(name, "/")
		ref := actors.RoomRef{Kind: kind, ID: id}
		if !ref.Valid() {
			return nil, errors.New("read the agenda: it holds what is no room")
		}
		due = append(due, ref)
	}
	return due, nil
}
