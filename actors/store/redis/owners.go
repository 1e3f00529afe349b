package redis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/parlor-rooms/parlor/actors"
)

// Owners are written down in one sorted set beside what they own, because
// nobody finds the rooms of a dead node otherwise: a key for each, anywhere. An
// entry is made before a claim and struck out after a release, so that there may
// be one for a room that is not owned, and never the other way round. The
// members of the set are in the order of their bytes, which is by node.

// epochFor is how long the epoch of a room is left that was buried.
const epochFor = 10 * time.Second

// entry is a room in the set of those that are owned.
func entry(node, nonce, room string) string { return node + " " + nonce + " " + room }

func entryOf(ref actors.RoomRef, o actors.Owner) string { return entry(o.Node, o.Nonce, ref.String()) }

// ofNode is where the entries of a node begin and end.
func ofNode(node string) (from, to string) { return "[" + node + " ", "(" + node + "!" }

// Owners returns the nodes that may own rooms: those that do, and those that
// have died since and were not buried.
func (s *Store) Owners(ctx context.Context) ([]string, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	var nodes []string
	for from := "-"; ; {
		next, err := s.client.ZRangeByLex(ctx, s.owned, &redis.ZRangeBy{Min: from, Max: "+", Count: 1}).Result()
		if err != nil {
			return nil, fmt.Errorf("who owns rooms: %w", outcome(err))
		}
		if len(next) == 0 {
			return nodes, nil
		}
		node, _, _ := strings.Cut(next[0], " ")
		nodes = append(nodes, node)
		_, from = ofNode(node)
		from = "[" + from[1:]
	}
}

// Bury gives up the rooms of a node that is dead, as Release does, some of them:
// it reports whether there are more. What it has begun somebody else may go on
// with, or do at the same time. The epoch of a room that never appended is left
// for ten seconds. A node that is buried alive is fenced.
func (s *Store) Bury(ctx context.Context, node string, most int) (more bool, err error) {
	if err := s.begin(ctx); err != nil {
		return false, err
	}
	from, to := ofNode(node)
	entries, err := s.client.ZRangeByLex(ctx, s.owned, &redis.ZRangeBy{Min: from, Max: to, Count: int64(most)}).Result()
	if err != nil {
		return false, fmt.Errorf("bury %s: %w", node, outcome(err))
	}
	done := make([]any, 0, len(entries))
	for _, e := range entries {
		parts := strings.SplitN(e, " ", 3)
		if len(parts) == 3 {
			if _, err = s.run(ctx, s.bury, []string{s.ownKey(parts[2])}, node, parts[1], epochFor.Milliseconds()); err != nil {
				break
			}
		}
		done = append(done, e)
	}
	if len(done) > 0 {
		if failed := s.client.ZRem(ctx, s.owned, done...).Err(); err == nil {
			err = failed
		}
	}
	if err != nil {
		return true, fmt.Errorf("bury %s: %w", node, outcome(err))
	}
	return len(entries) == most, nil
}

// enter writes an owner down and then runs a script: in one round trip where
// everything is on one server.
func (s *Store) enter(ctx context.Context, e string, sc script, keys []string, args ...any) ([]any, error) {
	note := redis.NewIntCmd(ctx, "zadd", s.owned, 0, e)
	if s.cluster != nil {
		if err := s.client.Process(ctx, note); err != nil {
			return nil, outcome(err)
		}
		return s.run(ctx, sc, keys, args...)
	}
	return s.together(ctx, sc, keys, args, func(cmd redis.Cmder) []redis.Cmder { return []redis.Cmder{note, cmd} })
}

// strike runs a script and then strikes an owner out.
func (s *Store) strike(ctx context.Context, e string, sc script, keys []string, args ...any) ([]any, error) {
	note := redis.NewIntCmd(ctx, "zrem", s.owned, e)
	if s.cluster != nil {
		list, err := s.run(ctx, sc, keys, args...)
		if err == nil {
			_ = s.client.Process(ctx, note) // otherwise it is there until the node is buried
		}
		return list, err
	}
	return s.together(ctx, sc, keys, args, func(cmd redis.Cmder) []redis.Cmder { return []redis.Cmder{cmd, note} })
}

// together runs a script and what goes with it. The server does one after the
// other, so that an entry is there for as long as what it stands for.
func (s *Store) together(ctx context.Context, sc script, keys []string, args []any, with func(redis.Cmder) []redis.Cmder) ([]any, error) {
	cmd := redis.NewCmd(ctx, call("evalsha", sc.hash, keys, args)...)
	p := s.client.Pipeline()
	all := with(cmd)
	for _, c := range all {
		_ = p.Process(ctx, c)
	}
	_, _ = p.Exec(ctx) // each command has its own error
	if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
		return s.run(ctx, sc, keys, args...)
	}
	if i := slices.IndexFunc(all, func(c redis.Cmder) bool { return c != cmd && c.Err() != nil }); i == 0 {
		return nil, outcome(all[i].Err()) // it was not written down: what has become of the claim is not known
	}
	return answer(cmd, cmd.Err())
}
