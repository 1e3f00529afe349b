package outbox

import (
	"fmt"
	"sync"
	"time"
)

// Limits say how much may wait for one socket.
type Limits struct {
	// Frames is how many Reliable and Volatile frames may wait; Volatile ones
	// are refused above a quarter of it. Zero means 1,024; the most is 65,536.
	// A waiting frame costs 32 bytes here, its payload is shared.
	Frames int

	// Bytes is how many bytes these frames may have; Volatile ones are refused
	// above a quarter of it. Zero means 1 MiB; the most is 1 GiB.
	Bytes int
}

const (
	maxFrames = 1 << 16
	maxBytes  = 1 << 30

	// A peer that sends pings and reads no pongs gets this far. A pong has at
	// most 127 bytes (RFC 6455 section 5.5).
	controlFrames = 32
	controlBytes  = 8 << 10
)

// Config is what all outboxes of one server have in common. The zero value is
// useful.
type Config struct {
	Limits Limits

	// WriteTimeout is how long a socket may take no byte while something waits
	// before it is dead and Owner.Failed gets ErrStalled. A connection written
	// to by waiting (see the package comment) has to take 16 KiB in that time.
	// Zero means 10 s.
	WriteTimeout time.Duration

	// SendBuffer is the SO_SNDBUF of each TCP socket in bytes: what the kernel
	// holds for a reader that stopped, which it would otherwise let grow to
	// some 4 MB. Linux doubles the value. Zero means 64 KiB, negative leaves
	// the kernel its choice. A single socket gets no more than about twice this
	// much per round trip.
	SendBuffer int

	// AfterFunc is the clock of WriteTimeout. Nil means time.AfterFunc.
	AfterFunc func(d time.Duration, f func()) Timer
}

// Timer is a call that is yet to come, as time.AfterFunc returns it.
type Timer interface {
	Stop() bool
	Reset(d time.Duration) bool
}

// Pool makes outboxes and lends them memory while they have something to
// write. One serves a whole server; any goroutine may use it.
type Pool struct {
	// Set by NewPool, read-only afterwards.
	limits       [Control + 1]load
	writeTimeout time.Duration
	sendBuffer   int
	afterFunc    func(d time.Duration, f func()) Timer

	batches sync.Pool // of *batch
	buffers sync.Pool // of *buffer
}

// NewPool returns an error if a limit or the timeout is negative or a limit is
// larger than its most.
func NewPool(c Config) (*Pool, error) {
	l := c.Limits
	if l.Frames < 0 || l.Frames > maxFrames {
		return nil, fmt.Errorf("outbox: Limits.Frames is %d, not within 0 and %d", l.Frames, maxFrames)
	}
	if l.Bytes < 0 || l.Bytes > maxBytes {
		return nil, fmt.Errorf("outbox: Limits.Bytes is %d, not within 0 and %d", l.Bytes, maxBytes)
	}
	if c.WriteTimeout < 0 {
		return nil, fmt.Errorf("outbox: WriteTimeout is %v", c.WriteTimeout)
	}
	if l.Frames == 0 {
		l.Frames = 1024
	}
	if l.Bytes == 0 {
		l.Bytes = 1 << 20
	}
	p := &Pool{
		limits: [...]load{
			Reliable: {frames: l.Frames, bytes: l.Bytes},
			Volatile: {frames: max(1, l.Frames/4), bytes: l.Bytes / 4},
			Control:  {frames: controlFrames, bytes: controlBytes},
		},
		writeTimeout: c.WriteTimeout,
		sendBuffer:   c.SendBuffer,
		afterFunc:    c.AfterFunc,
	}
	if p.writeTimeout == 0 {
		p.writeTimeout = 10 * time.Second
	}
	if p.sendBuffer == 0 {
		p.sendBuffer = 64 << 10
	}
	if p.afterFunc == nil {
		p.afterFunc = func(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }
	}
	return p, nil
}

func (p *Pool) batch() *batch {
	if b, ok := p.batches.Get().(*batch); ok {
		return b
	}
	return &batch{frames: make([]Frame, 0, 4)}
}

// freeBatch takes back a batch that is written completely and settled. The
// memory of a burst is left to the garbage collector.
func (p *Pool) freeBatch(b *batch) {
	if cap(b.frames) > 64 {
		return
	}
	b.frames, b.next = b.frames[:0], 0
	p.batches.Put(b)
}

func (p *Pool) buffer() *buffer {
	if b, ok := p.buffers.Get().(*buffer); ok {
		return b
	}
	b := new(buffer)
	b.try = b.attempt
	return b
}

func (p *Pool) freeBuffer(b *buffer) {
	b.out, b.err, b.wouldBlock = nil, nil, false
	p.buffers.Put(b)
}
