package socketio

import (
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// value reads one value and writes it as JSON. depth is what it would have as an
// array or map.
func (r *msgpackReader) value(depth int) error {
	c, err := r.byte()
	if err != nil {
		return err
	}
	switch {
	case c < 0x80:
		r.out = strconv.AppendUint(r.out, uint64(c), 10)
	case c < 0x90:
		return r.mapping(int(c&0x0f), depth)
	case c < 0xa0:
		return r.array(int(c&0x0f), depth)
	case isStr(c):
		return r.text(c)
	case c >= 0xe0:
		r.out = strconv.AppendInt(r.out, int64(int8(c)), 10)
	case c == 0xc0:
		r.out = append(r.out, "null"...)
	case c == 0xc2:
		r.out = append(r.out, "false"...)
	case c == 0xc3:
		r.out = append(r.out, "true"...)
	case c == 0xc1: // never used
		return ErrMsgpack
	case c <= 0xc6:
		return r.bin(1 << (c - 0xc4))
	case c <= 0xc9:
		return r.ext(1 << (c - 0xc7))
	case c <= 0xd3:
		return r.numeral(c)
	case c <= 0xd8:
		return r.fixext(1 << (c - 0xd4))
	case c <= 0xdd:
		n, err := r.size(2 << (c - 0xdc))
		if err != nil {
			return err
		}
		return r.array(n, depth)
	default:
		n, err := r.size(2 << (c - 0xde))
		if err != nil {
			return err
		}
		return r.mapping(n, depth)
	}
	return r.bounded()
}

func (r *msgpackReader) bounded() error {
	if len(r.out)+r.binaryBytes > r.limits.TotalBytes {
		return ErrTooLarge
	}
	return nil
}

func (r *msgpackReader) array(n, depth int) error {
	if depth > r.limits.Depth {
		return ErrDepth
	}
	r.out = append(r.out, '[')
	for i := range n {
		if i > 0 {
			r.out = append(r.out, ',')
		}
		if err := r.value(depth + 1); err != nil {
			return err
		}
	}
	r.out = append(r.out, ']')
	return r.bounded()
}

func (r *msgpackReader) mapping(n, depth int) error {
	if depth > r.limits.Depth {
		return ErrDepth
	}
	r.out = append(r.out, '{')
	for i := range n {
		if i > 0 {
			r.out = append(r.out, ',')
		}
		if err := r.key(); err != nil {
			return err
		}
		r.out = append(r.out, ':')
		if err := r.value(depth + 1); err != nil {
			return err
		}
	}
	r.out = append(r.out, '}')
	return r.bounded()
}

func (r *msgpackReader) key() error {
	c, err := r.byte()
	if err != nil {
		return err
	}
	if isStr(c) {
		return r.text(c)
	}
	r.out = append(r.out, '"')
	switch {
	case c < 0x80:
		r.out = strconv.AppendUint(r.out, uint64(c), 10)
	case c >= 0xe0:
		r.out = strconv.AppendInt(r.out, int64(int8(c)), 10)
	case 0xcc <= c && c <= 0xd3:
		err = r.numeral(c)
	default:
		return ErrMsgpack
	}
	r.out = append(r.out, '"')
	return err
}

// numeral writes the float or integer that c announces.
func (r *msgpackReader) numeral(c byte) error {
	var n uint64
	var err error
	switch {
	case c == 0xca:
		n, err = r.number(4)
		r.out = appendFloat(r.out, float64(math.Float32frombits(uint32(n))))
	case c == 0xcb:
		n, err = r.number(8)
		r.out = appendFloat(r.out, math.Float64frombits(n))
	case c <= 0xcf:
		n, err = r.number(1 << (c - 0xcc))
		r.out = strconv.AppendUint(r.out, n, 10)
	default:
		width := 1 << (c - 0xd0)
		n, err = r.number(width)
		shift := 64 - 8*width
		r.out = strconv.AppendInt(r.out, int64(n<<shift)>>shift, 10)
	}
	if err != nil {
		return err
	}
	return r.bounded()
}

// text writes the string that c announces as JSON, if it is short enough so.
func (r *msgpackReader) text(c byte) error {
	s, err := r.str(c)
	if err != nil {
		return err
	}
	if !utf8.Valid(s) {
		return ErrUTF8
	}
	room := r.limits.TotalBytes - len(r.out) - r.binaryBytes
	if escaped := len(`\u0000`); escaped*len(s) > room && escapedLen(s) > room {
		return ErrTooLarge
	}
	r.out = appendString(r.out, s)
	return r.bounded()
}

// escapedLen is at least what appendString appends for s.
func escapedLen(s []byte) int {
	n := len(`""`) + len(s)
	for _, c := range s {
		switch {
		case c < ' ':
			n += len(`\u0000`) - 1
		case c == '"', c == '\\':
			n++
		}
	}
	return n
}

// bin reads a binary value whose length is written in so many bytes.
func (r *msgpackReader) bin(width int) error {
	n, err := r.number(width)
	if err != nil {
		return err
	}
	return r.attach(n)
}

// attach makes the next n bytes an attachment.
func (r *msgpackReader) attach(n uint64) error {
	data, err := r.next(n)
	if err != nil {
		return err
	}
	if len(r.attachments) == r.limits.Attachments {
		return ErrAttachments
	}
	r.out = fmt.Appendf(r.out, `{"_placeholder":true,"num":%d}`, len(r.attachments))
	r.attachments = append(r.attachments, data)
	r.binaryBytes += len(data)
	return r.bounded()
}

// ext reads an extension whose length is written in so many bytes. Type 0 is an
// ArrayBuffer.
func (r *msgpackReader) ext(width int) error {
	n, err := r.number(width)
	if err != nil {
		return err
	}
	typ, err := r.byte()
	if err != nil {
		return err
	}
	if typ == 0 {
		return r.attach(n)
	}
	return r.extension(int8(typ), n)
}

// fixext reads an extension of n bytes. Type 0 is undefined at one byte and a
// date at eight.
func (r *msgpackReader) fixext(n uint64) error {
	typ, err := r.byte()
	if err != nil {
		return err
	}
	switch {
	case typ == 0 && n == 1:
		_, err = r.next(1)
		r.out = append(r.out, "null"...)
	case typ == 0 && n == 8:
		var millis uint64
		millis, err = r.number(8)
		r.out = appendDate(r.out, int64(millis))
	default:
		return r.extension(int8(typ), n)
	}
	if err != nil {
		return err
	}
	return r.bounded()
}

func (r *msgpackReader) extension(typ int8, n uint64) error {
	r.out = append(r.out, '[')
	r.out = strconv.AppendInt(r.out, int64(typ), 10)
	r.out = append(r.out, ',')
	if err := r.attach(n); err != nil {
		return err
	}
	r.out = append(r.out, ']')
	return r.bounded()
}

// appendDate appends what Date.toJSON has for a time in milliseconds of 1970.
func appendDate(dst []byte, millis int64) []byte {
	const most = 8_640_000_000_000_000 // ECMA-262, time values and time range
	if millis < -most || millis > most {
		return append(dst, "null"...)
	}
	t := time.UnixMilli(millis).UTC()
	dst = append(dst, '"')
	if y := t.Year(); y < 0 || y > 9999 {
		dst = fmt.Appendf(dst, "%+07d", y)
		dst = t.AppendFormat(dst, "-01-02T15:04:05.000Z")
	} else {
		dst = t.AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	}
	return append(dst, '"')
}
