package node_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

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

// TestJoinsAreCountedByWhatBecameOfThem brings a client of a room and one of a
// gateway back, in time and with something that nobody knows.
func TestJoinsAreCountedByWhatBecameOfThem(t *testing.T) {
	gate := actors.NewGateway[struct{}]("/gate", actors.GatewayConfig{RecoverWithin: time.Minute})
	gate.OnConnect(func(_ context.Context, c *actors.Client[struct{}]) error {
		if strings.Contains(string(c.Auth()), "mine") {
			return actors.Errorf("a_code_of_its_own", "no")
		}
		return nil
	})
	n := start(t, node.Config{
		Kinds:    []actors.Behavior{counters(actors.KindConfig{ResumeWithin: time.Minute, MaxMembers: 1})},
		Gateways: []actors.GatewayBehavior{gate},
	})
	for i, namespace := range []string{"/counter/a", "/gate"} {
		p := connect(t, n)
		p.enter(namespace, "")
		var session struct{ PID string }
		if err := json.Unmarshal(p.await(actors.PacketConnect, namespace, "pid").Data, &session); err != nil {
			t.Fatal(err)
		}
		p.conn.Closed(actors.ReasonTransportClosed)
		until(t, "the connection has gone", func() bool { return n.Stats().Connections == int64(i) })
		connect(t, n).enter(namespace, fmt.Sprintf(`{"pid":%q}`, session.PID))
	}
	connect(t, n).enter("/counter/b", `{"pid":"of nobody"}`)
	connect(t, n).enter("/gate", `{"pid":"of nobody"}`)
	for namespace, auth := range map[string]string{"/counter/b": "", "/nowhere": "", "/gate": `{"x":"mine"}`} {
		p := connect(t, n)
		p.send(actors.PacketConnect, namespace, auth)
		p.await(actors.PacketConnectError, namespace, "code")
	}
	s := n.Stats()
	if want := (map[node.JoinOutcome]uint64{node.JoinedNew: 2, node.JoinedResumed: 2, node.JoinedCut: 2, node.JoinedFollowed: 0}); !maps.Equal(s.Joins, want) {
		t.Errorf("joins are %v, want %v", s.Joins, want)
	}
	maps.DeleteFunc(s.Refused, func(_ actors.Code, n uint64) bool { return n == 0 })
	if want := (map[actors.Code]uint64{actors.CodeRoomFull: 1, actors.CodeUnknownNamespace: 1, "other": 1}); !maps.Equal(s.Refused, want) {
		t.Errorf("refusals are %v, want %v", s.Refused, want)
	}
}
