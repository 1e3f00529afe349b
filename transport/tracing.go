package transport

import (
	"math"
	"math/rand/v2"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/parlor-rooms/parlor/actors"
)

// tracing makes a span of a request, where the lot falls on it or a client
// that is trusted says so. The nil *tracing makes none. Its methods may be
// called from any goroutine.
type tracing struct {
	tracer trace.Tracer
	ratio  float64
	trust  bool
}

func newTracing(c *Config) *tracing {
	if c.Tracer == nil {
		return nil
	}
	return &tracing{c.Tracer, c.SampleRatio, c.TrustTraceparent}
}

// requestName is what the span of a request is called.
func requestName(r *http.Request, sid string) string {
	switch {
	case sid == "":
		return "handshake"
	case isUpgrade(r):
		return "upgrade"
	case r.Method == http.MethodPost:
		return "post"
	}
	return "poll"
}

// request begins the span of a request, or returns nil. A long poll's lasts as
// long as the poll waits.
func (t *tracing) request(r *http.Request, name, transport string) trace.Span {
	if t == nil {
		return nil
	}
	drawn := t.ratio >= 1 || t.ratio > 0 && rand.Uint64()>>1 < uint64(t.ratio*math.MaxInt64)
	if !drawn && !t.trust {
		return nil
	}
	parent, told := actors.ParseTraceparent(r.Header.Get("Traceparent"))
	if t.trust && told && !parent.Sampled() || !drawn && !told {
		return nil
	}
	ctx, options := r.Context(), []trace.SpanStartOption{
		trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("http.request.method", r.Method), attribute.String("parlor.transport", transport)),
	}
	if told {
		remote := trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: parent.TraceID, SpanID: parent.SpanID, TraceFlags: trace.TraceFlags(parent.Flags), Remote: true,
		})
		if t.trust {
			ctx = trace.ContextWithRemoteSpanContext(ctx, remote)
		} else { // a stranger's: it is told of, and decides nothing
			options = append(options, trace.WithLinks(trace.Link{SpanContext: remote}))
		}
	}
	_, span := t.tracer.Start(ctx, name, options...)
	return span
}

// end ends a span, if there is one.
func end(span trace.Span) {
	if span != nil {
		span.End()
	}
}
