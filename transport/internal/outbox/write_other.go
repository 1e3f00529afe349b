//go:build !unix

package outbox

import (
	"errors"
	"net"
	"syscall"
)

// rawConn returns nil: here no descriptor can be written to without waiting.
func rawConn(net.Conn) syscall.RawConn { return nil }

// writeNow is not called where rawConn returns nil.
func writeNow(uintptr, []byte) (n int, wouldBlock bool, err error) {
	return 0, false, errors.ErrUnsupported
}
