package node

import (
	"context"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

func TestEveryCountOfANodeIsPublished(t *testing.T) {
	testenv.Published(t, new(statMeters).publish)
}

func TestMeasuringATurnAllocatesNothing(t *testing.T) {
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	n := &Node{}
	if err := n.observe(provider.Meter("test")); err != nil {
		t.Fatal(err)
	}
	ctx, now := context.Background(), time.Now()
	if a := testing.AllocsPerRun(1000, func() { n.meters.took(ctx, now); n.meters.waited(time.Millisecond) }); a != 0 {
		t.Errorf("%v allocations, want none", a)
	}
}
