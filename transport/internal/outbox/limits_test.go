package outbox

import (
	"errors"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestPushRefusesExactlyAtTheLimits(t *testing.T) {
	for _, test := range []struct {
		name   string
		limits Limits
		class  Class
		size   int
		fits   int // frames
		want   error
	}{
		{"default frames", Limits{}, Reliable, 1, 1024, ErrFull},
		{"default bytes", Limits{}, Reliable, 1 << 12, 256, ErrFull},
		{"default bytes, one more byte", Limits{}, Reliable, 1<<12 + 1, 255, ErrFull},
		{"a quarter of the default frames", Limits{}, Volatile, 1, 256, ErrBehind},
		{"a quarter of the default bytes", Limits{}, Volatile, 1 << 12, 64, ErrBehind},
		{"frames", Limits{Frames: 10}, Reliable, 1, 10, ErrFull},
		{"bytes", Limits{Bytes: 100}, Reliable, 10, 10, ErrFull},
		{"volatile frames", Limits{Frames: 10}, Volatile, 1, 2, ErrBehind},
		{"volatile bytes", Limits{Bytes: 100}, Volatile, 5, 5, ErrBehind},
		{"a quarter of almost nothing", Limits{Frames: 1}, Volatile, 1, 1, ErrBehind},
		{"a frame beyond the limit", Limits{Bytes: 100}, Reliable, 1000, 1, ErrFull},
		{"a volatile frame beyond its share", Limits{Bytes: 100}, Volatile, 26, 1, ErrBehind},
		{"control frames", Limits{Frames: 1}, Control, 1, 32, ErrFull},
		{"control bytes", Limits{Frames: 1}, Control, 1 << 10, 8, ErrFull},
		{"a long answer to a handshake", Limits{Bytes: 1}, Control, 20 << 10, 1, ErrFull},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, client := net.Pipe()
			defer client.Close()
			o := newPool(t, Config{Limits: test.limits}).New(server, nil)
			defer o.Close()
			f := frame(test.class, make([]byte, test.size))
			for i := range test.fits {
				if err := o.Push(f); err != nil {
					t.Fatalf("frame %d: %v", i+1, err)
				}
			}
			for range 3 {
				if err := o.Push(f); !errors.Is(err, test.want) {
					t.Fatalf("frame %d: %v, want %v", test.fits+1, err, test.want)
				}
			}
			frames, bytes := o.Pressure()
			if test.class == Control {
				if frames != 0 || bytes != 0 {
					t.Errorf("control frames count as pressure: %d frames, %d bytes", frames, bytes)
				}
			} else if frames != test.fits || bytes != test.fits*test.size {
				t.Errorf("pressure is %d frames, %d bytes", frames, bytes)
			}
		})
	}
}

func TestLanesDoNotCrowdEachOtherOut(t *testing.T) {
	server, client := net.Pipe()
	defer client.Close()
	o := newPool(t, Config{Limits: Limits{Frames: 8}}).New(server, nil)
	defer o.Close()
	b := []byte("x")
	for range 2 {
		if err := o.Push(frame(Volatile, b)); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Push(frame(Volatile, b)); err != ErrBehind {
		t.Fatalf("a volatile frame above the quarter: %v", err)
	}
	for range 6 {
		if err := o.Push(frame(Reliable, b)); err != nil {
			t.Fatalf("a reliable frame above the quarter: %v", err)
		}
	}
	if err := o.Push(frame(Reliable, b)); err != ErrFull {
		t.Fatalf("a reliable frame above the limit: %v", err)
	}
	if err := o.Push(frame(Control, b)); err != nil {
		t.Fatalf("a control frame behind a full queue: %v", err)
	}
}

func TestPoolRefusesImpossibleConfiguration(t *testing.T) {
	for _, test := range []struct {
		name   string
		config Config
		want   string
	}{
		{"negative frames", Config{Limits: Limits{Frames: -1}}, "Limits.Frames"},
		{"too many frames", Config{Limits: Limits{Frames: 1<<16 + 1}}, "Limits.Frames"},
		{"negative bytes", Config{Limits: Limits{Bytes: -1}}, "Limits.Bytes"},
		{"too many bytes", Config{Limits: Limits{Bytes: 1<<30 + 1}}, "Limits.Bytes"},
		{"negative timeout", Config{WriteTimeout: -time.Second}, "WriteTimeout"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := NewPool(test.config); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one about %s", err, test.want)
			}
		})
	}
}

func TestIdleOutboxIsSmall(t *testing.T) {
	if size := reflect.TypeFor[Outbox]().Size(); size > 200 {
		t.Errorf("an outbox has %d bytes, the budget is 200", size)
	}
	eachKind(t, func(t *testing.T, server, client net.Conn) {
		go discard(client) // ends when the test's cleanup closes it
		o := newPool(t, Config{}).New(server, nil)
		defer o.Close()
		for range 500 {
			if err := o.Push(frame(Reliable, make([]byte, 1000))); err != nil {
				t.Fatal(err)
			}
		}
		o.Flush()
		eventually(t, "the burst is written and the goroutine has ended", func() bool {
			o.mu.Lock()
			defer o.mu.Unlock()
			return o.empty() && !o.writing
		})
		o.writers.Wait()
		if o.in != nil || o.out != nil || o.wait != nil || o.finished != nil {
			t.Errorf("an idle outbox holds memory: in %v, out %v, wait %v, finished %v", o.in, o.out, o.wait, o.finished)
		}
		if b := o.pool.batch(); cap(b.frames) > 64 {
			t.Errorf("the pool keeps the memory of a burst: %d frames", cap(b.frames))
		}
	})
}

func discard(c net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}
