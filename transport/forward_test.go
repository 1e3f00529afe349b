package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// fleet is several nodes that know each other, each with a port for clients, and
// one for all that sends every request to another one.
type fleet struct {
	nodes []*fleetNode
	round string // URL
}

type fleetNode struct {
	*server
	forwarder *Forwarder
	peers     *httptest.Server // the node listener
	line      *brittle         // its own
}

// brittle is a listener whose connections can be broken, as they are when the
// process is killed.
type brittle struct {
	net.Listener
	mu    sync.Mutex // guards conns
	conns []net.Conn
}

func (b *brittle) Accept() (net.Conn, error) {
	c, err := b.Listener.Accept()
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.conns = append(b.conns, c)
	}
	return c, err
}

func (b *brittle) snap() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		_ = c.(*net.TCPConn).SetLinger(0) // closed already, or not
		c.Close()
	}
}

func nodeID(i int) string { return fmt.Sprintf("node-%d", i) }

func serveFleet(t *testing.T, n int, cfg Config) *fleet {
	t.Helper()
	f := &fleet{nodes: make([]*fleetNode, n)}
	address := func(node string) (string, bool) {
		for i, to := range f.nodes {
			if nodeID(i) == node {
				return to.peers.Listener.Addr().String(), true
			}
		}
		return "", false
	}
	for i := range f.nodes {
		forwarder, err := NewForwarder(ForwarderConfig{Self: nodeID(i), Address: address})
		if err != nil {
			t.Fatal(err)
		}
		cfg.NewSID, cfg.Elsewhere = forwarder.NewSID, forwarder.Elsewhere
		s := serve(t, cfg)
		peers := httptest.NewUnstartedServer(s.handler.Forwarded())
		line := &brittle{Listener: peers.Listener}
		peers.Listener = line
		peers.Start()
		f.nodes[i] = &fleetNode{s, forwarder, peers, line}
		t.Cleanup(func() {
			s.close()
			forwarder.Close()
			f.nodes[i].peers.Close()
		})
	}
	var next atomic.Uint64
	balancer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.nodes[next.Add(1)%uint64(n)].handler.Mount(nil).ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		for _, n := range f.nodes {
			n.close()
		}
		balancer.Close()
	})
	f.round = balancer.URL
	return f
}

// through is where another node serves the session.
func (p *pollingSession) through(n *fleetNode) string {
	return n.url("transport=polling&sid=" + p.sid)
}

func TestStockClientNeedsNoStickyBalancer(t *testing.T) {
	for _, how := range []string{"websocket", "polling", "upgrade"} {
		for _, parser := range []string{"json", "msgpack"} {
			t.Run(how+" "+parser, func(t *testing.T) {
				f := serveFleet(t, 3, Config{})
				for _, n := range f.nodes {
					n.gate.receive(scripted)
				}
				testenv.RunNode(t, "testdata/js/talk.mjs", f.round, how, parser)
				var forwarded uint64
				for _, n := range f.nodes {
					s := n.handler.Stats()
					forwarded += s.Forwarded
					if s.Closed[actors.ReasonProtocolError] != 0 || s.Refused[RefusedSID] != 0 {
						t.Errorf("the client was told that it broke the protocol: %+v", s)
					}
				}
				if (forwarded == 0) != (how == "websocket") {
					t.Errorf("%d requests were forwarded", forwarded)
				}
			})
		}
	}
}

func TestASessionIDNamesItsNode(t *testing.T) {
	f := serveFleet(t, 2, Config{})
	here, there := f.nodes[0].forwarder, f.nodes[1].forwarder
	sid := there.NewSID()
	if !regexp.MustCompile(`^node-1\.[A-Za-z0-9_-]{22}$`).MatchString(sid) || sid == there.NewSID() {
		t.Errorf("an id is %s", sid)
	}
	if here.Elsewhere(sid) == nil {
		t.Error("its node is not found")
	}
	for _, nobodys := range []string{
		here.NewSID(), "node-7." + sid[7:], "node-1", "node-1.", sid[:len(sid)-1], sid + "x", "", ".", "x." + sid,
	} {
		if here.Elsewhere(nobodys) != nil {
			t.Errorf("somebody has %q", nobodys)
		}
	}
	for _, bad := range []string{"", "a.b", "a/b", strings.Repeat("x", 65)} {
		if _, err := NewForwarder(ForwarderConfig{Self: bad, Address: func(string) (string, bool) { return "", false }}); err == nil {
			t.Errorf("%q is a node id", bad)
		}
	}
	if _, err := NewForwarder(ForwarderConfig{Self: "a"}); err == nil {
		t.Error("a forwarder without addresses")
	}
}

func TestASessionIsFoundFromEveryNodeAndNobodyElsesIs(t *testing.T) {
	f := serveFleet(t, 2, Config{})
	owner, edge := f.nodes[0], f.nodes[1]
	p := owner.enter()
	if r := edge.must("POST", p.through(edge), `42["a"]`); r.status != 200 || r.body != "ok" {
		t.Errorf("POST answered %d %q", r.status, r.body)
	}
	r := edge.must("GET", p.through(edge), "", "Origin", edge.base)
	if r.status != 200 || r.body != `42["a"]` || r.header.Get("Content-Type") != "text/plain; charset=UTF-8" || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("GET answered %d %q %v", r.status, r.body, r.header)
	}
	if got := r.header.Values("Access-Control-Allow-Origin"); len(got) != 1 || got[0] != edge.base {
		t.Errorf("the page may read it: %q", got)
	}
	p.wantPost(`42["b"]`, 200)
	p.wantGet(200, `42["b"]`)

	const unknown = `{"code":1,"message":"Session ID unknown"}`
	for _, sid := range []string{"node-9" + p.sid[6:], p.sid[:len(p.sid)-3] + "AAA", edge.forwarder.NewSID()} {
		if r := edge.must("GET", edge.url("transport=polling&sid="+sid), ""); r.status != 400 || r.body != unknown {
			t.Errorf("%s answered %d %s", sid, r.status, r.body)
		}
		if _, status, _ := edge.tryWebSocket("transport=websocket&sid=" + sid); status != 400 {
			t.Errorf("its WebSocket answered %d", status)
		}
	}
	if r := edge.must("GET", p.through(edge), "", "Origin", "https://evil.example"); r.status != 403 {
		t.Errorf("a foreign page is answered %d", r.status)
	}
	handshake := owner.must("GET", owner.peers.URL+"/socket.io/?EIO=4&transport=polling", "")
	if handshake.status != 400 {
		t.Errorf("a handshake at the node listener is answered %d", handshake.status)
	}
	if owner.handler.Stats().Forwarded != 0 || edge.handler.Stats().Forwarded == 0 {
		t.Error("counted at the wrong end")
	}
}

func TestTheOwnerDecidesThatThereIsOneGET(t *testing.T) {
	f := serveFleet(t, 2, Config{})
	owner, edge := f.nodes[0], f.nodes[1]
	p := owner.enter()
	first := make(chan reply, 1)
	go func() {
		r, _ := edge.do("GET", p.through(edge), "")
		first <- r
	}()
	s := owner.handler.session(p.sid)
	eventually(t, "GET that waits at the owner", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.get != nil
	})
	if r := p.get(); r.status != 400 {
		t.Errorf("the second GET answered %d", r.status)
	}
	wantReply(t, first, 200, "1")
	p.conn.wantClosed(t, actors.ReasonProtocolError)
}

// holdThrough lets a GET wait that came to another node.
func (p *pollingSession) holdThrough(n *fleetNode) (answer <-chan reply, abort func()) {
	p.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := make(chan reply, 1)
	go func() {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.through(n), nil)
		if err != nil {
			panic(err)
		}
		resp, err := n.client.Do(r)
		if err != nil {
			c <- reply{}
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		c <- reply{resp.StatusCode, string(b), resp.Header}
	}()
	s := p.handler.session(p.sid)
	eventually(p.t, "GET that waits at the owner", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.get != nil
	})
	return c, cancel
}

func TestAnAbortAtTheEdgeReachesTheOwner(t *testing.T) {
	f := serveFleet(t, 2, Config{})
	p := f.nodes[0].enter()
	_, abort := p.holdThrough(f.nodes[1])
	abort()
	p.conn.wantClosed(t, actors.ReasonTransportClosed)
}

func TestTheOwnersEndEndsWhatWaitsAtTheEdge(t *testing.T) {
	for name, end := range map[string]func(*fleet){
		"its connections break": func(f *fleet) { f.nodes[0].line.snap() },
		"the membership says":   func(f *fleet) { f.nodes[1].forwarder.Lost(nodeID(0)) },
	} {
		t.Run(name, func(t *testing.T) {
			f := serveFleet(t, 2, Config{})
			owner, edge := f.nodes[0], f.nodes[1]
			p, q := owner.enter(), owner.enter()
			get, abort := p.holdThrough(edge)
			defer abort()
			ws := edge.webSocket("transport=websocket&sid=" + q.sid)
			ws.text("2probe")
			ws.want("3probe")
			ws.text("5")
			ws.wantEcho("through")
			end(f)
			wantReply(t, get, 400, `{"code":1,"message":"Session ID unknown"}`)
			ws.wantClose(-1)
			eventually(t, "end of the tunnel", func() bool { return edge.handler.Stats().Tunnels == 0 })
			if n := edge.handler.Stats().Refused[RefusedOwner]; n != 1 {
				t.Errorf("counted %d", n)
			}
		})
	}
}

func TestSizesHoldAtTheEdge(t *testing.T) {
	f := serveFleet(t, 2, Config{MaxPayload: 1000})
	owner, edge := f.nodes[0], f.nodes[1]
	p := owner.enter()
	large := `42["` + strings.Repeat("x", 1000) + `"]`
	if r := edge.must("POST", p.through(edge), large); r.status != 413 {
		t.Errorf("a large POST answered %d", r.status)
	}
	// Without a length: the edge finds out, or the owner, whoever is first.
	r, err := http.NewRequest(http.MethodPost, p.through(edge), io.MultiReader(strings.NewReader(large)))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := edge.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a large POST without a length answered %d", resp.StatusCode)
	}
	if n := edge.handler.Stats().Refused[RefusedTooLarge]; n == 0 {
		t.Error("not counted")
	}
}

func TestAnUpgradeThroughAnotherNodeIsATunnelForLife(t *testing.T) {
	f := serveFleet(t, 2, Config{})
	owner, edge := f.nodes[0], f.nodes[1]
	upgrade := func() (*pollingSession, *rawSocket) {
		p := owner.enter()
		get := p.goGet() // waits at the owner itself
		ws := edge.webSocket("transport=websocket&sid=" + p.sid)
		ws.text("2probe")
		ws.want("3probe")
		wantReply(t, get, 200, "6")
		ws.text("5")
		ws.wantEcho("through")
		return p, ws
	}
	p, ws := upgrade()
	ws.wantEcho(strings.Repeat("x", 100_000))
	if n := owner.handler.Stats(); n.WebSocket != 1 || n.Tunnels != 0 || edge.handler.Stats().Tunnels != 1 {
		t.Errorf("counted %+v", n)
	}
	ws.text(`42["close","shutdown"]`)
	ws.wantClose(1012)
	p.conn.wantClosed(t, actors.ReasonShutdown)

	p, ws = upgrade()
	ws.leave(t, false)
	p.conn.wantClosed(t, actors.ReasonTransportClosed)

	p, ws = upgrade()
	ws.leave(t, true)
	p.conn.wantClosed(t, actors.ReasonTransportClosed)
	eventually(t, "end of the tunnels", func() bool { return edge.handler.Stats().Tunnels == 0 })
}

func TestAStoppedReaderBehindATunnelIsClosed(t *testing.T) {
	f := serveFleet(t, 2, Config{Outbox: Limits{Bytes: 1 << 20}, WriteTimeout: 300 * time.Millisecond})
	owner, edge := f.nodes[0], f.nodes[1]
	p := owner.enter()
	ws := edge.webSocket("transport=websocket&sid=" + p.sid)
	ws.text("2probe")
	ws.want("3probe")
	ws.text("5")
	ws.wantEcho("through")
	data := packet(`["a","` + strings.Repeat("x", 100_000) + `"]`)
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		err = p.conn.socket.Push(data)
		p.conn.socket.Flush()
	}
	if !errors.Is(err, actors.ErrTooSlow) && !errors.Is(err, net.ErrClosed) {
		t.Fatalf("push: %v", err)
	}
	eventually(t, "end of the tunnel", func() bool { return edge.handler.Stats().Tunnels == 0 })
}

func TestANodeThatClosesEndsWhatItForwards(t *testing.T) {
	f := serveFleet(t, 2, Config{})
	owner, edge := f.nodes[0], f.nodes[1]
	p, q := owner.enter(), owner.enter()
	get, abort := p.holdThrough(edge)
	defer abort()
	ws := edge.webSocket("transport=websocket&sid=" + q.sid)
	ws.text("2probe")
	ws.want("3probe")
	if err := edge.handler.Close(context.Background()); err != nil {
		t.Errorf("close: %v", err)
	}
	select {
	case r := <-get:
		if r.status != 503 {
			t.Errorf("GET answered %d", r.status)
		}
	case <-time.After(patience):
		t.Fatal("GET was not answered")
	}
	ws.wantClose(-1)
	p.conn.wantClosed(t, actors.ReasonTransportClosed)
	q.wantPost(`42["a"]`, 200) // its probe is given up, and polling goes on
	q.wantGet(200, `42["a"]`)
}
