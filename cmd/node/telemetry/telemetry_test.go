package telemetry_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/parlor-rooms/parlor/cmd/node/telemetry"
	"github.com/parlor-rooms/parlor/transport/transporttest/otlptest"
)

func start(t *testing.T, env map[string]string) (*telemetry.Telemetry, error) {
	t.Helper()
	for _, name := range []string{
		"OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_TRACES_SAMPLER",
		"OTEL_TRACES_SAMPLER_ARG", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES",
	} {
		t.Setenv(name, env[name])
	}
	return telemetry.Start(t.Context(), telemetry.Config{Version: "v1.2.3", Instance: "one"})
}

func TestWithoutVariablesNothingIsTracedAndMetricsAreServed(t *testing.T) {
	tel, err := start(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, tel)
	if tel.Tracer() != nil {
		t.Error("there is a tracer")
	}
	counter, err := tel.Meter().Int64Counter("parlor.probe")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 3)
	page := httptest.NewRecorder()
	tel.Metrics().ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{"parlor_probe_total 3", "go_goroutines", `service_version="v1.2.3"`} {
		if !strings.Contains(page.Body.String(), want) {
			t.Errorf("%q is not on the page:\n%s", want, page.Body)
		}
	}
}

func TestSpansGoWhereTheVariablesSay(t *testing.T) {
	collector := otlptest.New(t)
	tel, err := start(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL, "OTEL_TRACES_SAMPLER_ARG": "0.25", "OTEL_SERVICE_NAME": "lobby"})
	if err != nil {
		t.Fatal(err)
	}
	if tel.SampleRatio() != 0.25 {
		t.Errorf("ratio is %v", tel.SampleRatio())
	}
	_, span := tel.Tracer().Start(t.Context(), "probe")
	if !span.SpanContext().IsSampled() {
		t.Error("a span that was started is not sampled: the lot was drawn before")
	}
	span.End()
	refused := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, Remote: true})
	_, child := tel.Tracer().Start(trace.ContextWithSpanContext(t.Context(), refused), "child")
	if child.SpanContext().IsSampled() {
		t.Error("the child of a parent that is not sampled is sampled")
	}
	stop(t, tel)

	spans := collector.Spans()
	if len(spans) != 1 || spans[0].Name != "probe" || spans[0].Service != "lobby" {
		t.Errorf("the collector got %v", spans)
	}
}

func TestSamplersOfTheStandard(t *testing.T) {
	for name, c := range map[string]struct {
		sampler, arg string
		ratio        float64
		err          string
	}{
		"nothing":      {"", "", 1, ""},
		"argument":     {"", "0.1", 0.1, ""},
		"on":           {"always_on", "", 1, ""},
		"off":          {"parentbased_always_off", "", 0, ""},
		"ratio":        {"parentbased_traceidratio", "0.01", 0.01, ""},
		"no argument":  {"traceidratio", "", 1, ""},
		"too much":     {"traceidratio", "1.01", 0, "OTEL_TRACES_SAMPLER_ARG"},
		"no number":    {"traceidratio", "NaN", 0, "OTEL_TRACES_SAMPLER_ARG"},
		"unknown name": {"jaeger_remote", "", 0, "OTEL_TRACES_SAMPLER"},
	} {
		t.Run(name, func(t *testing.T) {
			tel, err := start(t, map[string]string{"OTEL_TRACES_EXPORTER": "console", "OTEL_TRACES_SAMPLER": c.sampler, "OTEL_TRACES_SAMPLER_ARG": c.arg})
			if err == nil {
				defer stop(t, tel)
			}
			switch {
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
				t.Errorf("error %v does not name %s", err, c.err)
			case c.err == "" && (err != nil || tel.SampleRatio() != c.ratio):
				t.Errorf("%v, want %v", err, c.ratio)
			}
		})
	}
}

func TestAnExporterThatDoesNotExistIsAnError(t *testing.T) {
	if _, err := start(t, map[string]string{"OTEL_TRACES_EXPORTER": "pigeon"}); err == nil || !strings.Contains(err.Error(), "traces") {
		t.Errorf("error is %v", err)
	}
}

func stop(t *testing.T, tel *telemetry.Telemetry) {
	t.Helper()
	if err := tel.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}
