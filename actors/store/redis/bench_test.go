package redis_test

import (
	"fmt"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/store/storetest"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

func BenchmarkRedis(b *testing.B) {
	for _, c := range []struct {
		name  string
		level actors.Durability
		args  []string
	}{
		{"no AOF", actors.DurabilityRedis, nil},
		{"everysec", actors.DurabilityRedis, []string{"--appendonly", "yes"}},
		{"always", actors.DurabilityRedisFsync, []string{"--appendonly", "yes", "--appendfsync", "always"}},
	} {
		b.Run("level="+string(c.level)+"/"+c.name, func(b *testing.B) {
			server := testenv.StartRedis(b, c.args...)
			storetest.Benchmark(b, func(t testing.TB) actors.Store {
				c := config(server)
				c.Prefix, c.Connections = fmt.Sprintf("bench%d", apart.Add(1)), 64
				return open(t, c)
			}, c.level)
		})
	}
}
