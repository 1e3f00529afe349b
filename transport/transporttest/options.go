package transporttest

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
)

// Transport is how a client talks to the server.
type Transport int

// The transports.
const (
	WebSocket Transport = iota // WebSocket from the start
	Polling                    // polling only
	Upgrade                    // polling, then WebSocket, as stock clients do by default
)

// Parser is the format of Socket.IO packets.
type Parser int

// The parsers.
const (
	JSON Parser = iota
	Msgpack
)

// Options says how a client behaves. The zero value is a WebSocket with JSON.
type Options struct {
	Transport Transport
	Parser    Parser

	// Path is where Socket.IO is. Empty means "/socket.io/".
	Path string

	// Query and Header are added to every request.
	Query  url.Values
	Header http.Header

	// Dial opens a connection; a test with faults returns a FaultConn. Nil
	// means net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// TLS is used for https. Nil means the zero configuration.
	TLS *tls.Config

	// Skip, if not nil, is shown each Socket.IO text message before it is
	// decoded, without the Engine.IO type; true drops it. It runs on the
	// client's reader, and the bytes are only valid until it returns: this is
	// for load, where decoding would cost too much.
	Skip func(message []byte) bool

	// Queue is how many events may wait in Namespace.Next. The client stops
	// reading when it is full. Zero means 1,024.
	Queue int

	// NoPong leaves pings unanswered.
	NoPong bool

	// ReadBuffer is the size of the buffer of a WebSocket, in bytes. Zero means
	// 1,024. Larger messages are read past it.
	ReadBuffer int

	// MaxMessage is the longest message that is taken. Zero means 64 MiB.
	MaxMessage int
}

func (o Options) complete() Options {
	if o.Path == "" {
		o.Path = "/socket.io/"
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.Queue == 0 {
		o.Queue = 1024
	}
	if o.ReadBuffer == 0 {
		o.ReadBuffer = 1024
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = 64 << 20
	}
	return o
}
