package actors

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Client is a connection to a gateway. Its methods may be called from any
// goroutine; Data belongs to the handlers of this client, which run one at a
// time.
type Client[D any] struct {
	// Data is the program's own. Its JSON form is what Members reports of the
	// client, as of its latest Join or Share, and what a client that recovers
	// on another node finds of it.
	Data D

	gateway *Gateway[D]
	host    ClientHost
}

// ID identifies the client in its namespace; it is the client's socket.id.
func (c *Client[D]) ID() string { return c.host.Info().ID }

// Namespace is the one it connected to.
func (c *Client[D]) Namespace() string { return c.host.Info().Namespace }

// Identity is who it has proved to be.
func (c *Client[D]) Identity() Identity { return c.host.Info().Identity }

// Permit is what its identity may do in the namespace.
func (c *Client[D]) Permit() Permit { return c.Identity().In(c.Namespace()) }

// Handshake is the HTTP request that opened the connection.
func (c *Client[D]) Handshake() *Handshake { return c.host.Info().Handshake }

// Recovered reports whether it came back with everything it missed. Its rooms
// and Data are those it had; where it came back on another node, Data went
// there as JSON.
func (c *Client[D]) Recovered() bool { return c.host.Info().Recovered }

// Auth is the CONNECT payload without the reserved keys; nil if there is none.
func (c *Client[D]) Auth() json.RawMessage { return c.host.Info().Auth }

// Bind unmarshals the CONNECT payload into v. It returns an *Error with
// CodeBadAuth if it does not fit.
func (c *Client[D]) Bind(v any) error {
	if len(c.Auth()) == 0 {
		return nil
	}
	return decodeJSON(CodeBadAuth, c.Auth(), v)
}

// Context ends when the client is gone.
func (c *Client[D]) Context() context.Context { return c.host.Context() }

// Join enters rooms. It blocks until their owners have taken the client in:
// whatever is emitted to them afterwards reaches it. It returns an *Error with
// CodeNotFound once the disconnect hooks have returned.
func (c *Client[D]) Join(ctx context.Context, rooms ...string) error {
	data, err := c.data()
	if err != nil {
		return err
	}
	return c.host.Join(ctx, rooms, data)
}

// Leave leaves rooms. It blocks until their owners have let the client go.
func (c *Client[D]) Leave(ctx context.Context, rooms ...string) error {
	return c.host.Leave(ctx, rooms)
}

// Rooms lists the rooms the client is in, its own (its id) first, then in the
// order it joined them.
func (c *Client[D]) Rooms() []string { return c.host.Rooms() }

// Share makes Data, as it is, what Members reports of the client.
func (c *Client[D]) Share(ctx context.Context) error {
	return c.Join(ctx, c.Rooms()[1:]...)
}

func (c *Client[D]) data() (json.RawMessage, error) {
	b, err := appendJSON(nil, c.Data)
	return b, err
}

// Emit emits to this client. See Broadcast.Emit.
func (c *Client[D]) Emit(event string, args ...any) error { return c.self().Emit(event, args...) }

// Ask emits to this client and waits for its acknowledgement until timeout;
// zero means 10 s. It returns an *Error with CodeTimeout, or CodeNotFound if
// the client went first. A handler must not wait for an event of the same
// client that comes after its own; a connect hook must not Ask its own client,
// which hears nothing before the hooks have returned.
func (c *Client[D]) Ask(ctx context.Context, timeout time.Duration, event string, args ...any) (Args, error) {
	answers, err := c.self().Timeout(timeout).Ask(ctx, event, args...)
	if err != nil {
		return Args{}, err
	}
	if len(answers) == 0 {
		return Args{}, Errorf(CodeNotFound, "the client has gone")
	}
	return answers[0].Args, answers[0].Err
}

func (c *Client[D]) self() Broadcast[D] {
	b := c.in()
	b.to.Rooms = []string{c.ID()}
	return b
}

// in addresses the client's namespace, on behalf of what runs for the client.
func (c *Client[D]) in() Broadcast[D] {
	b := c.gateway.in(c.Namespace())
	b.to.Trace = c.host.Trace()
	return b
}

// Volatile addresses this client with events that may be dropped.
func (c *Client[D]) Volatile() Broadcast[D] { return c.self().Volatile() }

// To addresses the other clients in any of these rooms, each once.
func (c *Client[D]) To(rooms ...string) Broadcast[D] {
	return c.in().To(rooms...).Except(c.ID())
}

// Broadcast addresses every other client of the namespace.
func (c *Client[D]) Broadcast() Broadcast[D] {
	return c.in().Except(c.ID())
}

// Disconnect sends the client away from the namespace: a stock client does
// not reconnect by itself. With closeTransport its connection is closed too,
// and then a stock client does reconnect. What was emitted to it before still
// reaches it. The disconnect hook runs after the handler that is running;
// events that wait are not handled. In a connect hook it takes effect when the
// hooks have succeeded; to refuse a client return an error instead.
func (c *Client[D]) Disconnect(closeTransport bool) { c.host.Disconnect(closeTransport) }

// Connect implements GatewayClient.
func (c *Client[D]) Connect(ctx context.Context) error {
	for _, hook := range c.gateway.connect {
		if err := hook(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// Disconnected implements GatewayClient.
func (c *Client[D]) Disconnected(ctx context.Context, why LeaveReason) {
	for _, hook := range c.gateway.disconnect {
		hook(ctx, c, why)
	}
}

// Save implements GatewayClient.
func (c *Client[D]) Save() (json.RawMessage, error) { return c.data() }

// Restore implements GatewayClient.
func (c *Client[D]) Restore(data json.RawMessage) error { return json.Unmarshal(data, &c.Data) }

// Handle implements GatewayClient.
func (c *Client[D]) Handle(ctx context.Context, ev *Event) (GatewayResult, error) {
	g := c.gateway
	h := g.handlers[ev.Name]
	if h == nil && !ReservedEvent(ev.Name) {
		h = g.any
	}
	if h == nil {
		return GatewayResult{}, Errorf(CodeUnknownEvent, "no handler takes %q", clip(ev.Name, MaxEventName))
	}
	var out any
	var run func(i int) error
	run = func(i int) error {
		if i < len(g.around) {
			return g.around[i](ctx, c, ev, func() error { return run(i + 1) })
		}
		var err error
		out, err = h(ctx, c, ev)
		return err
	}
	if err := run(0); err != nil {
		return GatewayResult{}, err
	}
	return gatewayResult(out)
}

func gatewayResult(out any) (GatewayResult, error) {
	var replies []Reply
	switch v := out.(type) {
	case nil:
		return GatewayResult{Ack: Raw{JSON: json.RawMessage("[]")}}, nil
	case Reply:
		replies = []Reply{v}
	case []Reply:
		replies = v
	default:
		raw, err := EncodeArgs(nil, out)
		return GatewayResult{Ack: raw}, err
	}
	r := GatewayResult{NoAck: true}
	for _, reply := range replies {
		if err := checkEventName(reply.Event); err != nil {
			return GatewayResult{}, fmt.Errorf("reply: %w", err)
		}
		args := []any{reply.Data}
		if reply.Data == nil {
			args = nil
		}
		raw, err := EncodeArgs(&reply.Event, args...)
		if err != nil {
			return GatewayResult{}, err
		}
		r.Replies = append(r.Replies, raw)
	}
	return r, nil
}
