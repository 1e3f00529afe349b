package node_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
)

// BenchmarkTracedEvents is the cost of an event that is broadcast to 16
// members, from Receive to the sockets, at a ratio of packets that are traced.
// The control is the node without a tracer. Spans are made and thrown away:
// what an exporter costs comes on top.
func BenchmarkTracedEvents(b *testing.B) {
	for _, ratio := range []float64{-1, 0, 0.01, 1} {
		name := "no-tracer"
		if ratio >= 0 {
			name = fmt.Sprintf("ratio=%v", ratio)
		}
		b.Run(name, func(b *testing.B) {
			cfg := node.Config{
				Kinds: []actors.Behavior{talks(&ledger{}, actors.KindConfig{})}, Logger: slog.New(slog.DiscardHandler),
				Limits: node.Limits{Messages: node.Rate{PerSecond: -1}, Bytes: node.Rate{PerSecond: -1}},
			}
			if ratio >= 0 {
				cfg.Tracer, cfg.SampleRatio = sdktrace.NewTracerProvider().Tracer("bench"), ratio
			}
			n, err := node.New(cfg)
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- n.Run(ctx) }()
			defer func() {
				cancel()
				if err := <-ended; err != nil {
					b.Error(err)
				}
			}()

			acks := make(chan struct{}, 1)
			var first actors.Connection
			for i := range 16 {
				s := &sink{}
				if i == 0 {
					s.acks = acks
				}
				c, err := n.Accept(s, &actors.Handshake{Address: "127.0.0.1"})
				if err != nil {
					b.Fatal(err)
				}
				defer c.Closed(actors.ReasonTransportClosed)
				c.Receive(&actors.Packet{Type: actors.PacketConnect, Namespace: "/talk/bench"})
				if i == 0 {
					first = c
				}
			}
			payload := []byte(`["say","hello"]`)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				first.Receive(&actors.Packet{Type: actors.PacketEvent, Namespace: "/talk/bench", Data: payload, ID: uint64(i), HasID: true})
				<-acks
			}
		})
	}
}

// sink is a socket that throws packets away and tells of acknowledgements.
type sink struct{ acks chan struct{} }

func (s *sink) SID() string { return "sink" }
func (s *sink) Push(p *actors.Packet) error {
	if p.Type == actors.PacketAck && s.acks != nil {
		s.acks <- struct{}{}
	}
	return nil
}
func (s *sink) Flush()                   {}
func (s *sink) Lagging() bool            { return false }
func (s *sink) WhenDrained(f func())     { f() }
func (s *sink) Close(actors.LeaveReason) {}
