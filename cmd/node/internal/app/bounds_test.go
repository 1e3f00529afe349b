package app

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlor-rooms/parlor/transport"
	"github.com/parlor-rooms/parlor/transport/transporttest"
)

func TestConnectionsLeaveFilesForTheRest(t *testing.T) {
	for _, test := range []struct{ configured, files, want int }{
		{0, 1024, 918}, {0, 20_000, 18_000}, {0, 1 << 20, 100_000}, {0, 0, 100_000}, {0, 5, 1}, {300_000, 1024, 300_000},
	} {
		if got := connections(test.configured, test.files); got != test.want {
			t.Errorf("of %d files, with %d configured: %d, want %d", test.files, test.configured, got, test.want)
		}
	}
	if n := openFiles(); n < 64 {
		t.Errorf("this process may open %d files", n)
	}
}

// TestAPageIsAskedForAndReadInTime has clients that send, or take, one byte and
// then nothing.
func TestAPageIsAskedForAndReadInTime(t *testing.T) {
	for _, test := range []struct {
		name    string
		request string
		handler http.HandlerFunc
		within  time.Duration
	}{
		{"a body that does not come", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx", func(w http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				panic(err)
			}
		}, requestTimeout},
		{"an answer that is not taken", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", func(w http.ResponseWriter, r *http.Request) {
			_, err := io.WriteString(w, strings.Repeat("x", 1<<20))
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				panic(err)
			}
		}, answerTimeout},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan time.Time, 1)
				ours := serveOne(t, &http.Server{Handler: timed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					test.handler(w, r)
					ended <- time.Now()
				}))})
				start := time.Now()
				if _, err := io.WriteString(ours, test.request); err != nil {
					t.Fatal(err)
				}
				if took := (<-ended).Sub(start); took != test.within {
					t.Errorf("given up after %v, want %v", took, test.within)
				}
			})
		})
	}
}

// serveOne lets srv serve one connection, until the test ends, and returns the
// client's end of it.
func serveOne(t *testing.T, srv *http.Server) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(&oneConn{conn: theirs}) // ends at once: nobody else comes
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		ours.Close()
		<-served
	})
	return ours
}

func TestTheServerBoundsWhatPrecedesARequest(t *testing.T) {
	for _, test := range []struct {
		name, send, answer string
		within             time.Duration
	}{
		{"nothing", "", "", 5 * time.Second},
		{"a slow header", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow", "", 5 * time.Second},
		{"an idle connection", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 ", 75 * time.Second},
		{"a large header", "GET / HTTP/1.1\r\nHost: x\r\nX-Large: " + strings.Repeat("x", 24<<10) + "\r\n\r\n", "HTTP/1.1 431 ", 500 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{log: slog.New(slog.DiscardHandler)}
				srv, _ := s.httpServer(http.NotFoundHandler())
				conn, start := serveOne(t, srv), time.Now()
				go func() { _, _ = io.WriteString(conn, test.send) }() // ends with the connection
				got, _ := io.ReadAll(conn)
				if took := time.Since(start); took > test.within || !strings.HasPrefix(string(got), test.answer) {
					t.Errorf("closed after %v, with %.40q", took, got)
				}
			})
		})
	}
}

// TestSendBufferIsBounded asks the kernel.
func TestSendBufferIsBounded(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	client, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := bounded{inner}.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	if ctl := raw.Control(func(fd uintptr) { size, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF) }); ctl != nil || err != nil {
		t.Fatal(ctl, err)
	}
	if size > 2*sendBuffer {
		t.Errorf("the kernel may hold %d bytes", size)
	}
}

// oneConn is a listener that accepts one connection.
type oneConn struct{ conn net.Conn }

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	return nil, net.ErrClosed
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// TestLimitsOnConnectingAreThoseOfTheConfiguration meets each of them.
func TestLimitsOnConnectingAreThoseOfTheConfiguration(t *testing.T) {
	for _, test := range []struct {
		args   []string
		take   int // connections before one is refused
		status int
	}{
		{[]string{"--transport-max-connections=3"}, 3, 503},
		{[]string{"--transport-max-per-address=2"}, 2, 429},
		{[]string{"--transport-connect-rate=1"}, 2, 503},
	} {
		t.Run(test.args[0], func(t *testing.T) {
			r := start(t, test.args...)
			for range test.take {
				dial(t, r, transporttest.Options{})
			}
			_, err := transporttest.Dial(t.Context(), r.url, transporttest.Options{})
			var refused *transporttest.StatusError
			if !errors.As(err, &refused) || refused.Status != test.status {
				t.Errorf("one more: %v, want %d", err, test.status)
			}
		})
	}
	r := start(t, "--transport-max-per-address=1", "--transport-trusted-proxies=127.0.0.1", "--transport-forwarded-header=Forwarded")
	for i := range 3 {
		dial(t, r, transporttest.Options{Header: http.Header{transport.Forwarded: {fmt.Sprintf("for=203.0.113.%d", i)}}})
	}
}
