package redis_test

import (
	"fmt"
	"sync/atomic"
	"testing"

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
		return open(t, redis.Config{Addresses: []string{server.Addr}, Prefix: fmt.Sprintf("test%d", apart.Add(1))})
	})
}
