// Package socketio encodes and decodes Socket.IO v5 packets, in the JSON format
// of socket.io-parser 4.2 and in the format of socket.io-msgpack-parser 3. It is
// pure: no goroutine, no clock, no I/O.
//
// Both formats meet in Packet, whose Data is JSON exactly as it stood on the
// wire: a payload is checked but never unmarshalled and marshalled again, so
// digits of numbers, the order of keys and lone surrogate escapes survive.
//
// The decoders take what upstream's take, except for what no client sends and
// what would make a packet ambiguous; testdata/verdicts.json has upstream's word
// on every case and the tests name each difference.
package socketio

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

// Type is what a packet is for. Its value is the digit on the JSON wire.
type Type uint8

// The packet types of protocol version 5.
const (
	Connect Type = iota
	Disconnect
	Event
	Ack
	ConnectError
	BinaryEvent
	BinaryAck
)

// String returns the name that the protocol gives t.
func (t Type) String() string {
	switch t {
	case Connect:
		return "CONNECT"
	case Disconnect:
		return "DISCONNECT"
	case Event:
		return "EVENT"
	case Ack:
		return "ACK"
	case ConnectError:
		return "CONNECT_ERROR"
	case BinaryEvent:
		return "BINARY_EVENT"
	case BinaryAck:
		return "BINARY_ACK"
	default:
		return "UNKNOWN"
	}
}

// Packet is one Socket.IO packet. Packets may be shared between goroutines when
// nobody modifies what they point to.
type Packet struct {
	Type Type

	// Namespace starts with a slash: "/" or "/board/q3".
	Namespace string

	// ID asks for an acknowledgement, or names the packet acknowledged, if HasID.
	ID    uint64
	HasID bool

	// Data is the JSON payload: an object for Connect, an object or a string
	// for ConnectError, an array for the others; nil where there is none. Only
	// Connect, Disconnect, ConnectError and Ack can have none. The binary types
	// hold {"_placeholder":true,"num":n} where Attachments[n] belongs.
	Data json.RawMessage

	// Attachments are the binary values of BinaryEvent and BinaryAck, which
	// have at least one.
	Attachments [][]byte
}

// MaxID is the largest acknowledgement id: the largest integer that JavaScript
// holds exactly.
const MaxID = 1<<53 - 1

// Limits bounds one packet.
type Limits struct {
	// Attachments is how many binary values a packet may hold. Zero means 10,
	// as upstream; the most is 64.
	Attachments int

	// TotalBytes is the length of a packet with its attachments: the text in
	// the JSON format; in the msgpack format both the message as it came and
	// its Data as JSON with its attachments. Zero means 1,000,000.
	TotalBytes int

	// Depth is how deep arrays and objects may nest, the outermost counted.
	// Zero means 64; the most is 1,000.
	Depth int

	// EventName is the length of an event name in bytes, escapes resolved.
	// Zero means 128.
	EventName int

	// Namespace is the length of a namespace in bytes. Zero means 256.
	Namespace int
}

func (l Limits) withDefaults() Limits {
	l.Attachments = limit(l.Attachments, 10, 64)
	l.TotalBytes = limit(l.TotalBytes, 1_000_000, 1<<31-1)
	l.Depth = limit(l.Depth, 64, 1000)
	l.EventName = limit(l.EventName, 128, 1<<31-1)
	l.Namespace = limit(l.Namespace, 256, 1<<31-1)
	return l
}

func limit(n, zero, most int) int {
	if n == 0 {
		return zero
	}
	return min(n, most)
}

// What decoding and Validate refuse. Upstream closes the connection for a packet
// that does not decode.
var (
	ErrType             = errors.New("socketio: unknown packet type")
	ErrAttachments      = errors.New("socketio: illegal number of attachments")
	ErrNamespace        = errors.New("socketio: illegal namespace")
	ErrID               = errors.New("socketio: illegal acknowledgement id")
	ErrPayload          = errors.New("socketio: payload does not fit the packet type")
	ErrJSON             = errors.New("socketio: malformed JSON")
	ErrUTF8             = errors.New("socketio: malformed UTF-8")
	ErrDepth            = errors.New("socketio: payload nested too deep")
	ErrEventName        = errors.New("socketio: event name too long")
	ErrReserved         = errors.New("socketio: reserved event name")
	ErrPlaceholder      = errors.New("socketio: placeholders do not fit the attachments")
	ErrTooLarge         = errors.New("socketio: packet too large")
	ErrUnexpectedText   = errors.New("socketio: text where an attachment was due")
	ErrUnexpectedBinary = errors.New("socketio: binary data where no attachment was due")
	ErrMsgpack          = errors.New("socketio: malformed msgpack")
)

// Validate says whether a decoder with the same limits would take p. Encoders do
// not check: what comes from a decoder is valid, what a program made up may not
// be. It returns the error that the decoder would.
func (p *Packet) Validate(limits Limits) error {
	limits = limits.withDefaults()
	if p.Type > BinaryAck {
		return ErrType
	}
	if p.ID > MaxID {
		return ErrID
	}
	if err := checkNamespace(p.Namespace, limits); err != nil {
		return err
	}
	if binary := p.Type == BinaryEvent || p.Type == BinaryAck; binary != (len(p.Attachments) > 0) {
		return ErrAttachments
	}
	if len(p.Attachments) > limits.Attachments {
		return ErrAttachments
	}
	total := len(p.Data)
	for _, a := range p.Attachments {
		total += len(a)
	}
	if total > limits.TotalBytes {
		return ErrTooLarge
	}
	return checkData(p.Type, p.Data, len(p.Attachments), limits)
}

// checkNamespace refuses, beyond what the JSON format cannot carry, control
// characters: a reply that repeats U+001E would break a polling payload.
func checkNamespace(nsp string, limits Limits) error {
	if len(nsp) > limits.Namespace || !strings.HasPrefix(nsp, "/") {
		return ErrNamespace
	}
	for i := range len(nsp) {
		if nsp[i] < ' ' || nsp[i] == ',' {
			return ErrNamespace
		}
	}
	if !utf8.ValidString(nsp) {
		return ErrUTF8
	}
	return nil
}

// checkData checks the payload of a packet that has so many attachments.
func checkData(typ Type, data []byte, attachments int, limits Limits) error {
	if data == nil {
		if typ == Event || typ == BinaryEvent || typ == BinaryAck {
			return ErrPayload
		}
		return nil
	}
	if !fits(typ, data) {
		return ErrPayload
	}
	s := scanner{data: data, maxDepth: limits.Depth, binary: attachments > 0, attachments: attachments}
	if err := s.document(); err != nil {
		return err
	}
	if typ == Event || typ == BinaryEvent {
		return checkEventName(data, limits)
	}
	return nil
}

// fits says whether data begins like a payload of typ.
func fits(typ Type, data []byte) bool {
	if len(data) == 0 {
		return false
	}
	switch typ {
	case Connect:
		return data[0] == '{'
	case ConnectError:
		return data[0] == '{' || data[0] == '"'
	case Disconnect:
		return false
	default:
		return data[0] == '['
	}
}
