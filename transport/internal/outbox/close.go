package outbox

import (
	"context"
	"net"
)

// Finish refuses further frames, writes what waits and returns when the kernel
// took it all, or with ctx's error when ctx ends before, or with the reason
// when writing fails. It does not close: a graceful end pushes a close frame,
// finishes, reads until the peer has closed too, and closes. (Closed with
// unread input, a TCP socket is reset and the peer may lose the end.) Any
// goroutine but that of an Owner's method may call it, more than once.
func (o *Outbox) Finish(ctx context.Context) error {
	o.mu.Lock()
	o.ending = true
	if o.err != nil || o.empty() {
		err := o.err
		o.mu.Unlock()
		return err
	}
	if o.finished == nil {
		o.finished = make(chan struct{})
	}
	finished := o.finished
	o.mu.Unlock()

	o.Flush()
	select {
	case <-finished:
	case <-ctx.Done():
		return ctx.Err()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// Close drops what waits, closes the connection and returns when the outbox's
// goroutine has ended. If something waited, the connection is reset, so that
// the kernel does not keep bytes for a reader that does not read; a clean TLS
// connection is told goodbye, which crypto/tls may wait for up to 5 s. Any
// goroutine but that of an Owner's method may call it, more than once; a call
// of an Owner's method out of somebody else's Flush may still be running when
// it returns. The error is that of closing the connection the first time.
func (o *Outbox) Close() error {
	o.mu.Lock()
	first := o.err == nil
	clean := first && !o.writing && o.in == nil
	if first {
		o.end(net.ErrClosed)
	}
	o.mu.Unlock()

	var err error
	if clean {
		err = o.conn.Close()
	} else {
		err = o.reset()
	}
	o.writers.Wait()
	if !first {
		return nil
	}
	return err
}

// end makes err the end of the outbox and drops what waits; out is dropped by
// its owner. It is called with mu held and err nil.
func (o *Outbox) end(err error) {
	o.err = err
	o.in = nil
	o.waiting = [lanes]load{}
	o.announce()
}

// announce wakes Finish when it has nothing more to wait for. It is called
// with mu held.
func (o *Outbox) announce() {
	if o.finished != nil && (o.err != nil || o.empty()) {
		close(o.finished)
		o.finished = nil
	}
}

// reset closes the connection without waiting for anything, and makes the
// kernel forget what it holds for the peer.
func (o *Outbox) reset() error {
	c := base(o.conn)
	if l, ok := c.(interface{ SetLinger(sec int) error }); ok {
		_ = l.SetLinger(0) // fails only if the connection is closed already
	}
	return c.Close()
}

// base is the connection under a TLS connection.
func base(c net.Conn) net.Conn {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		return t.NetConn()
	}
	return c
}
