//go:build unix

package app

import "syscall"

// openFiles is how many files the process may open, which the Go runtime has
// raised to the most it may.
func openFiles() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return int(min(limit.Cur, 1<<30))
}
