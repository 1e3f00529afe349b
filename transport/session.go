package transport

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/internal/engineio"
)

// state is how far a session is.
type state uint8

const (
	// stateOpen: packets go both ways.
	stateOpen state = iota
	// stateEnding: for the runtime the session is gone. What waits is still
	// written, and a polling client that has no GET under way may send one, or
	// finish its upgrade.
	stateEnding
	// stateGone: nobody can find the session any more.
	stateGone
)

// session is one Engine.IO session, and the actors.Socket of its connection. It
// polls until ws is set, and never again afterwards. One that begins on a
// WebSocket polls, unknown to any client, until the WebSocket is there.
//
// A method whose name ends in Locked is called with mu held.
type session struct {
	// Set before the session is shared, read-only afterwards.
	h    *Handler
	sid  string
	from netip.Prefix // the client's address, as it is counted

	format atomic.Uint32             // a format; set once, with the first message
	ws     atomic.Pointer[webSocket] // set once, with mu held
	ended  atomic.Bool               // set once, with mu held: state is not stateOpen

	// Set by whoever receives, while the runtime has not taken a packet yet and
	// nothing else can be read.
	blocked atomic.Bool

	// Owned by whoever receives: the POST under way or, once ws is set, its
	// reader.
	in receiver

	mu        sync.Mutex // leaf lock but for the outbox's; guards the following
	conn      actors.Connection
	state     state
	why       actors.LeaveReason // why it ended
	queue     queue              // what waits for a GET
	get       *poll              // the GET that waits
	post      *post              // the POST under way
	probe     *webSocket         // came to upgrade the session, and has not yet
	probed    bool               // probe's ping is answered: the client may have paused polling
	farewell  engineio.Type      // what the GET after the end is answered with
	until     instant            // when the end is over for a polling client
	deadlines deadlines
	timer     *time.Timer // runs tick; nil until accepted
	drained   []func()    // given to WhenDrained
}

func newSession(h *Handler, sid string, from netip.Prefix) *session {
	now := h.now()
	return &session{h: h, sid: sid, from: from, deadlines: deadlines{
		ping:    now + h.cfg.PingInterval,
		connect: now + h.cfg.ConnectTimeout,
	}}
}

// accepted gives the session the connection it serves, and starts its clock. It
// reports whether the session is still open: the runtime may have closed it
// before it had returned the connection.
func (s *session) accepted(conn actors.Connection) bool {
	s.mu.Lock()
	s.conn = conn
	open, why := s.state == stateOpen, s.why
	if open {
		s.h.count.polling.Add(1)
		s.timer = time.AfterFunc(s.deadlines.next()-s.h.now(), s.tick)
	}
	s.mu.Unlock()
	if !open {
		conn.Closed(why)
	}
	return open
}

// tick does what is due. The timer runs it, and so does every request, because
// the timer may be late. Any goroutine may call it.
func (s *session) tick() {
	for {
		s.mu.Lock()
		now := s.h.now()
		if s.state != stateOpen {
			over := s.state == stateEnding && s.ws.Load() == nil && now >= s.until
			if over {
				s.goneLocked()
			}
			s.mu.Unlock()
			if over {
				s.h.remove(s)
			}
			return
		}
		due := s.deadlines.check(now, s.h.cfg.PingTimeout)
		if due == duePingTimeout && s.blocked.Load() {
			s.deadlines.postpone(now, s.h.cfg.PingTimeout)
			due = dueNothing
		}
		if due == dueNothing {
			s.rearmLocked(now)
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		s.act(due)
	}
}

// act does one thing that was due.
func (s *session) act(d due) {
	switch d {
	case duePing:
		s.ping()
	case duePingTimeout:
		s.end(ending{why: actors.ReasonPingTimeout})
	case dueConnectTimeout:
		s.end(ending{why: actors.ReasonConnectTimeout, linger: true})
	case dueAttachments:
		s.end(ending{why: actors.ReasonProtocolError, err: errAttachmentsLate})
	}
}

// rearmLocked sets the timer to the next deadline.
func (s *session) rearmLocked(now instant) {
	if s.timer != nil {
		s.timer.Reset(max(s.deadlines.next()-now, 0))
	}
}

// ping sends a ping at once.
func (s *session) ping() {
	if ws := s.ws.Load(); ws != nil {
		ws.control(textFrame(engineio.Packet{Type: engineio.Ping}))
		return
	}
	s.mu.Lock()
	if ws := s.ws.Load(); ws != nil {
		s.mu.Unlock()
		ws.control(textFrame(engineio.Packet{Type: engineio.Ping}))
		return
	}
	s.queue.force(item{engine: engineio.Ping})
	s.mu.Unlock()
	s.Flush()
}

// pong notes a pong of the client, and reports whether it answers a ping.
func (s *session) pong() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateOpen {
		return true
	}
	now := s.h.now()
	answers := s.deadlines.pong(now, s.h.cfg.PingInterval)
	s.rearmLocked(now)
	return answers
}

// connecting notes a CONNECT of the client.
func (s *session) connecting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateOpen || s.deadlines.asked {
		return
	}
	now := s.h.now()
	s.deadlines.connecting(now, s.h.cfg.AdmitTimeout)
	s.rearmLocked(now)
}

// attachments notes whether the packet in progress lacks attachments.
func (s *session) attachments(pending bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateOpen || pending == (s.deadlines.attach != 0) {
		return
	}
	now := s.h.now()
	s.deadlines.attach = 0
	if pending {
		s.deadlines.attach = now + s.h.cfg.AttachmentTimeout
	}
	s.rearmLocked(now)
}
