package socketio

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
)

// EncodeMsgpack returns p in the format of socket.io-msgpack-parser, as one
// binary message. See AppendMsgpack.
func EncodeMsgpack(p Packet) ([]byte, error) {
	size := len(p.Data) + len(p.Namespace) + 32
	for _, a := range p.Attachments {
		size += len(a) + 5
	}
	return AppendMsgpack(make([]byte, 0, size), p)
}

// AppendMsgpack appends the message of p in the format of
// socket.io-msgpack-parser: a map of type, data, nsp and id, where data and id
// may be missing. Placeholders become the attachments they stand for.
//
// Integers up to 64 bits keep every digit; other numbers are 64-bit floats. A
// lone surrogate, which msgpack cannot hold, becomes U+FFFD. An event or
// acknowledgement without Data has an empty array, which JavaScript insists on.
//
// It returns dst unchanged and ErrType, ErrJSON, ErrUTF8, ErrDepth or
// ErrPlaceholder for a packet that no decoder produces.
func AppendMsgpack(dst []byte, p Packet) ([]byte, error) {
	typ := p.Type
	switch typ {
	case BinaryEvent:
		typ = Event
	case BinaryAck:
		typ = Ack
	}
	if typ > ConnectError {
		return dst, ErrType
	}
	data := p.Data
	if data == nil && (typ == Event || typ == Ack) {
		data = []byte("[]")
	}
	members := 2
	if data != nil {
		members++
	}
	if p.HasID {
		members++
	}
	out := append(dst, 0x80|byte(members))
	out = appendMsgpackString(out, "type")
	out = append(out, byte(typ))
	if data != nil {
		out = appendMsgpackString(out, "data")
		var err error
		if out, err = appendMsgpackJSON(out, data, p.Attachments); err != nil {
			return dst, err
		}
	}
	out = appendMsgpackString(out, "nsp")
	out = appendMsgpackString(out, p.Namespace)
	if p.HasID {
		out = appendMsgpackString(out, "id")
		out = appendMsgpackUint(out, p.ID)
	}
	return out, nil
}

// msgpackWriter rewrites JSON as msgpack. Msgpack has the number of members in
// front of an array or map, so a scanner counts them first.
type msgpackWriter struct {
	in          []byte
	at          int
	out         []byte
	counts      []uint32 // of the arrays and maps still to open
	scratch     []byte
	attachments [][]byte
}

func appendMsgpackJSON(dst, data []byte, attachments [][]byte) ([]byte, error) {
	if len(attachments) > 64 {
		return nil, ErrPlaceholder
	}
	s := scanner{
		data: data, maxDepth: splitDepth, counting: true, counts: make([]uint32, 0, 32),
		binary: len(attachments) > 0, attachments: len(attachments),
	}
	if err := s.document(); err != nil {
		return nil, err
	}
	w := msgpackWriter{in: data, out: dst, counts: s.counts, attachments: attachments}
	w.value()
	return w.out, nil
}

// value rewrites one value of well-formed JSON.
func (w *msgpackWriter) value() {
	w.at = skipSpace(w.in, w.at)
	switch w.in[w.at] {
	case '{':
		w.container(0x80, 0xde)
	case '[':
		w.container(0x90, 0xdc)
	case '"':
		w.string()
	case 't':
		w.at += len("true")
		w.out = append(w.out, 0xc3)
	case 'f':
		w.at += len("false")
		w.out = append(w.out, 0xc2)
	case 'n':
		w.at += len("null")
		w.out = append(w.out, 0xc0)
	default:
		end, _ := skipNumber(w.in, w.at)
		w.out = appendMsgpackNumber(w.out, w.in[w.at:end])
		w.at = end
	}
}

func (w *msgpackWriter) container(fix, wide16 byte) {
	n := w.counts[0]
	w.counts = w.counts[1:]
	if n&isPlaceholder != 0 {
		w.placeholder(n &^ isPlaceholder)
		return
	}
	switch {
	case n < 16:
		w.out = append(w.out, fix|byte(n))
	case n < 1<<16:
		w.out = binary.BigEndian.AppendUint16(append(w.out, wide16), uint16(n))
	default:
		w.out = binary.BigEndian.AppendUint32(append(w.out, wide16+1), n)
	}
	w.at++ // the bracket
	for range n {
		if fix == 0x80 {
			w.at = skipSpace(w.in, w.at)
			w.string()
			w.at = skipSpace(w.in, w.at) + 1 // the colon
		}
		w.value()
		w.at = skipSpace(w.in, w.at)
		if w.in[w.at] == ',' {
			w.at++
		}
	}
	w.at = skipSpace(w.in, w.at) + 1 // the closing bracket
}

// placeholder writes an attachment. A placeholder holds no other brace.
func (w *msgpackWriter) placeholder(num uint32) {
	w.at += bytes.IndexByte(w.in[w.at:], '}') + 1
	data := w.attachments[num]
	switch n := len(data); {
	case n < 1<<8:
		w.out = append(w.out, 0xc4, byte(n))
	case n < 1<<16:
		w.out = binary.BigEndian.AppendUint16(append(w.out, 0xc5), uint16(n))
	default:
		w.out = binary.BigEndian.AppendUint32(append(w.out, 0xc6), uint32(n))
	}
	w.out = append(w.out, data...)
}

func (w *msgpackWriter) string() {
	end, _ := skipString(w.in, w.at)
	raw := w.in[w.at+1 : end-1]
	if bytes.IndexByte(raw, '\\') >= 0 {
		w.scratch = appendUnescaped(w.scratch[:0], raw)
		raw = w.scratch
	}
	w.out = appendMsgpackString(w.out, raw)
	w.at = end
}

func appendMsgpackString[S string | []byte](dst []byte, s S) []byte {
	switch n := len(s); {
	case n < 32:
		dst = append(dst, 0xa0|byte(n))
	case n < 1<<8:
		dst = append(dst, 0xd9, byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0xda), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint32(append(dst, 0xdb), uint32(n))
	}
	return append(dst, s...)
}

// appendMsgpackNumber writes a JSON number: an integer that fits 64 bits with
// all its digits, another number as the float JavaScript has for it.
func appendMsgpackNumber(dst, literal []byte) []byte {
	if !bytes.ContainsAny(literal, ".eE") {
		if n, err := strconv.ParseUint(string(literal), 10, 64); err == nil {
			return appendMsgpackUint(dst, n)
		}
		if n, err := strconv.ParseInt(string(literal), 10, 64); err == nil {
			return appendMsgpackInt(dst, n)
		}
	}
	f, _ := strconv.ParseFloat(string(literal), 64) // out of range is ±Inf, as in JavaScript
	return binary.BigEndian.AppendUint64(append(dst, 0xcb), math.Float64bits(f))
}

func appendMsgpackUint(dst []byte, n uint64) []byte {
	switch {
	case n < 1<<7:
		return append(dst, byte(n))
	case n < 1<<8:
		return append(dst, 0xcc, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, 0xcd), uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32(append(dst, 0xce), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, 0xcf), n)
	}
}

// appendMsgpackInt writes a negative integer, or minus zero.
func appendMsgpackInt(dst []byte, n int64) []byte {
	switch {
	case n >= -1<<5:
		return append(dst, byte(n))
	case n >= -1<<7:
		return append(dst, 0xd0, byte(n))
	case n >= -1<<15:
		return binary.BigEndian.AppendUint16(append(dst, 0xd1), uint16(n))
	case n >= -1<<31:
		return binary.BigEndian.AppendUint32(append(dst, 0xd2), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, 0xd3), uint64(n))
	}
}
