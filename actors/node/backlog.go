package node

import (
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// backlog counts the messages that wait in a mailbox, and the bytes that
// members have sent in them, and measures how long
// one in sampleWaits does. It is told of messages by the mailbox, as
// actor.MailboxMiddleware: posts come from any goroutine, the rest from the
// one that works the mailbox off.
type backlog struct {
	waited func(time.Duration) // nil: nothing is measured

	posted   atomic.Uint64
	received atomic.Uint64
	bytes    atomic.Int64
	watched  atomic.Uint64 // which message is timed, counted from 1; zero: none
	since    atomic.Int64  // when it was posted, in nanoseconds since epoch
}

const sampleWaits = 16

var epoch = time.Now()

// waiting is how many messages wait.
func (b *backlog) waiting() int64 { return int64(b.posted.Load() - b.received.Load()) }

// size is how many bytes a member has sent in a message.
func size(msg any) int64 {
	if e, is := msg.(*actor.MessageEnvelope); is {
		msg = e.Message
	}
	if w, is := msg.(*waiting); is {
		msg = w.msg
	}
	var data actors.Raw
	switch msg := msg.(type) {
	case *wire.Event:
		data = msg.Data
	case *wire.Ack:
		data = msg.Data
	}
	n := len(data.JSON)
	for _, a := range data.Attachments {
		n += len(a)
	}
	return int64(n)
}

func (b *backlog) MailboxStarted() {}
func (b *backlog) MailboxEmpty()   {}

func (b *backlog) MessagePosted(msg any) {
	if n := size(msg); n > 0 {
		b.bytes.Add(n)
	}
	n := b.posted.Add(1)
	if b.waited != nil && n%sampleWaits == 1 && b.watched.Load() == 0 {
		b.since.Store(int64(time.Since(epoch)))
		b.watched.Store(n)
	}
}

// MessageReceived is called in the order of posting, but for posts that raced:
// the one that is timed may then be its neighbour.
func (b *backlog) MessageReceived(msg any) {
	if n := size(msg); n > 0 {
		b.bytes.Add(-n)
	}
	n := b.received.Add(1)
	if w := b.watched.Load(); w != 0 && n >= w {
		d := time.Since(epoch) - time.Duration(b.since.Load())
		b.watched.Store(0)
		b.waited(d)
	}
}
