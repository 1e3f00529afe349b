// Package rawio reads from and writes to sockets without telling Go's scheduler.
//
// A socket of package net does not block: a read or a write takes some
// microseconds, or says that it would have to wait, and then the poller waits.
// The runtime cannot know, and prepares for every such call to block: its
// monitor wakes up, thousands of times a second where the process is busy now and
// then, and may give the processor to another thread in between. Here the calls
// are made as ones that never block (docs/decisions/0010-system-calls.md). The
// price is that a collection of garbage waits for a call that is being made.
//
// Elsewhere than on Linux, and under the race detector, which has to be told of
// the calls, they are those of package syscall.
package rawio

import (
	"io"
	"net"
	"sync"
	"syscall"
)

// New returns conn with Read and Write of this package, or conn itself if it is
// not a plain TCP or Unix connection, or has none on this system. What else conn
// can do it can by itself only: it is for a connection that is read and written
// in between, such as by TLS. Both may be used side by side.
func New(conn net.Conn) net.Conn {
	raw := Raw(conn)
	if raw == nil {
		return conn
	}
	return &rawConn{Conn: conn, raw: raw}
}

// rawConn is a connection with the calls of this package.
type rawConn struct {
	net.Conn
	raw     syscall.RawConn
	in, out side
}

// side is one direction of a connection.
type side struct {
	mu  sync.Mutex            // held while there is a call, and guards the following
	try func(fd uintptr) bool // read or write, bound by the first call because binding allocates
	p   []byte
	n   int
	err error
}

// Read implements net.Conn.
func (c *rawConn) Read(p []byte) (int, error) { return c.in.call(c.raw.Read, (*side).read, p) }

// Write implements net.Conn.
func (c *rawConn) Write(p []byte) (int, error) { return c.out.call(c.raw.Write, (*side).write, p) }

// SyscallConn implements syscall.Conn.
func (c *rawConn) SyscallConn() (syscall.RawConn, error) { return c.raw, nil }

// call has try called until it has done what it can. An error of wait says that
// the connection was closed, or that its deadline has passed.
func (s *side) call(wait func(func(fd uintptr) bool) error, try func(*side, uintptr) bool, p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.try == nil {
		s.try = func(fd uintptr) bool { return try(s, fd) }
	}
	s.p, s.n, s.err = p, 0, nil
	err := wait(s.try)
	s.p = nil
	if err == nil {
		err = s.err
	}
	return s.n, err
}

func (s *side) read(fd uintptr) (done bool) {
	n, wouldBlock, err := Read(fd, s.p)
	s.n, s.err = n, err
	if n == 0 && err == nil && !wouldBlock && len(s.p) > 0 {
		s.err = io.EOF
	}
	return !wouldBlock
}

func (s *side) write(fd uintptr) (done bool) {
	for s.n < len(s.p) {
		n, wouldBlock, err := Write(fd, s.p[s.n:])
		s.n += n
		switch {
		case wouldBlock:
			return false
		case err == nil && n == 0:
			err = io.ErrUnexpectedEOF
		}
		if s.err = err; err != nil {
			return true
		}
	}
	return true
}
