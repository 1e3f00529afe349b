package outbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what has to happen; no test measures
// time.
const patience = 30 * time.Second

// within fails the test when f does not return.
func within(t testing.TB, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { // ends with f; a test whose f hangs ends the process
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		buf := make([]byte, 1<<16)
		t.Fatalf("%s did not return\n%s", what, buf[:runtime.Stack(buf, true)])
	}
}

// eventually fails the test when ok stays false.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func newPool(t testing.TB, c Config) *Pool {
	t.Helper()
	p, err := NewPool(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// kind is a way to connect two ends of a stream in one process, with small
// kernel buffers so that a reader which stops is felt soon. (With a receive
// buffer below the 64 KiB segments of loopback, Linux doubles it, TCP waits for
// delayed acknowledgements and crawls.)
type kind struct {
	name string
	dial func(testing.TB) (server, client net.Conn)
}

func kinds() []kind {
	return []kind{
		{"tcp", func(t testing.TB) (server, client net.Conn) { return connect(t, "tcp", "127.0.0.1:0") }},
		{"unix", func(t testing.TB) (server, client net.Conn) {
			return connect(t, "unix", filepath.Join(t.TempDir(), "s"))
		}},
		{"tls", func(t testing.TB) (server, client net.Conn) {
			s, c := connect(t, "tcp", "127.0.0.1:0")
			return secure(t, s, c)
		}},
		{"opaque", func(t testing.TB) (server, client net.Conn) {
			s, c := connect(t, "tcp", "127.0.0.1:0")
			return struct{ net.Conn }{s}, c
		}},
	}
}

func eachKind(t *testing.T, f func(t *testing.T, server, client net.Conn)) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			server, client := k.dial(t)
			f(t, server, client)
		})
	}
}

func connect(t testing.TB, network, address string) (server, client net.Conn) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.(interface{ SetReadBuffer(int) error }).SetReadBuffer(48 << 10); err != nil {
		t.Fatal(err)
	}
	if err := server.(interface{ SetWriteBuffer(int) error }).SetWriteBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return server, client
}

func secure(t testing.TB, server, client net.Conn) (s, c net.Conn) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	ts := tls.Server(server, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	tc := tls.Client(client, &tls.Config{InsecureSkipVerify: true}) // the certificate is not what is tested
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := ts.Handshake(); err != nil {
			t.Error(err)
		}
	})
	if err := tc.Handshake(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	return ts, tc
}

// owner records what its outbox tells.
type owner struct {
	onDrained func()
	drained   chan struct{}
	failed    chan error
}

func newOwner() *owner {
	return &owner{drained: make(chan struct{}, 1024), failed: make(chan error, 16)}
}

func (o *owner) Drained() {
	if o.onDrained != nil {
		o.onDrained()
	}
	o.drained <- struct{}{}
}
func (o *owner) Failed(err error) { o.failed <- err }

// frame makes a frame of one part.
func frame(class Class, b []byte) Frame { return Frame{Parts: [][]byte{b}, Class: class} }

// clogSize is more than the kernel takes for a reader that has stopped.
const clogSize = 800 << 10

// clog pushes one frame that its socket cannot take while the reader has
// stopped, and returns when a goroutine writes it.
func clog(t testing.TB, o *Outbox) {
	t.Helper()
	if err := o.Push(frame(Reliable, make([]byte, clogSize))); err != nil {
		t.Fatal(err)
	}
	within(t, "Flush to a stopped reader", o.Flush)
	eventually(t, "the writer waits", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.wait != nil
	})
}
