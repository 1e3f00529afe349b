package transport

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

const (
	sampledParent   = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	unsampledParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
)

func TestWhoDecidesThatARequestIsTraced(t *testing.T) {
	for name, c := range map[string]struct {
		ratio         float64
		trust         bool
		header        string
		spans         int
		child, linked bool
	}{
		"nobody":                              {},
		"the lot":                             {ratio: 1, spans: 1},
		"a stranger is linked":                {ratio: 1, header: sampledParent, spans: 1, linked: true},
		"a stranger forces nothing":           {header: sampledParent},
		"whoever is trusted":                  {trust: true, header: sampledParent, spans: 1, child: true},
		"whoever is trusted, against the lot": {ratio: 1, trust: true, header: unsampledParent},
		"malformed, as if it were not there":  {trust: true, header: "00-xyz"},
	} {
		t.Run(name, func(t *testing.T) {
			recorder := tracetest.NewSpanRecorder()
			tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("test")
			tr := newTracing(&Config{Tracer: tracer, SampleRatio: c.ratio, TrustTraceparent: c.trust})
			r := httptest.NewRequest(http.MethodGet, "/socket.io/", nil)
			r.Header.Set("traceparent", c.header)
			end(tr.request(r, "poll", Polling))
			spans := recorder.Ended()
			if len(spans) != c.spans {
				t.Fatalf("%d spans, want %d", len(spans), c.spans)
			}
			if c.spans == 0 {
				return
			}
			if spans[0].Parent().IsValid() != c.child || (len(spans[0].Links()) == 1) != c.linked {
				t.Errorf("parent %v, links %v", spans[0].Parent(), spans[0].Links())
			}
		})
	}
}

func TestARequestThatIsNotTracedCostsNothing(t *testing.T) {
	tracer := sdktrace.NewTracerProvider().Tracer("test")
	r := httptest.NewRequest(http.MethodGet, "/socket.io/", nil)
	for name, tr := range map[string]*tracing{"no tracer": nil, "no lot": newTracing(&Config{Tracer: tracer, TrustTraceparent: true})} {
		if n := testing.AllocsPerRun(1000, func() { end(tr.request(r, "poll", Polling)) }); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}
