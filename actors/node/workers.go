package node

import (
	"slices"
	"sync"
	"time"
)

// workers is the actor.Dispatcher of a node. Proto.Actor's own starts a
// goroutine for every run of a mailbox, whose stack then grows to what a turn
// needs, each time anew, which costs more than all else about handing over a
// message (BenchmarkAMailboxRun). These goroutines are kept for the next run, the last
// one that became free first. There are as many as there are mailboxes that run
// at the same time, so that one that blocks holds up no other; those that nobody
// needed for workerIdle end.
type workers struct {
	mu     sync.Mutex    // guards the following
	free   []chan func() // of those that wait; the last is the next to work
	least  int           // the fewest that were free since the last trim
	trims  *time.Timer   // runs trim; nil if none is due
	closed bool
}

const (
	// maxFreeWorkers bounds the goroutines that wait for work, and with it the
	// stacks that are kept.
	maxFreeWorkers = 64

	// workerIdle is how long workers that nobody needed are kept, at least.
	workerIdle = time.Second

	// mailboxRun is how many messages a mailbox may work off before others have
	// their turn.
	mailboxRun = 300
)

// Throughput implements actor.Dispatcher.
func (w *workers) Throughput() int { return mailboxRun }

// Schedule implements actor.Dispatcher.
func (w *workers) Schedule(run func()) {
	w.mu.Lock()
	last := len(w.free) - 1
	if last < 0 {
		w.mu.Unlock()
		go w.work(run) // ends with close, or when enough others are free
		return
	}
	next := w.free[last]
	w.free = w.free[:last]
	w.least = min(w.least, last)
	w.mu.Unlock()
	next <- run // which has room for it
}

func (w *workers) work(run func()) {
	next := make(chan func(), 1)
	for ok := true; ok; run, ok = <-next {
		run()
		if !w.wait(next) {
			return
		}
	}
}

// wait offers a worker for the next run. It reports false if it is not wanted.
func (w *workers) wait(next chan func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.free) == maxFreeWorkers {
		return false
	}
	w.free = append(w.free, next)
	if w.trims == nil {
		w.trims = time.AfterFunc(workerIdle, w.trim) // again while somebody is left; close stops it
	}
	return true
}

// trim ends those that were free all the time since the last one.
func (w *workers) trim() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end(w.least)
	w.least = len(w.free)
	if w.trims = nil; w.least > 0 {
		w.trims = time.AfterFunc(workerIdle, w.trim)
	}
}

// end ends the first n that are free. mu is held.
func (w *workers) end(n int) {
	for _, next := range w.free[:n] {
		close(next)
	}
	w.free = slices.Delete(w.free, 0, n)
}

// close ends those that are free, now and later. What is scheduled is still
// run.
func (w *workers) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.end(len(w.free))
	w.least = 0
	if w.trims != nil {
		w.trims.Stop()
	}
}
