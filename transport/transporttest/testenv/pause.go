package testenv

import (
	"context"
	"time"
)

// Pause waits for d, for tests of processes that run in the time of the clock.
// It reports false if ctx ends first. Any goroutine may call it.
func Pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
