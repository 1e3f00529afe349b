package transport

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a handler behind a real listener, and the gate behind it.
type server struct {
	t       testing.TB
	gate    *echoGate
	handler *Handler
	base    string // http://host:port
	dial    func() (net.Conn, error)
	client  *http.Client
}

// serve starts a server on a TCP port that ends with the test.
func serve(t testing.TB, cfg Config) *server {
	t.Helper()
	s := newServer(t, cfg)
	web := httptest.NewServer(s.handler.Mount(nil))
	s.base = web.URL
	s.dial = func() (net.Conn, error) { return net.Dial("tcp", web.Listener.Addr().String()) }
	s.client = &http.Client{Transport: &http.Transport{DisableCompression: true}}
	t.Cleanup(func() {
		s.close()
		s.client.CloseIdleConnections()
		web.Close()
	})
	return s
}

// serveInMemory starts a server without sockets, for a test that runs in a
// synctest bubble. The test calls end when it is done.
func serveInMemory(t testing.TB, cfg Config) (s *server, end func()) {
	t.Helper()
	s = newServer(t, cfg)
	pipes := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	web := &http.Server{Handler: s.handler}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = web.Serve(pipes) // ends with Close
	}()
	s.base = "http://memory"
	s.dial = pipes.dial
	s.client = &http.Client{Transport: &http.Transport{
		DisableCompression: true,
		DialContext:        func(context.Context, string, string) (net.Conn, error) { return s.dial() },
	}}
	return s, func() {
		s.close()
		s.client.CloseIdleConnections()
		web.Close()
		<-served
	}
}

func newServer(t testing.TB, cfg Config) *server {
	t.Helper()
	gate := &echoGate{}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.CloseTimeout == 0 {
		cfg.CloseTimeout = 200 * time.Millisecond // for the sessions that a test leaves open
	}
	h, err := New(gate, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &server{t: t, gate: gate, handler: h}
}

func (s *server) close() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.handler.Close(ctx); err != nil {
		s.t.Errorf("close: %v", err)
	}
}

// pipeListener accepts the other ends of net.Pipe.
type pipeListener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *pipeListener) dial() (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// url is where Socket.IO is, with this query behind the version.
func (s *server) url(query string) string {
	return s.base + "/socket.io/?EIO=4&" + query
}

// reply is an HTTP response that was read.
type reply struct {
	status int
	body   string
	header http.Header
}

func (s *server) do(method, url, body string, header ...string) (reply, error) {
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, string(b), resp.Header}, err
}

// must is do for a request that is answered.
func (s *server) must(method, url, body string, header ...string) reply {
	s.t.Helper()
	r, err := s.do(method, url, body, header...)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// pollingSession is a polling session as its client sees it.
type pollingSession struct {
	*server
	sid  string
	conn *echoConn
}

// poll opens a polling session.
func (s *server) poll() *pollingSession {
	s.t.Helper()
	r := s.must("GET", s.url("transport=polling"), "")
	if r.status != 200 || !strings.HasPrefix(r.body, "0{") {
		s.t.Fatalf("handshake answered %d %q", r.status, r.body)
	}
	var open struct{ SID string }
	first, _, _ := strings.Cut(r.body[1:], "\x1e")
	if err := json.Unmarshal([]byte(first), &open); err != nil {
		s.t.Fatal(err)
	}
	return &pollingSession{s, open.SID, s.connOf(open.SID)}
}

// connOf is the connection of a session.
func (s *server) connOf(sid string) *echoConn {
	s.t.Helper()
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	for _, c := range s.gate.conns {
		if c.socket.SID() == sid {
			return c
		}
	}
	s.t.Fatalf("no connection was accepted for %q", sid)
	return nil
}

// enter opens a polling session that has joined "/".
func (s *server) enter() *pollingSession {
	s.t.Helper()
	p := s.poll()
	p.wantPost("40", 200)
	p.wantGet(200, `40{"sid":"m/"}`)
	return p
}

func (p *pollingSession) at() string { return p.url("transport=polling&sid=" + p.sid) }

func (p *pollingSession) get() reply { p.t.Helper(); return p.must("GET", p.at(), "") }

func (p *pollingSession) wantGet(status int, body string) {
	p.t.Helper()
	if r := p.get(); r.status != status || r.body != body {
		p.t.Fatalf("GET answered %d %q, want %d %q", r.status, r.body, status, body)
	}
}

func (p *pollingSession) wantPost(body string, status int) {
	p.t.Helper()
	r := p.must("POST", p.at(), body)
	if r.status != status || status == 200 && r.body != "ok" {
		p.t.Fatalf("POST %q answered %d %q, want %d", body, r.status, r.body, status)
	}
}

// wantUnknown checks that the session is gone.
func (p *pollingSession) wantUnknown() {
	p.t.Helper()
	p.wantGet(400, `{"code":1,"message":"Session ID unknown"}`)
}

// goGet sends a GET and waits until the session has it.
func (p *pollingSession) goGet() <-chan reply {
	p.t.Helper()
	c := make(chan reply, 1)
	go func() { // ends with its answer, at the latest when the server closes
		r, _ := p.do("GET", p.at(), "")
		c <- r
	}()
	s := p.handler.session(p.sid)
	if s == nil {
		p.t.Fatal("the session is gone")
	}
	eventually(p.t, "GET that waits", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.get != nil
	})
	return c
}

// wantReply checks what a GET of goGet was answered.
func wantReply(t testing.TB, c <-chan reply, status int, body string) {
	t.Helper()
	select {
	case r := <-c:
		if r.status != status || r.body != body {
			t.Fatalf("GET answered %d %q, want %d %q", r.status, r.body, status, body)
		}
	case <-time.After(patience):
		t.Fatal("GET was not answered")
	}
}

// bystander is a client that has nothing to do with what a test does.
func (s *server) bystander() (undisturbed func()) {
	ws, c := s.enterWebSocket()
	return func() {
		s.t.Helper()
		ws.wantEcho("undisturbed")
		if !c.isOpen() {
			s.t.Error("a bystander's session ended")
		}
	}
}

// sendBytes opens a connection and sends bytes.
func (s *server) sendBytes(b string) net.Conn {
	s.t.Helper()
	conn, err := s.dial()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, b); err != nil {
		s.t.Fatal(err)
	}
	return conn
}
