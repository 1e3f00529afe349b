package transporttest

import (
	"net"
	"sync"
	"time"
)

// FaultConn is a net.Conn with faults that a test turns on and off while it is
// in use. All methods may be called from any goroutine.
type FaultConn struct {
	net.Conn
	closed chan struct{} // closed by Close and Cut

	mu      sync.Mutex // guards the following
	delay   time.Duration
	partial int
	stopped chan struct{} // closed when reading goes on; nil unless it is stopped
	over    bool
}

// NewFaultConn returns conn without faults. It belongs to the FaultConn then.
func NewFaultConn(conn net.Conn) *FaultConn {
	return &FaultConn{Conn: conn, closed: make(chan struct{})}
}

// Delay makes every Read, after bytes came, and every Write, before they go,
// take so much longer. Zero ends it.
func (c *FaultConn) Delay(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delay = d
}

// Partial makes every Write go out in pieces of at most n bytes, each with its
// own delay, and every Read return at most n. Zero ends it.
func (c *FaultConn) Partial(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.partial = n
}

// StopReading makes Read wait, and the other side's bytes gather in the kernel.
// A Read that waits for bytes already still returns those.
func (c *FaultConn) StopReading() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped == nil {
		c.stopped = make(chan struct{})
	}
}

// ResumeReading ends StopReading.
func (c *FaultConn) ResumeReading() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped != nil {
		close(c.stopped)
		c.stopped = nil
	}
}

// Cut resets the connection, as a crash or a lost route does.
func (c *FaultConn) Cut() {
	_ = c.SetLinger(0) // what is not TCP is just closed
	_ = c.Close()      // closed before, perhaps
}

// SetLinger is that of a TCP connection.
func (c *FaultConn) SetLinger(sec int) error {
	if tcp, ok := c.Conn.(interface{ SetLinger(sec int) error }); ok {
		return tcp.SetLinger(sec)
	}
	return nil
}

// Close closes the connection and ends whatever waits in it.
func (c *FaultConn) Close() error {
	c.mu.Lock()
	if !c.over {
		c.over = true
		close(c.closed)
	}
	c.mu.Unlock()
	return c.Conn.Close()
}

func (c *FaultConn) faults() (delay time.Duration, partial int, stopped <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.delay, c.partial, c.stopped
}

func (c *FaultConn) Read(p []byte) (int, error) {
	_, partial, stopped := c.faults()
	if stopped != nil {
		select {
		case <-stopped:
		case <-c.closed:
			return 0, net.ErrClosed
		}
	}
	if partial > 0 {
		p = p[:min(len(p), partial)]
	}
	n, err := c.Conn.Read(p)
	delay, _, _ := c.faults()
	c.wait(delay)
	return n, err
}

func (c *FaultConn) Write(p []byte) (int, error) {
	written := 0
	for {
		delay, partial, _ := c.faults()
		piece := p[written:]
		if partial > 0 {
			piece = piece[:min(len(piece), partial)]
		}
		c.wait(delay)
		n, err := c.Conn.Write(piece)
		written += n
		if err != nil || written == len(p) {
			return written, err
		}
	}
}

// wait waits for d, or until the connection is closed.
func (c *FaultConn) wait(d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.closed:
	}
}
