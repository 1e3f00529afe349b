package actors

import (
	"context"
	"encoding/json"
	"slices"
	"time"
)

// Broadcast addresses clients of a gateway. It is a value: each method
// returns a changed copy. It may be used from any goroutine.
//
// Order: what one room is sent arrives in the order in which the room took
// it, the same for every member; emits of one goroutine to the same room, or
// to the same single client, or to everyone, keep their order. Nothing is
// promised between different rooms, a room and everyone, or a room and a
// single client.
type Broadcast[D any] struct {
	gateway *Gateway[D]
	to      Multicast
	timeout time.Duration
}

// To adds rooms; a client in several of them is addressed once. An empty list
// addresses nobody, where Socket.IO would address everybody.
func (b Broadcast[D]) To(rooms ...string) Broadcast[D] {
	b.to.Rooms = slices.Concat([]string{}, b.to.Rooms, rooms)
	return b
}

// ToUser adds the clients of users; an empty list addresses nobody.
func (b Broadcast[D]) ToUser(ids ...string) Broadcast[D] {
	b.to.Users = slices.Concat([]string{}, b.to.Users, ids)
	return b
}

// Except leaves out the clients in any of these rooms. A client's id names
// the room of that client alone.
func (b Broadcast[D]) Except(rooms ...string) Broadcast[D] {
	b.to.Except = append(b.to.Except[:len(b.to.Except):len(b.to.Except)], rooms...)
	return b
}

// Volatile lets the event be dropped for a client whose socket lags.
func (b Broadcast[D]) Volatile() Broadcast[D] { b.to.Volatile = true; return b }

// Local addresses only clients whose socket is on this node.
func (b Broadcast[D]) Local() Broadcast[D] { b.to.Local = true; return b }

// Timeout is how long Ask waits. Zero means 10 s.
func (b Broadcast[D]) Timeout(d time.Duration) Broadcast[D] { b.timeout = d; return b }

// Emit sends an event. args are encoded before it returns, as by
// Emitter.Emit. It does not wait for anybody; it fails if a value cannot be
// encoded, the event name is reserved or too long, or no node serves the
// gateway.
func (b Broadcast[D]) Emit(event string, args ...any) error {
	host, err := b.encode(event, args)
	if err != nil {
		return err
	}
	return host.Emit(&b.to)
}

// Ask sends an event and waits for the acknowledgements of all addressed
// clients. At the timeout it returns those that came, with Err set in the
// answers of the others, and an *Error with CodeTimeout. A client that goes
// meanwhile answers with CodeNotFound. Where a room or a node was not reached,
// so that clients may be missing from the answers, the error is CodeUnavailable.
func (b Broadcast[D]) Ask(ctx context.Context, event string, args ...any) ([]ClientAnswer, error) {
	host, err := b.encode(event, args)
	if err != nil {
		return nil, err
	}
	timeout := b.timeout
	if timeout <= 0 {
		timeout = 10 * time.Second
	}
	return host.Ask(ctx, &b.to, timeout)
}

func (b *Broadcast[D]) encode(event string, args []any) (GatewayHost, error) {
	host, err := b.gateway.bound()
	if err != nil {
		return nil, err
	}
	if err := checkEventName(event); err != nil {
		return nil, Errorf(CodeInvalid, "%v", err)
	}
	raw, err := EncodeArgs(&event, args...)
	b.to.Event, b.to.Data = event, raw
	return host, err
}

// Members lists the addressed clients, exactly: a room's members as its owner
// has them.
func (b Broadcast[D]) Members(ctx context.Context) ([]ClientInfo, error) {
	host, err := b.gateway.bound()
	if err != nil {
		return nil, err
	}
	return host.Members(ctx, &b.to)
}

// Join makes the addressed clients enter rooms. It waits until they have.
func (b Broadcast[D]) Join(ctx context.Context, rooms ...string) error {
	host, err := b.gateway.bound()
	if err != nil {
		return err
	}
	return host.Move(ctx, &b.to, rooms, nil)
}

// Leave makes the addressed clients leave rooms. It waits until they have.
func (b Broadcast[D]) Leave(ctx context.Context, rooms ...string) error {
	host, err := b.gateway.bound()
	if err != nil {
		return err
	}
	return host.Move(ctx, &b.to, nil, rooms)
}

// Disconnect sends the addressed clients away. See Client.Disconnect.
func (b Broadcast[D]) Disconnect(ctx context.Context, closeTransport bool) error {
	host, err := b.gateway.bound()
	if err != nil {
		return err
	}
	return host.Disconnect(ctx, &b.to, closeTransport)
}

// ClientInfo is what is known of a client everywhere.
type ClientInfo struct {
	ID     string          `json:"id"`
	UserID string          `json:"user,omitempty"`
	Rooms  []string        `json:"rooms,omitempty"` // as known to its own node; nil if it is on another
	Data   json.RawMessage `json:"data,omitempty"`  // Client.Data as of its latest Join or Share
	Node   string          `json:"node"`            // where its socket is
}

// ClientAnswer is one client's acknowledgement.
type ClientAnswer struct {
	Client string
	Args   Args  // what the client passed to the callback
	Err    error // CodeTimeout, or CodeNotFound if the client left first
}
