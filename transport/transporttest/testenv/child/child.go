// Package child starts processes that end with the one that started them: the
// servers of a test, which it would leave behind when it times out or is
// killed.
package child

import (
	"os/exec"
	"runtime"
	"sync"
)

// Start is cmd.Start for a process that the kernel kills when this one has
// ended, however it ended. That is so on Linux; elsewhere it goes on. What it
// starts itself is not covered, nor is a program that gains privileges.
//
// wait is to be called in place of cmd.Wait, by any goroutine and as often as
// wanted. Until then a goroutine and a thread of the operating system stand by:
// the kernel ends the process with the thread that started it, and the Go
// runtime may end a thread before.
func Start(cmd *exec.Cmd) (wait func() error, err error) {
	endWithThread(cmd)
	started := make(chan error)
	waited, ended := make(chan struct{}), make(chan struct{}) // closed by wait, and when the goroutine ends
	go func() {                                               // wait, or the return of an error, waits for it
		defer close(ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			<-waited
		}
	}()
	if err := <-started; err != nil {
		<-ended
		return nil, err
	}
	return sync.OnceValue(func() error {
		err := cmd.Wait()
		close(waited)
		<-ended
		return err
	}), nil
}
