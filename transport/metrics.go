package transport

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// meters are the instruments that what a handler counts is published with.
// Labels are of closed lists: no metric carries a name, an id or an address.
type meters struct {
	sessions, waiting, tunnels, forwarded, opened, upgraded, probes, refused, closed, violated, dropped, packets, bytes metric.Int64Observable
}

// observe lets a meter read what the handler counts, whenever it is asked,
// until the registration is undone.
func (h *Handler) observe(meter metric.Meter) (metric.Registration, error) {
	var errs []error
	var all []metric.Observable
	made := func(i metric.Int64Observable, err error) metric.Int64Observable {
		errs, all = append(errs, err), append(all, i)
		return i
	}
	level := func(name, unit, about string) metric.Int64Observable {
		return made(meter.Int64ObservableUpDownCounter("parlor.transport."+name, metric.WithUnit(unit), metric.WithDescription(about)))
	}
	counter := func(name, unit, about string) metric.Int64Observable {
		return made(meter.Int64ObservableCounter("parlor.transport."+name, metric.WithUnit(unit), metric.WithDescription(about)))
	}
	m := meters{
		sessions:  level("sessions", "{session}", "Open sessions, by the transport they are on."),
		waiting:   level("waiting", "By", "Bytes that sessions hold for clients that have not taken them."),
		tunnels:   level("tunnels", "{websocket}", "WebSockets that are carried to the node of their session."),
		forwarded: counter("forwarded", "{request}", "Requests for sessions of other nodes."),
		opened:    counter("opened", "{session}", "Handshakes that became a session."),
		upgraded:  counter("upgraded", "{session}", "Sessions that moved from polling to WebSocket."),
		probes:    counter("probes_abandoned", "{websocket}", "WebSockets that came to upgrade a session and did not."),
		refused:   counter("refused", "{request}", "Requests that were refused, by reason."),
		closed:    counter("closed", "{session}", "Sessions that ended, by reason."),
		violated:  counter("violated", "{session}", "Sessions whose client broke the protocol, by what was wrong."),
		dropped:   counter("dropped", "{packet}", "Packets that never reached their client, by reason."),
		packets:   counter("packets", "{packet}", "Socket.IO packets, in and out."),
		bytes:     counter("io", "By", "Bytes of messages, in and out."),
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("transport: metrics: %w", err)
	}
	return meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		m.publish(o, h.Stats())
		return nil
	}, all...)
}

// publish says all that s holds.
func (m *meters) publish(o metric.Observer, s Stats) {
	o.ObserveInt64(m.sessions, int64(s.Polling), label("transport", Polling))
	o.ObserveInt64(m.sessions, int64(s.WebSocket), label("transport", WebSocket))
	o.ObserveInt64(m.waiting, s.Waiting)
	o.ObserveInt64(m.tunnels, int64(s.Tunnels))
	o.ObserveInt64(m.forwarded, int64(s.Forwarded))
	o.ObserveInt64(m.opened, int64(s.Opened))
	o.ObserveInt64(m.upgraded, int64(s.Upgraded))
	o.ObserveInt64(m.probes, int64(s.ProbesAbandoned))
	observeEach(o, m.refused, s.Refused)
	observeEach(o, m.closed, s.Closed)
	observeEach(o, m.violated, s.Violated)
	observeEach(o, m.dropped, s.Dropped)
	o.ObserveInt64(m.packets, int64(s.PacketsIn), label("direction", "in"))
	o.ObserveInt64(m.packets, int64(s.PacketsOut), label("direction", "out"))
	o.ObserveInt64(m.bytes, int64(s.BytesIn), label("direction", "in"))
	o.ObserveInt64(m.bytes, int64(s.BytesOut), label("direction", "out"))
}

func observeEach[K ~string](o metric.Observer, i metric.Int64Observable, counts map[K]uint64) {
	for reason, n := range counts {
		o.ObserveInt64(i, int64(n), label("reason", string(reason)))
	}
}

func label(key, value string) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String(key, value))
}
