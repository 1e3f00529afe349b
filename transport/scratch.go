package transport

import (
	"io"
	"sync"
)

const (
	// scratchStart is what one message is read into at first.
	scratchStart = 4 << 10
	// scratchKeep is the largest buffer that is kept for another message.
	scratchKeep = 64 << 10
)

// scratch is memory for one message that is being read. It is held only while
// bytes of the message arrive, so an idle socket has none.
type scratch struct{ bytes []byte }

// scratchPool lends scratch. The zero value is ready; any goroutine may use it.
type scratchPool struct{ idle sync.Pool }

func (p *scratchPool) get() *scratch {
	if b, ok := p.idle.Get().(*scratch); ok {
		return b
	}
	return &scratch{bytes: make([]byte, 0, scratchStart)}
}

func (p *scratchPool) put(b *scratch) {
	if cap(b.bytes) > scratchKeep {
		return
	}
	b.bytes = b.bytes[:0]
	p.idle.Put(b)
}

// readFrom reads r to its end. It takes memory only as bytes arrive, whatever
// length the sender announced. It returns errTooLarge after limit+1 bytes.
func (b *scratch) readFrom(r io.Reader, limit int) error {
	for {
		if len(b.bytes) == cap(b.bytes) {
			b.bytes = append(b.bytes, 0)[:len(b.bytes)]
		}
		room := b.bytes[len(b.bytes):min(cap(b.bytes), limit+1)]
		n, err := r.Read(room)
		b.bytes = b.bytes[:len(b.bytes)+n]
		if len(b.bytes) > limit {
			return errTooLarge
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
