package transport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// probe opens a WebSocket that probes the session.
func (p *pollingSession) probe() *rawSocket {
	p.t.Helper()
	ws := p.webSocket("transport=websocket&sid=" + p.sid)
	ws.text("2probe")
	ws.want("3probe")
	return ws
}

// unanswered opens a WebSocket that came to probe the session and has said nothing.
func (p *pollingSession) unanswered() *rawSocket {
	p.t.Helper()
	ws := p.webSocket("transport=websocket&sid=" + p.sid)
	s := p.handler.session(p.sid)
	eventually(p.t, "probe", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.probe != nil
	})
	return ws
}

// isUpgraded waits until the session has moved.
func (p *pollingSession) isUpgraded() {
	p.t.Helper()
	s := p.handler.session(p.sid)
	eventually(p.t, "upgrade", func() bool { return s.ws.Load() != nil })
}

func TestUpgradeReleasesTheGETThatWaits(t *testing.T) {
	s := serve(t, Config{})
	p := s.enter()
	get := p.goGet()
	ws := p.probe()
	wantReply(t, get, 200, "6")
	ws.text("5")
	ws.wantEcho("upgraded")
	if n := s.handler.Stats(); n.Upgraded != 1 || n.WebSocket != 1 || n.Polling != 0 {
		t.Errorf("counted %+v", n)
	}
}

func TestUpgradeReleasesAGETThatCameDuringTheProbe(t *testing.T) {
	s := serve(t, Config{})
	p := s.enter()
	ws := p.probe()
	p.wantGet(200, "6")
	ws.text("5")
	ws.wantEcho("upgraded")
}

func TestGETDuringAProbeIsGivenWhatWaits(t *testing.T) {
	s := serve(t, Config{})
	p := s.enter()
	ws := p.unanswered()
	p.wantPost(`42["a"]`, 200)
	p.wantGet(200, `42["a"]`)
	ws.text("2probe")
	ws.want("3probe")
	ws.text("5")
	ws.wantEcho("upgraded")
}

// The client finishes the upgrade on one connection and, not having waited for
// anything, polls on another: the server may see the GET first.
func TestGETThatRacesTheEndOfAnUpgradeIsRefused(t *testing.T) {
	s := serve(t, Config{})
	p := s.enter()
	ws := p.probe()
	get := p.goGet()
	ws.text("5")
	wantReply(t, get, 400, `{"code":3,"message":"Bad request"}`)
	ws.wantEcho("upgraded")
}

func TestPollingIsRefusedAfterAnUpgrade(t *testing.T) {
	s := serve(t, Config{})
	p := s.enter()
	ws := p.probe()
	ws.text("5")
	p.isUpgraded()
	p.wantGet(400, `{"code":3,"message":"Bad request"}`)
	p.wantPost("3", 400)
	ws.wantEcho("upgraded")
}

func TestSecondWebSocketOfASessionIsClosed(t *testing.T) {
	s := serve(t, Config{})
	t.Run("while the first probes", func(t *testing.T) {
		p := s.enter()
		first := p.probe()
		p.webSocket("transport=websocket&sid=" + p.sid).wantClose(0)
		first.text("5")
		first.wantEcho("upgraded")
	})
	t.Run("after the first took over", func(t *testing.T) {
		p := s.enter()
		first := p.probe()
		first.text("5")
		p.isUpgraded()
		p.webSocket("transport=websocket&sid=" + p.sid).wantClose(0)
		first.wantEcho("upgraded")
	})
	t.Run("of a session that began on a WebSocket", func(t *testing.T) {
		first, c := s.enterWebSocket()
		s.webSocket("transport=websocket&sid=" + c.socket.SID()).wantClose(0)
		first.wantEcho("undisturbed")
	})
}

func TestWhatWaitsMovesToTheWebSocketInOrder(t *testing.T) {
	s := serve(t, Config{})
	p := s.enter()
	ws := p.probe()
	for i := range 3 {
		p.conn.send(&actors.Packet{
			Type: actors.PacketEvent, Namespace: "/",
			Data: fmt.Appendf(nil, `["n",%d,{"_placeholder":true,"num":0}]`, i), Attachments: [][]byte{{byte(i)}},
		})
	}
	ws.text("5")
	for i := range 3 {
		ws.want(fmt.Sprintf(`451-["n",%d,{"_placeholder":true,"num":0}]`, i))
		if op, data := ws.read(); op != 2 || data != string(rune(i)) {
			t.Fatalf("attachment is frame %d %q", op, data)
		}
	}
}

func TestAbandonedProbeLeavesPollingAlive(t *testing.T) {
	s := serve(t, Config{UpgradeTimeout: 300 * time.Millisecond})
	for _, c := range []struct {
		name    string
		abandon func(*rawSocket)
	}{
		{"cut", func(ws *rawSocket) { ws.conn.Close() }},
		{"closed", func(ws *rawSocket) { ws.frame(0x88, "\x03\xe8"); ws.wantClose(1000) }},
		{"message instead of upgrade", func(ws *rawSocket) { ws.text(`42["a"]`); ws.wantClose(0) }},
		{"malformed packet", func(ws *rawSocket) { ws.text("x"); ws.wantClose(1002) }},
		{"not UTF-8", func(ws *rawSocket) { ws.text("5\xff"); ws.wantClose(1007) }},
		{"pong", func(ws *rawSocket) { ws.text("3probe"); ws.wantClose(0) }},
		{"silence", func(ws *rawSocket) { ws.wantClose(-1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := s.enter()
			before := s.handler.Stats().ProbesAbandoned
			c.abandon(p.probe())
			eventually(t, "abandoned probe", func() bool { return s.handler.Stats().ProbesAbandoned == before+1 })
			get := p.goGet()
			p.wantPost(`42["a"]`, 200)
			wantReply(t, get, 200, `42["a"]`)
			again := p.probe()
			again.text("5")
			again.wantEcho("upgraded by another")
		})
	}
}

// A client stops polling for good once its probe is answered, and is told of the
// end where it listens.
func TestClosingASessionClosesItsProbe(t *testing.T) {
	t.Run("at once if its ping was not answered", func(t *testing.T) {
		s := serve(t, Config{CloseTimeout: patience})
		p := s.enter()
		ws := p.unanswered()
		p.conn.socket.Close(actors.ReasonKicked)
		ws.wantClose(-1)
		p.conn.wantClosed(t, actors.ReasonKicked)
		p.wantGet(200, "1")
	})
	t.Run("when a GET was told", func(t *testing.T) {
		s := serve(t, Config{CloseTimeout: patience})
		p := s.enter()
		ws := p.probe()
		p.conn.push(t, `["last"]`)
		p.conn.socket.Close(actors.ReasonKicked)
		p.conn.wantClosed(t, actors.ReasonKicked)
		p.wantGet(200, `42["last"]`)
		p.wantGet(200, "1")
		ws.wantClose(-1)
		p.wantUnknown()
	})
	t.Run("with what waits when the client has upgraded", func(t *testing.T) {
		s := serve(t, Config{CloseTimeout: patience})
		p := s.enter()
		ws := p.probe()
		p.conn.push(t, `["last"]`)
		p.conn.socket.Close(actors.ReasonKicked)
		p.conn.wantClosed(t, actors.ReasonKicked)
		ws.text("2probe")
		ws.want("3probe")
		ws.text("5")
		ws.want(`42["last"]`)
		ws.wantClose(1008)
		p.wantUnknown()
	})
	t.Run("when its GET was answered with what waited and it has upgraded", func(t *testing.T) {
		s := serve(t, Config{CloseTimeout: patience})
		p := s.enter()
		ws := p.probe()
		get := p.goGet()
		p.conn.push(t, `["last"]`)
		p.conn.socket.Close(actors.ReasonShutdown)
		wantReply(t, get, 200, `42["last"]`)
		ws.text("5")
		ws.wantClose(1012)
		p.wantUnknown()
	})
	t.Run("when it was too slow and has upgraded", func(t *testing.T) {
		s := serve(t, Config{CloseTimeout: patience, Outbox: Limits{Packets: 1}})
		p := s.enter()
		ws := p.probe()
		p.conn.push(t, `["a"]`)
		if err := p.conn.socket.Push(packet(`["b"]`)); !errors.Is(err, actors.ErrTooSlow) {
			t.Fatalf("pushed: %v", err)
		}
		p.conn.wantClosed(t, actors.ReasonTooSlow)
		ws.text("5")
		ws.wantClose(1000)
		p.wantUnknown()
	})
}

func TestProbeOfAClosedSessionIsCutAfterTheCloseTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := serveInMemory(t, Config{CloseTimeout: 3 * time.Second})
		defer end()
		p := s.enter()
		ws := p.probe()
		start := time.Now()
		p.conn.socket.Close(actors.ReasonShutdown)
		ws.wantCloseLate(-1)
		if got := time.Since(start); got != 3*time.Second {
			t.Errorf("cut after %v", got)
		}
		p.wantUnknown()
	})
}

// What a stock client does, with pushes and posts at every moment of it: nothing
// is lost, doubled or out of order in either direction.
func TestUpgradeLosesNothing(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := serve(t, Config{})
	for round := range 20 {
		p := s.enter()
		pause := time.Duration(random.IntN(3000)) * time.Microsecond
		const n = 200
		var pushing sync.WaitGroup
		pushing.Go(func() {
			for i := range n {
				_ = p.conn.socket.Push(packet(fmt.Sprintf(`["n",%d]`, i))) // a loss shows below
				p.conn.socket.Flush()
				if i%20 == 0 {
					wait := time.NewTimer(pause / 4)
					<-wait.C
				}
			}
		})
		var got []string
		take := func(payload string) {
			for packet := range strings.SplitSeq(payload, "\x1e") {
				if strings.HasPrefix(packet, "42") {
					got = append(got, packet)
				}
			}
		}
		probed := make(chan *rawSocket)
		go func() {
			wait := time.NewTimer(pause)
			<-wait.C
			probed <- p.probe()
		}()
		var ws *rawSocket
		for ws == nil { // poll until the probe is answered, then finish the poll
			answer := make(chan reply, 1)
			go func() { r, _ := p.do("GET", p.at(), ""); answer <- r }()
			select {
			case ws = <-probed:
				r := <-answer
				take(r.body)
			case r := <-answer:
				take(r.body)
			}
		}
		ws.text("5")
		for len(got) < n {
			_, text := ws.read()
			take(text)
		}
		pushing.Wait()
		for i, packet := range got {
			if want := fmt.Sprintf(`42["n",%d]`, i); packet != want {
				t.Fatalf("round %d: packet %d is %s", round, i, packet)
			}
		}
		ws.wantEcho("upgraded")
	}
}
