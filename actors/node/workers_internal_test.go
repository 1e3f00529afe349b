package node

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// TestWorkersRunWhatIsScheduled also while all of them are blocked, and end.
func TestWorkersRunWhatIsScheduled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails if a worker is left at the end
		var w workers
		const blocked = 2 * maxFreeWorkers
		release, ran := make(chan struct{}), 0
		free := func() int {
			w.mu.Lock()
			defer w.mu.Unlock()
			return len(w.free)
		}
		for range blocked {
			w.Schedule(func() { <-release })
		}
		w.Schedule(func() { ran++ })
		synctest.Wait()
		if ran != 1 {
			t.Fatalf("behind %d runs that block, %d of 1 ran", blocked, ran)
		}
		close(release)
		synctest.Wait()
		if n := free(); n != maxFreeWorkers {
			t.Errorf("%d workers are kept, want %d", n, maxFreeWorkers)
		}
		w.Schedule(func() { ran++ })
		synctest.Wait()
		if ran != 2 || free() != maxFreeWorkers {
			t.Errorf("%d of 2 ran, %d workers are free", ran, free())
		}
		for range 6 {
			<-time.After(workerIdle / 2)
			w.Schedule(func() { ran++ })
		}
		synctest.Wait()
		if n := free(); n < 1 || n > 2 {
			t.Errorf("%d workers are left where one was needed", n)
		}
		<-time.After(3 * workerIdle)
		if free() != 0 || w.trims != nil {
			t.Errorf("%d workers are left where none was needed, trims: %v", free(), w.trims != nil)
		}
		w.Schedule(func() {})
		synctest.Wait()
		w.close()
		w.Schedule(func() { ran++ })
		synctest.Wait()
		if ran != 9 || free() != 0 {
			t.Errorf("%d of 9 ran, %d workers are free after the end", ran, free())
		}
	})
}

// BenchmarkAMailboxRun is a message to an idle actor whose turn needs some
// stack, by whom it is run.
func BenchmarkAMailboxRun(b *testing.B) {
	for _, by := range []struct {
		name       string
		dispatcher actor.Dispatcher
	}{{"goroutines", actor.NewDefaultDispatcher(mailboxRun)}, {"workers", &workers{}}} {
		b.Run(by.name, func(b *testing.B) {
			system := actor.NewActorSystem()
			defer system.Shutdown()
			var done sync.WaitGroup
			pid := system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
				if _, is := ctx.Message().(wake); is {
					deep(24)
					done.Done()
				}
			}, actor.WithDispatcher(by.dispatcher)))
			for b.Loop() {
				done.Add(1)
				system.Root.Send(pid, wake{})
				done.Wait()
			}
		})
	}
}

// deep uses n times 256 bytes of stack.
//
//go:noinline
func deep(n int) byte {
	var frame [256]byte
	frame[n] = byte(n)
	if n == 0 {
		return frame[0]
	}
	return deep(n-1) + frame[n]
}
