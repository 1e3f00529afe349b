package embedded_test

import (
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/store/storetest"
)

func BenchmarkEmbedded(b *testing.B) {
	for _, level := range []actors.Durability{actors.DurabilityMemory, actors.DurabilityDisk} {
		b.Run("level="+string(level), func(b *testing.B) {
			storetest.Benchmark(b, func(t testing.TB) actors.Store { return open(t, t.TempDir()) }, level)
		})
	}
}
