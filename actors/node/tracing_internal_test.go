package node

import (
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// TestWhatIsNotTracedCostsNothing is the budget of the way of a message that
// no lot falls on.
func TestWhatIsNotTracedCostsNothing(t *testing.T) {
	tracer := sdktrace.NewTracerProvider().Tracer("test")
	for name, tr := range map[string]*tracing{
		"no tracer":     nil,
		"no lot":        newTracing(&Config{Tracer: tracer}),
		"a trusted one": newTracing(&Config{Tracer: tracer, TrustTraceparent: true}),
	} {
		t.Run(name, func(t *testing.T) {
			p := &actors.Packet{Type: actors.PacketEvent, Namespace: "/board/a", Data: []byte(`["cursor",{"x":1,"y":2}]`)}
			e := &wire.Event{}
			if n := testing.AllocsPerRun(1000, func() {
				end(tr.received(p), nil)
				span, of := tr.start(p.Trace, "connection")
				end(span, nil)
				e.Trace = of
				if same, span := tr.linked(e, "other"); same != any(e) || span != nil {
					t.Error("the message is another, or there is a span of a link")
				}
				if tr.taken(tr.posted(e)) != any(e) {
					t.Error("the message is another")
				}
			}); n != 0 {
				t.Errorf("%v allocations, want none", n)
			}
		})
	}
}
