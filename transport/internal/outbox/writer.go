package outbox

import "io"

// waitingWrite is how much a connection that can only be written to by waiting
// is given at once: one TLS record.
const waitingWrite = 16 << 10

// startWriter starts the goroutine that owns the writing side until nothing
// waits. It is called with mu held and err nil by the owner, who is none
// afterwards. Close waits for the goroutine.
func (o *Outbox) startWriter() {
	o.writers.Go(o.write)
}

// write runs in a goroutine of its own and owns the writing side.
func (o *Outbox) write() {
	s := &stall{o: o}
	defer s.stop()
	step := o.writeRaw
	if o.raw == nil {
		step = o.writeConn
	}
	for {
		err := step(s)
		s.end()
		if err != nil {
			o.fail(err)
			return
		}
		if !o.proceed(true) {
			return
		}
	}
}

// writeRaw writes all of out. While it waits for the socket it holds no
// buffer. The attempt is made inside the callback, after RawConn.Write has
// armed the poller: the poller reports an edge once, and one seen before would
// be lost.
func (o *Outbox) writeRaw(s *stall) error {
	var failed error
	err := o.raw.Write(func(fd uintptr) bool {
		b := o.pool.buffer()
		defer o.pool.freeBuffer(b)
		part, off, next := o.out.part, o.out.off, o.out.next
		b.out = o.out
		b.attempt(fd)
		failed = b.err
		if !b.wouldBlock {
			return true
		}
		s.begin(part != o.out.part || off != o.out.off || next != o.out.next)
		return false
	})
	if failed != nil {
		return failed
	}
	return err
}

// writeConn writes all of out through net.Conn.
func (o *Outbox) writeConn(s *stall) error {
	b := o.pool.buffer()
	defer o.pool.freeBuffer(b)
	for !o.out.empty() {
		p := o.out.peek(b.bytes[:waitingWrite])
		p = p[:min(len(p), waitingWrite)]
		s.begin(true)
		n, err := o.conn.Write(p)
		if err != nil {
			return err
		}
		if n < len(p) {
			return io.ErrShortWrite
		}
		o.out.advance(n)
	}
	return nil
}

// stall watches over the waits of one writer goroutine, which owns it. It uses
// no write deadline of the connection, which would end a TLS connection for
// good and cannot be driven by another clock.
type stall struct {
	o     *Outbox
	timer Timer
}

// begin is called before the writer waits. If there was progress since the
// last call, the socket has the whole timeout again.
func (s *stall) begin(progress bool) {
	o := s.o
	o.mu.Lock()
	o.settle()
	progress = progress || o.wait == nil
	o.wait = s
	o.mu.Unlock()
	if s.timer == nil {
		s.timer = o.pool.afterFunc(o.pool.writeTimeout, s.expire)
	} else if progress {
		s.timer.Reset(o.pool.writeTimeout)
	}
}

// end is called when the writer has nothing more to wait for.
func (s *stall) end() {
	s.o.mu.Lock()
	s.o.wait = nil
	s.o.mu.Unlock()
}

func (s *stall) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

// expire wakes a writer that waited for too long by closing the connection; it
// is the writer that then fails. The timer's goroutine runs it.
func (s *stall) expire() {
	o := s.o
	o.mu.Lock()
	expired := o.wait == s && o.err == nil
	o.stalled = o.stalled || expired
	o.mu.Unlock()
	if expired {
		_ = o.reset() // what closing says helps nobody here
	}
}
