package outbox

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"weak"

	"go.uber.org/goleak"
)

// The reader never reads: every operation returns all the same, memory stays
// within the limits, and what was accepted is there when it reads at last.
func TestStoppedReaderBlocksNobodyAndLosesNothing(t *testing.T) {
	eachKind(t, func(t *testing.T, server, client net.Conn) {
		limits := Limits{Frames: 64, Bytes: 6 << 20}
		o := newPool(t, Config{Limits: limits, SendBuffer: -1}).New(server, newOwner())
		defer o.Close()
		clog(t, o)
		var want bytes.Buffer
		full, behind := 0, 0
		within(t, "pushing and flushing to a stopped reader", func() {
			for i := range 4 * limits.Frames {
				b := bytes.Repeat([]byte{byte(i)}, 1+i*37%8000)
				class := Reliable
				if i%4 == 0 {
					class = Volatile
				}
				switch err := o.Push(frame(class, b)); err {
				case nil:
					want.Write(b)
				case ErrFull:
					full++
				case ErrBehind:
					behind++
				default:
					t.Errorf("push: %v", err)
				}
				o.Flush()
				if f, n := o.Pressure(); f > limits.Frames || n > limits.Bytes {
					t.Errorf("%d frames and %d bytes wait", f, n)
				}
			}
			if _, err := o.Wrap().Write([]byte("pong")); err != nil {
				t.Errorf("a pong behind a full queue: %v", err)
			}
			want.WriteString("pong")
		})
		if full == 0 || behind == 0 {
			t.Errorf("refused %d times as full and %d times as behind", full, behind)
		}
		within(t, "reading what was accepted", func() {
			if _, err := io.CopyN(io.Discard, client, clogSize); err != nil {
				t.Error(err)
			}
			got := make([]byte, want.Len())
			if _, err := io.ReadFull(client, got); err != nil {
				t.Error(err)
			}
			if !bytes.Equal(got, want.Bytes()) {
				t.Error("other bytes came than were accepted")
			}
		})
		eventually(t, "idle", o.Idle)
	})
}

// A control frame pushed while another frame is half written waits for the end
// of that frame.
func TestWrapNeverWritesInsideAFrame(t *testing.T) {
	eachKind(t, func(t *testing.T, server, client net.Conn) {
		o := newPool(t, Config{SendBuffer: -1}).New(server, newOwner())
		defer o.Close()
		clog(t, o) // a frame is half written
		w := o.Wrap()
		for _, part := range []string{"ping", "close"} {
			if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
				t.Fatalf("write: %d, %v", n, err)
			}
		}
		in := bufio.NewReader(client)
		within(t, "reading", func() {
			for i := range clogSize {
				if b, err := in.ReadByte(); b != 0 || err != nil {
					t.Errorf("byte %d of the frame is %q, %v", i, b, err)
					return
				}
			}
			got := make([]byte, 9)
			if _, err := io.ReadFull(in, got); err != nil || string(got) != "pingclose" {
				t.Errorf("after the frame came %q, %v", got, err)
			}
		})
	})
}

func TestWrapDoesNotKeepTheCallersBuffer(t *testing.T) {
	eachKind(t, func(t *testing.T, server, client net.Conn) {
		o := newPool(t, Config{SendBuffer: -1}).New(server, newOwner())
		defer o.Close()
		clog(t, o)
		b := []byte("first")
		if _, err := o.Wrap().Write(b); err != nil {
			t.Fatal(err)
		}
		copy(b, "other")
		within(t, "reading", func() {
			if _, err := io.CopyN(io.Discard, client, clogSize); err != nil {
				t.Error(err)
			}
			got := make([]byte, 5)
			if _, err := io.ReadFull(client, got); err != nil || string(got) != "first" {
				t.Errorf("read %q, %v", got, err)
			}
		})
	})
}

// What is written does not stay in memory because something behind it waits.
func TestWrittenFramesAreReleased(t *testing.T) {
	eachKind(t, func(t *testing.T, server, client net.Conn) {
		o := newPool(t, Config{SendBuffer: -1}).New(server, newOwner())
		defer o.Close()
		payload := bytes.Repeat([]byte{1}, 1000)
		written := weak.Make(&payload[0])
		if err := o.Push(frame(Reliable, payload)); err != nil {
			t.Fatal(err)
		}
		clog(t, o) // from here on only the outbox could hold the payload
		eventually(t, "the first payload is collected", func() bool {
			runtime.GC()
			return written.Value() == nil
		})
	})
}

func TestCloseOfAStoppedReaderLeavesNothing(t *testing.T) {
	eachKind(t, func(t *testing.T, server, client net.Conn) {
		here := goleak.IgnoreCurrent()
		ow := newOwner()
		o := newPool(t, Config{SendBuffer: -1}).New(server, ow)
		clog(t, o)
		if err := o.Push(frame(Reliable, []byte("behind"))); err != nil {
			t.Fatal(err)
		}
		closed := make(chan error, 1)
		go func() { closed <- o.Close() }() // received below
		within(t, "Close", func() {
			for range 3 {
				o.Close()
			}
			if err := <-closed; err != nil && !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		})
		if err := goleak.Find(here); err != nil {
			t.Error(err)
		}
		if err := o.Push(frame(Control, []byte("x"))); err != net.ErrClosed {
			t.Errorf("push after Close: %v", err)
		}
		o.Flush()
		if f, n := o.Pressure(); f != 0 || n != 0 || !o.Idle() || o.AwaitDrain() {
			t.Errorf("a closed outbox holds %d frames and %d bytes", f, n)
		}
		if o.in != nil || o.out != nil {
			t.Error("a closed outbox holds memory")
		}
		select {
		case err := <-ow.failed:
			t.Errorf("Close was told as a failure: %v", err)
		default:
		}
		// The stream is cut where the kernel was, and says so: nobody mistakes
		// it for a whole one.
		canReset := false
		switch server.(type) {
		case *net.TCPConn, *tls.Conn:
			canReset = true
		}
		within(t, "reading the rest", func() {
			if _, err := io.Copy(io.Discard, client); err == nil && canReset {
				t.Error("the reader saw a clean end")
			}
		})
	})
}

func TestFinishWritesWhatWaitsAndThenNothing(t *testing.T) {
	eachKind(t, func(t *testing.T, server, client net.Conn) {
		o := newPool(t, Config{SendBuffer: -1}).New(server, newOwner())
		clog(t, o)
		if err := o.Push(frame(Control, []byte("close"))); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := o.Finish(ctx); err != context.Canceled {
			t.Errorf("Finish of a stopped reader: %v", err)
		}
		if err := o.Push(frame(Control, []byte("x"))); err != net.ErrClosed {
			t.Errorf("push after Finish: %v", err)
		}
		read := make(chan []byte, 1)
		go func() { // ends when o is closed
			all, err := io.ReadAll(client)
			if err != nil {
				t.Errorf("the end is not clean: %v", err)
			}
			read <- all
		}()
		within(t, "Finish", func() {
			if err := o.Finish(context.Background()); err != nil {
				t.Error(err)
			}
		})
		within(t, "Close", func() {
			if err := o.Close(); err != nil {
				t.Error(err)
			}
		})
		all := <-read
		if len(all) != clogSize+5 || !bytes.HasSuffix(all, []byte("close")) {
			t.Errorf("read %d bytes, want %d and close", len(all), clogSize)
		}
	})
}

func TestFinishEndsWithTheFailureOrClose(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(o *Outbox, client net.Conn)
	}{
		{"the peer goes", func(o *Outbox, client net.Conn) { client.Close() }},
		{"Close", func(o *Outbox, client net.Conn) { o.Close() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachKind(t, func(t *testing.T, server, client net.Conn) {
				o := newPool(t, Config{SendBuffer: -1}).New(server, newOwner())
				defer o.Close()
				clog(t, o)
				finished := make(chan error, 1)
				go func() { finished <- o.Finish(context.Background()) }() // received below
				eventually(t, "Finish waits", func() bool {
					o.mu.Lock()
					defer o.mu.Unlock()
					return o.finished != nil
				})
				test.end(o, client)
				within(t, "Finish", func() {
					if err := <-finished; err == nil {
						t.Error("Finish says that everything was written")
					}
				})
			})
		})
	}
}
