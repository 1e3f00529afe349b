package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// scope names who makes the spans and metrics.
const scope = "github.com/parlor-rooms/parlor"

// Config describes the process. The zero value is useful.
type Config struct {
	Service  string // service.name; OTEL_SERVICE_NAME goes before it; empty means "parlor"
	Version  string // service.version
	Instance string // service.instance.id, unique per process start; empty means that none is told

	// Logger takes what goes wrong with exporting. Nil means slog.Default().
	Logger *slog.Logger
}

// Telemetry is what a process gives the parts that are observed. Its methods
// may be called from any goroutine.
type Telemetry struct {
	tracer  trace.Tracer // nil if nothing is traced
	meter   metric.Meter
	ratio   float64
	metrics http.Handler
	stop    []func(context.Context) error
}

// Start reads the environment and sets up what it asks for. It does not wait
// for a collector. An error names the variable that makes no sense.
func Start(ctx context.Context, c Config) (*Telemetry, error) {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { // the SDK has one for the whole process
		c.Logger.Warn("telemetry could not be exported", "error", err)
	}))
	about, err := describe(ctx, c)
	if err != nil {
		return nil, err
	}
	t := new(Telemetry)
	if err := errors.Join(t.startTraces(ctx, about), t.startMetrics(ctx, about)); err != nil {
		return nil, errors.Join(err, t.Stop(ctx))
	}
	return t, nil
}

func describe(ctx context.Context, c Config) (*resource.Resource, error) {
	if c.Service == "" {
		c.Service = "parlor"
	}
	attrs := []attribute.KeyValue{attribute.String("service.name", c.Service)}
	if c.Version != "" {
		attrs = append(attrs, attribute.String("service.version", c.Version))
	}
	if c.Instance != "" {
		attrs = append(attrs, attribute.String("service.instance.id", c.Instance))
	}
	about, err := resource.New(ctx, resource.WithAttributes(attrs...), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return about, nil
}

// startTraces makes the tracer, if spans are to go anywhere.
func (t *Telemetry) startTraces(ctx context.Context, about *resource.Resource) error {
	if !exported("TRACES") {
		return nil
	}
	var err error
	if t.ratio, err = sampleRatio(os.Getenv("OTEL_TRACES_SAMPLER"), os.Getenv("OTEL_TRACES_SAMPLER_ARG")); err != nil {
		return err
	}
	exporter, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	if autoexport.IsNoneSpanExporter(exporter) {
		return nil
	}
	// Whoever starts a span without a parent has drawn the lot already, so
	// that what is not sampled is no span at all.
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter), sdktrace.WithResource(about),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample())),
	)
	t.tracer = provider.Tracer(scope)
	t.stop = append(t.stop, provider.Shutdown)
	return nil
}

// startMetrics makes the meter and the page for Prometheus.
func (t *Telemetry) startMetrics(ctx context.Context, about *resource.Resource) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	pull, err := otelprom.New(otelprom.WithRegisterer(registry), otelprom.WithoutScopeInfo())
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	options := []sdkmetric.Option{sdkmetric.WithReader(pull), sdkmetric.WithResource(about)}
	if exported("METRICS") {
		push, err := autoexport.NewMetricReader(ctx)
		if err != nil {
			return fmt.Errorf("metrics: %w", err)
		}
		if !autoexport.IsNoneMetricReader(push) {
			options = append(options, sdkmetric.WithReader(push))
		}
	}
	provider := sdkmetric.NewMeterProvider(options...)
	t.meter = provider.Meter(scope)
	t.metrics = promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true, Registry: registry})
	t.stop = append(t.stop, provider.Shutdown)
	return nil
}

// exported reports whether the environment says where a signal goes.
func exported(signal string) bool {
	if on := os.Getenv("OTEL_SDK_DISABLED"); on == "true" {
		return false
	}
	for _, name := range []string{
		"OTEL_" + signal + "_EXPORTER", "OTEL_EXPORTER_OTLP_" + signal + "_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT",
	} {
		if os.Getenv(name) != "" {
			return true
		}
	}
	return false
}

// Tracer makes spans; nil if nothing is traced.
func (t *Telemetry) Tracer() trace.Tracer { return t.tracer }

// SampleRatio is which part of what has no sampled parent is traced, 0 to 1.
func (t *Telemetry) SampleRatio() float64 { return t.ratio }

// Meter makes metrics.
func (t *Telemetry) Meter() metric.Meter { return t.meter }

// Metrics serves the metrics to Prometheus, as text or as OpenMetrics with
// exemplars.
func (t *Telemetry) Metrics() http.Handler { return t.metrics }

// Stop exports what waits and lets go of everything. It blocks until that is
// done or ctx ends. Spans and metrics made afterwards go nowhere.
func (t *Telemetry) Stop(ctx context.Context) error {
	var errs []error
	for _, stop := range t.stop {
		errs = append(errs, stop(ctx))
	}
	t.stop = nil
	return errors.Join(errs...)
}
