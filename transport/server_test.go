package transport

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
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
		web.Serve(pipes)
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

// rawSocket is a WebSocket of which the test sees and makes every byte.
type rawSocket struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
	late bool // wait as long as it takes
}

// webSocket opens a WebSocket with this query.
func (s *server) webSocket(query string, header ...string) *rawSocket {
	s.t.Helper()
	ws, status, body := s.tryWebSocket(query, header...)
	if status != 101 {
		s.t.Fatalf("upgrade answered %d %q", status, body)
	}
	return ws
}

func (s *server) tryWebSocket(query string, header ...string) (ws *rawSocket, status int, body string) {
	s.t.Helper()
	conn, err := s.dial()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	var key [16]byte
	rand.Read(key[:])
	fmt.Fprintf(conn, "GET /socket.io/?EIO=4&%s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n", query, strings.TrimPrefix(s.base, "http://"), base64.StdEncoding.EncodeToString(key[:]))
	for i := 0; i < len(header); i += 2 {
		fmt.Fprintf(conn, "%s: %s\r\n", header[i], header[i+1])
	}
	io.WriteString(conn, "\r\n")
	conn.SetReadDeadline(time.Now().Add(patience))
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, &http.Request{Method: "GET"})
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != 101 {
		b, _ := io.ReadAll(resp.Body)
		return nil, resp.StatusCode, string(b)
	}
	return &rawSocket{t: s.t, conn: conn, r: r}, 101, ""
}

// openWebSocket opens a session on a WebSocket.
func (s *server) openWebSocket() (*rawSocket, *echoConn) {
	s.t.Helper()
	ws := s.webSocket("transport=websocket")
	op, open := ws.read()
	var o struct{ SID string }
	if op != 1 || open[0] != '0' || json.Unmarshal([]byte(open[1:]), &o) != nil {
		s.t.Fatalf("the first frame is %d %q", op, open)
	}
	return ws, s.connOf(o.SID)
}

// enterWebSocket opens a session on a WebSocket that has joined "/".
func (s *server) enterWebSocket() (*rawSocket, *echoConn) {
	s.t.Helper()
	ws, c := s.openWebSocket()
	ws.text("40")
	ws.want(`40{"sid":"m/"}`)
	return ws, c
}

// frame sends one masked frame with this first byte.
func (ws *rawSocket) frame(first byte, payload string) {
	ws.t.Helper()
	ws.bytes(maskedFrame(first, []byte(payload)))
}

func maskedFrame(first byte, payload []byte) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	key := [4]byte{1, 2, 3, 4}
	b = append(b, key[:]...)
	for i, c := range payload {
		b = append(b, c^key[i%4])
	}
	return b
}

func (ws *rawSocket) text(s string) { ws.t.Helper(); ws.frame(0x81, s) }

func (ws *rawSocket) bytes(b []byte) {
	ws.t.Helper()
	ws.conn.SetWriteDeadline(time.Now().Add(patience))
	if _, err := ws.conn.Write(b); err != nil {
		ws.t.Fatal(err)
	}
}

// tryRead reads one unfragmented frame.
func (ws *rawSocket) tryRead() (op byte, payload string, err error) {
	ws.conn.SetReadDeadline(time.Now().Add(patience))
	if ws.late {
		ws.conn.SetReadDeadline(time.Time{})
	}
	var head [2]byte
	if _, err := io.ReadFull(ws.r, head[:]); err != nil {
		return 0, "", err
	}
	if head[0]&0x80 == 0 || head[0]&0x70 != 0 || head[1]&0x80 != 0 {
		return 0, "", fmt.Errorf("server sent the frame header %x", head)
	}
	n := uint64(head[1])
	var ext [8]byte
	switch n {
	case 126:
		if _, err := io.ReadFull(ws.r, ext[:2]); err != nil {
			return 0, "", err
		}
		n = uint64(binary.BigEndian.Uint16(ext[:2]))
	case 127:
		if _, err := io.ReadFull(ws.r, ext[:]); err != nil {
			return 0, "", err
		}
		n = binary.BigEndian.Uint64(ext[:])
	}
	b := make([]byte, n)
	_, err = io.ReadFull(ws.r, b)
	return head[0] & 0xf, string(b), err
}

func (ws *rawSocket) read() (op byte, payload string) {
	ws.t.Helper()
	op, payload, err := ws.tryRead()
	if err != nil {
		ws.t.Fatal(err)
	}
	return op, payload
}

// want checks that the next frame is this text.
func (ws *rawSocket) want(text string) {
	ws.t.Helper()
	if op, got := ws.read(); op != 1 || got != text {
		ws.t.Fatalf("got frame %d %q, want text %q", op, got, text)
	}
}

// wantClose checks that the server closes with this code (0: a close frame
// without one, -1: no close frame), after other frames if there are any.
func (ws *rawSocket) wantClose(code int) {
	ws.t.Helper()
	got := -1
	for {
		op, payload, err := ws.tryRead()
		if err != nil {
			if n, ok := err.(net.Error); ok && n.Timeout() {
				ws.t.Fatalf("the server did not close")
			}
			break
		}
		if op == 8 {
			got = 0
			if len(payload) >= 2 {
				got = int(binary.BigEndian.Uint16([]byte(payload)))
			}
			ws.conn.SetWriteDeadline(time.Now().Add(time.Second))
			ws.conn.Write(maskedFrame(0x88, []byte(payload)))
		}
	}
	if got != code {
		ws.t.Errorf("closed with %d, want %d", got, code)
	}
}

// wantEcho checks that the session is alive.
func (ws *rawSocket) wantEcho(text string) {
	ws.t.Helper()
	ws.text(`42["echo","` + text + `"]`)
	ws.want(`42["echo","` + text + `"]`)
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

// wantLate is want without a limit of time, for tests with a clock of their own.
func (ws *rawSocket) wantLate(text string) {
	ws.t.Helper()
	ws.late = true
	defer func() { ws.late = false }()
	ws.want(text)
}

// wantCloseLate is wantClose without a limit of time.
func (ws *rawSocket) wantCloseLate(code int) {
	ws.t.Helper()
	ws.late = true
	defer func() { ws.late = false }()
	ws.wantClose(code)
}
