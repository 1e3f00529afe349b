//go:build linux && !race

package rawio

import (
	"syscall"
	"unsafe"
)

func read(fd uintptr, p []byte) (int, error)  { return raw(syscall.SYS_READ, fd, p) }
func write(fd uintptr, p []byte) (int, error) { return raw(syscall.SYS_WRITE, fd, p) }

// raw makes a call that the scheduler is not told of. p stays where it is while
// it is an argument.
func raw(call, fd uintptr, p []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
