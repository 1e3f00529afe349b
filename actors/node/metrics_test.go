package node_test

import (
	"context"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
)

func TestTurnsAndWaitsAreMeasured(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")
	n := start(t, node.Config{Kinds: []actors.Behavior{counters(actors.KindConfig{})}, Meter: meter})
	p := connect(t, n)
	p.enter("/counter/a", "")
	const events = 64
	for i := range events {
		p.send(actors.PacketEvent, "/counter/a", `["add",1]`, uint64(i))
	}
	until(t, "every acknowledgement", func() bool { return len(p.find(actors.PacketAck, "/counter/a", "")) == events })
	var all metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	counts := make(map[string]uint64)
	for _, m := range all.ScopeMetrics[0].Metrics {
		if h, ok := m.Data.(metricdata.Histogram[float64]); ok {
			counts[m.Name] = h.DataPoints[0].Count
		}
	}
	if counts["parlor.turn.duration"] != events {
		t.Errorf("%d turns were measured, want %d", counts["parlor.turn.duration"], events)
	}
	if w := counts["parlor.mailbox.wait"]; w < 1 || w > events/4 {
		t.Errorf("%d waits of %d were measured, want at most one in 16 or so", w, events)
	}
}
