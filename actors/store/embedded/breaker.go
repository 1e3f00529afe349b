package embedded

import (
	"fmt"
	"log/slog"
	"runtime"
	"sync"
)

// breaker is the logger that Pebble gets. Pebble calls Fatalf when its log or
// its manifest cannot be written, and counts on not getting control back: after
// a failed fsync nobody knows what is on disk, and trying again would only hide
// it. breaker ends the goroutine that called and tells those who wait.
type breaker struct {
	log     *slog.Logger
	once    sync.Once
	stopped chan struct{} // closed once reason is set
	reason  error
}

func newBreaker(log *slog.Logger) *breaker {
	return &breaker{log: log, stopped: make(chan struct{})}
}

// err returns why the store stopped; nil while it runs.
func (b *breaker) err() error {
	select {
	case <-b.stopped:
		return b.reason
	default:
		return nil
	}
}

func (b *breaker) stop(reason error) {
	b.once.Do(func() {
		b.reason = reason
		close(b.stopped)
		b.log.Error("store: stopped, what is on disk is uncertain until the process is started anew", "err", reason)
	})
}

// catch runs f, in which Pebble may panic or call Fatalf.
func (b *breaker) catch(f func() error) error {
	defer func() {
		if p := recover(); p != nil {
			b.stop(fmt.Errorf("%v", p))
			runtime.Goexit()
		}
	}()
	return f()
}

// Infof implements pebble.Logger.
func (b *breaker) Infof(format string, args ...any) {
	b.log.Debug("store: " + fmt.Sprintf(format, args...))
}

// Errorf implements pebble.Logger.
func (b *breaker) Errorf(format string, args ...any) {
	b.log.Error("store: " + fmt.Sprintf(format, args...))
}

// Fatalf implements pebble.Logger.
func (b *breaker) Fatalf(format string, args ...any) {
	b.stop(fmt.Errorf(format, args...))
	runtime.Goexit()
}
