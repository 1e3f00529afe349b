package actors

import (
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// Gate is where connections enter the runtime. A node implements it; a
// transport calls it. It is the one way data comes in, as [Socket] is the one
// way it goes out.
type Gate interface {
	// Accept takes one Socket.IO connection whose transport handshake is
	// done. It does not block. It returns an *Error (CodeUnavailable,
	// CodeOverloaded) when the node takes no more connections; the transport
	// then refuses the handshake. Closed must be called exactly once on the
	// Connection that was returned.
	Accept(s Socket, h *Handshake) (Connection, error)
}

// Connection is the runtime's side of one Socket.IO connection.
type Connection interface {
	// Receive takes one packet that arrived, in the order of the wire. Only
	// one goroutine at a time may call it. It blocks while too many packets of
	// this connection are still being worked on, which is how back-pressure
	// reaches the socket; Closed makes it return. p belongs to the runtime
	// afterwards, including its bytes. A packet that violates the protocol
	// closes the socket with ReasonProtocolError.
	Receive(p *Packet)

	// Closed says that the transport is gone and why. It does not block, may
	// be called from any goroutine, also while Receive blocks; only the first
	// call counts. A transport may call it from within Socket.Push, Flush or
	// Close, and what WhenDrained was given from within Flush: a runtime must
	// only enqueue there.
	Closed(why LeaveReason)
}

// Socket is the transport's side of one Socket.IO connection: a WebSocket or
// a polling session, whichever it is at the moment. All methods may be called
// from any goroutine and none of them blocks.
type Socket interface {
	// SID is the Engine.IO session id. It is a secret of that client.
	SID() string

	// Push queues p behind what already waits; Flush sends it. p is shared
	// with other sockets: nobody modifies it afterwards. Errors leave p
	// unqueued: ErrDropped for a volatile packet while the socket is not
	// keeping up, ErrTooSlow when the outbox is full (the socket has begun to
	// close itself with ReasonTooSlow), net.ErrClosed.
	Push(p *Packet) error

	// Flush writes what waits, as far as the socket takes it at once.
	Flush()

	// Lagging reports whether earlier packets still wait to be taken by the
	// network. Synced state is conflated for a lagging socket.
	Lagging() bool

	// WhenDrained calls f once, from any goroutine, when nothing waits any
	// more; at once if nothing waits. f must not block. f is not called after
	// the socket has closed.
	WhenDrained(f func())

	// Close closes the transport, which makes a stock client reconnect. What
	// waits is still written, within a short time limit of the transport.
	Close(why LeaveReason)
}

// Handshake is what is known of a connection before any namespace: the HTTP
// request that opened it. It is read-only.
type Handshake struct {
	Time    time.Time
	Address string      // remote IP address, without port
	Secure  bool        // TLS at this listener
	Path    string      // request path
	Header  http.Header // as received, but for a Cookie of a page that may not use it; credentials are there and in Authorization
	Query   url.Values  // without EIO, transport, sid, t and b64
}

// PacketType is a Socket.IO packet type, protocol revision 5. The binary
// variants are not types of their own here: a packet with attachments is one.
type PacketType uint8

// The packet types.
const (
	PacketConnect PacketType = iota
	PacketDisconnect
	PacketEvent
	PacketAck
	PacketConnectError
)

// Packet is one Socket.IO packet, whatever parser the client speaks.
// https://socket.io/docs/v4/socket-io-protocol/
type Packet struct {
	Type      PacketType
	Namespace string // "/" or "/board/q3"
	ID        uint64 // acknowledgement id, if HasID
	HasID     bool

	// Data is the payload as raw JSON: an object for CONNECT and
	// CONNECT_ERROR, an array for EVENT (name first) and ACK, nil if absent.
	// Places of attachments hold {"_placeholder":true,"num":n}.
	Data        []byte
	Attachments [][]byte

	// Class says what may happen to the packet when its reader is slow.
	Class Class

	// Received is when a transport had read the packet; zero for packets that
	// are sent.
	Received time.Time
	// Trace names the span in which the packet was received or made, if it is
	// sampled. The runtime sets it.
	Trace Trace

	encoded [encodedSlots]atomic.Pointer[any]
}

// Class says what may happen to a packet whose reader does not keep up.
type Class uint8

const (
	// Reliable packets are delivered in order, or the connection is closed.
	Reliable Class = iota
	// Volatile packets are dropped, and counted, while the socket lags.
	Volatile
)

const encodedSlots = 4

// Encoded returns what encode made of p for a slot (0 to 3; a transport uses
// one per encoding it speaks), calling it only if no earlier call for that
// slot returned. This is what makes a broadcast encoded once per node: every
// socket is given the same *Packet. Any goroutine may call it; two that race
// may both encode, and one result is kept.
func (p *Packet) Encoded(slot int, encode func(*Packet) any) any {
	if v := p.encoded[slot].Load(); v != nil {
		return *v
	}
	v := encode(p)
	p.encoded[slot].CompareAndSwap(nil, &v)
	return *p.encoded[slot].Load()
}
