package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/parlor-rooms/parlor/actors"
)

// meters are the instruments of a node. What Stats counts is published when a
// reader asks; durations are recorded as they are measured. Labels are of
// closed lists: no metric carries the name of a room, a user or an event.
type meters struct {
	stats statMeters
	turn  metric.Float64Histogram // nil if nothing is published
	wait  metric.Float64Histogram
	write metric.Float64Histogram
	wake  metric.Float64Histogram
	late  metric.Float64Histogram
	all   metric.Registration
}

type statMeters struct {
	connections, rooms, asleep, clients, members, packets, states, conflated, dropped, limited, links metric.Int64Observable
	joins, refused, handOvers, retries, repairs, divergences, nodes, queued, away                     metric.Int64Observable
	lease                                                                                             metric.Float64Observable
}

// Boundaries of histograms, in seconds: from a turn that does nothing to one
// that everybody notices.
var durations = metric.WithExplicitBucketBoundaries(
	0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

// observe makes the instruments. Without a meter there are none.
func (n *Node) observe(meter metric.Meter) error {
	if meter == nil {
		return nil
	}
	var errs []error
	var all []metric.Observable
	made := func(i metric.Int64Observable, err error) metric.Int64Observable {
		errs, all = append(errs, err), append(all, i)
		return i
	}
	level := func(name, unit, about string) metric.Int64Observable {
		return made(meter.Int64ObservableUpDownCounter("parlor."+name, metric.WithUnit(unit), metric.WithDescription(about)))
	}
	counter := func(name, unit, about string) metric.Int64Observable {
		return made(meter.Int64ObservableCounter("parlor."+name, metric.WithUnit(unit), metric.WithDescription(about)))
	}
	duration := func(name, about string) metric.Float64Histogram {
		h, err := meter.Float64Histogram("parlor."+name, metric.WithUnit("s"), metric.WithDescription(about), durations)
		errs = append(errs, err)
		return h
	}
	n.meters = meters{
		stats: statMeters{
			connections: level("connections", "{connection}", "Socket.IO connections."),
			rooms:       level("rooms", "{room}", "Rooms in memory, those of gateways included."),
			asleep:      level("rooms_asleep", "{room}", "Rooms that hibernate."),
			clients:     level("clients", "{client}", "Clients of gateways, those that are away and may recover included."),
			members:     level("members", "{member}", "Connected members of rooms: one client in three rooms is three."),
			packets:     counter("deliveries", "{packet}", "Packets handed to sockets: one broadcast to ten members is ten."),
			states:      counter("states", "{state}", "Times a member was begun to be sent the whole of a room's synced state."),
			conflated:   counter("patches_conflated", "{patch}", "Patches a slow member was not sent because a later one says as much."),
			dropped:     counter("drops", "{packet}", "Packets that were not delivered, by reason."),
			limited:     counter("limited", "{refusal}", "What clients were refused or closed for because of a limit, by limit."),
			links:       counter("links_lost", "{loss}", "Times that what was under way to or from a living node was given up."),
			joins:       counter("joins", "{join}", "CONNECTs that were let in, by outcome."),
			refused:     counter("refusals", "{join}", "CONNECTs that were refused, by code."),
			handOvers:   counter("handovers", "{room}", "Rooms handed over to other nodes."),
			retries:     counter("store.retries", "{call}", "Calls of the store that were repeated, because their outcome was not known."),
			repairs:     counter("store.repairs", "{room}", "Times that a room gave the store back what it had acknowledged and lost."),
			divergences: counter("store.divergences", "{room}", "Times that it could not, because another node had claimed the room by then."),
			nodes:       level("cluster.nodes", "{node}", "Nodes of the cluster, as this one knows it."),
			queued:      level("links.queued", "By", "Bytes that wait for other nodes to take or acknowledge them."),
			away:        level("cluster.away", "1", "1 while heart-beats are not answered by Redis."),
		},
		turn: duration("turn.duration", "How long a room worked on one event, with everything it caused."),
		wait: duration("mailbox.wait", "How long a message waited for its room; measured for one in 16."),
	}
	lease, err := meter.Float64ObservableGauge("parlor.cluster.lease_age", metric.WithUnit("s"),
		metric.WithDescription("Since the latest heart-beat that was answered was sent."))
	errs, all = append(errs, err), append(all, lease)
	n.meters.stats.lease = lease
	n.meters.late = duration("tick.lateness", "How long after its time a tick began, those it replaces included.")
	n.meters.write = duration("append.duration", "How long the store took to keep what turns wrote, repetitions included.")
	n.meters.wake = duration("wake.duration", "How long it took to claim and load a room that is kept.")
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	n.meters.all, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		n.meters.stats.publish(o, n.Stats())
		return nil
	}, all...)
	return err
}

// publish says all that s holds.
func (m *statMeters) publish(o metric.Observer, s Stats) {
	o.ObserveInt64(m.connections, s.Connections)
	o.ObserveInt64(m.rooms, s.Rooms)
	o.ObserveInt64(m.asleep, s.RoomsAsleep)
	o.ObserveInt64(m.clients, s.Clients)
	o.ObserveInt64(m.members, int64(s.Members))
	o.ObserveInt64(m.packets, int64(s.Packets))
	o.ObserveInt64(m.states, int64(s.States))
	o.ObserveInt64(m.conflated, int64(s.PatchesConflated))
	o.ObserveInt64(m.dropped, int64(s.VolatileDropped), label("reason", "volatile_lagging"))
	o.ObserveInt64(m.dropped, int64(s.TooSlow), label("reason", "outbox_full"))
	for limit, n := range s.Limited {
		o.ObserveInt64(m.limited, int64(n), label("limit", string(limit)))
	}
	o.ObserveInt64(m.links, int64(s.LinksLost))
	for outcome, n := range s.Joins {
		o.ObserveInt64(m.joins, int64(n), label("outcome", string(outcome)))
	}
	for code, n := range s.Refused {
		o.ObserveInt64(m.refused, int64(n), label("code", string(code)))
	}
	o.ObserveInt64(m.handOvers, int64(s.HandOvers))
	o.ObserveInt64(m.retries, int64(s.StoreRetries))
	o.ObserveInt64(m.repairs, int64(s.Repairs))
	o.ObserveInt64(m.divergences, int64(s.Divergences))
	o.ObserveInt64(m.nodes, s.Nodes)
	o.ObserveInt64(m.queued, s.LinkBytes)
	o.ObserveFloat64(m.lease, s.LeaseAge.Seconds())
	o.ObserveInt64(m.away, map[bool]int64{true: 1}[s.RedisAway])
}

func label(key, value string) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String(key, value))
}

// took records how long a room worked on an event.
func (m *meters) took(ctx context.Context, since time.Time) {
	if m.turn != nil {
		m.turn.Record(ctx, time.Since(since).Seconds())
	}
}

// ticked is what records how late ticks are; nil if nothing is published.
func (m *meters) ticked() func(time.Duration) {
	if m.late == nil {
		return nil
	}
	return func(late time.Duration) { m.late.Record(context.Background(), late.Seconds()) }
}

// waited records how long a message waited.
func (m *meters) waited(d time.Duration) {
	if m.wait != nil {
		m.wait.Record(context.Background(), d.Seconds())
	}
}

// record records how long something took, in the trace it was part of.
func record(h metric.Float64Histogram, of actors.Trace, since time.Time) {
	if h != nil {
		h.Record(contextOf(context.Background(), of), time.Since(since).Seconds())
	}
}

// end stops publishing.
func (m *meters) end() {
	if m.all != nil {
		_ = m.all.Unregister() // it fails for a meter that has stopped
	}
}
