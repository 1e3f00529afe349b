// Package redisregistry keeps the leases of a cluster's nodes in Redis, for
// actors/internal/cluster.
package redisregistry

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/parlor-rooms/parlor/actors/internal/cluster"
)

//go:embed lua/beat.lua
var beatLua string

//go:embed lua/expire.lua
var expireLua string

var (
	beatScript   = redis.NewScript(beatLua)
	expireScript = redis.NewScript(expireLua)
)

// Registry is a cluster.Registry. Clusters that share a Redis differ in their
// prefix.
type Registry struct {
	client  redis.UniversalClient
	keys    []string // nodes, meta, state, ended
	channel string
	now     func() time.Time // nil: Redis' clock
}

// New returns the registry of the cluster with this prefix. The client stays
// the caller's, who closes it after the last call.
func New(client redis.UniversalClient, prefix string) *Registry {
	r := &Registry{client: client, channel: prefix + ":{cluster}:changed"}
	for _, k := range []string{"nodes", "meta", "state", "ended"} {
		r.keys = append(r.keys, prefix+":{cluster}:"+k)
	}
	return r
}

// Beat implements cluster.Registry.
func (r *Registry) Beat(ctx context.Context, b cluster.Beat) (cluster.Roll, error) {
	meta, err := json.Marshal(b.Self)
	if err != nil {
		return cluster.Roll{}, fmt.Errorf("beat: %w", err)
	}
	reply, err := beatScript.Run(ctx, r.client, r.keys,
		b.Self.ID, meta, b.Self.Address, b.TTL.Milliseconds(), b.Gap.Milliseconds(),
		flag(b.Join), flag(b.Sure), b.Seen, r.channel, r.clock()).Slice()
	if err != nil {
		return cluster.Roll{}, fmt.Errorf("beat: %w", err)
	}
	roll, err := parse(reply)
	if err != nil {
		return cluster.Roll{}, fmt.Errorf("beat: %w", err)
	}
	return roll, nil
}

func (r *Registry) clock() string {
	if r.now == nil {
		return ""
	}
	return strconv.FormatInt(r.now().UnixMilli(), 10)
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return ""
}

// parse reads what beat.lua returns.
func parse(reply []any) (cluster.Roll, error) {
	if len(reply) == 1 && reply[0] == "LOST" {
		return cluster.Roll{Lost: true}, nil
	}
	if len(reply) < 4 || len(reply)%2 != 0 || reply[0] != "OK" {
		return cluster.Roll{}, errors.New("the script's answer is not understood")
	}
	tick, ok1 := reply[1].(int64)
	name, ok2 := reply[2].(string)
	age, ok3 := reply[3].(int64)
	data, err := strconv.ParseUint(name, 10, 64)
	if !ok1 || !ok2 || !ok3 || err != nil {
		return cluster.Roll{}, errors.New("the script's answer is not understood")
	}
	roll := cluster.Roll{Tick: uint64(tick), Data: data, Age: time.Duration(age) * time.Millisecond}
	for i := 4; i < len(reply); i += 2 {
		meta, _ := reply[i+1].(string)
		var m cluster.Member
		if err := json.Unmarshal([]byte(meta), &m); err != nil || m.ID != reply[i] {
			return cluster.Roll{}, fmt.Errorf("what node %v says of itself is not understood", reply[i])
		}
		roll.Members = append(roll.Members, m)
	}
	return roll, nil
}

// Expire implements cluster.Registry.
func (r *Registry) Expire(ctx context.Context, id string) error {
	keys := []string{r.keys[0], r.keys[1], r.keys[3]}
	if err := expireScript.Run(ctx, r.client, keys, id, r.channel, r.clock()).Err(); err != nil {
		return fmt.Errorf("expire %s: %w", id, err)
	}
	return nil
}

// Watch implements cluster.Registry.
func (r *Registry) Watch(ctx context.Context, changed func()) {
	sub := r.client.Subscribe(ctx, r.channel)
	stop := context.AfterFunc(ctx, func() { _ = sub.Close() })
	defer stop()
	for range sub.Channel(redis.WithChannelSize(1), redis.WithChannelSendTimeout(time.Millisecond)) {
		changed()
	}
}
