package node

import (
	"context"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// tracing makes the spans of a node. A packet is traced if the lot falls on it
// when it arrives, or if a client that is trusted says so; what is not traced
// is no span anywhere, and costs a look at a zero value. The nil *tracing
// traces nothing. Its methods may be called from any goroutine.
type tracing struct {
	tracer trace.Tracer
	upTo   uint64 // of a random number, for the lot to fall on a packet
	always bool
	trust  bool
}

func newTracing(c *Config) *tracing {
	if c.Tracer == nil {
		return nil
	}
	return &tracing{
		tracer: c.Tracer, trust: c.TrustTraceparent,
		upTo: uint64(c.SampleRatio * math.MaxInt64), always: c.SampleRatio >= 1,
	}
}

// received begins the trace of a packet, or nothing. Its span begins when the
// packet was read and is to be ended when the connection has taken it.
func (t *tracing) received(p *actors.Packet) trace.Span {
	if t == nil || p.Type != actors.PacketEvent && p.Type != actors.PacketConnect {
		return nil
	}
	drawn := t.drawn()
	if !drawn && !t.trust {
		return nil
	}
	parent, told := wire.Traceparent(p)
	switch {
	case t.trust && told && !parent.Sampled():
		return nil // whoever is trusted has decided
	case !drawn && !told:
		return nil
	}
	ctx, options := context.Background(), []trace.SpanStartOption{
		trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(p.Received),
		trace.WithAttributes(
			attribute.String("parlor.packet", packetName(p.Type)), attribute.Int("parlor.packet.size", len(p.Data)),
			attribute.String("parlor.namespace", clip(p.Namespace))),
	}
	switch {
	case t.trust && told:
		ctx = trace.ContextWithRemoteSpanContext(ctx, spanContext(parent))
	case told: // a stranger's: it is told of, and decides nothing
		options = append(options, trace.WithLinks(trace.Link{SpanContext: spanContext(parent)}))
	}
	ctx, span := t.tracer.Start(ctx, "receive", options...)
	_, decode := t.tracer.Start(ctx, "decode", trace.WithTimestamp(p.Received))
	decode.End()
	p.Trace = traceOf(span)
	return span
}

// drawn draws the lot.
func (t *tracing) drawn() bool { return t.always || t.upTo > 0 && rand.Uint64()>>1 < t.upTo }

// begin begins the trace of something that no packet has caused, or nothing.
func (t *tracing) begin(name string, attrs ...attribute.KeyValue) (trace.Span, actors.Trace) {
	if t == nil || !t.drawn() {
		return nil, actors.Trace{}
	}
	_, span := t.tracer.Start(context.Background(), name, trace.WithAttributes(attrs...))
	return span, traceOf(span)
}

func packetName(p actors.PacketType) string {
	if p == actors.PacketConnect {
		return "connect"
	}
	return "event"
}

// eventAttribute names an event, which is for its client to choose.
func eventAttribute(name string) attribute.KeyValue {
	return attribute.String("parlor.event", wire.Clip(name))
}

// start begins a span on behalf of something that is traced, or nothing. The
// span's own Trace is zero with it.
func (t *tracing) start(parent actors.Trace, name string, attrs ...attribute.KeyValue) (trace.Span, actors.Trace) {
	if t == nil || !parent.Sampled() {
		return nil, actors.Trace{}
	}
	_, span := t.tracer.Start(contextOf(context.Background(), parent), name, trace.WithAttributes(attrs...))
	return span, traceOf(span)
}

// startOrBegin is start, or begin for what nothing traced has caused.
func (t *tracing) startOrBegin(parent actors.Trace, name string, attrs ...attribute.KeyValue) (trace.Span, actors.Trace) {
	if parent.Sampled() {
		return t.start(parent, name, attrs...)
	}
	return t.begin(name, attrs...)
}

// linkedTo links a span, if there is one.
func linkedTo(span trace.Span, others []actors.Trace) {
	if span == nil {
		return
	}
	for _, o := range others {
		span.AddLink(trace.Link{SpanContext: spanContext(o)})
	}
}

// span tells of something that began at a time and has just ended.
func (t *tracing) span(parent actors.Trace, name string, since time.Time, attrs ...attribute.KeyValue) {
	if t != nil && parent.Sampled() {
		_, span := t.tracer.Start(contextOf(context.Background(), parent), name, trace.WithTimestamp(since), trace.WithAttributes(attrs...))
		span.End()
	}
}

// waiting is a message whose time in a mailbox is to be told of.
type waiting struct {
	msg   any
	trace actors.Trace
	since time.Time
}

// posted is msg as it is to be posted to a room.
func (t *tracing) posted(msg any) any {
	if t == nil {
		return msg
	}
	of := traceOfMessage(msg)
	if !of.Sampled() {
		return msg
	}
	return &waiting{msg, of, time.Now()}
}

// traceOfMessage is what a message for a room is part of.
func traceOfMessage(msg any) actors.Trace {
	switch m := msg.(type) {
	case *wire.Event:
		return m.Trace
	case *wire.Join:
		return m.Trace
	}
	return actors.Trace{}
}

// taken is what posted was given, when its turn has come.
func (t *tracing) taken(msg any) any {
	w, is := msg.(*waiting)
	if !is {
		return msg
	}
	t.span(w.trace, "mailbox", w.since)
	return w.msg
}

// linked is msg as it is to be sent to another node: if it is traced, what
// happens to it there belongs to the span of the link, which is to be ended
// when msg has been transmitted.
func (t *tracing) linked(msg any, node string) (any, trace.Span) {
	if t == nil {
		return msg, nil
	}
	var of *actors.Trace // in a copy: the message is not ours to change
	var copied any
	switch m := msg.(type) {
	case *wire.Event:
		if m.Trace.Sampled() {
			own := *m
			of, copied = &own.Trace, &own
		}
	case *wire.Join:
		if m.Trace.Sampled() {
			own := *m
			of, copied = &own.Trace, &own
		}
	case *wire.Deliver:
		if m.Trace.Sampled() {
			own := *m
			of, copied = &own.Trace, &own
		}
	case *wire.Moved:
		if m.Trace.Sampled() {
			own := *m
			of, copied = &own.Trace, &own
		}
	case *wire.GateDeliver:
		if m.Trace.Sampled() {
			own := *m
			of, copied = &own.Trace, &own
		}
	}
	if of == nil {
		return msg, nil
	}
	span, own := t.start(*of, "link", attribute.String("parlor.peer", node))
	*of = own
	return copied, span
}

// running is what somebody works on who is watched by others. The zero value
// is nothing that is traced.
type running struct{ trace atomic.Pointer[actors.Trace] }

func (r *running) set(t actors.Trace) {
	if t.Sampled() {
		r.trace.Store(&t)
	} else if r.trace.Load() != nil {
		r.trace.Store(nil)
	}
}

func (r *running) now() actors.Trace {
	if t := r.trace.Load(); t != nil {
		return *t
	}
	return actors.Trace{}
}

// flushed tells of one flush on behalf of several deliveries: it belongs to the
// trace of the latest, and is linked to the others.
func (t *tracing) flushed(deliveries []actors.Trace, since time.Time, sockets int) {
	last := len(deliveries) - 1
	links := make([]trace.Link, 0, last)
	for _, d := range deliveries[:last] {
		links = append(links, trace.Link{SpanContext: spanContext(d)})
	}
	_, span := t.tracer.Start(contextOf(context.Background(), deliveries[last]), "flush",
		trace.WithTimestamp(since), trace.WithLinks(links...), trace.WithAttributes(attribute.Int("parlor.sockets", sockets)))
	span.End()
}

// end ends a span, if there is one.
func end(span trace.Span, err error) {
	if span == nil {
		return
	}
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

// contextOf is ctx with a span that is told of elsewhere.
func contextOf(ctx context.Context, t actors.Trace) context.Context {
	if !t.Sampled() {
		return ctx
	}
	return trace.ContextWithSpanContext(ctx, spanContext(t))
}

func spanContext(t actors.Trace) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: t.TraceID, SpanID: t.SpanID, TraceFlags: trace.TraceFlags(t.Flags)})
}

func traceOf(span trace.Span) actors.Trace {
	c := span.SpanContext()
	return actors.Trace{TraceID: c.TraceID(), SpanID: c.SpanID(), Flags: byte(c.TraceFlags())}
}
