package transport

import (
	"bytes"
	"errors"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/internal/engineio"
	"github.com/parlor-rooms/parlor/transport/internal/socketio"
)

// format is how a client wants Socket.IO packets to be encoded. Its first
// message says so: msgpack is binary, JSON begins with text. Until then a
// client is taken to want JSON.
type format uint32

const (
	formatUnknown format = iota
	formatJSON
	formatMsgpack
)

// decoder is socketio.Decoder or socketio.MsgpackDecoder.
type decoder interface {
	AddText(text []byte) (*socketio.Packet, bool, error)
	AddBinary(data []byte) (*socketio.Packet, bool, error)
	Pending() int
}

// receiver is what one session receives with. One goroutine owns it at a time.
type receiver struct {
	decoder decoder // nil before the first message
	idle    int     // packets of Engine.IO that nobody asked for, since the last message
}

// idlePackets is how many packets that carry nothing may come between two
// messages. A stock client sends none.
const idlePackets = 256

// What a client may do wrong, beside what the codecs find.
var (
	errUTF8            = errors.New("text that is not UTF-8")
	errTooLarge        = errors.New("message above MaxPayload")
	errPacketType      = errors.New("packet of a type that only servers send")
	errOctetStream     = errors.New("POST of an octet stream")
	errSecondGET       = errors.New("second GET while one waits")
	errSecondPOST      = errors.New("second POST while one is under way")
	errAbortedGET      = errors.New("GET was aborted")
	errAttachmentsLate = errors.New("attachments did not come in time")
	errFlood           = errors.New("too many fragments, control frames or empty packets")
)

// receive handles one Engine.IO packet of the client, except Close. It does not
// keep p.Data. It blocks while the runtime works on earlier packets. An error
// is a violation of the protocol. What comes after the session has ended is
// ignored.
func (s *session) receive(p engineio.Packet) error {
	if s.ended.Load() {
		return nil
	}
	switch p.Type {
	case engineio.Message:
		s.in.idle = 0
		return s.message(p)
	case engineio.Pong:
		if s.pong() {
			return nil
		}
	case engineio.Noop:
	default:
		return errPacketType
	}
	if s.in.idle++; s.in.idle > idlePackets {
		return errFlood
	}
	return nil
}

// message handles one message: a Socket.IO packet or a part of one.
func (s *session) message(m engineio.Packet) error {
	if s.in.decoder == nil {
		s.in.decoder = s.detect(m)
	}
	read := time.Now()
	before := s.in.decoder.Pending()
	// The runtime keeps the bytes, and may keep those of one packet for long.
	data := bytes.Clone(m.Data)
	add := s.in.decoder.AddText
	if m.Binary {
		add = s.in.decoder.AddBinary
	}
	p, complete, err := add(data)
	if err != nil {
		return err
	}
	if after := s.in.decoder.Pending(); (before == 0) != (after == 0) {
		s.attachments(after > 0)
	}
	if complete {
		if p.Type == socketio.Connect {
			s.connecting()
		}
		s.h.count.packetsIn.Add(1)
		s.blocked.Store(true)
		s.conn.Receive(inbound(p, read))
		s.blocked.Store(false)
	}
	return nil
}

// detect makes the decoder for a client whose first message is m.
func (s *session) detect(m engineio.Packet) decoder {
	if m.Binary {
		s.format.Store(uint32(formatMsgpack))
		return socketio.NewMsgpackDecoder(s.h.limits)
	}
	s.format.Store(uint32(formatJSON))
	return socketio.NewDecoder(s.h.limits)
}

// inbound is p, whose last message was read at that time, in the runtime's
// words.
func inbound(p *socketio.Packet, read time.Time) *actors.Packet {
	out := &actors.Packet{
		Namespace:   p.Namespace,
		ID:          p.ID,
		HasID:       p.HasID,
		Data:        p.Data,
		Attachments: p.Attachments,
		Received:    read,
	}
	switch p.Type {
	case socketio.Connect:
		out.Type = actors.PacketConnect
	case socketio.Disconnect:
		out.Type = actors.PacketDisconnect
	case socketio.Event, socketio.BinaryEvent:
		out.Type = actors.PacketEvent
	case socketio.Ack, socketio.BinaryAck:
		out.Type = actors.PacketAck
	case socketio.ConnectError:
		out.Type = actors.PacketConnectError
	}
	return out
}

// violated ends the session because of an error that a decoder found.
func (s *session) violated(err error) { s.end(violation(err)) }

// violation is how a session ends whose client broke the protocol.
func violation(err error) ending {
	e := ending{why: actors.ReasonProtocolError, err: err}
	switch {
	case errors.Is(err, errTooLarge), errors.Is(err, socketio.ErrTooLarge), errors.Is(err, engineio.ErrTooLarge):
		e.code = closeTooLarge
	case errors.Is(err, errUTF8), errors.Is(err, socketio.ErrUTF8):
		e.code = closeBadText
	}
	return e
}
