package outbox

import (
	"fmt"
	"io"

	"github.com/parlor-rooms/parlor/actors/rawio"
)

// flushRounds is how often one Flush takes up what others flushed meanwhile
// before it leaves the rest to a goroutine: without a bound, busy neighbours
// could keep a caller for ever.
const flushRounds = 16

// buffer is what one write needs. Small parts are copied together: up to some
// 16 KiB that costs less than a vectored write (by 10 to 30 % for 16 frames of
// 100 or 1,000 bytes), and beyond about the same (BenchmarkFlush,
// BenchmarkWriteVectored).
type buffer struct {
	try        func(fd uintptr) // attempt, bound once because binding allocates
	out        *batch
	wouldBlock bool
	err        error
	bytes      [32 << 10]byte
}

// attempt writes out to fd until it is empty, the socket would block or an
// error happens. It never waits.
func (b *buffer) attempt(fd uintptr) {
	for !b.out.empty() {
		p := b.out.peek(b.bytes[:])
		n, wouldBlock, err := rawio.Write(fd, p)
		if n > 0 {
			b.out.advance(n)
		}
		if n == 0 && err == nil && !wouldBlock {
			err = io.ErrUnexpectedEOF
		}
		if wouldBlock || err != nil {
			b.wouldBlock, b.err = wouldBlock, err
			return
		}
	}
}

// Flush hands what waits to the socket in as few writes as possible and never
// blocks: what the socket cannot take is written by a goroutine when it can.
// Any goroutine may call it. If another one is writing, Flush returns at once
// and that one writes these frames too. A failure is told to Owner.Failed.
func (o *Outbox) Flush() {
	o.mu.Lock()
	if o.writing {
		o.again = true
		o.mu.Unlock()
		return
	}
	if o.in == nil {
		o.mu.Unlock()
		return
	}
	o.writing = true
	o.out, o.in = o.in, nil
	if o.raw == nil {
		o.startWriter()
		o.mu.Unlock()
		return
	}
	o.mu.Unlock()

	b := o.pool.buffer()
	defer o.pool.freeBuffer(b)
	for range flushRounds {
		b.out = o.out
		err := o.raw.Control(b.try) // Write would arm the poller each time
		if err == nil {
			err = b.err
		}
		if err != nil {
			o.fail(err)
			return
		}
		if b.wouldBlock {
			break
		}
		if !o.proceed(false) {
			return
		}
	}
	o.handOver()
}

// proceed is called by the owner of the writing side when all of out is
// written. It reports whether there is more, which is in out; if not, the
// caller is no longer the owner. What others pushed and did not flush is left
// for them to gather, unless all is set.
func (o *Outbox) proceed(all bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.settle()
	if o.out != nil {
		o.pool.freeBatch(o.out)
		o.out = nil
	}
	for o.err == nil {
		if o.in != nil && (all || o.again || o.ending) {
			o.out, o.in = o.in, nil
			o.again = false
			return true
		}
		if !o.awaited || o.in != nil {
			break
		}
		o.awaited, o.behind = false, false
		o.mu.Unlock()
		o.owner.Drained() // may push and flush: the loop sees it
		o.mu.Lock()
	}
	o.release()
	return false
}

// handOver leaves the writing side to a goroutine.
func (o *Outbox) handOver() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		o.release()
		return
	}
	o.settle()
	o.behind = true
	o.startWriter()
}

// release gives up the writing side. It is called with mu held.
func (o *Outbox) release() {
	o.out, o.writing, o.again, o.behind = nil, false, false, false
	o.announce()
}

// settle subtracts from what waits what was written since it was last called.
// It is called with mu held by the owner of the writing side.
func (o *Outbox) settle() {
	if o.out == nil {
		return
	}
	done := o.out.done
	o.out.done = [lanes]load{}
	if o.err != nil {
		return // end has emptied both lanes
	}
	for lane, d := range done {
		o.waiting[lane].frames -= d.frames
		o.waiting[lane].bytes -= d.bytes
	}
}

// fail ends the outbox because writing failed. It is called by the owner of
// the writing side, who is none afterwards.
func (o *Outbox) fail(err error) {
	o.mu.Lock()
	first := o.err == nil
	if first {
		if o.stalled {
			err = ErrStalled
		}
		err = fmt.Errorf("write to %v: %w", o.conn.RemoteAddr(), err)
		o.end(err)
	}
	o.release()
	o.mu.Unlock()
	if !first {
		return
	}
	_ = o.reset() // the reason to tell is err
	if o.owner != nil {
		o.owner.Failed(err)
	}
}
