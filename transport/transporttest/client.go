package transporttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/parlor-rooms/parlor/transport/internal/engineio"
	"github.com/parlor-rooms/parlor/transport/internal/socketio"
)

// Client is one Socket.IO connection. All methods may be called from any
// goroutine.
type Client struct {
	// Set by Dial, read-only afterwards.
	options   Options
	handshake engineio.Handshake
	link      link
	abort     context.CancelFunc
	ending    chan struct{} // closed when Close or Abort was called
	done      chan struct{} // closed when nothing is received any more

	// Owned by whoever receives: Dial while it upgrades, then the reader.
	decoder decoder

	mu         sync.Mutex // guards the following
	namespaces map[string]*Namespace
	err        error // why it ended
	closing    bool  // Close or Abort was called before it ended
}

// decoder is one of those of socketio.
type decoder interface {
	AddText(text []byte) (*socketio.Packet, bool, error)
	AddBinary(data []byte) (*socketio.Packet, bool, error)
}

// link is a transport.
type link interface {
	// write sends messages in one go. Any goroutine may call it.
	write(messages ...message) error
	// receive hands on every packet until the connection ends, and says why it
	// did. What it hands on is only valid during the call.
	receive(take func(engineio.Packet) error) error
	// close ends the connection in the orderly way; receive returns then.
	close() error
	// cut ends it without a word; reset makes a TCP connection say so.
	cut(reset bool)
}

// message is an Engine.IO packet as text, or a binary message.
type message struct {
	binary bool
	data   []byte
}

// errClosed is why a client ended that was closed.
var errClosed = fmt.Errorf("closed by the client: %w", net.ErrClosed)

// Dial opens a connection to a server named by http://host:port or https, and
// returns when Engine.IO is open and, if so wanted, upgraded. ctx bounds that
// and nothing after it. The client has a goroutine that reads, which ends with
// Close or Abort, or when the server ends the connection.
func Dial(ctx context.Context, server string, o Options) (*Client, error) {
	o = o.complete()
	base, err := url.Parse(server)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", server, err)
	}
	base.Path = o.Path
	life, abort := context.WithCancel(context.Background())
	c := &Client{
		options:    o,
		abort:      abort,
		ending:     make(chan struct{}),
		done:       make(chan struct{}),
		decoder:    socketio.NewDecoder(limits(o)),
		namespaces: make(map[string]*Namespace),
	}
	if o.Parser == Msgpack {
		c.decoder = socketio.NewMsgpackDecoder(limits(o))
	}
	switch o.Transport {
	case Polling, Upgrade:
		err = c.dialPolling(ctx, life, base)
	default:
		err = c.dialWebSocket(ctx, base)
	}
	if err != nil {
		abort()
		return nil, fmt.Errorf("dial %s: %w", server, err)
	}
	go c.run() // Close and Abort wait for it
	return c, nil
}

func limits(o Options) socketio.Limits {
	return socketio.Limits{Attachments: 64, TotalBytes: o.MaxMessage, Depth: 1000, EventName: 1 << 20, Namespace: 1 << 10}
}

// run receives until the end.
func (c *Client) run() {
	err := c.link.receive(c.take)
	c.mu.Lock()
	if c.closing {
		err = errClosed
	}
	c.err = err
	all := c.namespaces
	c.namespaces = nil
	c.mu.Unlock()
	for _, ns := range all {
		ns.end()
	}
	c.link.cut(false)
	c.abort()
	close(c.done)
}

// take handles one packet of Engine.IO.
func (c *Client) take(p engineio.Packet) error {
	switch p.Type {
	case engineio.Ping:
		if c.options.NoPong {
			return nil
		}
		return c.link.write(message{data: []byte("3")})
	case engineio.Close:
		return errors.New("the server closed the session")
	case engineio.Message:
		if !p.Binary && c.options.Skip != nil && c.options.Skip(p.Data) {
			return nil
		}
		add := c.decoder.AddText
		if p.Binary {
			add = c.decoder.AddBinary
		}
		packet, complete, err := add(bytes.Clone(p.Data))
		if err != nil || !complete {
			return err
		}
		return c.route(packet)
	}
	return nil
}

// route gives a packet to its namespace.
func (c *Client) route(p *socketio.Packet) error {
	c.mu.Lock()
	ns := c.namespaces[p.Namespace]
	if ns != nil && (p.Type == socketio.Disconnect || p.Type == socketio.ConnectError) {
		delete(c.namespaces, p.Namespace)
	}
	c.mu.Unlock()
	if ns == nil {
		return nil // left meanwhile
	}
	return ns.take(p)
}

// send sends one Socket.IO packet.
func (c *Client) send(p socketio.Packet) error {
	if c.options.Parser == Msgpack {
		b, err := socketio.EncodeMsgpack(p)
		if err != nil {
			return err
		}
		return c.link.write(message{binary: true, data: b})
	}
	header := socketio.AppendHeader([]byte{'0' + byte(engineio.Message)}, p)
	if len(p.Attachments) == 0 {
		return c.link.write(message{data: header})
	}
	messages := []message{{data: header}}
	for _, a := range p.Attachments {
		messages = append(messages, message{binary: true, data: a})
	}
	return c.link.write(messages...)
}

// SID is the Engine.IO session id.
func (c *Client) SID() string { return c.handshake.SID }

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err says why the connection has ended, or nil while it has not. It is a
// *CloseError if the server sent a close frame.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// WriteText sends one Engine.IO packet as it stands: a WebSocket text message,
// or the body of a POST.
func (c *Client) WriteText(packet string) error {
	return c.link.write(message{data: []byte(packet)})
}

// WriteFrame sends one masked WebSocket frame with this first byte: bits FIN,
// RSV and opcode, RFC 6455 section 5.2. A polling client returns an error.
func (c *Client) WriteFrame(first byte, payload []byte) error {
	if ws, ok := c.link.(*wsLink); ok {
		return ws.frame(first, payload)
	}
	return errors.New("a polling client has no frames")
}

// Close ends the connection in the orderly way: it tells the server, gives it up
// to two seconds to answer, and returns when the client's goroutine has ended.
func (c *Client) Close() error {
	if !c.begin() {
		<-c.done
		return nil
	}
	err := c.link.close()
	patience := time.NewTimer(closePatience)
	defer patience.Stop()
	select {
	case <-c.done:
	case <-patience.C:
	}
	c.abort()
	c.link.cut(false)
	<-c.done
	return err
}

// Abort cuts the connection as a crash does, without a word, and returns when
// its goroutine has ended.
func (c *Client) Abort() {
	c.begin()
	c.link.cut(true)
	c.abort()
	<-c.done
}

// begin notes that the client wants to end. It reports whether there was still
// something to end.
func (c *Client) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing || c.err != nil {
		return false
	}
	c.closing = true
	close(c.ending)
	return true
}

// query is what every request has.
func (c *Client) query(transport string) string {
	q := url.Values{}
	for key, values := range c.options.Query {
		q[key] = values
	}
	q.Set("EIO", "4")
	q.Set("transport", transport)
	if c.handshake.SID != "" {
		q.Set("sid", c.handshake.SID)
	}
	return q.Encode()
}

// hostPort is where to connect to.
func hostPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	if secure(u) {
		return net.JoinHostPort(u.Hostname(), "443")
	}
	return net.JoinHostPort(u.Hostname(), "80")
}

func secure(u *url.URL) bool {
	return strings.EqualFold(u.Scheme, "https") || strings.EqualFold(u.Scheme, "wss")
}
