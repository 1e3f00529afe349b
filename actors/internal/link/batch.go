package link

import (
	"encoding/binary"
	"errors"
)

// A batch is, with every number a uvarint:
//
//	version  from  to  session  ask  {upTo consumed gap} per lane  {lane|more number length payload}…
//
// where from and to have their length in front. It is the only thing that
// travels between nodes, so it fits a carrier that knows nothing but bytes.

const version = 1

var errBatch = errors.New("link: not a batch")

// header is what a batch says besides its frames.
type header struct {
	from, to string
	session  uint64
	ask      bool // an acknowledgement is wanted at once
	lanes    [lanes]struct {
		upTo, consumed uint64
		gap            bool
	}
}

// batch is one that is being written.
type batch struct {
	bytes  []byte
	frames int
}

// The sizes of what a batch holds besides payloads, about.
const (
	headerSize = 128
	frameSize  = 8
)

// unsent is about how many bytes the frames that may be sent will take in a
// batch, if they are not more than it holds.
func (m *Machine) unsent() (bytes int) {
	for l := range m.out {
		s := &m.out[l]
		ahead := 0
		for i := s.next; i < len(s.frames) && bytes < m.limits.Batch && m.maySend(s, i, ahead); i++ {
			bytes += len(s.frames[i].payload) + frameSize
			ahead += s.frames[i].cost()
		}
	}
	return min(bytes, m.limits.Batch)
}

// newBatch begins a batch of about size bytes of frames.
func (m *Machine) newBatch(size int) *batch {
	b := &batch{bytes: make([]byte, 0, headerSize+size)}
	b.number(version)
	b.text(m.cfg.Self)
	b.text(m.cfg.Peer)
	b.number(m.session)
	b.flag(m.ask)
	for l := range m.in {
		in := &m.in[l]
		b.number(in.upTo)
		b.number(in.consumed)
		b.flag(in.gap)
	}
	return b
}

func (b *batch) number(n uint64) { b.bytes = binary.AppendUvarint(b.bytes, n) }

func (b *batch) text(s string) {
	b.number(uint64(len(s)))
	b.bytes = append(b.bytes, s...)
}

func (b *batch) flag(f bool) {
	if f {
		b.number(1)
	} else {
		b.number(0)
	}
}

// fits reports whether a frame may be added to a batch of at most limit bytes.
// The first one always may.
func (b *batch) fits(f *frame, limit int) bool {
	return b.frames == 0 || len(b.bytes)+len(f.payload)+3*binary.MaxVarintLen64 <= limit
}

func (b *batch) add(lane Lane, n uint64, f *frame) {
	b.frames++
	kind := uint64(lane) << 1
	if f.more {
		kind |= 1
	}
	b.number(kind)
	b.number(n)
	b.number(uint64(len(f.payload)))
	b.bytes = append(b.bytes, f.payload...)
}

// Ends returns between which processes a batch travels.
func Ends(bytes []byte) (from, to string, err error) {
	var r reader
	h, err := r.open(bytes)
	return h.from, h.to, err
}

// reader reads a batch. What it returns refers to the batch.
type reader struct{ rest []byte }

// open reads the header.
func (r *reader) open(bytes []byte) (h header, err error) {
	r.rest = bytes
	ok := r.numberIs(version)
	h.from, ok = r.text(ok)
	h.to, ok = r.text(ok)
	h.session, ok = r.number(ok)
	h.ask, ok = r.flag(ok)
	for l := range h.lanes {
		h.lanes[l].upTo, ok = r.number(ok)
		h.lanes[l].consumed, ok = r.number(ok)
		h.lanes[l].gap, ok = r.flag(ok)
		ok = ok && h.lanes[l].upTo < 1<<62
	}
	if !ok || h.session == 0 || h.session > 1<<62 {
		return header{}, errBatch
	}
	return h, nil
}

// next reads a frame; ok is false at the end.
func (r *reader) next() (lane Lane, n uint64, f frame, ok bool, err error) {
	if len(r.rest) == 0 {
		return 0, 0, frame{}, false, nil
	}
	kind, ok := r.number(true)
	n, ok = r.number(ok)
	f.payload, ok = r.take(ok)
	if !ok || kind>>1 >= uint64(lanes) {
		return 0, 0, frame{}, false, errBatch
	}
	f.more = kind&1 == 1
	return Lane(kind >> 1), n, f, true, nil
}

func (r *reader) number(ok bool) (uint64, bool) {
	n, length := binary.Uvarint(r.rest)
	if !ok || length <= 0 {
		return 0, false
	}
	r.rest = r.rest[length:]
	return n, true
}

func (r *reader) flag(ok bool) (bool, bool) {
	n, ok := r.number(ok)
	return n == 1, ok && n <= 1
}

func (r *reader) numberIs(want uint64) bool {
	n, ok := r.number(true)
	return ok && n == want
}

func (r *reader) take(ok bool) ([]byte, bool) {
	n, ok := r.number(ok)
	if !ok || n > uint64(len(r.rest)) {
		return nil, false
	}
	taken := r.rest[:n:n]
	r.rest = r.rest[n:]
	return taken, true
}

func (r *reader) text(ok bool) (string, bool) {
	b, ok := r.take(ok)
	if len(b) > 255 {
		return "", false
	}
	return string(b), ok
}
