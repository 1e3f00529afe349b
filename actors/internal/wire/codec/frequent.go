package codec

import (
	"bytes"
	"unsafe"

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

// frequentBytes is how long a message may be that frequentOf reads: its strings
// share one copy of it, and whoever keeps one keeps all of it.
const frequentBytes = 4 << 10

// frequentOf decodes a frequent message. It returns nil for anything else, and
// for what linkpb is to judge.
func frequentOf(data []byte) any {
	field, kind, n := protowire.ConsumeTag(data)
	if n < 0 || kind != protowire.BytesType || len(data) > frequentBytes {
		return nil
	}
	switch field {
	case messageEvent, messageCredit, messageDeliver, messageDelivered:
	default:
		return nil
	}
	body, m := protowire.ConsumeBytes(data[n:])
	if m < 0 || n+m != len(data) {
		return nil
	}
	r := reader{rest: bytes.Clone(body), ok: true}
	var msg any
	switch field {
	case messageEvent:
		msg = r.event()
	case messageCredit:
		msg = r.credit()
	case messageDeliver:
		msg = r.deliver()
	case messageDelivered:
		msg = r.delivered()
	}
	if !r.ok {
		return nil
	}
	return msg
}

// reader reads the fields of one message. What it returns lies in rest. Once it
// is not ok, what it has read does not count.
type reader struct {
	rest []byte
	ok   bool

	// The field that next came to, and what it is: a number or bytes.
	field  protowire.Number
	number uint64
	bytes  []byte
}

// next goes to the next field; false at the end, and if it is not a number or
// bytes.
func (r *reader) next() bool {
	if !r.ok || len(r.rest) == 0 {
		return false
	}
	field, kind, n := protowire.ConsumeTag(r.rest)
	if n < 0 {
		r.ok = false
		return false
	}
	r.rest = r.rest[n:]
	r.field, r.number, r.bytes = field, 0, nil
	switch kind {
	case protowire.VarintType:
		r.number, n = protowire.ConsumeVarint(r.rest)
	case protowire.BytesType:
		r.bytes, n = protowire.ConsumeBytes(r.rest)
	default:
		n = -1
	}
	if n < 0 {
		r.ok = false
		return false
	}
	if kind == protowire.BytesType && r.bytes == nil {
		r.bytes = []byte{}
	}
	r.rest = r.rest[n:]
	return true
}

// isNumber and isBytes report what the field is, and give up if it is not that.
func (r *reader) isNumber() bool { r.ok = r.ok && r.bytes == nil; return r.ok }
func (r *reader) isBytes() bool  { r.ok = r.ok && r.bytes != nil; return r.ok }

func (r *reader) uint() uint64 { r.isNumber(); return r.number }
func (r *reader) bool() bool   { return r.uint() != 0 }

// text is the field, which is bytes, as a string that lies in them.
func (r *reader) text() string {
	if !r.isBytes() {
		return ""
	}
	return unsafe.String(unsafe.SliceData(r.bytes), len(r.bytes))
}

// value is the field, which is bytes, without room behind it.
func (r *reader) value() []byte {
	r.isBytes()
	return r.bytes[:len(r.bytes):len(r.bytes)]
}

// inner reads the field, which is a message. What goes wrong in there goes wrong
// in r once done is called.
func (r *reader) inner() reader { return reader{rest: r.bytes, ok: r.isBytes()} }

func (r *reader) done(in *reader) { r.ok = r.ok && in.ok }

func (r *reader) event() *wire.Event {
	e := &wire.Event{}
	for r.next() {
		switch r.field {
		case roomField:
			r.room(&e.Room)
		case eventConn:
			r.conn(&e.Conn)
		case eventMember:
			e.Member = actors.MemberID(r.text())
		case eventLink:
			e.Link = r.uint()
		case eventID:
			e.ID = r.uint()
		case eventHasID:
			e.HasID = r.bool()
		case eventData:
			r.raw(&e.Data)
		case eventTrace:
			e.Trace = traceOf(r.value())
		default:
			r.ok = false
		}
	}
	return e
}

func (r *reader) credit() *wire.Credit {
	c := &wire.Credit{}
	for r.next() {
		switch r.field {
		case roomField:
			r.room(&c.Room)
		case creditConn:
			r.conn(&c.Conn)
		case creditMember:
			c.Member = actors.MemberID(r.text())
		case creditLink:
			c.Link = r.uint()
		case creditEpoch:
			c.Epoch = r.uint()
		default:
			r.ok = false
		}
	}
	return c
}

func (r *reader) delivered() *wire.Delivered {
	d := &wire.Delivered{}
	for r.next() {
		switch r.field {
		case roomField:
			r.room(&d.Room)
		case deliveredEpoch:
			d.Epoch = r.uint()
		case deliveredNode:
			d.Node = r.text()
		case deliveredUnheard:
			d.Unheard = r.bool()
		default:
			r.ok = false
		}
	}
	return d
}

func (r *reader) deliver() *wire.Deliver {
	d := &wire.Deliver{Items: make([]wire.Item, 0, 1)}
	for r.next() {
		switch r.field {
		case roomField:
			r.room(&d.Room)
		case deliverNamespace:
			d.Namespace = r.text()
		case deliverEpoch:
			d.Epoch = r.uint()
		case deliverItems:
			d.Items = append(d.Items, r.item())
		case deliverConfirm:
			d.Confirm = r.bool()
		case deliverTrace:
			d.Trace = traceOf(r.value())
		case deliverFrom:
			d.From = r.text()
		case deliverLinks:
			d.Links = append(d.Links, traceOf(r.value()))
		case deliverAdopts:
			d.Adopts = r.uint()
		case deliverYields:
			d.Yields = r.bool()
		default:
			r.ok = false
		}
	}
	return d
}

// item reads an item that is one field, as every one is.
func (r *reader) item() (item wire.Item) {
	in := r.inner()
	defer r.done(&in)
	if !in.next() || len(in.rest) > 0 {
		in.ok = false
		return nil
	}
	body := in.inner()
	defer in.done(&body)
	switch in.field {
	case itemEmit:
		return body.emit()
	case itemReply:
		return body.reply()
	case itemSync:
		return body.sync()
	}
	body.ok = false
	return nil
}

func (r *reader) emit() (e wire.Emit) {
	some := false
	for r.next() {
		switch r.field {
		case emitData:
			r.raw(&e.Data)
		case emitSome:
			some = r.bool()
		case emitTo:
			e.To = append(e.To, actors.MemberID(r.text()))
		case emitExcept:
			e.Except = append(e.Except, actors.MemberID(r.text()))
		case emitVolatile:
			e.Volatile = r.bool()
		case emitAckID:
			e.AckID = r.uint()
		case emitHasAck:
			e.HasAck = r.bool()
		default:
			r.ok = false
		}
	}
	if some && e.To == nil {
		e.To = []actors.MemberID{}
	}
	return e
}

func (r *reader) reply() (a wire.Reply) {
	for r.next() {
		switch r.field {
		case replyMember:
			a.Member = actors.MemberID(r.text())
		case replyID:
			a.ID = r.uint()
		case replyData:
			r.raw(&a.Data)
		default:
			r.ok = false
		}
	}
	return a
}

func (r *reader) sync() (s wire.Sync) {
	for r.next() {
		switch r.field {
		case syncVersion:
			s.Version = r.uint()
		case syncOffset:
			s.Offset = r.text()
		case syncChanges:
			s.Changes = append(s.Changes, r.change())
		default:
			r.ok = false
		}
	}
	return s
}

func (r *reader) change() (c actors.Change) {
	in := r.inner()
	for in.next() {
		switch in.field {
		case changeField:
			c.Field = int(int32(in.uint()))
		case changeKey:
			c.Key = in.text()
		case changeValue:
			c.Value = in.value()
		default:
			in.ok = false
		}
	}
	r.done(&in)
	return c
}

func (r *reader) room(ref *actors.RoomRef) {
	in := r.inner()
	for in.next() {
		switch in.field {
		case roomKind:
			ref.Kind = in.text()
		case roomID:
			ref.ID = in.text()
		default:
			in.ok = false
		}
	}
	r.done(&in)
}

func (r *reader) conn(c *wire.ConnRef) {
	in := r.inner()
	for in.next() {
		switch in.field {
		case connNode:
			c.Node = in.text()
		case connID:
			c.ID = in.uint()
		default:
			in.ok = false
		}
	}
	r.done(&in)
}

func (r *reader) raw(raw *actors.Raw) {
	in := r.inner()
	for in.next() {
		switch in.field {
		case rawJSON:
			raw.JSON = in.value()
		case rawAttachments:
			raw.Attachments = append(raw.Attachments, in.value())
		default:
			in.ok = false
		}
	}
	r.done(&in)
}
