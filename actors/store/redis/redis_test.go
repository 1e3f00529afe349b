package redis_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/store/redis"
	"github.com/parlor-rooms/parlor/actors/store/storetest"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, c redis.Config) *redis.Store {
	t.Helper()
	s, err := redis.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// apart gives each store of a test keys of its own.
var apart atomic.Int64

func TestRedisKeepsTheContract(t *testing.T) {
	server := testenv.StartRedis(t)
	storetest.Run(t, func(t testing.TB) actors.Store {
		return openRewindable(t, goredis.NewClient(&goredis.Options{Addr: server.Addr}), config(server))
	})
}

// rewindable is a store whose Redis can be brought back to what it was, as it
// is if it is killed, or if a replica takes its place that was behind.
type rewindable struct {
	*redis.Store
	t      testing.TB
	prefix string
	client goredis.UniversalClient
}

// openRewindable opens a store with keys of its own.
func openRewindable(t testing.TB, client goredis.UniversalClient, c redis.Config) rewindable {
	c.Prefix = fmt.Sprintf("test%d", apart.Add(1))
	t.Cleanup(func() { _ = client.Close() })
	return rewindable{open(t, c), t, c.Prefix, client}
}

// Mark implements storetest.Rewinder.
func (r rewindable) Mark() (rewind func()) {
	dump := r.keys()
	return func() {
		ctx := context.Background()
		for key := range r.keys() {
			if err := r.client.Del(ctx, key).Err(); err != nil {
				r.t.Fatal(err)
			}
		}
		for key, value := range dump {
			if err := r.client.Restore(ctx, key, 0, value).Err(); err != nil {
				r.t.Fatal(err)
			}
		}
	}
}

func (r rewindable) keys() map[string]string {
	dump := make(map[string]string)
	read := func(ctx context.Context, on *goredis.Client) error {
		keys, err := on.Keys(ctx, r.prefix+":*").Result()
		for _, key := range keys {
			if err == nil {
				dump[key], err = on.Dump(ctx, key).Result()
			}
		}
		return err
	}
	var err error
	switch client := r.client.(type) {
	case *goredis.Client:
		err = read(context.Background(), client)
	case *goredis.ClusterClient:
		var one sync.Mutex
		err = client.ForEachMaster(context.Background(), func(ctx context.Context, on *goredis.Client) error {
			one.Lock()
			defer one.Unlock()
			return read(ctx, on)
		})
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return dump
}
