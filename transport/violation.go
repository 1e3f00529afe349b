package transport

import (
	"errors"

	"github.com/parlor-rooms/parlor/transport/internal/engineio"
	"github.com/parlor-rooms/parlor/transport/internal/socketio"
)

// Violation is how a client broke the protocol whose session ended with
// actors.ReasonProtocolError. It is a closed list.
type Violation string

// The violations.
const (
	ViolatedSize        Violation = "too_large"        // a message, or a packet with its attachments, above Config.MaxPayload, after decompression
	ViolatedPackets     Violation = "too_many_packets" // more than 1,000 in one polling payload
	ViolatedFlood       Violation = "flood"            // too many fragments, control frames or empty packets for one message
	ViolatedText        Violation = "not_utf8"         // text that is not UTF-8
	ViolatedBase64      Violation = "not_base64"       // binary in a polling payload, or in a text message
	ViolatedDepth       Violation = "too_deep"         // JSON nested deeper than 64
	ViolatedName        Violation = "event_name"       // an event name longer than 128 bytes, or reserved
	ViolatedAttachments Violation = "attachments"      // too many, or not those that were announced
	ViolatedLate        Violation = "attachments_late" // not all of them within Config.AttachmentTimeout
	ViolatedOrder       Violation = "request_order"    // a second GET or POST beside another
	ViolatedFrame       Violation = "websocket"        // RFC 6455: masks, opcodes, lengths, reserved bits, compressed data
	ViolatedPacket      Violation = "malformed_packet" // anything else of Engine.IO or Socket.IO
	ViolatedNode        Violation = "refused_by_node"  // the runtime closed the session: the packet was sound and out of place
)

// violationOf names what ended a session with a violation. A nil error stands
// for the runtime's.
func violationOf(err error) Violation {
	if err == nil {
		return ViolatedNode
	}
	for _, v := range violations {
		if errors.Is(err, v.err) {
			return v.is
		}
	}
	return ViolatedFrame // an error of gorilla's
}

var violations = []struct {
	err error
	is  Violation
}{
	{errTooLarge, ViolatedSize},
	{socketio.ErrTooLarge, ViolatedSize},
	{engineio.ErrTooLarge, ViolatedSize},
	{engineio.ErrTooManyPackets, ViolatedPackets},
	{errFlood, ViolatedFlood},
	{errUTF8, ViolatedText},
	{socketio.ErrUTF8, ViolatedText},
	{engineio.ErrBase64, ViolatedBase64},
	{socketio.ErrDepth, ViolatedDepth},
	{socketio.ErrEventName, ViolatedName},
	{socketio.ErrReserved, ViolatedName},
	{socketio.ErrAttachments, ViolatedAttachments},
	{socketio.ErrPlaceholder, ViolatedAttachments},
	{socketio.ErrUnexpectedText, ViolatedAttachments},
	{socketio.ErrUnexpectedBinary, ViolatedAttachments},
	{errAttachmentsLate, ViolatedLate},
	{errSecondGET, ViolatedOrder},
	{errSecondPOST, ViolatedOrder},
	{errOctetStream, ViolatedPacket},
	{errPacketType, ViolatedPacket},
	{engineio.ErrEmptyPacket, ViolatedPacket},
	{engineio.ErrUnknownType, ViolatedPacket},
	{socketio.ErrType, ViolatedPacket},
	{socketio.ErrNamespace, ViolatedPacket},
	{socketio.ErrID, ViolatedPacket},
	{socketio.ErrPayload, ViolatedPacket},
	{socketio.ErrJSON, ViolatedPacket},
	{socketio.ErrMsgpack, ViolatedPacket},
}
