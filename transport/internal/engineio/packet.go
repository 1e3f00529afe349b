// Package engineio encodes and decodes Engine.IO v4 packets and polling
// payloads. It is pure: no goroutine, no clock, no I/O, no state between calls.
// Every function may be called from any goroutine.
//
// The format is that of engine.io-parser 5.2, protocol revision 4. Text is not
// checked for being UTF-8 here: the layer above reads each byte of a message
// anyway and refuses what is not.
package engineio

import (
	"encoding/base64"
	"errors"
)

// Type says what a packet is for. Its value is the digit on the wire.
type Type uint8

// The packet types of protocol revision 4.
const (
	Open Type = iota
	Close
	Ping
	Pong
	Message
	Upgrade
	Noop
)

// String returns the name that engine.io-parser uses.
func (t Type) String() string {
	switch t {
	case Open:
		return "open"
	case Close:
		return "close"
	case Ping:
		return "ping"
	case Pong:
		return "pong"
	case Message:
		return "message"
	case Upgrade:
		return "upgrade"
	case Noop:
		return "noop"
	default:
		return "unknown"
	}
}

// Packet is one Engine.IO packet.
type Packet struct {
	// Type is Message where Binary is set.
	Type Type

	// Binary says that Data is a binary message: a WebSocket binary message, or
	// base64 in a polling payload.
	Binary bool

	// Data is the payload without the type, nil where there is none.
	Data []byte
}

// What decoding refuses. An upstream server closes the session for each.
var (
	ErrEmptyPacket    = errors.New("engineio: empty packet")
	ErrUnknownType    = errors.New("engineio: unknown packet type")
	ErrBase64         = errors.New("engineio: malformed base64")
	ErrTooManyPackets = errors.New("engineio: too many packets in a payload")
	ErrTooLarge       = errors.New("engineio: payload too large")
)

// binaryMark stands where the type would, before a binary message in base64.
const binaryMark = 'b'

// DecodeText decodes one WebSocket text message, or one packet of a polling
// payload. Data of the result aliases text, except for a binary message in
// base64, which is decoded into memory of its own; text is not modified.
//
// Base64 is the padded standard alphabet, strict about its last bits. CR and LF
// inside it are skipped: the stock Java client wraps its lines at 76 characters.
//
// The errors are ErrEmptyPacket, ErrUnknownType and ErrBase64.
func DecodeText(text []byte) (Packet, error) {
	if len(text) == 0 {
		return Packet{}, ErrEmptyPacket
	}
	if text[0] == binaryMark {
		return decodeBase64(text[1:])
	}
	typ := Type(text[0] - '0') // bytes below '0' wrap around to large values
	if typ > Noop {
		return Packet{}, ErrUnknownType
	}
	p := Packet{Type: typ}
	if len(text) > 1 {
		p.Data = text[1:]
	}
	return p, nil
}

// DecodeBinary wraps one WebSocket binary message, which is a Message whatever
// it holds. Data of the result is data.
func DecodeBinary(data []byte) Packet {
	return Packet{Type: Message, Binary: true, Data: data}
}

func decodeBase64(text []byte) (Packet, error) {
	data := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(data, text)
	if err != nil {
		return Packet{}, ErrBase64
	}
	return Packet{Type: Message, Binary: true, Data: data[:n]}, nil
}

// AppendText appends p as one text packet: its type digit and Data, or `b` and
// base64 for a binary message, as polling needs it. Over WebSocket the Data of a
// binary message is sent as it stands, in a binary message, and AppendText is
// not needed. Type must be one of the constants.
func AppendText(dst []byte, p Packet) []byte {
	if p.Binary {
		dst = append(dst, binaryMark)
		return base64.StdEncoding.AppendEncode(dst, p.Data)
	}
	dst = append(dst, '0'+byte(p.Type))
	return append(dst, p.Data...)
}

// TextLen is how many bytes AppendText appends for p.
func TextLen(p Packet) int {
	if p.Binary {
		return 1 + base64.StdEncoding.EncodedLen(len(p.Data))
	}
	return 1 + len(p.Data)
}
