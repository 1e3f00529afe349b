//go:build unix

package rawio

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// Raw returns what lets a descriptor of conn be read and written, or nil if conn
// is not a plain TCP or Unix connection. The type is asked for exactly: one that
// embeds a TCP connection has its SyscallConn too, and a Write of its own that
// must not be passed by.
func Raw(conn net.Conn) syscall.RawConn {
	var raw syscall.RawConn
	var err error
	switch c := conn.(type) {
	case *net.TCPConn:
		raw, err = c.SyscallConn()
	case *net.UnixConn:
		raw, err = c.SyscallConn()
	}
	if err != nil {
		return nil
	}
	return raw
}

// Read reads from a descriptor in non-blocking mode, once. At the end of the
// stream it returns zero and no error.
func Read(fd uintptr, p []byte) (n int, wouldBlock bool, err error) {
	return once("read", read, fd, p)
}

// Write writes to a descriptor in non-blocking mode, once, and perhaps not all.
func Write(fd uintptr, p []byte) (n int, wouldBlock bool, err error) {
	return once("write", write, fd, p)
}

func once(name string, call func(fd uintptr, p []byte) (int, error), fd uintptr, p []byte) (n int, wouldBlock bool, err error) {
	for {
		n, err = call(fd, p)
		switch {
		case err == nil:
			return n, false, nil
		case errors.Is(err, syscall.EAGAIN):
			return 0, true, nil
		case !errors.Is(err, syscall.EINTR):
			return 0, false, os.NewSyscallError(name, err)
		}
	}
}
