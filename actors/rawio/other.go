//go:build !unix

package rawio

import (
	"errors"
	"net"
	"syscall"
)

// Raw returns nil: here no descriptor can be used without waiting.
func Raw(net.Conn) syscall.RawConn { return nil }

// Read is not called where Raw returns nil.
func Read(uintptr, []byte) (n int, wouldBlock bool, err error) {
	return 0, false, errors.ErrUnsupported
}

// Write is not called where Raw returns nil.
func Write(uintptr, []byte) (n int, wouldBlock bool, err error) {
	return 0, false, errors.ErrUnsupported
}
