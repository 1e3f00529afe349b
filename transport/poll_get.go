package transport

import (
	"net/http"
	"strconv"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/internal/engineio"
)

// parkTime is how long a GET that comes while a WebSocket probes the session is
// left without an answer. A client that has finished the upgrade may have sent
// it before: then the upgrade is seen within this time, and the GET is
// refused as the client expects. Otherwise it is released so that the client,
// which waits for its GET before it finishes the upgrade, can go on. Upstream
// looks after such GETs ten times a second.
const parkTime = 100 * time.Millisecond

// poll is one GET that waits. Whoever takes it out of session.get answers it,
// exactly once.
type poll struct {
	answer chan answer // holds one, so that answering never blocks
	parked bool        // guarded by session.mu: not to be answered yet
}

// answer is what a GET is told.
type answer struct {
	refused bool // 400
	items   []item
}

// servePollGET answers a GET with what waits, or waits itself until there is
// something.
func (s *session) servePollGET(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	switch {
	case s.ws.Load() != nil:
		s.mu.Unlock()
		s.h.refuse(w, r, RefusedRequest, "")
	case s.state == stateGone:
		s.mu.Unlock()
		s.h.refuse(w, r, RefusedSID, "")
	case s.state == stateEnding:
		items := s.farewellLocked()
		gone := s.state == stateGone
		s.mu.Unlock()
		if gone {
			s.h.remove(s)
		}
		s.respond(w, r, nil, items)
	case s.get != nil:
		s.mu.Unlock()
		s.end(ending{why: actors.ReasonProtocolError, err: errSecondGET})
		s.h.refuse(w, r, RefusedSecondGET, "")
	case s.probe == nil && !s.queue.empty():
		items := s.queue.take(responseBytes)
		drained := s.drainedLocked()
		s.mu.Unlock()
		call(drained)
		s.respond(w, r, nil, items)
	default:
		p := &poll{answer: make(chan answer, 1), parked: s.probe != nil}
		parked := p.parked
		s.get = p
		s.mu.Unlock()
		s.await(w, r, p, parked)
	}
}

// await waits for the answer to p and writes it. A client that goes away
// instead ends its session.
func (s *session) await(w http.ResponseWriter, r *http.Request, p *poll, parked bool) {
	var unpark <-chan time.Time
	if parked {
		timer := time.NewTimer(parkTime)
		defer timer.Stop()
		unpark = timer.C
	}
	for {
		select {
		case a := <-p.answer:
			if a.refused {
				s.h.refuse(w, r, RefusedRequest, "")
				return
			}
			s.respond(w, r, nil, a.items)
			return
		case <-unpark:
			unpark = nil
			s.unpark(p)
		case <-r.Context().Done():
			s.mu.Lock()
			if s.get == p {
				s.get = nil
			}
			s.mu.Unlock()
			s.end(ending{why: actors.ReasonTransportClosed, err: errAbortedGET})
			return
		}
	}
}

// unpark lets p be answered from here on.
func (s *session) unpark(p *poll) {
	s.mu.Lock()
	p.parked = false
	var drained []func()
	if s.get == p && (s.probed || !s.queue.empty()) {
		drained = s.answerLocked()
	}
	s.mu.Unlock()
	call(drained)
}

// answerLocked answers the GET that waits with what waits for it, or with a
// noop. It returns what is to be called without the lock.
func (s *session) answerLocked() []func() {
	items := s.queue.take(responseBytes)
	if len(items) == 0 {
		items = []item{{engine: engineio.Noop}}
	}
	s.get.answer <- answer{items: items}
	s.get = nil
	return s.drainedLocked()
}

// farewellLocked is the next answer of a session that ended: what waits, or, if
// nothing does, the word that it is over, after which the session is gone. One
// response does not hold both: the stock client hands packets on a microtask
// after it has read them all, takes events that come with the end for ones that
// came before the next CONNECT, and does not count them in its offset, so that it
// has them twice (socket.io-client 4.8, manager.js ondecoded and socket.js
// onevent). A client that has paused polling sends no other GET, and is told by
// the WebSocket: see dismiss.
func (s *session) farewellLocked() []item {
	if s.queue.empty() || s.timer == nil {
		s.goneLocked()
		return append(s.queue.take(s.queue.bytes), item{engine: s.farewell})
	}
	s.lingerLocked()
	return s.queue.take(s.queue.bytes)
}

// lingerLocked lets the client send one more GET, or finish its upgrade.
func (s *session) lingerLocked() {
	s.until = s.h.now() + s.h.cfg.CloseTimeout
	s.timer.Reset(s.h.cfg.CloseTimeout)
}

// takeQueue takes what waits for the first response.
func (s *session) takeQueue() []item {
	s.mu.Lock()
	items := s.queue.take(responseBytes)
	drained := s.drainedLocked()
	s.mu.Unlock()
	call(drained)
	return items
}

// respond writes a polling response: first, which may be empty, and items. If
// it cannot be written the session ends.
func (s *session) respond(w http.ResponseWriter, r *http.Request, first []byte, items []item) {
	body := s.payload(first, items)
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(s.h.cfg.WriteTimeout)) // not every server has deadlines
	err := s.h.write(w, r, body)
	if err == nil {
		err = ignoreUnsupported(rc.Flush())
	}
	if err != nil {
		s.end(ending{why: actors.ReasonTransportError, err: err})
	}
}

// write writes the body of a polling response, compressed if that is worth it.
func (h *Handler) write(w http.ResponseWriter, r *http.Request, body []byte) error {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=UTF-8")
	header.Set("Cache-Control", "no-store")
	if len(body) >= compressFrom {
		header.Add("Vary", "Accept-Encoding")
		if acceptsGzip(r) {
			header.Set("Content-Encoding", "gzip")
			body = h.gzip.compress(body)
		}
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	_, err := w.Write(body)
	return err
}
