//go:build unix

package outbox

import (
	"net"
	"os"
	"syscall"
)

// rawConn returns what writes to conn without waiting, or nil. The type is
// asked for exactly: a type that embeds a TCP connection has its SyscallConn
// too, and a Write of its own that must not be passed by.
func rawConn(conn net.Conn) syscall.RawConn {
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

// writeNow writes to a descriptor in non-blocking mode, once.
func writeNow(fd uintptr, p []byte) (n int, wouldBlock bool, err error) {
	for {
		n, err = syscall.Write(int(fd), p)
		switch err {
		case nil:
			return n, false, nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, true, nil
		default:
			return 0, false, os.NewSyscallError("write", err)
		}
	}
}
