package memory_test

import (
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/store/memory"
	"github.com/parlor-rooms/parlor/actors/store/storetest"
)

func BenchmarkMemory(b *testing.B) {
	storetest.Benchmark(b, func(testing.TB) actors.Store { return memory.New(memory.Config{}) }, actors.DurabilityMemory)
}
