package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/parlor-rooms/parlor/actors"
)

// oldest is the version of Redis whose scripts may declare what they do.
const oldest = 7

// server is what one primary says of itself. An empty string is what it did
// not say.
type server struct {
	addr           string
	run            string // id of the process
	version, role  string
	eviction       string
	aof, fsync     string // "yes" or "no"; "always", "everysec" or "no"
	replicas       int
	minReplicas    string
	clusterEnabled bool
}

// ask asks a server what it is. CONFIG is often forbidden by whoever runs
// Redis for others; INFO says most of the same.
func ask(ctx context.Context, c *redis.Client) (server, error) {
	s := server{addr: c.Options().Addr}
	info, err := c.Info(ctx).Result()
	if err != nil {
		return s, fmt.Errorf("%s: %w", s.addr, outcome(err))
	}
	for line := range strings.Lines(info) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch key {
		case "run_id":
			s.run = value
		case "redis_version":
			s.version = value
		case "role":
			s.role = value
		case "maxmemory_policy":
			s.eviction = value
		case "aof_enabled":
			s.aof = map[string]string{"0": "no", "1": "yes"}[value]
		case "connected_slaves":
			s.replicas, _ = strconv.Atoi(value) // 0 for what is no number
		case "cluster_enabled":
			s.clusterEnabled = value == "1"
		}
	}
	for name, into := range map[string]*string{
		"appendfsync": &s.fsync, "min-replicas-to-write": &s.minReplicas, "maxmemory-policy": &s.eviction,
	} {
		if got, err := c.ConfigGet(ctx, name).Result(); err == nil && got[name] != "" {
			*into = got[name]
		}
	}
	return s, nil
}

// ask asks every primary.
func (s *Store) ask(ctx context.Context) ([]server, error) {
	if s.cluster == nil {
		one, err := s.primary(ctx, "")
		if err != nil {
			return nil, err
		}
		answer, err := ask(ctx, one)
		return []server{answer}, err
	}
	var mu sync.Mutex // guards all
	var all []server
	err := s.cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error {
		answer, err := ask(ctx, c)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, answer)
		return err
	})
	if err == nil && len(all) == 0 {
		err = errors.New("the cluster has no primary")
	}
	return all, err
}

// verify asks all servers and notes which levels they can keep. It is an error
// if they cannot keep anything, or could not be asked.
func (s *Store) verify(ctx context.Context) error {
	servers, err := s.ask(ctx)
	if err != nil {
		return err
	}
	levels := make(map[actors.Durability]error)
	for _, v := range servers {
		for d, check := range map[actors.Durability]func(server) error{
			actors.DurabilityRedis:      s.usable,
			actors.DurabilityRedisFsync: s.fsyncs,
			actors.DurabilityRedisSync:  s.replicates,
		} {
			if err := check(v); err != nil && levels[d] == nil {
				levels[d] = fmt.Errorf("%w: %q: %s %w", actors.ErrNoDurability, d, v.addr, err)
			}
		}
		if v.fsync == "" {
			s.log.Warn("store: redis does not let CONFIG be asked: cannot verify appendfsync", "addr", v.addr)
		}
		if v.eviction == "" {
			s.log.Warn("store: redis does not say its maxmemory-policy: cannot verify that nothing is evicted", "addr", v.addr)
		}
		if s.wait > 0 && v.minReplicas != strconv.Itoa(s.wait) {
			s.log.Warn("store: min-replicas-to-write is not the number of replicas: a primary that was cut off goes on writing at level redis",
				"addr", v.addr, "value", v.minReplicas, "replicas", s.wait)
		}
	}
	s.mu.Lock()
	for _, v := range servers {
		if s.levels == nil { // the store is opened
			s.runs[v.run] = time.Time{}
		}
	}
	s.levels = levels
	s.mu.Unlock()
	return levels[actors.DurabilityRedis]
}

// usable is what every level needs.
func (s *Store) usable(v server) error {
	major, _, _ := strings.Cut(v.version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldest {
		return fmt.Errorf("is of version %q, want %d or later", v.version, oldest)
	}
	if v.role != "master" {
		return fmt.Errorf("is a %q, want the primary", v.role)
	}
	if v.eviction != "" && v.eviction != "noeviction" {
		return fmt.Errorf("has maxmemory-policy %s, which may evict rooms: want noeviction", v.eviction)
	}
	if v.clusterEnabled && s.cluster == nil {
		return errors.New("is a node of a Redis Cluster: set Cluster")
	}
	return nil
}

func (s *Store) fsyncs(v server) error {
	if err := s.usable(v); err != nil {
		return err
	}
	if v.aof != "yes" {
		return errors.New("has appendonly no")
	}
	if v.fsync != "" && v.fsync != "always" {
		return fmt.Errorf("has appendfsync %s, want always", v.fsync)
	}
	return nil
}

func (s *Store) replicates(v server) error {
	if err := s.fsyncs(v); err != nil {
		return err
	}
	if s.wait == 0 {
		return errors.New("has replicas to wait for only if Replicas is set")
	}
	if v.replicas != s.wait {
		return fmt.Errorf("has %d replicas, want %d: any of them may take its place", v.replicas, s.wait)
	}
	return nil
}

// Provides implements actors.Store. Settings that are changed later are not
// noticed until it is asked again.
func (s *Store) Provides(ctx context.Context, d actors.Durability) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	if err := s.verify(ctx); err != nil && !errors.Is(err, actors.ErrNoDurability) {
		return fmt.Errorf("ask what redis provides: %w", err)
	}
	return s.has(d)
}

// has is Provides by what the servers said last.
func (s *Store) has(d actors.Durability) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch d {
	case actors.DurabilityDefault, actors.DurabilityMemory:
		return s.levels[actors.DurabilityRedis]
	case actors.DurabilityDisk:
		return fmt.Errorf("%w: %q, where redis, redis-fsync and redis-sync are to be had", actors.ErrNoDurability, d)
	}
	return s.levels[d]
}
