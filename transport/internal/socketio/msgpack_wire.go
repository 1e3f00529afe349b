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
	if !isStr(c) {
		return nil, ErrMsgpack
	}
	return r.str(c)
}

func isStr(c byte) bool {
	return 0xa0 <= c && c <= 0xbf || 0xd9 <= c && c <= 0xdb
}

// str reads the string that c announces.
func (r *msgpackReader) str(c byte) ([]byte, error) {
	if c <= 0xbf {
		return r.next(uint64(c & 0x1f))
	}
	n, err := r.number(1 << (c - 0xd9))
	if err != nil {
		return nil, err
	}
	return r.next(n)
}

// size reads the number of members of an array or map, written in so many bytes.
func (r *msgpackReader) size(width int) (int, error) {
	n, err := r.number(width)
	if err != nil {
		return 0, err
	}
	if n > uint64(len(r.in)-r.at) {
		return 0, ErrMsgpack // every member takes a byte at least
	}
	return int(n), nil
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
