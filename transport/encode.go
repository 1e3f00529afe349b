package transport

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/internal/engineio"
	"github.com/parlor-rooms/parlor/transport/internal/outbox"
	"github.com/parlor-rooms/parlor/transport/internal/socketio"
)

// The slots of actors.Packet.Encoded, one for each way a packet is encoded.
const (
	slotJSONWebSocket = iota
	slotJSONPolling
	slotMsgpackWebSocket
	slotMsgpackPolling
)

// The first byte of a final, uncompressed WebSocket frame: RFC 6455 section 5.2.
const (
	opText   = 0x81
	opBinary = 0x82
	opClose  = 0x88
	opPong   = 0x8a
)

// appendFrameHeader appends the header of a server's frame of n bytes.
func appendFrameHeader(dst []byte, op byte, n int) []byte {
	switch {
	case n < 126:
		return append(dst, op, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, op, 126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, op, 127), uint64(n))
	}
}

// maxFrameHeader is the most that appendFrameHeader appends.
const maxFrameHeader = 10

// textFrame is one Engine.IO packet as a control frame of the outbox.
func textFrame(p engineio.Packet) outbox.Frame {
	b := appendFrameHeader(nil, opText, engineio.TextLen(p))
	return outbox.Frame{Parts: [][]byte{engineio.AppendText(b, p)}, Class: outbox.Control}
}

// encodedFrame is what is kept in a packet for WebSockets.
type encodedFrame struct {
	frame outbox.Frame
	size  int
	small atomic.Pointer[encodedFrame] // the same, compressed; nil until asked for
}

// frame returns p as bytes for the session's WebSocket, and their number. They
// are made once for all sockets of the same format.
func (s *session) frame(ws *webSocket, p *actors.Packet) (outbox.Frame, int) {
	var f *encodedFrame
	if format(s.format.Load()) == formatMsgpack {
		f = p.Encoded(slotMsgpackWebSocket, msgpackFrame).(*encodedFrame)
	} else {
		f = p.Encoded(slotJSONWebSocket, jsonFrame).(*encodedFrame)
	}
	if ws.deflate {
		f = f.deflated(s.h.deflaters)
	}
	return f.frame, f.size
}

// text returns p as part of a polling payload of this session.
func (s *session) text(p *actors.Packet) []byte {
	if format(s.format.Load()) == formatMsgpack {
		return p.Encoded(slotMsgpackPolling, msgpackText).([]byte)
	}
	return p.Encoded(slotJSONPolling, jsonText).([]byte)
}

// jsonFrame is a text frame, and a binary frame for each attachment.
func jsonFrame(p *actors.Packet) any {
	out := outbound(p)
	header := make([]byte, maxFrameHeader, maxFrameHeader+headerRoom(p))
	header = append(header, '0'+byte(engineio.Message))
	header = socketio.AppendHeader(header, out)
	// The length is known only now: write the frame's header right before it.
	var head [maxFrameHeader]byte
	h := appendFrameHeader(head[:0], opText, len(header)-maxFrameHeader)
	header = header[maxFrameHeader-len(h):]
	copy(header, h)

	parts := make([][]byte, 1, 1+2*len(p.Attachments))
	parts[0] = header
	for _, a := range p.Attachments {
		parts = append(parts, appendFrameHeader(nil, opBinary, len(a)), a)
	}
	return newEncodedFrame(p, parts)
}

// msgpackFrame is one binary frame.
func msgpackFrame(p *actors.Packet) any {
	body := msgpack(p)
	return newEncodedFrame(p, [][]byte{appendFrameHeader(nil, opBinary, len(body)), body})
}

func newEncodedFrame(p *actors.Packet, parts [][]byte) *encodedFrame {
	f := &encodedFrame{frame: outbox.Frame{Parts: parts}}
	if p.Class == actors.Volatile {
		f.frame.Class = outbox.Volatile
	}
	for _, part := range parts {
		f.size += len(part)
	}
	return f
}

// jsonText is a text packet, and a packet in base64 for each attachment.
func jsonText(p *actors.Packet) any {
	out := outbound(p)
	text := make([]byte, 0, headerRoom(p))
	text = append(text, '0'+byte(engineio.Message))
	text = socketio.AppendHeader(text, out)
	for _, a := range p.Attachments {
		text = append(text, engineio.Separator)
		text = engineio.AppendText(text, engineio.DecodeBinary(a))
	}
	return text
}

// msgpackText is one packet in base64.
func msgpackText(p *actors.Packet) any {
	return engineio.AppendText(nil, engineio.DecodeBinary(msgpack(p)))
}

// msgpack encodes p. A packet that the runtime made wrongly becomes an empty
// message, which the client's decoder refuses; that is a fault of the runtime,
// and one that its JSON clients would have met as well.
func msgpack(p *actors.Packet) []byte {
	body, err := socketio.EncodeMsgpack(outbound(p))
	if err != nil {
		return nil
	}
	return body
}

// headerRoom is enough for the text of p.
func headerRoom(p *actors.Packet) int { return len(p.Data) + len(p.Namespace) + 32 }

// outbound is p in the codec's words.
func outbound(p *actors.Packet) socketio.Packet {
	out := socketio.Packet{
		Namespace:   p.Namespace,
		ID:          p.ID,
		HasID:       p.HasID,
		Data:        p.Data,
		Attachments: p.Attachments,
	}
	binary := len(p.Attachments) > 0
	switch p.Type {
	case actors.PacketConnect:
		out.Type = socketio.Connect
	case actors.PacketDisconnect:
		out.Type = socketio.Disconnect
	case actors.PacketConnectError:
		out.Type = socketio.ConnectError
	case actors.PacketAck:
		out.Type = socketio.Ack
		if binary {
			out.Type = socketio.BinaryAck
		}
	default:
		out.Type = socketio.Event
		if binary {
			out.Type = socketio.BinaryEvent
		}
	}
	return out
}

// payload is first, if there is any, and items as one polling payload.
func (s *session) payload(first []byte, items []item) []byte {
	n := len(first)
	for _, i := range items {
		n += 1 + i.size()
	}
	body := append(make([]byte, 0, n), first...)
	for _, i := range items {
		if len(body) > 0 {
			body = append(body, engineio.Separator)
		}
		if i.packet == nil {
			body = engineio.AppendText(body, engineio.Packet{Type: i.engine})
			continue
		}
		body = append(body, s.text(i.packet)...)
	}
	return body
}
