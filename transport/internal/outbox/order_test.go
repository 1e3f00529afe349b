package outbox

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// message is a frame a reader can check: length, pusher, number, filling, cut
// into parts at random, some of them empty.
func message(r *rand.Rand, pusher, number int) [][]byte {
	size := 12
	switch r.IntN(20) {
	case 0:
		size += r.IntN(100 << 10)
	case 1, 2, 3:
		size += r.IntN(4 << 10)
	default:
		size += r.IntN(200)
	}
	b := make([]byte, 0, size)
	b = binary.BigEndian.AppendUint32(b, uint32(size))
	b = binary.BigEndian.AppendUint32(b, uint32(pusher))
	b = binary.BigEndian.AppendUint32(b, uint32(number))
	for len(b) < size {
		b = append(b, byte(pusher+number+len(b)))
	}
	var parts [][]byte
	for len(b) > 0 && r.IntN(3) > 0 {
		n := r.IntN(len(b) + 1)
		parts, b = append(parts, b[:n:n]), b[n:]
	}
	return append(parts, b)
}

// readMessage returns an error when the stream is not made of whole messages.
func readMessage(r io.Reader) (pusher, number int, err error) {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, 0, err
	}
	size := int(binary.BigEndian.Uint32(head[:]))
	pusher, number = int(binary.BigEndian.Uint32(head[4:])), int(binary.BigEndian.Uint32(head[8:]))
	if size < 12 || size > 200<<10 {
		return 0, 0, fmt.Errorf("a message of %d bytes", size)
	}
	rest := make([]byte, size-12)
	if _, err := io.ReadFull(r, rest); err != nil {
		return 0, 0, err
	}
	for i, b := range rest {
		if b != byte(pusher+number+12+i) {
			return 0, 0, fmt.Errorf("message %d of pusher %d is damaged at byte %d", number, pusher, 12+i)
		}
	}
	return pusher, number, nil
}

// turnstile lets those who were refused wait for Drained.
type turnstile struct {
	mu   sync.Mutex
	next chan struct{}
}

func (s *turnstile) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

func (s *turnstile) Drained() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.next)
	s.next = make(chan struct{})
}

func (s *turnstile) Failed(error) {}

// Several goroutines push and flush at random, one of them through Wrap, while
// the reader pauses at random until something waits for it. Whatever was
// accepted arrives, once, whole, and in the order of each pusher.
func TestNothingIsLostDoubledOrReordered(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	eachKind(t, func(t *testing.T, server, client net.Conn) {
		const pushers, messages = 5, 400
		gate := &turnstile{next: make(chan struct{})}
		o := newPool(t, Config{Limits: Limits{Frames: 40, Bytes: 200 << 10}, SendBuffer: -1}).New(server, gate)
		wrapped := o.Wrap()
		var left, waiting atomic.Int32
		left.Store(pushers)
		var wg sync.WaitGroup
		for p := range pushers {
			wg.Go(func() {
				defer left.Add(-1)
				defer o.Flush()
				r := rand.New(rand.NewPCG(seed, uint64(p)))
				for n := range messages {
					f := Frame{Parts: message(r, p, n)}
					push := func() error { return o.Push(f) }
					if p == 0 {
						push = func() error { _, err := wrapped.Write(bytes.Join(f.Parts, nil)); return err }
					}
					for {
						waits := gate.wait()
						err := push()
						if err == nil {
							break
						}
						if !errors.Is(err, ErrFull) {
							t.Errorf("pusher %d, message %d: %v", p, n, err)
							return
						}
						o.Flush()
						if o.AwaitDrain() {
							waiting.Add(1)
							<-waits
							waiting.Add(-1)
						}
					}
					if r.IntN(3) == 0 {
						o.Flush()
					}
				}
			})
		}
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, pushers))
			in := bufio.NewReaderSize(client, 16+r.IntN(8<<10))
			var next [pushers]int
			for range pushers * messages {
				if r.IntN(50) == 0 {
					for until := r.IntN(40); left.Load() > waiting.Load(); runtime.Gosched() {
						if frames, _ := o.Pressure(); frames >= until {
							break
						}
					}
				}
				p, n, err := readMessage(in)
				if err != nil {
					t.Errorf("read: %v", err)
					client.Close()
					return
				}
				if p >= pushers || n != next[p] {
					t.Errorf("message %d of pusher %d came, want %d", n, p, next[p])
					client.Close()
					return
				}
				next[p]++
			}
		})
		within(t, "the exchange", wg.Wait)
		if err := o.Finish(context.Background()); err != nil {
			t.Error(err)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
		if n, err := client.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("after the last message: %d bytes, %v", n, err)
		}
	})
}

// A goroutine that flushes while another one writes returns at once, and its
// frames are written by the other one.
func TestConcurrentFlushesCoalesce(t *testing.T) {
	eachKind(t, func(t *testing.T, server, client net.Conn) {
		inside, leave := make(chan struct{}), make(chan struct{})
		ow := newOwner()
		ow.onDrained = func() { close(inside); <-leave } // keeps the first one on the writing side
		o := newPool(t, Config{}).New(server, ow)
		defer o.Close()
		push := func(s string) {
			if err := o.Push(frame(Reliable, []byte(s))); err != nil {
				t.Error(err)
			}
		}
		push("one")
		if !o.AwaitDrain() {
			t.Fatal("nothing waits")
		}
		first := make(chan struct{})
		go func() { // waited for below
			defer close(first)
			o.Flush()
		}()
		within(t, "the first flush", func() { <-inside })
		push("two")
		within(t, "the second flush", o.Flush)
		if frames, _ := o.Pressure(); frames != 1 {
			t.Errorf("%d frames wait while the first one is held", frames)
		}
		close(leave)
		<-first
		got := make([]byte, 6)
		within(t, "reading", func() {
			if _, err := io.ReadFull(client, got); err != nil {
				t.Error(err)
			}
		})
		if string(got) != "onetwo" {
			t.Errorf("read %q", got)
		}
	})
}

// What one goroutine gathers is not torn into small writes by the flush of
// another.
func TestFlushLeavesWhatOthersStillGather(t *testing.T) {
	server, client := connect(t, "tcp", "127.0.0.1:0")
	ow := newOwner()
	o := newPool(t, Config{}).New(server, ow)
	defer o.Close()
	ow.onDrained = func() {
		if err := o.Push(frame(Reliable, []byte("gathering"))); err != nil {
			t.Error(err)
		}
	}
	if err := o.Push(frame(Reliable, []byte("one"))); err != nil {
		t.Fatal(err)
	}
	o.AwaitDrain()
	o.Flush()
	if frames, _ := o.Pressure(); frames != 1 {
		t.Errorf("%d frames wait, want the one that was pushed and not flushed", frames)
	}
	o.Flush()
	got := make([]byte, 12)
	if _, err := io.ReadFull(client, got); err != nil || string(got) != "onegathering" {
		t.Errorf("read %q, %v", got, err)
	}
}

// A caller of Flush is not kept for ever by neighbours who push and flush.
func TestFlushEndsThoughMoreComesForEver(t *testing.T) {
	eachKind(t, func(t *testing.T, server, client net.Conn) {
		go discard(client) // ends when the test's cleanup closes it
		ow := newOwner()
		o := newPool(t, Config{}).New(server, ow)
		var calls atomic.Int64
		more := func() {
			if o.Push(frame(Reliable, []byte("more"))) == nil {
				o.AwaitDrain()
				o.Flush()
			}
		}
		ow.onDrained = func() {
			<-ow.drained // keeps the record from filling up
			calls.Add(1)
			more()
		}
		ow.drained <- struct{}{}
		within(t, "Flush", more)
		eventually(t, "the writer goes on", func() bool { return calls.Load() > 10*flushRounds })
		within(t, "Close", func() { o.Close() })
	})
}
