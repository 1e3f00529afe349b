package actors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Gateway is a namespace with connection-level handlers, in the manner of a
// Socket.IO server or a NestJS gateway. D is the data of one client there,
// set by the connect hook and read by handlers.
//
// Everything that concerns one client in one namespace (connect hook, event
// handlers, disconnect hook) runs one at a time and in order, on a queue of its
// own, and may block. Different clients run concurrently. Rooms are dynamic:
// a client joins and leaves them by name, and any string of 1 to 256 bytes
// names one.
//
// Build it once, register handlers, hand it to a node, and do not change it
// afterwards. A *Gateway is also the handle for emitting from anywhere in the
// program; it may be used from any goroutine once the node is made, and
// returns ErrNotServed before.
type Gateway[D any] struct {
	namespace  string
	config     GatewayConfig
	handlers   map[string]gatewayHandler[D]
	any        gatewayHandler[D]
	connect    []func(context.Context, *Client[D]) error
	disconnect []func(context.Context, *Client[D], LeaveReason)
	around     []Middleware[D]
	server     map[string]func(context.Context, Args) (any, error)
	errs       []error

	mu   sync.RWMutex // guards the following
	host GatewayHost  // set by Bind
}

// GatewayConfig says how a gateway is run. The zero value is useful.
type GatewayConfig struct {
	// Match serves further namespaces with the same handlers: those for which
	// it returns true. Patterns are Match: regexp.MustCompile(`^/dyn-\d+$`).MatchString.
	Match func(namespace string) bool

	// RecoverWithin keeps rooms, data and missed events of a client that lost
	// its connection, and lets a stock client that asks for it
	// (connection state recovery) have them back, on any node while the one
	// it was on lives. Zero means that clients get
	// neither pid nor offsets.
	RecoverWithin time.Duration
	// RecoverEvents and RecoverBytes bound what is kept for one client. Zero
	// means 1,000 events and 1 MiB. A client that missed more connects afresh.
	RecoverEvents int
	RecoverBytes  int

	// KeepRooms remembers the rooms of an authenticated user and joins them
	// at its next connect, before the connect hook.
	KeepRooms bool

	// Queue is how many events of one client may wait for its handlers before
	// its socket is not read from. Zero means 64.
	Queue int

	// ConnectTimeout bounds the connect hooks. Zero means 10 s.
	ConnectTimeout time.Duration
}

func (c *GatewayConfig) complete() error {
	defaultTo(&c.RecoverEvents, 1_000)
	defaultTo(&c.RecoverBytes, 1<<20)
	defaultTo(&c.Queue, 64)
	defaultTo(&c.ConnectTimeout, 10*time.Second)
	return errors.Join(
		within("RecoverWithin", c.RecoverWithin, 0, 24*time.Hour),
		within("RecoverEvents", c.RecoverEvents, 1, 1_000_000),
		within("RecoverBytes", c.RecoverBytes, 1, 1<<30),
		within("Queue", c.Queue, 1, 65_536),
		within("ConnectTimeout", c.ConnectTimeout, time.Millisecond, time.Hour),
	)
}

type gatewayHandler[D any] func(context.Context, *Client[D], *Event) (any, error)

// Middleware runs around the handling of an event: it may look at it, refuse
// it with an error, or go on with next. An *Error reaches the client.
type Middleware[D any] func(ctx context.Context, c *Client[D], ev *Event, next func() error) error

// NewGateway returns a gateway for a namespace, "/" or "/chat". Mistakes in
// its definition are reported by Err, and by the node that is given it.
func NewGateway[D any](namespace string, c GatewayConfig) *Gateway[D] {
	g := &Gateway[D]{
		namespace: namespace, config: c,
		handlers: make(map[string]gatewayHandler[D]),
		server:   make(map[string]func(context.Context, Args) (any, error)),
	}
	if namespace == "" || namespace[0] != '/' || len(namespace) > 256 {
		g.fail(fmt.Errorf("a namespace begins with a slash and has at most 256 bytes"))
	}
	g.fail(g.config.complete())
	return g
}

func (g *Gateway[D]) fail(err error) {
	if err != nil {
		g.errs = append(g.errs, err)
	}
}

func (g *Gateway[D]) present(what string, is bool) {
	if !is {
		g.fail(fmt.Errorf("%s: the function is nil", what))
	}
}

// OnConnect adds a hook that runs before any event of the client is handled.
// It may set c.Data, join rooms and emit; hooks run in the order they were
// added. An error refuses the client: it is sent CONNECT_ERROR, an *Error as
// it is, any other as CodeInternal; no handler and no disconnect hook runs. A
// recovered client (c.Recovered) has its rooms already.
func (g *Gateway[D]) OnConnect(f func(context.Context, *Client[D]) error) {
	g.present("OnConnect", f != nil)
	g.connect = append(g.connect, f)
}

// OnDisconnect adds a hook that runs exactly once for every client whose
// connect hooks succeeded, after its last event. c still knows its rooms; it
// has left them when the hooks have returned.
func (g *Gateway[D]) OnDisconnect(f func(context.Context, *Client[D], LeaveReason)) {
	g.present("OnDisconnect", f != nil)
	g.disconnect = append(g.disconnect, f)
}

// Use adds middleware around every event; the first added is the outermost.
func (g *Gateway[D]) Use(m Middleware[D]) {
	g.present("Use", m != nil)
	g.around = append(g.around, m)
}

// Guard refuses whatever allow returns an error for: connecting, with an
// empty event, in its place among the connect hooks; and every event, in its
// place among the middleware. An *Error reaches the client; any other error
// becomes CodeForbidden for the client and a line in the log.
func (g *Gateway[D]) Guard(allow func(ctx context.Context, c *Client[D], event string) error) {
	g.present("Guard", allow != nil)
	check := func(ctx context.Context, c *Client[D], event string) error {
		err := allow(ctx, c, event)
		if err != nil && AsError(err).Code == CodeInternal {
			return &GuardError{Cause: err}
		}
		return err
	}
	g.OnConnect(func(ctx context.Context, c *Client[D]) error { return check(ctx, c, "") })
	g.Use(func(ctx context.Context, c *Client[D], ev *Event, next func() error) error {
		if err := check(ctx, c, ev.Name); err != nil {
			return err
		}
		return next()
	})
}

// Handle registers the handler of an event. In is decoded from the event's
// first argument as with OnAck; Args takes all arguments. The result is the
// acknowledgement, unless it is a Reply or []Reply, which are emitted to the
// caller instead, or nil, which acknowledges with nothing. An error goes to
// the acknowledgement as {"error":{code,message}} if one was asked for, else
// to the event "exception".
func Handle[D, In, Out any](g *Gateway[D], event string, h func(context.Context, *Client[D], In) (Out, error)) {
	g.fail(checkHandler(event, g.handlers[event] != nil, h == nil, errors.Join(checkIn[In](), checkOut[Out]())))
	decode := newDecoder[In]()
	g.handlers[event] = func(ctx context.Context, c *Client[D], ev *Event) (any, error) {
		in, err := decode(ev)
		if err != nil {
			return nil, err
		}
		return h(ctx, c, in)
	}
}

// HandleAny registers the handler of every event that has none of its own.
func (g *Gateway[D]) HandleAny(h func(ctx context.Context, c *Client[D], event string, args Args) (any, error)) {
	if g.any != nil {
		g.fail(errors.New("HandleAny is registered twice"))
	}
	g.present("HandleAny", h != nil)
	g.any = func(ctx context.Context, c *Client[D], ev *Event) (any, error) {
		return h(ctx, c, ev.Name, ev.Args)
	}
}

// Reply is an event for the caller, as the result of a handler.
type Reply struct {
	Event string
	Data  any // one argument; Args for several; nil for none
}

// OnServer registers the answer to ServerSideEmit of another node, or of this
// one. It runs on a goroutine of its own.
func (g *Gateway[D]) OnServer(event string, h func(ctx context.Context, args Args) (any, error)) {
	if g.server[event] != nil {
		g.fail(fmt.Errorf("server event %q is registered twice", event))
	}
	g.present("OnServer", h != nil)
	g.server[event] = h
}

// ErrNotServed is returned by a Gateway that no node serves.
var ErrNotServed = errors.New("parlor: no node serves the gateway")

// in returns the builder for emits in one of the gateway's namespaces.
func (g *Gateway[D]) in(namespace string) Broadcast[D] {
	return Broadcast[D]{gateway: g, to: Multicast{Namespace: namespace}}
}

// In addresses one of the namespaces that GatewayConfig.Match serves.
func (g *Gateway[D]) In(namespace string) Broadcast[D] { return g.in(namespace) }

// All addresses every client of the gateway's own namespace, on every node.
func (g *Gateway[D]) All() Broadcast[D] { return g.in(g.namespace) }

// To addresses the clients in any of these rooms, each once. A client's id
// names the room of that client alone.
func (g *Gateway[D]) To(rooms ...string) Broadcast[D] { return g.All().To(rooms...) }

// ToUser addresses every client of these users.
func (g *Gateway[D]) ToUser(ids ...string) Broadcast[D] { return g.All().ToUser(ids...) }

// Emit emits to every client of the namespace. See Broadcast.Emit.
func (g *Gateway[D]) Emit(event string, args ...any) error { return g.All().Emit(event, args...) }

// ServerSideEmit sends an event to OnServer of every other node that serves
// the gateway and waits for their answers, until ctx ends. Answers that did
// not come are counted in the error.
func (g *Gateway[D]) ServerSideEmit(ctx context.Context, event string, args ...any) ([]json.RawMessage, error) {
	host, err := g.bound()
	if err != nil {
		return nil, err
	}
	raw, err := EncodeArgs(nil, args...)
	if err != nil {
		return nil, err
	}
	return host.ServerEmit(ctx, g.namespace, event, raw)
}

func (g *Gateway[D]) bound() (GatewayHost, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.host == nil {
		return nil, ErrNotServed
	}
	return g.host, nil
}

// Namespace implements GatewayBehavior.
func (g *Gateway[D]) Namespace() string { return g.namespace }

// Serves implements GatewayBehavior.
func (g *Gateway[D]) Serves(namespace string) bool {
	return namespace == g.namespace || (g.config.Match != nil && g.config.Match(namespace))
}

// Config implements GatewayBehavior.
func (g *Gateway[D]) Config() GatewayConfig { return g.config }

// Err implements GatewayBehavior.
func (g *Gateway[D]) Err() error {
	if len(g.errs) == 0 {
		return nil
	}
	return fmt.Errorf("gateway %q: %w", g.namespace, errors.Join(g.errs...))
}

// Bind implements GatewayBehavior.
func (g *Gateway[D]) Bind(h GatewayHost) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.host = h
}

// NewClient implements GatewayBehavior.
func (g *Gateway[D]) NewClient(h ClientHost) GatewayClient {
	c := &Client[D]{gateway: g, host: h}
	return c
}

// Server implements GatewayBehavior.
func (g *Gateway[D]) Server(ctx context.Context, event string, args Args) (Raw, error) {
	h := g.server[event]
	if h == nil {
		return Raw{}, Errorf(CodeUnknownEvent, "no handler takes %q", event)
	}
	out, err := h(ctx, args)
	if err != nil {
		return Raw{}, err
	}
	return EncodeArgs(nil, out)
}
