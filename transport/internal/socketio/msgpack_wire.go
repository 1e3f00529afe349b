package socketio

import "encoding/binary"

// uint reads an unsigned integer; ok is false if something else stands there.
func (r *msgpackReader) uint() (n uint64, ok bool, err error) {
	c, err := r.byte()
	if err != nil {
		return 0, false, err
	}
	switch {
	case c < 0x80:
		return uint64(c), true, nil
	case 0xcc <= c && c <= 0xcf:
		n, err = r.number(1 << (c - 0xcc))
		return n, true, err
	case 0xd0 <= c && c <= 0xd3:
		n, err = r.number(1 << (c - 0xd0))
		return n, n>>(8<<(c-0xd0)-1) == 0, err
	}
	return 0, false, nil
}

// string reads a string, as a key or a namespace.
func (r *msgpackReader) string() ([]byte, error) {
	c, err := r.byte()
	if err != nil {
		return nil, err
	}
	s, ok, err := r.str(c)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, ErrMsgpack
	}
	return s, nil
}

// str reads the string that c announces; ok is false if c announces another type.
func (r *msgpackReader) str(c byte) (s []byte, ok bool, err error) {
	var n uint64
	switch {
	case 0xa0 <= c && c <= 0xbf:
		n = uint64(c & 0x1f)
	case 0xd9 <= c && c <= 0xdb:
		n, err = r.number(1 << (c - 0xd9))
	default:
		return nil, false, nil
	}
	if err == nil {
		s, err = r.next(n)
	}
	return s, err == nil, err
}

// size reads how many members the array or map has that c announces; ok is false
// if c announces another type.
func (r *msgpackReader) size(c, fix, wide16, wide32 byte) (n int, ok bool, err error) {
	var size uint64
	switch {
	case c&0xf0 == fix:
		return int(c & 0x0f), true, nil
	case c == wide16:
		size, err = r.number(2)
	case c == wide32:
		size, err = r.number(4)
	default:
		return 0, false, nil
	}
	if err == nil && size > uint64(len(r.in)-r.at) {
		err = ErrMsgpack // every member takes a byte at least
	}
	return int(size), err == nil, err
}

// number reads a big-endian integer of 1, 2, 4 or 8 bytes.
func (r *msgpackReader) number(width int) (uint64, error) {
	b, err := r.next(uint64(width))
	if err != nil {
		return 0, err
	}
	switch width {
	case 1:
		return uint64(b[0]), nil
	case 2:
		return uint64(binary.BigEndian.Uint16(b)), nil
	case 4:
		return uint64(binary.BigEndian.Uint32(b)), nil
	default:
		return binary.BigEndian.Uint64(b), nil
	}
}

func (r *msgpackReader) byte() (byte, error) {
	if r.at == len(r.in) {
		return 0, ErrMsgpack
	}
	r.at++
	return r.in[r.at-1], nil
}

// next returns the next n bytes of the message itself.
func (r *msgpackReader) next(n uint64) ([]byte, error) {
	if n > uint64(len(r.in)-r.at) {
		return nil, ErrMsgpack
	}
	b := r.in[r.at : r.at+int(n) : r.at+int(n)]
	r.at += int(n)
	return b, nil
}
