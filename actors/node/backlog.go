package node

import (
	"sync/atomic"
	"time"
)

// backlog counts the messages that wait in a mailbox, and measures how long
// one in sampleWaits does. It is told of messages by the mailbox, as
// actor.MailboxMiddleware: posts come from any goroutine, the rest from the
// one that works the mailbox off.
type backlog struct {
	waited func(time.Duration) // nil: nothing is measured

	posted   atomic.Uint64
	received atomic.Uint64
	watched  atomic.Uint64 // which message is timed, counted from 1; zero: none
	since    atomic.Int64  // when it was posted, in nanoseconds since epoch
}

const sampleWaits = 16

var epoch = time.Now()

// waiting is how many messages wait.
func (b *backlog) waiting() int64 { return int64(b.posted.Load() - b.received.Load()) }

func (b *backlog) MailboxStarted() {}
func (b *backlog) MailboxEmpty()   {}

func (b *backlog) MessagePosted(any) {
	n := b.posted.Add(1)
	if b.waited != nil && n%sampleWaits == 1 && b.watched.Load() == 0 {
		b.since.Store(int64(time.Since(epoch)))
		b.watched.Store(n)
	}
}

// MessageReceived is called in the order of posting, but for posts that raced:
// the one that is timed may then be its neighbour.
func (b *backlog) MessageReceived(any) {
	n := b.received.Add(1)
	if w := b.watched.Load(); w != 0 && n >= w {
		d := time.Since(epoch) - time.Duration(b.since.Load())
		b.watched.Store(0)
		b.waited(d)
	}
}
