package outbox

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// clock runs what is due when the test moves it.
type clock struct {
	mu     sync.Mutex // guards the following
	now    time.Duration
	timers []*timer
	resets int
}

type timer struct {
	c   *clock
	f   func()
	due time.Duration
	on  bool
}

func (c *clock) AfterFunc(d time.Duration, f func()) Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &timer{c: c, f: f, due: c.now + d, on: true}
	c.timers = append(c.timers, t)
	return t
}

func (t *timer) Stop() bool {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	was := t.on
	t.on = false
	return was
}

func (t *timer) Reset(d time.Duration) bool {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	was := t.on
	t.on, t.due = true, t.c.now+d
	t.c.resets++
	return was
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	c.now += d
	var due []func()
	for _, t := range c.timers {
		if t.on && t.due <= c.now {
			t.on = false
			due = append(due, t.f)
		}
	}
	c.mu.Unlock()
	for _, f := range due {
		f()
	}
}

func (c *clock) armed() (n, resets int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.timers {
		if t.on {
			n++
		}
	}
	return n, c.resets
}

func TestSocketThatTakesNoByteForTheTimeoutIsDead(t *testing.T) {
	eachKind(t, func(t *testing.T, server, client net.Conn) {
		c := &clock{}
		ow := newOwner()
		o := newPool(t, Config{SendBuffer: -1, AfterFunc: c.AfterFunc}).New(server, ow)
		defer o.Close()
		if err := o.Push(frame(Reliable, make([]byte, 1<<20))); err != nil {
			t.Fatal(err)
		}
		o.Flush()
		eventually(t, "the writer waits", func() bool { n, _ := c.armed(); return n == 1 })
		c.advance(9 * time.Second)
		// It reads a little: the socket takes more and has ten seconds again.
		_, before := c.armed()
		within(t, "progress", func() {
			buf := make([]byte, 4<<10)
			for resets := before; resets == before; _, resets = c.armed() {
				if _, err := io.ReadFull(client, buf); err != nil {
					t.Error(err)
					return
				}
			}
		})
		c.advance(9 * time.Second)
		select {
		case err := <-ow.failed:
			t.Fatalf("failed though there was progress: %v", err)
		default:
		}
		if err := o.Push(frame(Reliable, nil)); err != nil {
			t.Fatalf("closed though there was progress: %v", err)
		}
		c.advance(11 * time.Second)
		within(t, "failing", func() {
			if err := <-ow.failed; !errors.Is(err, ErrStalled) {
				t.Errorf("failed with %v", err)
			}
		})
		if err := o.Push(frame(Reliable, []byte("x"))); err != net.ErrClosed {
			t.Errorf("push after a failure: %v", err)
		}
		if _, err := server.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("the connection is not closed: %v", err)
		}
		within(t, "Close", func() {
			if err := o.Close(); err != nil {
				t.Error(err)
			}
		})
		if n, _ := c.armed(); n != 0 {
			t.Errorf("%d timers are left", n)
		}
	})
}

// A timer that fires when the socket has just drained harms nobody.
func TestLateTimerDoesNotKillAnIdleSocket(t *testing.T) {
	eachKind(t, func(t *testing.T, server, client net.Conn) {
		c := &clock{}
		ow := newOwner()
		o := newPool(t, Config{SendBuffer: -1, AfterFunc: c.AfterFunc}).New(server, ow)
		defer o.Close()
		clogged := clog(t, o)
		within(t, "reading", func() {
			if _, err := io.CopyN(io.Discard, client, int64(clogged)); err != nil {
				t.Error(err)
			}
		})
		o.writers.Wait()
		c.mu.Lock()
		timers := c.timers
		c.mu.Unlock()
		for _, late := range timers {
			late.f()
		}
		if err := o.Push(frame(Reliable, []byte("alive"))); err != nil {
			t.Fatal(err)
		}
		o.Flush()
		within(t, "reading", func() {
			got := make([]byte, 5)
			if _, err := io.ReadFull(client, got); err != nil || string(got) != "alive" {
				t.Errorf("read %q, %v", got, err)
			}
		})
	})
}

func TestFailureIsToldOnceAndClosesTheConnection(t *testing.T) {
	eachKind(t, func(t *testing.T, server, client net.Conn) {
		ow := newOwner()
		o := newPool(t, Config{SendBuffer: -1}).New(server, ow)
		reader := make(chan error, 1)
		go func() { // ends when the connection is closed
			_, err := io.Copy(io.Discard, server)
			reader <- err
		}()
		clog(t, o)
		client.(interface{ Close() error }).Close()
		eventually(t, "pushes are refused", func() bool {
			err := o.Push(frame(Reliable, []byte("x")))
			o.Flush()
			return err == net.ErrClosed
		})
		within(t, "the reader and Failed", func() {
			<-reader
			if err := <-ow.failed; err == nil || errors.Is(err, ErrStalled) {
				t.Errorf("failed with %v", err)
			}
		})
		for range 3 {
			o.Flush()
			o.Close()
		}
		select {
		case err := <-ow.failed:
			t.Errorf("failed a second time: %v", err)
		default:
		}
	})
}

func TestDrainedComesOncePerAwait(t *testing.T) {
	eachKind(t, func(t *testing.T, server, client net.Conn) {
		ow := newOwner()
		o := newPool(t, Config{SendBuffer: -1}).New(server, ow)
		defer o.Close()
		if o.AwaitDrain() {
			t.Fatal("there is something to wait for in a fresh outbox")
		}
		clogged := clog(t, o)
		if !o.AwaitDrain() || !o.AwaitDrain() {
			t.Fatal("there is nothing to wait for in a clogged outbox")
		}
		if len(ow.drained) != 0 {
			t.Fatal("Drained came while frames wait")
		}
		within(t, "Drained", func() {
			if _, err := io.CopyN(io.Discard, client, int64(clogged)); err != nil {
				t.Error(err)
			}
			<-ow.drained
		})
		go discard(client) // ends when the test's cleanup closes it
		for range 10 {
			if err := o.Push(frame(Reliable, []byte("unpaced"))); err != nil {
				t.Fatal(err)
			}
			o.Flush()
			eventually(t, "idle", o.Idle)
		}
		o.Close()
		if n := len(ow.drained); n != 0 {
			t.Errorf("Drained came %d times too often", n)
		}
	})
}
