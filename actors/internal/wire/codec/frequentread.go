package codec

import (
	"bytes"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

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
