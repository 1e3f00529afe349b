package rawio_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors/rawio"
)

// pair returns two ends of a connection of the network.
func pair(t *testing.T, network, address string) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if a, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close(); _ = b.Close() })
	return a, b
}

// each runs a test over the networks that have calls of their own.
func each(t *testing.T, test func(t *testing.T, plain, raw, under net.Conn)) {
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")} {
		t.Run(network, func(t *testing.T) {
			plain, b := pair(t, network, address)
			raw := rawio.New(b)
			if raw == b {
				t.Fatal("it is the connection itself: the test proves nothing")
			}
			test(t, plain, raw, b)
		})
	}
}

// TestWhatIsWrittenIsRead: all of it, in both directions at once, also where the
// socket takes a part at a time, and then the end of the stream.
func TestWhatIsWrittenIsRead(t *testing.T) {
	each(t, func(t *testing.T, plain, raw, under net.Conn) {
		sent := make([]byte, 16<<20)
		_, _ = rand.Read(sent)
		failed := make(chan error, 2)
		for c, under := range map[net.Conn]net.Conn{plain: plain, raw: under} {
			go func() { // received below
				_, err := c.Write(sent)
				failed <- errors.Join(err, under.(interface{ CloseWrite() error }).CloseWrite())
			}()
		}
		read := func(c net.Conn) {
			if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("read %d of %d bytes: %v", len(got), len(sent), err)
			}
		}
		var reading sync.WaitGroup
		reading.Go(func() { read(plain) })
		read(raw)
		reading.Wait()
		for range 2 {
			if err := <-failed; err != nil {
				t.Error(err)
			}
		}
		if n, err := raw.Read(nil); n != 0 || err != nil {
			t.Errorf("nothing read: %d, %v", n, err)
		}
	})
}

// TestADeadlineAndACloseEndACallThatWaits as they do those of package net.
func TestADeadlineAndACloseEndACallThatWaits(t *testing.T) {
	each(t, func(t *testing.T, _, raw, _ net.Conn) {
		if err := raw.SetDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		var timeout net.Error
		if _, err := raw.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("Read beyond its deadline: %v", err)
		}
		large := make([]byte, 64<<20)
		if n, err := raw.Write(large); !errors.Is(err, os.ErrDeadlineExceeded) || n >= len(large) {
			t.Errorf("Write beyond its deadline: %d, %v", n, err)
		}
		if err := raw.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 2)
		go func() { _, err := raw.Read(make([]byte, 1)); ended <- err }() // received below
		go func() { _, err := raw.Write(large); ended <- err }()          // likewise
		if err := raw.Close(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := <-ended; !errors.Is(err, net.ErrClosed) {
				t.Errorf("a call on a closed connection: %v", err)
			}
		}
	})
}

// TestAConnectionThatBreaksSaysWhy: with the error of the system, which it
// reports once.
func TestAConnectionThatBreaksSaysWhy(t *testing.T) {
	for name, call := range map[string]func(net.Conn, []byte) (int, error){"read": net.Conn.Read, "write": net.Conn.Write} {
		plain, b := pair(t, "tcp", "127.0.0.1:0")
		if err := plain.(*net.TCPConn).SetLinger(0); err != nil {
			t.Fatal(err)
		}
		_ = plain.Close()
		var system *os.SyscallError
		if n, err := call(rawio.New(b), make([]byte, 1)); n != 0 || !errors.As(err, &system) || system.Syscall != name {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
}

// TestWhatIsNoPlainSocketIsLeftAlone, because its own Read and Write must not be
// passed by.
func TestWhatIsNoPlainSocketIsLeftAlone(t *testing.T) {
	a, b := net.Pipe()
	tcp, _ := pair(t, "tcp", "127.0.0.1:0")
	for _, c := range []net.Conn{a, b, struct{ *net.TCPConn }{tcp.(*net.TCPConn)}} {
		if rawio.New(c) != c {
			t.Errorf("%T was wrapped", c)
		}
	}
}
