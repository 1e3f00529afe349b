package engineio

import "bytes"

// Separator stands between the packets of a polling payload. JSON cannot hold
// it unescaped and base64 does not use it.
const Separator = 0x1e

// Limits bounds one polling payload.
type Limits struct {
	// Packets is how many packets a payload may hold. Zero means 1,000.
	Packets int

	// Bytes is how long a payload may be. Zero means 1,000,000, which is
	// upstream's maxHttpBufferSize and what Handshake.MaxPayload advertises.
	Bytes int
}

// The limits that stand for zero.
const (
	DefaultPackets = 1000
	DefaultBytes   = 1_000_000
)

// DecodePayload appends the packets of a polling payload to dst. Text packets
// alias payload; see DecodeText. dst may be nil, or have been used before.
//
// A payload over a limit appends nothing: ErrTooLarge, ErrTooManyPackets. At a
// packet that does not decode it stops with the error of DecodeText and returns
// the packets before it as well, because upstream handles those and closes the
// session at the bad one. An empty payload is one empty packet.
func DecodePayload(dst []Packet, payload []byte, limits Limits) ([]Packet, error) {
	if limits.Packets == 0 {
		limits.Packets = DefaultPackets
	}
	if limits.Bytes == 0 {
		limits.Bytes = DefaultBytes
	}
	if len(payload) > limits.Bytes {
		return dst, ErrTooLarge
	}
	if bytes.Count(payload, []byte{Separator})+1 > limits.Packets {
		return dst, ErrTooManyPackets
	}
	for {
		text, rest, more := bytes.Cut(payload, []byte{Separator})
		p, err := DecodeText(text)
		if err != nil {
			return dst, err
		}
		dst = append(dst, p)
		if !more {
			return dst, nil
		}
		payload = rest
	}
}

// AppendPayload appends packets as one polling payload. Text packets must not
// hold Separator: whoever decodes it would see two packets.
func AppendPayload(dst []byte, packets []Packet) []byte {
	for i, p := range packets {
		if i > 0 {
			dst = append(dst, Separator)
		}
		dst = AppendText(dst, p)
	}
	return dst
}

// PayloadLen is how many bytes AppendPayload appends for packets.
func PayloadLen(packets []Packet) int {
	if len(packets) == 0 {
		return 0
	}
	n := len(packets) - 1
	for _, p := range packets {
		n += TextLen(p)
	}
	return n
}
