package governor

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// meters are the instruments that Stats is published with.
type meters struct {
	used, limit, stage, entered, closed metric.Int64Observable
}

// Observe lets a meter read Stats, whenever it is asked, until the registration
// is undone.
func (g *Governor) Observe(meter metric.Meter) (metric.Registration, error) {
	var errs []error
	var all []metric.Observable
	made := func(i metric.Int64Observable, err error) metric.Int64Observable {
		errs, all = append(errs, err), append(all, i)
		return i
	}
	level := func(name, unit, about string) metric.Int64Observable {
		return made(meter.Int64ObservableUpDownCounter("parlor.memory."+name, metric.WithUnit(unit), metric.WithDescription(about)))
	}
	counter := func(name, unit, about string) metric.Int64Observable {
		return made(meter.Int64ObservableCounter("parlor.memory."+name, metric.WithUnit(unit), metric.WithDescription(about)))
	}
	m := meters{
		used:    level("used", "By", "Memory that a collection would not free."),
		limit:   level("limit", "By", "The memory limit of the process."),
		stage:   level("stage", "{stage}", "What is done about memory: 0 nothing, 1 refuse, 2 shed, 3 close."),
		entered: counter("entered", "{time}", "How often each stage began."),
		closed:  counter("closed", "{session}", "Slow readers that were closed for want of memory."),
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("governor: metrics: %w", err)
	}
	return meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		m.publish(o, g.Stats())
		return nil
	}, all...)
}

// publish says all that s holds.
func (m *meters) publish(o metric.Observer, s Stats) {
	o.ObserveInt64(m.used, int64(s.Used))
	o.ObserveInt64(m.limit, int64(s.Limit))
	o.ObserveInt64(m.stage, int64(s.Stage))
	for stage, n := range s.Entered {
		o.ObserveInt64(m.entered, int64(n), metric.WithAttributes(attribute.String("stage", stage)))
	}
	o.ObserveInt64(m.closed, int64(s.Closed))
}
