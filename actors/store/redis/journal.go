package redis

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/parlor-rooms/parlor/actors"
)

// pageBytes is what a page of Load aims at: it takes Redis well below a
// millisecond, and little memory here.
const pageBytes = 256 << 10

// Load implements actors.Journal. A page is as many entries as make 256 KiB,
// judged by the page before; a single larger one is a page of its own.
func (s *Store) Load(ctx context.Context, ref actors.RoomRef, o actors.Owned, each func(string, []byte) error) error {
	if err := o.Check(ref); err != nil {
		return err
	}
	keys := []string{s.own(ref), s.data(ref)}
	for cursor, count := "0", 1; ; {
		if err := s.begin(ctx); err != nil {
			return err
		}
		list, err := s.run(ctx, s.load, keys, o.Owner.Node, o.Owner.Nonce, decimal(o.Epoch), cursor, count)
		if err != nil {
			return fmt.Errorf("load %v: %w", ref, err)
		}
		if text(list, 0) == "FENCED" {
			return fmt.Errorf("load %v: %w", ref, actors.ErrFenced)
		}
		cursor = text(list, 1)
		var page []any
		if len(list) == 3 {
			page, _ = list[2].([]any)
		}
		size := 1
		for i := 0; i+1 < len(page); i += 2 {
			key, value := text(page, i), []byte(text(page, i+1))
			size += len(key) + len(value)
			if err := each(key, value); err != nil {
				return err
			}
		}
		if cursor == "0" {
			return nil
		}
		count = min(max(1, count*pageBytes/size), 8*count, 4096)
	}
}

// Append implements actors.Journal.
func (s *Store) Append(ctx context.Context, ref actors.RoomRef, b *actors.Batch) error {
	if err := b.Check(ref); err != nil {
		return err
	}
	if err := s.has(b.Durability); err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	keys, args := []string{s.own(ref), s.data(ref)}, arguments(b)
	var list []any
	var err error
	if b.Durability == actors.DurabilityRedisSync {
		list, err = s.runAndWait(ctx, s.append, keys, args)
	} else {
		list, err = s.run(ctx, s.append, keys, args...)
	}
	if err == nil && text(list, 0) == "FENCED" {
		err = fmt.Errorf("at batch %s of %q, not %d of %q: %w", text(list, 2), text(list, 1), b.Sequence, b.Generation, actors.ErrFenced)
	}
	if err != nil {
		return fmt.Errorf("append to %v: %w", ref, err)
	}
	return nil
}

// arguments are those of append.lua.
func arguments(b *actors.Batch) []any {
	replace, after := "0", b.After()
	if b.Replace {
		replace = "1"
	}
	args := make([]any, 0, 10+2*len(b.Entries))
	args = append(args, b.Owner.Node, b.Owner.Nonce, decimal(b.Epoch), b.Generation, decimal(b.Sequence),
		after.Generation, decimal(after.Sequence), b.ID, replace, 0)
	last := make(map[string]int, len(b.Entries))
	for i, e := range b.Entries {
		last[e.Key] = i
	}
	var gone []any
	for i, e := range b.Entries {
		switch {
		case last[e.Key] != i:
		case e.Value == nil:
			gone = append(gone, e.Key)
		default:
			args = append(args, e.Key, e.Value)
		}
	}
	args[9] = (len(args) - 10) / 2
	return append(args, gone...)
}

// runAndWait is run followed, on the same connection, by WAIT for all replicas.
// It returns what the script answered, or that the outcome is unknown if too
// few replicas have it in time.
func (s *Store) runAndWait(ctx context.Context, sc script, keys []string, args []any) ([]any, error) {
	for attempt := 0; ; attempt++ {
		on, err := s.primary(ctx, keys[0])
		if err != nil {
			return nil, outcome(err)
		}
		list, replicas, err := s.callAndWait(ctx, on, call("evalsha", sc.hash, keys, args))
		if redis.HasErrorPrefix(err, "NOSCRIPT") {
			list, replicas, err = s.callAndWait(ctx, on, call("eval", sc.source, keys, args))
		}
		if redis.HasErrorPrefix(err, "MOVED") && attempt < 3 {
			s.cluster.ReloadState(ctx) // it was not executed
			continue
		}
		if err != nil {
			return nil, err
		}
		if text(list, 0) == "OK" && replicas < int64(s.wait) {
			return nil, fmt.Errorf("%d of %d replicas have it after %v", replicas, s.wait, s.waitFor)
		}
		return list, nil
	}
}

// primary is the client of the server that has key.
func (s *Store) primary(ctx context.Context, key string) (*redis.Client, error) {
	if s.cluster != nil {
		return s.cluster.MasterForKey(ctx, key)
	}
	one, ok := s.client.(*redis.Client)
	if !ok {
		return nil, errors.New("not a client of one server")
	}
	return one, nil
}

func (s *Store) callAndWait(ctx context.Context, on *redis.Client, args []any) (list []any, replicas int64, err error) {
	pipe := on.Pipeline()
	script := pipe.Do(ctx, args...)
	wait := pipe.Do(ctx, "wait", s.wait, s.waitFor.Milliseconds())
	_, _ = pipe.Exec(ctx) // each command has its own error
	if list, err = answer(script, script.Err()); err != nil {
		return nil, 0, err
	}
	replicas, err = wait.Int64()
	return list, replicas, err
}
