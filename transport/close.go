package transport

import (
	"encoding/binary"
	"log/slog"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/internal/engineio"
	"github.com/parlor-rooms/parlor/transport/internal/outbox"
)

// WebSocket close codes: RFC 6455 section 7.4.1, and IANA's registry for the
// others.
const (
	closeNormal   = 1000
	closeProtocol = 1002
	closeBadText  = 1007
	closePolicy   = 1008
	closeTooLarge = 1009
	closeRestart  = 1012
	closeTryLater = 1013
)

// closeCode is what a WebSocket is closed with for a reason. Stock clients do
// not look at it. The package comment has the table.
func closeCode(why actors.LeaveReason) int {
	switch why {
	case actors.ReasonProtocolError:
		return closeProtocol
	case actors.ReasonPingTimeout, actors.ReasonConnectTimeout,
		actors.ReasonKicked, actors.ReasonExpired, actors.ReasonRevoked, actors.ReasonRateLimited:
		return closePolicy
	case actors.ReasonShutdown, actors.ReasonNodeLost:
		return closeRestart
	case actors.ReasonOverloaded:
		return closeTryLater
	}
	return closeNormal
}

// ending says how a session ends.
type ending struct {
	why  actors.LeaveReason
	code int   // WebSocket close code; zero means that of why
	err  error // what happened, for the log

	// cut drops what waits, because the client does not take it, or is gone.
	cut bool

	// linger lets a polling client that has no GET under way send one more, and
	// hear that it is over.
	linger bool

	// bare sends a close frame without a code.
	bare bool

	// farewell is what a polling client is told, Close unless it said so itself.
	farewell engineio.Type
}

// Close implements actors.Socket. Connection.Closed is called before it
// returns, unless the session had ended before.
func (s *session) Close(why actors.LeaveReason) {
	s.end(ending{why: why, linger: true, cut: why == actors.ReasonTooSlow})
}

// end ends the session, if it has not ended yet. Nothing is received or pushed
// any more, and the runtime has been told, when it returns; it does not block.
// Any goroutine may call it, without the lock.
func (s *session) end(e ending) {
	if e.farewell == 0 {
		e.farewell = engineio.Close
	}
	s.mu.Lock()
	if s.state != stateOpen {
		s.mu.Unlock()
		return
	}
	s.state, s.why, s.farewell = stateEnding, e.why, e.farewell
	s.ended.Store(true)
	s.drained = nil
	if s.post != nil && s.post.body != nil {
		_ = s.post.body.SetReadDeadline(time.Now()) // it may be slow to come
	}
	ws, conn := s.ws.Load(), s.conn
	var dropped int
	if ws == nil {
		dropped = s.endPollingLocked(e)
	} else {
		dropped, _ = ws.out.Pressure()
		s.goneLocked()
	}
	gone := s.state == stateGone
	s.mu.Unlock()

	if gone {
		s.h.remove(s)
	}
	if ws != nil {
		ws.end(e)
	}
	if conn == nil {
		return // the handshake tells the runtime, or was refused by it
	}
	s.count(e, ws != nil, dropped)
	s.log(e)
	conn.Closed(e.why)
}

// endPollingLocked is end for a session that polls. It returns how many packets
// are dropped.
func (s *session) endPollingLocked(e ending) (dropped int) {
	if !s.probed {
		s.cutProbeLocked() // the client polls until its ping is answered
	}
	if e.cut {
		dropped = len(s.queue.items)
		s.queue = queue{}
	}
	if s.get != nil {
		s.get.answer <- answer{items: s.farewellLocked()}
		s.get = nil
		return dropped
	}
	if (e.linger || s.probed) && s.timer != nil {
		s.lingerLocked()
		return dropped
	}
	dropped += len(s.queue.items)
	s.queue = queue{}
	s.goneLocked()
	return dropped
}

// goneLocked is the end of the end: nothing is left to tell the client. The
// caller takes the session out of the handler, without the lock.
func (s *session) goneLocked() {
	s.state = stateGone
	s.cutProbeLocked()
	if s.timer != nil {
		s.timer.Stop()
	}
}

// count counts a session that ended.
func (s *session) count(e ending, webSocket bool, dropped int) {
	c := &s.h.count
	if webSocket {
		c.webSocket.Add(-1)
	} else {
		c.polling.Add(-1)
	}
	if n := c.closed[e.why]; n != nil {
		n.Add(1)
	}
	if e.why == actors.ReasonProtocolError {
		c.violated[violationOf(e.err)].Add(1)
	}
	if e.why == actors.ReasonTooSlow {
		c.dropped[DroppedTooSlow].Add(uint64(dropped))
	} else if e.cut || !webSocket {
		c.dropped[DroppedClosed].Add(uint64(dropped))
	}
}

// log writes the one line of a session that ended in a way somebody may want to
// know of.
func (s *session) log(e ending) {
	level := slog.LevelDebug
	switch e.why {
	case actors.ReasonProtocolError, actors.ReasonTooSlow:
		level = slog.LevelInfo
	}
	if !s.h.cfg.Logger.Enabled(s.h.killed, level) {
		return
	}
	s.h.cfg.Logger.Log(s.h.killed, level, "session ended",
		"session", s.sid[:min(len(s.sid), 6)], "reason", string(e.why), "err", e.err)
}

// kill ends what is left of the session without waiting for its client.
func (s *session) kill() {
	s.end(ending{why: actors.ReasonShutdown, cut: true})
	s.mu.Lock()
	s.goneLocked()
	ws := s.ws.Load()
	s.mu.Unlock()
	s.h.remove(s)
	if ws != nil {
		ws.cut()
	}
}

// closeFrame is a close frame with a status code.
func closeFrame(code int) outbox.Frame {
	b := appendFrameHeader(nil, opClose, 2)
	return outbox.Frame{Parts: [][]byte{binary.BigEndian.AppendUint16(b, uint16(code))}, Class: outbox.Control}
}

// bareCloseFrame is a close frame without a status code, as upstream sends it.
func bareCloseFrame() outbox.Frame {
	return outbox.Frame{Parts: [][]byte{appendFrameHeader(nil, opClose, 0)}, Class: outbox.Control}
}
