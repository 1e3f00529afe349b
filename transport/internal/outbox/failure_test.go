package outbox

import (
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
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
		clog(t, o)
		c.advance(9 * time.Second)
		// It reads a part: the socket takes more and has ten seconds again. The
		// rest is still more than the kernel takes, so the writer waits again.
		_, before := c.armed()
		within(t, "reading", func() {
			if _, err := io.CopyN(io.Discard, client, clogSize/2); err != nil {
				t.Error(err)
			}
		})
		eventually(t, "the timer starts again", func() bool { _, resets := c.armed(); return resets > before })
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
		clog(t, o)
		within(t, "reading", func() {
			if _, err := io.CopyN(io.Discard, client, clogSize); err != nil {
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
		if err := client.(interface{ Close() error }).Close(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "pushes are refused", func() bool {
			err := o.Push(frame(Reliable, []byte("x")))
			o.Flush()
			return err == net.ErrClosed
		})
		within(t, "the reader and Failed", func() {
			<-reader //nolint:errcheck // how it ended is not the matter
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
		clog(t, o)
		for range 2 { // asking twice is no mistake
			if !o.AwaitDrain() {
				t.Fatal("there is nothing to wait for in a clogged outbox")
			}
		}
		if len(ow.drained) != 0 {
			t.Fatal("Drained came while frames wait")
		}
		within(t, "Drained", func() {
			if _, err := io.CopyN(io.Discard, client, clogSize); err != nil {
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

// script is a connection whose Write the test plays.
type script struct {
	net.Conn
	write  func(p []byte) (int, error)
	closed chan struct{}
	once   sync.Once
}

func newScript(t *testing.T) *script {
	server, client := net.Pipe()
	t.Cleanup(func() { server.Close(); client.Close() })
	return &script{Conn: server, closed: make(chan struct{})}
}

func (s *script) Write(p []byte) (int, error) { return s.write(p) }

func (s *script) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.Conn.Close()
}

func TestFailedWriteClosesTheConnection(t *testing.T) {
	for _, test := range []struct {
		name  string
		write func(p []byte) (int, error)
		want  error
	}{
		{"an error", func(p []byte) (int, error) { return 0, io.ErrClosedPipe }, io.ErrClosedPipe},
		{"a short write without a reason", func(p []byte) (int, error) { return 1, nil }, io.ErrShortWrite},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn := newScript(t)
			conn.write = test.write
			ow := newOwner()
			o := newPool(t, Config{}).New(conn, ow)
			defer o.Close()
			if err := o.Push(frame(Reliable, []byte("lost"))); err != nil {
				t.Fatal(err)
			}
			o.Flush()
			within(t, "failing", func() {
				<-conn.closed
				if err := <-ow.failed; !errors.Is(err, test.want) {
					t.Errorf("failed with %v", err)
				}
			})
		})
	}
}

// Close ends while a frame is on its way: it waits for the goroutine that
// writes it, and that goroutine gives clean memory back.
func TestCloseWaitsForAWriteInProgress(t *testing.T) {
	conn := newScript(t)
	writing := make(chan struct{})
	var returned atomic.Bool
	conn.write = func(p []byte) (int, error) {
		close(writing)
		<-conn.closed
		for range 10_000 {
			runtime.Gosched()
		}
		returned.Store(true)
		return len(p), nil
	}
	o := newPool(t, Config{}).New(conn, newOwner())
	if err := o.Push(frame(Reliable, []byte("late"))); err != nil {
		t.Fatal(err)
	}
	o.Flush()
	within(t, "Close", func() {
		<-writing
		o.Close()
	})
	if !returned.Load() {
		t.Error("Close returned before the write")
	}
	if b := o.pool.batch(); !b.empty() || b.done != [lanes]load{} {
		t.Errorf("the pool got a batch with traces: %+v", b)
	}
}

// spurious is a RawConn that says "try again" when the test says so, whether
// the socket takes more or not.
type spurious struct {
	syscall.RawConn
	wake, end chan struct{}
}

func (s *spurious) Write(f func(fd uintptr) bool) error {
	for done := false; ; {
		if err := s.Control(func(fd uintptr) { done = f(fd) }); done || err != nil {
			return err
		}
		select {
		case <-s.wake:
		case <-s.end:
			return net.ErrClosed
		}
	}
}

func TestWakeUpWithoutProgressDoesNotProlongTheTimeout(t *testing.T) {
	server, _ := connect(t, "tcp", "127.0.0.1:0")
	c := &clock{}
	o := newPool(t, Config{SendBuffer: -1, AfterFunc: c.AfterFunc}).New(server, newOwner())
	raw := &spurious{RawConn: o.raw, wake: make(chan struct{}), end: make(chan struct{})}
	o.raw = raw
	clog(t, o)
	const wakes = 100
	within(t, "waking the writer", func() {
		for range wakes {
			raw.wake <- struct{}{}
		}
	})
	close(raw.end)
	within(t, "Close", func() { o.Close() })
	if _, resets := c.armed(); resets > wakes/2 {
		t.Errorf("the timeout started again %d times for a reader that has stopped", resets)
	}
}
