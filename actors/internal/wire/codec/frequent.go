package codec

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// What crosses nodes for every event of a member is written and read here field
// by field, without the structs of linkpb and their reflection: Event, Credit,
// Delivered, and a Deliver of Emit, Reply and Sync. The bytes are those that the
// schema says, field numbers included; whatever is read here and is not what is
// written here is left to linkpb.

// Field numbers of the schema, by message.
const (
	messageEvent, messageCredit, messageDeliver, messageDelivered = 2, 8, 10, 11

	roomField               = 1 // in every message
	roomKind, roomID        = 1, 2
	connNode, connID        = 1, 2
	rawJSON, rawAttachments = 1, 2

	eventConn, eventMember, eventLink, eventID, eventHasID, eventData, eventTrace = 2, 3, 4, 5, 6, 7, 8

	creditConn, creditMember, creditLink, creditEpoch = 2, 3, 4, 5

	deliveredEpoch, deliveredNode, deliveredUnheard = 2, 3, 4

	deliverNamespace, deliverEpoch, deliverItems, deliverConfirm          = 2, 3, 4, 5
	deliverTrace, deliverFrom, deliverLinks, deliverAdopts, deliverYields = 6, 7, 9, 10, 11

	itemEmit, itemReply, itemSync = 2, 3, 5

	emitData, emitSome, emitTo, emitExcept, emitVolatile, emitAckID, emitHasAck = 1, 2, 3, 4, 5, 6, 7

	replyMember, replyID, replyData = 1, 2, 3

	syncVersion, syncOffset, syncChanges = 1, 2, 3

	changeField, changeKey, changeValue = 1, 2, 3
)

// frequent encodes a frequent message; false if msg is not one.
func frequent(msg any) ([]byte, bool) {
	switch msg := msg.(type) {
	case *wire.Event:
		return appendEvent(buffer(len(msg.Data.JSON)), msg), true
	case *wire.Credit:
		return appendCredit(buffer(0), msg), true
	case *wire.Delivered:
		return appendDelivered(buffer(0), msg), true
	case *wire.Deliver:
		size := 0
		for _, i := range msg.Items {
			switch i := i.(type) {
			case wire.Emit:
				size += len(i.Data.JSON)
			case wire.Reply, wire.Sync:
			default:
				return nil, false
			}
		}
		return appendDeliver(buffer(size), msg), true
	}
	return nil, false
}

// buffer is an empty buffer with room for a message that holds JSON of size
// bytes, if its ids have usual lengths.
func buffer(size int) []byte { return make([]byte, 0, 192+size) }

func appendCredit(b []byte, c *wire.Credit) []byte {
	b, at := begin(b, messageCredit)
	b = appendRoom(b, c.Room)
	b = appendConn(b, creditConn, c.Conn)
	b = appendText(b, creditMember, c.Member)
	b = appendUint(b, creditLink, c.Link)
	return end(appendUint(b, creditEpoch, c.Epoch), at)
}

func appendDelivered(b []byte, d *wire.Delivered) []byte {
	b, at := begin(b, messageDelivered)
	b = appendRoom(b, d.Room)
	b = appendUint(b, deliveredEpoch, d.Epoch)
	b = appendText(b, deliveredNode, d.Node)
	return end(appendBool(b, deliveredUnheard, d.Unheard), at)
}

func appendEvent(b []byte, e *wire.Event) []byte {
	b, at := begin(b, messageEvent)
	b = appendRoom(b, e.Room)
	b = appendConn(b, eventConn, e.Conn)
	b = appendText(b, eventMember, e.Member)
	b = appendUint(b, eventLink, e.Link)
	b = appendUint(b, eventID, e.ID)
	b = appendBool(b, eventHasID, e.HasID)
	b = appendRaw(b, eventData, e.Data)
	return end(appendTrace(b, eventTrace, e.Trace), at)
}

func appendDeliver(b []byte, d *wire.Deliver) []byte {
	b, at := begin(b, messageDeliver)
	b = appendRoom(b, d.Room)
	b = appendText(b, deliverNamespace, d.Namespace)
	b = appendUint(b, deliverEpoch, d.Epoch)
	for _, i := range d.Items {
		b = appendItem(b, i)
	}
	b = appendBool(b, deliverConfirm, d.Confirm)
	b = appendTrace(b, deliverTrace, d.Trace)
	b = appendText(b, deliverFrom, d.From)
	for _, t := range d.Links {
		b = protowire.AppendTag(b, deliverLinks, protowire.BytesType)
		b = protowire.AppendBytes(b, trace(t))
	}
	b = appendUint(b, deliverAdopts, d.Adopts)
	return end(appendBool(b, deliverYields, d.Yields), at)
}

func appendItem(b []byte, i wire.Item) []byte {
	b, at := begin(b, deliverItems)
	switch i := i.(type) {
	case wire.Emit:
		b, in := begin(b, itemEmit)
		b = appendRaw(b, emitData, i.Data)
		b = appendBool(b, emitSome, i.To != nil)
		b = appendTexts(b, emitTo, i.To)
		b = appendTexts(b, emitExcept, i.Except)
		b = appendBool(b, emitVolatile, i.Volatile)
		b = appendUint(b, emitAckID, i.AckID)
		return end(end(appendBool(b, emitHasAck, i.HasAck), in), at)
	case wire.Reply:
		b, in := begin(b, itemReply)
		b = appendText(b, replyMember, i.Member)
		b = appendUint(b, replyID, i.ID)
		return end(end(appendRaw(b, replyData, i.Data), in), at)
	case wire.Sync:
		b, in := begin(b, itemSync)
		b = appendUint(b, syncVersion, i.Version)
		b = appendText(b, syncOffset, i.Offset)
		for _, c := range i.Changes {
			b = appendChange(b, c)
		}
		return end(end(b, in), at)
	}
	panic("codec: not a frequent item")
}

func appendChange(b []byte, c actors.Change) []byte {
	b, at := begin(b, syncChanges)
	b = appendUint(b, changeField, uint64(int64(int32(c.Field))))
	b = appendText(b, changeKey, c.Key)
	if c.Value != nil {
		b = protowire.AppendTag(b, changeValue, protowire.BytesType)
		b = protowire.AppendBytes(b, c.Value)
	}
	return end(b, at)
}

// appendRoom appends the first field of a message, which is its room in all.
func appendRoom(b []byte, r actors.RoomRef) []byte {
	b, at := begin(b, roomField)
	b = appendText(b, roomKind, r.Kind)
	return end(appendText(b, roomID, r.ID), at)
}

func appendConn(b []byte, field protowire.Number, c wire.ConnRef) []byte {
	b, at := begin(b, field)
	b = appendText(b, connNode, c.Node)
	return end(appendUint(b, connID, c.ID), at)
}

func appendRaw(b []byte, field protowire.Number, r actors.Raw) []byte {
	if r.JSON == nil && r.Attachments == nil {
		return b
	}
	b, at := begin(b, field)
	if r.JSON != nil {
		b = protowire.AppendTag(b, rawJSON, protowire.BytesType)
		b = protowire.AppendBytes(b, r.JSON)
	}
	for _, a := range r.Attachments {
		b = protowire.AppendTag(b, rawAttachments, protowire.BytesType)
		b = protowire.AppendBytes(b, a)
	}
	return end(b, at)
}

func appendTrace(b []byte, field protowire.Number, t actors.Trace) []byte {
	if t == (actors.Trace{}) {
		return b
	}
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendBytes(b, trace(t))
}

func appendTexts[S ~string](b []byte, field protowire.Number, list []S) []byte {
	for _, s := range list {
		b = protowire.AppendTag(b, field, protowire.BytesType)
		b = protowire.AppendString(b, string(s))
	}
	return b
}

func appendText[S ~string](b []byte, field protowire.Number, s S) []byte {
	if s == "" {
		return b
	}
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendString(b, string(s))
}

func appendUint(b []byte, field protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	b = protowire.AppendTag(b, field, protowire.VarintType)
	return protowire.AppendVarint(b, v)
}

func appendBool(b []byte, field protowire.Number, v bool) []byte {
	return appendUint(b, field, protowire.EncodeBool(v))
}

// begin begins a message in a field; end ends it, given where its content
// begins. Most lengths take the one byte that begin leaves for them.
func begin(b []byte, field protowire.Number) (more []byte, at int) {
	b = append(protowire.AppendTag(b, field, protowire.BytesType), 0)
	return b, len(b)
}

func end(b []byte, at int) []byte {
	n := uint64(len(b) - at)
	if size := protowire.SizeVarint(n); size > 1 {
		b = append(b, "123456789"[:size-1]...)
		copy(b[at+size-1:], b[at:])
	}
	protowire.AppendVarint(b[:at-1], n)
	return b
}
