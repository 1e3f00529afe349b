package transport

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/internal/engineio"
)

// post is one POST under way. It is what receives for its session.
type post struct {
	body *http.ResponseController // guarded by session.mu: nil once the body is read
	done chan struct{}            // closed when the POST receives no more
}

// servePollPOST takes the packets of one POST. It blocks while the runtime
// does: that is how a polling client is slowed down.
func (s *session) servePollPOST(w http.ResponseWriter, r *http.Request) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/octet-stream" {
		s.end(ending{why: actors.ReasonProtocolError, err: errOctetStream})
		s.h.refuse(w, r, RefusedRequest, "")
		return
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
		s.h.refuse(w, r, RefusedRequest, "")
		return
	}
	if r.ContentLength > int64(s.h.cfg.MaxPayload) {
		s.h.refuse(w, r, RefusedTooLarge, "")
		return
	}
	p := &post{body: http.NewResponseController(w), done: make(chan struct{})}
	if why := s.beginPost(p); why != "" {
		if why == RefusedSecondPOST {
			s.end(ending{why: actors.ReasonProtocolError, err: errSecondPOST})
		}
		s.h.refuse(w, r, why, "")
		return
	}
	why := s.takePost(r, p)
	// The client may send the next one as soon as it sees the answer.
	s.endPost(p)
	if why != "" {
		s.h.refuse(w, r, why, "")
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=UTF-8")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", "2")
	_, _ = io.WriteString(w, "ok") // a client that misses it will not pong either
}

// beginPost makes p the one that receives, or says why it cannot.
func (s *session) beginPost(p *post) Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ws.Load() != nil:
		return RefusedRequest
	case s.state != stateOpen:
		return RefusedSID
	case s.post != nil:
		return RefusedSecondPOST
	}
	s.post = p
	_ = p.body.SetReadDeadline(time.Now().Add(s.h.cfg.BodyTimeout)) // not every server has deadlines
	return ""
}

func (s *session) endPost(p *post) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.post = nil
	p.body = nil
	close(p.done)
}

// takePost reads the body and hands its packets on.
func (s *session) takePost(r *http.Request, p *post) Refusal {
	limit := s.h.cfg.MaxPayload
	buf := s.h.scratch.get()
	defer s.h.scratch.put(buf)
	err := buf.readFrom(r.Body, limit)

	s.mu.Lock()
	if s.state == stateOpen {
		// The deadline would be taken for the client's going away otherwise.
		_ = p.body.SetReadDeadline(time.Time{})
	}
	p.body = nil
	s.mu.Unlock()

	switch {
	case errors.Is(err, errTooLarge):
		return RefusedTooLarge
	case err != nil:
		s.end(ending{why: actors.ReasonTransportClosed, err: err})
		return RefusedRequest
	}
	s.h.count.bytesIn.Add(uint64(len(buf.bytes)))
	if !utf8.Valid(buf.bytes) {
		s.violated(errUTF8)
		return RefusedRequest
	}
	packets, bad := engineio.DecodePayload(nil, buf.bytes, engineio.Limits{Bytes: limit})
	for _, packet := range packets {
		if packet.Type == engineio.Close {
			s.end(ending{why: actors.ReasonTransportClosed, farewell: engineio.Noop, cut: true, linger: true})
			return ""
		}
		if err := s.receive(packet); err != nil {
			s.violated(err)
			return RefusedRequest
		}
	}
	if bad != nil {
		s.violated(bad)
		return RefusedRequest
	}
	return ""
}
