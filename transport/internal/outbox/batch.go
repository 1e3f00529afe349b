package outbox

// batch is frames in the order in which they were pushed, and how far they are
// written. It is filled under the outbox's lock and then belongs to the writing
// side.
type batch struct {
	frames    []Frame
	next      int         // frames[:next] are written, and zeroed so that they pin nothing
	part, off int         // frames[next] is written up to Parts[part][off]
	done      [lanes]load // written since the outbox last settled
}

func (b *batch) empty() bool { return b.next == len(b.frames) }

// peek returns the bytes to be written next, which are not all. It copies into
// buf what is small; what is as large as buf, or is the last part that waits,
// is returned as it is. b must not be empty.
func (b *batch) peek(buf []byte) []byte {
	part, off := b.part, b.off
	parts := b.frames[b.next].Parts
	rest := parts[part][off:]
	if len(rest) >= len(buf) || b.next == len(b.frames)-1 && part == len(parts)-1 {
		return rest
	}
	n := 0
	for i := b.next; i < len(b.frames); i++ {
		for _, p := range b.frames[i].Parts[part:] {
			n += copy(buf[n:], p[off:])
			if n == len(buf) {
				return buf
			}
			off = 0
		}
		part = 0
	}
	return buf[:n]
}

// advance notes that n more bytes are written. It is never left on an empty
// part of a frame that has no more bytes.
func (b *batch) advance(n int) {
	for b.next < len(b.frames) {
		f := &b.frames[b.next]
		for b.part < len(f.Parts) {
			rest := len(f.Parts[b.part]) - b.off
			if n < rest {
				b.off += n
				return
			}
			n -= rest
			b.part, b.off = b.part+1, 0
		}
		d := &b.done[f.Class.lane()]
		d.frames++
		d.bytes += f.size()
		*f = Frame{}
		b.next, b.part = b.next+1, 0
	}
}
