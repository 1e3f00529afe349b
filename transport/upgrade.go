package transport

import (
	"net/http"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/internal/engineio"
)

// probeData is what a client's ping and our pong carry before an upgrade.
const probeData = "probe"

// openWebSocket answers a handshake that asked for a WebSocket.
func (s *session) openWebSocket(w http.ResponseWriter, r *http.Request, header http.Header) {
	ws := s.upgrade(w, r, header)
	if ws == nil {
		s.end(ending{why: actors.ReasonTransportError, cut: true})
		return
	}
	_ = ws.out.Push(textFrame(s.h.open(s.sid, WebSocket))) // the first frame fits
	if !s.adopt(ws) {
		ws.end(ending{why: actors.ReasonShutdown})
	}
	ws.out.Flush()
	ws.start()
}

// serveUpgrade takes a WebSocket that comes to replace polling.
func (s *session) serveUpgrade(w http.ResponseWriter, r *http.Request) {
	ws := s.upgrade(w, r, nil)
	if ws == nil {
		return
	}
	// Set before anybody may cut the probe, which is a deadline too.
	_ = ws.raw.SetReadDeadline(time.Now().Add(s.h.cfg.UpgradeTimeout))
	s.mu.Lock()
	if s.state != stateOpen || s.ws.Load() != nil || s.probe != nil {
		s.mu.Unlock()
		ws.turnAway()
		return
	}
	ws.probing = true
	s.probe, s.probed = ws, false
	s.mu.Unlock()
	ws.start()
}

// probe handles one packet of a WebSocket that came to upgrade the session: a
// ping, which it answers, and the word that it takes over. The client pauses
// polling between the two, and a stock client that has paused never polls again:
// if the WebSocket closes before it has sent that word, it finds out by a ping
// that does not come. So a session that ends in between waits for the word. If
// the client does anything else, or nothing for too long, the session goes on
// polling.
func (ws *webSocket) probe(p engineio.Packet) (e ending, over bool) {
	switch {
	case p.Type == engineio.Ping && string(p.Data) == probeData:
		return ending{bare: true}, !ws.s.release(ws)
	case p.Type == engineio.Upgrade && ws.s.adopt(ws):
		ws.probing = false
		return ending{}, false
	case p.Type == engineio.Upgrade:
		return ws.s.dismiss(ws), true
	}
	return ending{bare: true}, true
}

// release answers a probe's ping and lets the GET that waits go, so that the
// client can stop polling. It reports whether the probe may go on.
func (s *session) release(ws *webSocket) bool {
	s.mu.Lock()
	if s.probe != ws {
		s.mu.Unlock()
		return false
	}
	s.probed = true                                                                           // before the client can see the answer: from here on it is not cut
	_ = ws.out.Push(textFrame(engineio.Packet{Type: engineio.Pong, Data: []byte(probeData)})) // if it fails, the reader ends
	var drained []func()
	if s.get != nil && !s.get.parked {
		drained = s.answerLocked()
	}
	s.mu.Unlock()
	ws.out.Flush()
	call(drained)
	return true
}

// dismiss gives a WebSocket whose client finished the upgrade of a session that
// has ended what waits, and says how it is to be closed.
func (s *session) dismiss(ws *webSocket) ending {
	s.mu.Lock()
	if s.probe != ws {
		s.mu.Unlock()
		return ending{bare: true}
	}
	s.probe, s.probed = nil, false
	s.moveLocked(ws)
	s.goneLocked()
	e := ending{why: s.why}
	s.mu.Unlock()
	s.h.remove(s)
	return e
}

// moveLocked gives ws what waits for a GET, and reports whether it fits.
func (s *session) moveLocked(ws *webSocket) bool {
	fits := true
	for _, i := range s.queue.take(s.queue.bytes) {
		f := textFrame(engineio.Packet{Type: i.engine})
		if i.packet != nil {
			f, _ = s.frame(ws, i.packet)
		}
		fits = fits && ws.out.Push(f) == nil
	}
	return fits
}

// cutProbeLocked cuts the WebSocket that probes the session, if one does.
func (s *session) cutProbeLocked() {
	if s.probe != nil {
		s.probe.cut()
		s.probe, s.probed = nil, false
	}
}

// abandon forgets a probe.
func (s *session) abandon(ws *webSocket) {
	s.mu.Lock()
	var drained []func()
	if s.probe == ws {
		s.probe, s.probed = nil, false
		s.h.count.probesAbandoned.Add(1)
		if s.get != nil {
			s.get.parked = false
			if !s.queue.empty() {
				drained = s.answerLocked()
			}
		}
	}
	s.mu.Unlock()
	call(drained)
}

// adopt makes ws the transport of the session and gives it what waits. It
// reports whether the session is still open for it. The caller owns the reading
// side of ws; when adopt returns it is also the one who receives.
func (s *session) adopt(ws *webSocket) bool {
	s.mu.Lock()
	if s.state != stateOpen || s.ws.Load() != nil {
		s.mu.Unlock()
		return false
	}
	if s.probe == ws {
		s.probe, s.probed = nil, false
		s.h.count.upgraded.Add(1)
		_ = ws.raw.SetReadDeadline(time.Time{})
	}
	fits := s.moveLocked(ws)
	s.ws.Store(ws)
	if s.get != nil {
		s.get.answer <- answer{refused: true}
		s.get = nil
	}
	s.h.count.polling.Add(-1)
	s.h.count.webSocket.Add(1)
	last := s.post
	drained := s.drainedLocked()
	s.mu.Unlock()

	if !fits {
		_ = s.tooSlow() // what was pushed before is lost, and the reader ends
	}
	ws.out.Flush()
	call(drained)
	if last != nil {
		<-last.done // it still receives, and ends in bounded time
	}
	return true
}
