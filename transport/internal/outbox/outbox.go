// Package outbox is the one way bytes leave a socket.
//
// Whoever has a frame for a socket pushes it, and whoever has pushed the last
// of a group flushes; neither ever blocks. While the socket keeps up, Flush
// itself hands everything that waits to the kernel in one write and there is no
// goroutine and no buffer for that socket. When the socket would block, one
// goroutine is started that waits for it, writes what gathers meanwhile, and
// ends when nothing is left. A connection that cannot be written to without
// waiting (TLS, or any net.Conn but *net.TCPConn and *net.UnixConn) uses such a
// goroutine for every flush.
//
// What waits is bounded by Limits; what does not fit is refused with an error
// that names the reason, and the caller decides what that means for the member.
//
// Nothing else may write to the connection: the file descriptor is written to
// directly, so bytes of another writer would land inside a frame, and a write
// that blocks would make Flush wait behind it. Code that insists on a net.Conn,
// such as a WebSocket library that answers pings by itself, gets Wrap.
package outbox

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/parlor-rooms/parlor/actors/rawio"
)

// The reasons for which Push refuses a frame of an open outbox.
var (
	// ErrFull means that a Reliable or Control frame met its limit: the reader
	// is too slow, and a stream that may not lose a frame has to end.
	ErrFull = errors.New("outbox: full")

	// ErrBehind means that a Volatile frame met its share of the limit: the
	// reader is behind, and the frame is to be dropped or conflated.
	ErrBehind = errors.New("outbox: reader is behind")

	// ErrStalled is what Owner.Failed gets when a socket took no byte for
	// Config.WriteTimeout.
	ErrStalled = errors.New("outbox: the socket took no byte within the write timeout")
)

// Class says what a frame is worth when its socket cannot take it.
type Class uint8

const (
	// Reliable frames are refused only when Limits.Frames or Limits.Bytes is
	// reached.
	Reliable Class = iota

	// Volatile frames are refused above a quarter of either limit: events
	// nobody misses, and patches of synced state that the caller will merge
	// into the next one.
	Volatile

	// Control frames are what keeps or ends the connection: pings, pongs, close
	// frames, the answer to a handshake. They do not count against Limits but
	// against 32 frames and 8 KiB of their own.
	Control
)

// Frame is bytes ready for a socket, written contiguously and in this order:
// usually a header and a payload, or several of both when they must not be
// separated. It counts as one frame whatever its parts.
//
// A frame is shared by every outbox it was pushed to: after the first push
// nobody may modify Parts or the bytes in it.
type Frame struct {
	Parts [][]byte
	Class Class
}

func (f *Frame) size() int {
	n := 0
	for _, p := range f.Parts {
		n += len(p)
	}
	return n
}

// Owner hears from its outbox. Its methods are called without a lock, on the
// goroutine that found out: one that called Flush, or the outbox's own. They
// must not block, and must not call Finish or Close, which wait for that
// goroutine; Push and Flush are allowed.
type Owner interface {
	// Drained is called once for every AwaitDrain that returned true, when
	// nothing waits any more. It is not called after a failure or Close.
	Drained()

	// Failed is called at most once, and not after Close: writing failed for
	// this reason (ErrStalled, or the error of the connection). What waited is
	// gone, the connection is closed already, so that a blocked Read returns,
	// and Push returns net.ErrClosed. Close is still to be called.
	Failed(err error)
}

// Outbox is the bounded queue in front of one socket, and its only writer.
// Idle, it holds less than 200 bytes. Pool.New makes one.
type Outbox struct {
	// Set by New, read-only afterwards.
	pool  *Pool
	conn  net.Conn
	raw   syscall.RawConn // nil: conn can only be written to by waiting
	owner Owner

	writers sync.WaitGroup // the goroutine of startWriter; Close waits for it

	mu       sync.Mutex    // leaf lock; guards the following
	in       *batch        // pushed and not yet taken for writing; nil when empty
	waiting  [lanes]load   // pushed and not yet written, in and out together
	err      error         // why the outbox ended; nil while it is open
	finished chan struct{} // closed when nothing waits or err is set; nil unless Finish waits
	writing  bool          // somebody owns the writing side
	again    bool          // Flush was called while somebody owned it
	awaited  bool          // AwaitDrain returned true and Drained is owed
	ending   bool          // Finish was called: nothing more is taken
	behind   bool          // the socket took less than a Flush had for it
	stalled  bool          // the writer waited longer than Config.WriteTimeout
	wait     *stall        // what the writer waits in; nil when it does not

	// Owned by whoever set writing.
	out *batch // being written; nil when there is no owner
}

// load is how much waits in one lane.
type load struct{ frames, bytes int }

// Limits are counted in two lanes, so that frames which keep the connection
// alive are not refused because of frames which carry data.
const (
	dataLane = iota
	controlLane
	lanes
)

func (c Class) lane() int {
	if c == Control {
		return controlLane
	}
	return dataLane
}

// New makes the outbox of conn, which belongs to it from here on: the outbox
// is the only one to write to it and closes it. It sets the socket's send
// buffer as Config.SendBuffer says and clears the write deadline. owner may be
// nil. The caller has to call Close.
func (p *Pool) New(conn net.Conn, owner Owner) *Outbox {
	_ = conn.SetWriteDeadline(time.Time{}) // a closed connection shows at the first write
	if p.sendBuffer > 0 {
		if c, ok := base(conn).(interface{ SetWriteBuffer(int) error }); ok {
			_ = c.SetWriteBuffer(p.sendBuffer) // an optimisation: its failure harms nobody
		}
	}
	return &Outbox{pool: p, conn: conn, raw: rawio.Raw(conn), owner: owner}
}

// Push queues f and never blocks nor writes; Flush writes. Any goroutine may
// call it, and the frames of one goroutine keep their order. An empty frame is
// dropped silently.
//
// It returns ErrFull or ErrBehind when f does not fit, and net.ErrClosed after
// Finish, Close or a failure; f was not queued then. What was pushed and not
// flushed counts like what the socket could not take, so a caller that gathers
// more between two flushes than the limits allow has to flush and push once
// more before it believes ErrFull or ErrBehind.
//
// A frame is never refused for its bytes when no other waits in its lane, so at
// most Limits.Bytes or one frame waits, whichever is larger.
func (o *Outbox) Push(f Frame) error {
	n := f.size()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil || o.ending {
		return net.ErrClosed
	}
	if n == 0 {
		return nil
	}
	w := &o.waiting[f.Class.lane()]
	limit := &o.pool.limits[f.Class]
	if w.frames >= limit.frames || w.frames > 0 && w.bytes+n > limit.bytes {
		if f.Class == Volatile {
			return ErrBehind
		}
		return ErrFull
	}
	w.frames++
	w.bytes += n
	if o.in == nil {
		o.in = o.pool.batch()
	}
	o.in.frames = append(o.in.frames, f)
	return nil
}

// Pressure is how many Reliable and Volatile frames wait and how many bytes
// they have. A frame waits until the kernel took its last byte.
func (o *Outbox) Pressure() (frames, bytes int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	w := o.waiting[dataLane]
	return w.frames, w.bytes
}

// Idle reports whether nothing waits, of any class.
func (o *Outbox) Idle() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.empty()
}

// AwaitDrain asks for one call of Owner.Drained when nothing waits any more,
// and reports whether something waits: if it returns false there will be no
// call. It is for a caller that paces what it sends; it does not flush.
func (o *Outbox) AwaitDrain() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.empty() || o.owner == nil {
		return false
	}
	o.awaited = true
	return true
}

// empty is called with mu held.
func (o *Outbox) empty() bool {
	return o.waiting[dataLane].frames == 0 && o.waiting[controlLane].frames == 0
}
