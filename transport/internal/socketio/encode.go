package socketio

import "strconv"

// Encode returns p in the JSON format: a text message and the binary messages
// that must follow it, which are p.Attachments itself. It does not check p; see
// Packet.Validate.
func Encode(p Packet) (header []byte, attachments [][]byte) {
	return AppendHeader(make([]byte, 0, len(p.Data)+len(p.Namespace)+24), p), p.Attachments
}

// AppendHeader appends the text message of p in the JSON format. As upstream has
// it, the attachments decide whether an event or acknowledgement is binary on
// the wire, whichever of the two types p has.
func AppendHeader(dst []byte, p Packet) []byte {
	typ := p.Type
	switch typ {
	case Event, BinaryEvent:
		typ = Event
		if len(p.Attachments) > 0 {
			typ = BinaryEvent
		}
	case Ack, BinaryAck:
		typ = Ack
		if len(p.Attachments) > 0 {
			typ = BinaryAck
		}
	}
	dst = append(dst, '0'+byte(typ))
	if typ == BinaryEvent || typ == BinaryAck {
		dst = strconv.AppendInt(dst, int64(len(p.Attachments)), 10)
		dst = append(dst, '-')
	}
	if p.Namespace != "/" {
		dst = append(dst, p.Namespace...)
		dst = append(dst, ',')
	}
	if p.HasID {
		dst = strconv.AppendUint(dst, p.ID, 10)
	}
	return append(dst, p.Data...)
}
