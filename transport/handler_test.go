package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

func TestHandlerSharesAPortWithOtherRoutes(t *testing.T) {
	h, err := New(&echoGate{}, Config{Path: "/live", CloseTimeout: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	routes := http.NewServeMux()
	routes.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "route "+r.URL.Path) })
	web := httptest.NewServer(h.Mount(routes))
	defer web.Close()
	defer h.Close(context.Background())
	for _, c := range []struct {
		path   string
		status int
		prefix string
	}{
		{"/", 200, "route /"},
		{"/lively", 200, "route /lively"},
		{"/socket.io/", 200, "route /socket.io/"},
		{"/live/?EIO=4&transport=polling", 200, "0{"},
		{"/live?EIO=4&transport=polling", 200, "0{"},
		{"/live/socket.io.js", 200, "/*!"},
		{"/live/other.js", 404, "404"},
	} {
		resp, err := http.Get(web.URL + c.path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != c.status || !strings.HasPrefix(string(b), c.prefix) {
			t.Errorf("%s answered %d %.40q, %v", c.path, resp.StatusCode, b, err)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestClientBundleIsServedWithItsTag(t *testing.T) {
	s := serve(t, Config{})
	for name, kind := range map[string]string{
		"socket.io.js":                 "application/javascript; charset=utf-8",
		"socket.io.min.js":             "application/javascript; charset=utf-8",
		"socket.io.esm.min.js":         "application/javascript; charset=utf-8",
		"socket.io.msgpack.min.js":     "application/javascript; charset=utf-8",
		"socket.io.min.js.map":         "application/json; charset=utf-8",
		"socket.io.esm.min.js.map":     "application/json; charset=utf-8",
		"socket.io.msgpack.min.js.map": "application/json; charset=utf-8",
	} {
		url := s.base + "/socket.io/" + name
		r := s.must("GET", url, "")
		if r.status != 200 || len(r.body) < 10_000 || r.header.Get("Content-Type") != kind {
			t.Errorf("%s answered %d, %d bytes of %s", name, r.status, len(r.body), r.header.Get("Content-Type"))
		}
		tag := r.header.Get("Etag")
		if r = s.must("GET", url, "", "If-None-Match", tag); tag == "" || r.status != 304 || r.body != "" {
			t.Errorf("%s with tag %s answered %d, %d bytes", name, tag, r.status, len(r.body))
		}
		if r = s.must("GET", url, "", "If-None-Match", `W/`+tag); r.status != 304 {
			t.Errorf("%s with a weak tag answered %d", name, r.status)
		}
		if r = s.must("HEAD", url, ""); r.status != 200 {
			t.Errorf("HEAD %s answered %d", name, r.status)
		}
		if r = s.must("POST", url, ""); r.status != 405 {
			t.Errorf("POST %s answered %d", name, r.status)
		}
	}
	s = serve(t, Config{NoClient: true})
	if r := s.must("GET", s.base+"/socket.io/socket.io.js", ""); r.status != 404 {
		t.Errorf("without the client: %d", r.status)
	}
}

func TestCloseEndsEverySessionAndRefusesMore(t *testing.T) {
	s := serve(t, Config{CloseTimeout: 2 * time.Second})
	ws, first := s.enterWebSocket()
	p := s.enter()
	get := p.goGet()
	between := s.enter()
	probing := s.enter()
	probe := probing.probe()
	upgrading := s.enter()
	paused := upgrading.probe()

	closed := make(chan error, 1)
	go func() { closed <- s.handler.Close(context.Background()) }()
	ws.wantClose(1012)
	wantReply(t, get, 200, "1")
	between.wantGet(200, "1")
	probing.wantGet(200, "1")
	probe.wantClose(-1)
	paused.text("5")
	paused.wantClose(1012)
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
	for _, c := range []*echoConn{first, p.conn, between.conn, probing.conn, upgrading.conn} {
		c.wantClosed(t, actors.ReasonShutdown)
	}
	if r := s.must("GET", s.url("transport=polling"), ""); r.status != 503 || r.header.Get("Retry-After") == "" {
		t.Errorf("handshake answered %d %v", r.status, r.header)
	}
	if _, status, _ := s.tryWebSocket("transport=websocket"); status != 503 {
		t.Errorf("WebSocket answered %d", status)
	}
	if err := s.handler.Close(context.Background()); err != nil {
		t.Errorf("second close: %v", err)
	}
	if n := s.handler.Stats(); n.Polling != 0 || n.WebSocket != 0 || n.Closed[actors.ReasonShutdown] != 5 {
		t.Errorf("counted %+v", n)
	}
}

func TestDisperseClosesSessionsOneAfterTheOther(t *testing.T) {
	s := serve(t, Config{CloseTimeout: 2 * time.Second})
	clients, conns := make([]*rawSocket, 4), make([]*echoConn, 4)
	for i := range clients {
		clients[i], conns[i] = s.enterWebSocket()
	}
	polling := s.enter()
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- s.handler.Disperse(ctx, 1) }()
	eventually(t, "the first is closed", func() bool { return s.handler.Stats().Closed[actors.ReasonShutdown] == 1 })
	if r := s.must("GET", s.url("transport=polling"), ""); r.status != 503 || r.header.Get("Retry-After") == "" {
		t.Errorf("handshake answered %d %v", r.status, r.header)
	}
	if n := s.handler.Stats(); n.Polling+n.WebSocket != 4 {
		t.Errorf("after the first %d are open", n.Polling+n.WebSocket)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("cut short: %v", err)
	}
	for i, c := range conns {
		if c.isOpen() {
			clients[i].wantEcho("still here")
		}
	}

	// With a second left it does not take five.
	hurry, end := context.WithTimeout(context.Background(), time.Second)
	defer end()
	if err := s.handler.Disperse(hurry, 1); err != nil {
		t.Errorf("in a hurry: %v", err)
	}
	polling.wantGet(200, "1")
	eventually(t, "all are closed", func() bool { return s.handler.Stats().Closed[actors.ReasonShutdown] == 5 })
	if err := s.handler.Close(context.Background()); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestCloseCutsWhatIsLeftWhenItsContextEnds(t *testing.T) {
	s := serve(t, Config{CloseTimeout: time.Hour})
	_, mute := s.enterWebSocket() // never answers the close frame
	between := s.enter()          // never polls again
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := s.handler.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close: %v", err)
	}
	mute.wantClosed(t, actors.ReasonShutdown)
	between.conn.wantClosed(t, actors.ReasonShutdown)
}

func TestCloseReleasesAReaderThatTheRuntimeBlocks(t *testing.T) {
	s := serve(t, Config{})
	entered := make(chan struct{})
	s.gate.receive(func(c *echoConn, p *actors.Packet) bool {
		if string(p.Data) != `["block"]` {
			return false
		}
		close(entered)
		<-c.gone // as the runtime does: Closed makes Receive return
		return true
	})
	ws, conn := s.enterWebSocket()
	ws.text(`42["block"]`)
	<-entered
	if err := s.handler.Close(context.Background()); err != nil {
		t.Errorf("close: %v", err)
	}
	conn.wantClosed(t, actors.ReasonShutdown)
}

func TestRuntimeMayUseTheSocketBeforeAcceptReturns(t *testing.T) {
	s := serve(t, Config{NewSID: sequence()})
	s.gate.accepted = func(socket actors.Socket) {
		if err := socket.Push(packet(`["early"]`)); err != nil {
			t.Errorf("push: %v", err)
		}
		socket.Flush()
	}
	if r := s.must("GET", s.url("transport=polling"), ""); !strings.HasSuffix(r.body, "\x1e42[\"early\"]") {
		t.Errorf("polling answered %q", r.body)
	}
	ws := s.webSocket("transport=websocket")
	if _, open := ws.read(); !strings.HasPrefix(open, "0{") {
		t.Errorf("the first frame is %q", open)
	}
	ws.want(`42["early"]`)

	s.gate.accepted = func(socket actors.Socket) { socket.Close(actors.ReasonKicked) }
	if r := s.must("GET", s.url("transport=polling"), ""); r.status != 403 {
		t.Errorf("a session closed at once was answered %d", r.status)
	}
	s.gate.last(t).wantClosed(t, actors.ReasonKicked)
	if n := s.handler.Stats(); n.Polling != 1 || n.WebSocket != 1 {
		t.Errorf("%d polling and %d WebSocket sessions", n.Polling, n.WebSocket)
	}
}

// sequence is a source of session ids for tests.
func sequence() func() string {
	ids := make(chan string, 100)
	for i := range cap(ids) {
		ids <- fmt.Sprintf("s%d", i)
	}
	return func() string { return <-ids }
}

func TestStatsCountWhatHappened(t *testing.T) {
	s := serve(t, Config{})
	p := s.enter()
	p.wantPost(`42["a"]`, 200)
	p.wantGet(200, `42["a"]`)
	s.must("GET", s.url("transport=polling&sid=x"), "")
	s.must("GET", s.url("transport=x"), "")
	s.must("GET", s.url("transport=polling"), "", "Origin", "https://evil.example")
	n := s.handler.Stats()
	if n.Opened != 1 || n.Polling != 1 || n.PacketsIn != 2 || n.PacketsOut != 2 || n.BytesIn != uint64(len("40")+len(`42["a"]`)) {
		t.Errorf("counted %+v", n)
	}
	if n.Refused[RefusedSID] != 1 || n.Refused[RefusedTransport] != 1 || n.Refused[RefusedOrigin] != 1 || n.Refused[RefusedVersion] != 0 {
		t.Errorf("refusals %v", n.Refused)
	}
	p.wantPost("1", 200)
	if n := s.handler.Stats(); n.Polling != 0 || n.Closed[actors.ReasonTransportClosed] != 1 {
		t.Errorf("counted %+v", n)
	}
}
