package transporttest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/parlor-rooms/parlor/transport/internal/socketio"
)

// Namespace is one namespace of a client, once it was admitted. All methods may
// be called from any goroutine.
type Namespace struct {
	// Set by Connect, read-only afterwards.
	client *Client
	name   string
	events chan Event    // never closed
	left   chan struct{} // closed when the namespace was left or its connection ended

	answer chan error // what came of CONNECT; holds one

	mu       sync.Mutex // guards the following
	sid, pid string
	connects int
	acks     map[uint64]chan Event
	next     uint64
	handlers map[string]func(Event)
	over     bool
}

// ConnectError is a server's refusal of a namespace.
type ConnectError struct {
	Message string
	Data    json.RawMessage
}

func (e *ConnectError) Error() string { return fmt.Sprintf("refused: %s %s", e.Message, e.Data) }

// Code is data.code, if there is one.
func (e *ConnectError) Code() string {
	var data struct{ Code string }
	_ = json.Unmarshal(e.Data, &data) // other data has no code
	return data.Code
}

// ErrLeft says that the namespace was left, or its connection ended.
var ErrLeft = errors.New("transporttest: not in the namespace")

// Connect joins a namespace. auth is encoded as JSON, nil sends none. It returns
// when the server has answered: a *ConnectError if it refused.
func (c *Client) Connect(ctx context.Context, name string, auth any) (*Namespace, error) {
	var data json.RawMessage
	if auth != nil {
		b, err := json.Marshal(auth)
		if err != nil {
			return nil, fmt.Errorf("connect %s: %w", name, err)
		}
		data = b
	}
	ns := &Namespace{
		client: c,
		name:   name,
		events: make(chan Event, c.options.Queue),
		left:   make(chan struct{}),
		answer: make(chan error, 1),
	}
	c.mu.Lock()
	switch {
	case c.namespaces == nil:
		c.mu.Unlock()
		return nil, fmt.Errorf("connect %s: %w", name, net.ErrClosed)
	case c.namespaces[name] != nil:
		c.mu.Unlock()
		return nil, fmt.Errorf("connect %s: joined already", name)
	}
	c.namespaces[name] = ns
	c.mu.Unlock()

	err := c.send(socketio.Packet{Type: socketio.Connect, Namespace: name, Data: data})
	if err == nil {
		select {
		case err = <-ns.answer:
		case <-ctx.Done():
			err = ctx.Err()
		case <-c.done:
			err = c.Err()
		}
	}
	if err != nil {
		c.forget(ns)
		return nil, fmt.Errorf("connect %s: %w", name, err)
	}
	return ns, nil
}

// forget takes a namespace out of the client.
func (c *Client) forget(ns *Namespace) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.namespaces[ns.name] == ns {
		delete(c.namespaces, ns.name)
	}
}

// take handles one packet of the namespace, on the reader.
func (ns *Namespace) take(p *socketio.Packet) error {
	switch p.Type {
	case socketio.Connect:
		return ns.connected(p)
	case socketio.ConnectError:
		e := &ConnectError{}
		if json.Unmarshal(p.Data, e) != nil {
			e.Data = p.Data
		}
		e.Data = append(json.RawMessage(nil), e.Data...)
		ns.reply(e)
	case socketio.Disconnect:
		ns.end()
	case socketio.Ack, socketio.BinaryAck:
		ns.acknowledged(p)
	default:
		return ns.event(p)
	}
	return nil
}

func (ns *Namespace) connected(p *socketio.Packet) error {
	var data struct{ SID, PID string }
	if err := json.Unmarshal(p.Data, &data); err != nil {
		return fmt.Errorf("connect %s: %w", ns.name, err)
	}
	ns.mu.Lock()
	ns.sid, ns.pid = data.SID, data.PID
	ns.connects++
	ns.mu.Unlock()
	ns.reply(nil)
	return nil
}

// reply gives Connect its answer; a second CONNECT in place has nobody waiting.
func (ns *Namespace) reply(err error) {
	select {
	case ns.answer <- err:
	default:
	}
}

// end is the end of the namespace, the first time it is called.
func (ns *Namespace) end() {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if ns.over {
		return
	}
	ns.over = true
	close(ns.left)
}

// SID is the member's id, as the server told it last.
func (ns *Namespace) SID() string {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return ns.sid
}

// PID is the secret to resume with; empty if the server gave none.
func (ns *Namespace) PID() string {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return ns.pid
}

// Connects is how many CONNECT answers came: more than one after a cut.
func (ns *Namespace) Connects() int {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return ns.connects
}

// Name is the namespace.
func (ns *Namespace) Name() string { return ns.name }

// Left is closed when the server has sent DISCONNECT, or the connection ended.
func (ns *Namespace) Left() <-chan struct{} { return ns.left }

// Disconnect leaves the namespace.
func (ns *Namespace) Disconnect() error {
	ns.client.forget(ns)
	ns.end()
	return ns.client.send(socketio.Packet{Type: socketio.Disconnect, Namespace: ns.name})
}
