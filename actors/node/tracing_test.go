package node_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/transport/transporttest/otlptest"
)

// recording is a tracer whose spans a test reads.
type recording struct {
	*tracetest.SpanRecorder
	sdktrace.TracerProvider
}

// spans are those that have ended, in the form that shows trees.
func (r *recording) spans() []otlptest.Span {
	var all []otlptest.Span
	for _, s := range r.Ended() {
		span := otlptest.Span{Name: s.Name(), TraceID: s.SpanContext().TraceID().String(), ID: s.SpanContext().SpanID().String()}
		if s.Parent().IsValid() {
			span.Parent = s.Parent().SpanID().String()
		}
		span.Attribute = make(map[string]string)
		for _, a := range s.Attributes() {
			span.Attribute[string(a.Key)] = a.Value.String()
		}
		for _, l := range s.Links() {
			span.Links = append(span.Links, l.SpanContext.SpanID().String())
		}
		all = append(all, span)
	}
	return all
}

func record() *recording {
	recorder := tracetest.NewSpanRecorder()
	return &recording{recorder, *sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))}
}

// trees is otlptest.Trees in the order of the trees' names.
func trees(spans []otlptest.Span) string {
	slices.SortStableFunc(spans, func(a, b otlptest.Span) int { return strings.Compare(a.Name, b.Name) })
	return otlptest.Trees(spans)
}

// diary keeps what it is told, and makes a span of its own of that.
type diary struct {
	Lines actors.Map[string, string] `room:"lines,durable,synced"`
	rec   *recording
}

func (l *diary) Note(t *actors.Turn, line string) (string, error) {
	_, span := l.rec.Tracer("user").Start(t.Context(), "mine")
	defer span.End()
	id := t.NewID()
	l.Lines.Set(id, line)
	t.Broadcast("noted", id)
	return id, nil
}

// TestAMessageIsFollowedFromTheClientToTheSockets finds the spans of a join and
// of an event, each with the right parent.
func TestAMessageIsFollowedFromTheClientToTheSockets(t *testing.T) {
	rec := record()
	kind := actors.NewKind("diary", func() *diary { return &diary{rec: rec} }, actors.KindConfig{})
	actors.OnAck(kind, "note", (*diary).Note)
	n := start(t, node.Config{Kinds: []actors.Behavior{kind}, Tracer: rec.Tracer("test"), SampleRatio: 1})

	p := connect(t, n)
	p.enter("/diary/a", "")
	joined := `receive
  connection
    join
      admit
      deliver
        flush
    mailbox
    wake
      claim
      load
  decode
`
	until(t, joined, func() bool { return trees(rec.spans()) == joined })
	rec.Reset()
	p.send(actors.PacketEvent, "/diary/a", `["note","hello"]`, 1)
	noted := `receive
  connection
    mailbox
    turn
      append
      deliver
        flush
      mine
  decode
`
	until(t, noted, func() bool { return trees(rec.spans()) == noted })
}

// scores is a room whose changes wait for the next flush.
type scores struct {
	Last actors.Value[int] `room:"last,synced"`
}

// TestAConflatedFlushIsLinkedToEveryTurnThatItCarries sends two events whose
// changes leave in one flush, which belongs to the trace of the later one.
func TestAConflatedFlushIsLinkedToEveryTurnThatItCarries(t *testing.T) {
	rec := record()
	kind := actors.NewKind("scores", func() *scores { return new(scores) }, actors.KindConfig{SyncEvery: time.Second})
	actors.OnAck(kind, "set", func(s *scores, _ *actors.Turn, n int) (int, error) { s.Last.Set(n); return n, nil })
	n := start(t, node.Config{Kinds: []actors.Behavior{kind}, Tracer: rec.Tracer("test"), SampleRatio: 1})
	p := connect(t, n)
	p.enter("/scores/a", "")
	for i := range 3 { // the first may be flushed at once
		p.send(actors.PacketEvent, "/scores/a", fmt.Sprintf(`["set",%d]`, i), uint64(i))
		p.await(actors.PacketAck, "/scores/a", fmt.Sprintf("[%d]", i))
	}
	p.await(actors.PacketEvent, "/scores/a", `"set":{"last":2}`)
	until(t, "a delivery is linked to another turn", func() bool {
		spans := rec.spans()
		turns := make(map[string]string) // trace by id
		for _, s := range spans {
			if s.Name == "turn" {
				turns[s.ID] = s.TraceID
			}
		}
		return slices.ContainsFunc(spans, func(s otlptest.Span) bool {
			return s.Name == "deliver" && len(s.Links) > 0 && turns[s.Links[0]] != "" && turns[s.Links[0]] != s.TraceID
		})
	})
}

// TestAMessageIsFollowedAcrossNodes finds the spans of an event whose sender is
// on one node and whose room, with another member, is on the other.
func TestAMessageIsFollowedAcrossNodes(t *testing.T) {
	rec := record()
	w, nodes := many(t, 2, node.Config{
		Kinds: []actors.Behavior{talks(&ledger{}, actors.KindConfig{})}, Tracer: rec.Tracer("test"), SampleRatio: 1,
	})
	w.Put(q3, nodes[0].ID())
	here, there := connect(t, nodes[0]), connect(t, nodes[1])
	here.enter("/talk/q3", "")
	there.enter("/talk/q3", "")
	until(t, "both are let in", func() bool {
		return len(here.find(actors.PacketConnect, "/talk/q3", "sid"))+len(there.find(actors.PacketConnect, "/talk/q3", "sid")) == 2
	})
	follow := func(from *peer, want string) func() bool {
		until(t, "quiet", func() bool { n := len(rec.Started()); return n == len(rec.Ended()) })
		rec.Reset()
		from.say("/talk/q3", "hello")
		return func() bool { return trees(rec.spans()) == want }
	}
	// The room is where here is: there sends over the link, and both
	// are delivered to.
	local := `receive
  connection
    mailbox
    turn
      deliver
        flush
      link
        deliver
          flush
  decode
`
	remote := `receive
  connection
    link
      mailbox
      turn
        deliver
          flush
        link
          deliver
            flush
  decode
`
	until(t, local, follow(here, local))
	until(t, remote, follow(there, remote))
}

// TestAGatewaysHandlerIsFollowedToTheRoomItEmitsTo finds the spans of a handler
// that answers and emits to a room.
func TestAGatewaysHandlerIsFollowedToTheRoomItEmitsTo(t *testing.T) {
	rec := record()
	g := actors.NewGateway[struct{}]("/chat", actors.GatewayConfig{})
	g.OnConnect(func(ctx context.Context, c *actors.Client[struct{}]) error { return c.Join(ctx, "general") })
	actors.Handle(g, "say", func(ctx context.Context, c *actors.Client[struct{}], text string) (string, error) {
		_, span := rec.Tracer("user").Start(ctx, "mine")
		defer span.End()
		return text, c.To("general").Emit("said", text)
	})
	n := start(t, node.Config{Gateways: []actors.GatewayBehavior{g}, Tracer: rec.Tracer("test"), SampleRatio: 1})
	ada, bob := connect(t, n), connect(t, n)
	ada.enter("/chat", "")
	bob.enter("/chat", "")
	until(t, "quiet", func() bool { return len(rec.Started()) == len(rec.Ended()) })
	rec.Reset()
	ada.send(actors.PacketEvent, "/chat", `["say","hello"]`, 1)
	until(t, "the answer and the event, flushed", func() bool {
		tree := trees(rec.spans())
		for _, line := range []string{"receive\n", "\n  connection\n", "\n    handler\n", "\n      mine\n"} {
			if !strings.Contains(tree, line) {
				return false
			}
		}
		return strings.Count(tree, "\n      deliver\n") >= 2 && strings.Contains(tree, "\n        flush\n")
	})
}

// TestATraceNamesTheRoomAndTheEvent is for whoever looks for the one that is slow.
func TestATraceNamesTheRoomAndTheEvent(t *testing.T) {
	rec := record()
	kind := actors.NewKind("diary", func() *diary { return &diary{rec: rec} }, actors.KindConfig{})
	actors.OnAck(kind, "note", (*diary).Note)
	g := actors.NewGateway[struct{}]("/chat", actors.GatewayConfig{})
	actors.Handle(g, "say", func(context.Context, *actors.Client[struct{}], string) (string, error) { return "said", nil })
	n := start(t, node.Config{Kinds: []actors.Behavior{kind}, Gateways: []actors.GatewayBehavior{g}, Tracer: rec.Tracer("test"), SampleRatio: 1})
	p := connect(t, n)
	p.enter("/diary/a", "")
	p.enter("/chat", "")
	unknown := strings.Repeat("x", 2*actors.MaxEventName)
	p.send(actors.PacketEvent, "/diary/a", `["note","hello"]`, 1)
	p.send(actors.PacketEvent, "/diary/a", `["`+unknown+`"]`, 2)
	p.send(actors.PacketEvent, "/chat", `["say","hello"]`, 3)
	for _, want := range []struct{ span, room, event string }{
		{"turn", "diary/a", "note"},
		{"turn", "diary/a", unknown[:actors.MaxEventName] + "…"},
		{"handler", "", "say"},
	} {
		until(t, want.span+" of "+want.event, func() bool {
			return slices.ContainsFunc(rec.spans(), func(s otlptest.Span) bool {
				return s.Name == want.span && s.Attribute["parlor.room"] == want.room && s.Attribute["parlor.event"] == want.event
			})
		})
	}
}

// TestWhatIsNotTracedIsNoSpan also holds that a stranger cannot have it traced.
func TestWhatIsNotTracedIsNoSpan(t *testing.T) {
	rec := record()
	n := start(t, node.Config{Kinds: []actors.Behavior{counters(actors.KindConfig{})}, Tracer: rec.Tracer("test")})
	p := connect(t, n)
	p.enter("/counter/a", `{"$parlor":{"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}`)
	p.send(actors.PacketEvent, "/counter/a", `["add",1,{"$parlor":{"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}]`, 1)
	p.await(actors.PacketAck, "/counter/a", "1")
	if spans := rec.Started(); len(spans) != 0 {
		t.Errorf("%d spans were started", len(spans))
	}
}

func TestATrustedClientDecidesWhatIsTraced(t *testing.T) {
	rec := record()
	n := start(t, node.Config{
		Kinds: []actors.Behavior{counters(actors.KindConfig{})}, Tracer: rec.Tracer("test"), SampleRatio: 1, TrustTraceparent: true,
	})
	p := connect(t, n)
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	p.enter("/counter/a", `{"$parlor":{"traceparent":"00-`+trace+`-`+parent+`-00"}}`)
	p.send(actors.PacketEvent, "/counter/a", `["add",1,{"$parlor":{"traceparent":"00-`+trace+`-`+parent+`-01"}}]`, 1)
	p.await(actors.PacketAck, "/counter/a", "1")
	until(t, "the flush of the answer", func() bool {
		for _, s := range rec.spans() {
			if s.Name == "flush" {
				return true
			}
		}
		return false
	})
	roots := 0
	for _, s := range rec.spans() {
		own := s.Name == "wake" || s.Name == "claim" || s.Name == "load" // nobody's packet causes these
		if s.TraceID != trace && !own {
			t.Errorf("%s belongs to trace %s", s.Name, s.TraceID)
		}
		if s.Parent == parent {
			roots++
		}
	}
	if roots != 1 {
		t.Errorf("%d spans have the client's as their parent, want the one of the event: a CONNECT it did not want traced came first", roots)
	}
}
