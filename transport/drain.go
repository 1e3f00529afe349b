package transport

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// Disperse refuses further handshakes and closes the sessions with
// actors.ReasonShutdown one after the other, so that those who take the clients
// do not get all of them at once: perSecond of them a second, at least 1, or
// faster if that would take more than three quarters of the time that ctx has.
// Requests of sessions that are still open are served. It returns when the last
// is being closed, or with ctx's error. Close is to follow.
func (h *Handler) Disperse(ctx context.Context, perSecond int) error {
	h.mu.Lock()
	h.dispersing = true
	h.mu.Unlock()

	sessions, _ := h.all()
	over := time.Duration(len(sessions)) * time.Second / time.Duration(max(1, perSecond))
	if end, ok := ctx.Deadline(); ok {
		over = min(over, time.Until(end)*3/4)
	}
	begun := time.Now()
	next := time.NewTimer(0)
	defer next.Stop()
	for i, s := range sessions {
		next.Reset(time.Until(begun.Add(over * time.Duration(i) / time.Duration(len(sessions)))))
		select {
		case <-next.C:
			s.Close(actors.ReasonShutdown)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Close refuses further handshakes, closes every session with
// actors.ReasonShutdown, all at once (see Disperse), ends what it forwards to
// other nodes, and returns when the last goroutine and request of the handler
// have ended. When ctx ends before that, what is left is cut off and the error
// is ctx's. Connection.Closed has been called for every session when it returns.
// It may be called more than once.
func (h *Handler) Close(ctx context.Context) error {
	h.mu.Lock()
	if !h.closing {
		h.closing = true
		h.idle = make(chan struct{})
		h.announce()
	}
	idle := h.idle
	tunnels := slices.Collect(maps.Keys(h.tunnels))
	h.mu.Unlock()

	h.shut()
	for _, t := range tunnels {
		if !t.leave() {
			t.close()
		}
	}
	if h.meter != nil {
		defer func() { _ = h.meter.Unregister() }() // it fails for a meter that has stopped
	}
	sessions, _ := h.all()
	for _, s := range sessions {
		s.Close(actors.ReasonShutdown)
	}
	select {
	case <-idle:
		h.kill()
		return nil
	case <-ctx.Done():
	}
	h.kill()
	sessions, sockets := h.all()
	for _, s := range sessions {
		s.kill()
	}
	for _, ws := range sockets {
		ws.cut()
	}
	for _, t := range tunnels {
		t.close()
	}
	<-idle
	return ctx.Err()
}

// all returns what is open.
func (h *Handler) all() ([]*session, []*webSocket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Values(h.sessions)), slices.Collect(maps.Keys(h.sockets))
}

// enter counts a request that Close has to wait for. It reports false if Close
// does not wait any more.
func (h *Handler) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing && h.empty() {
		return false
	}
	h.active++
	return true
}

// leave is the end of what enter began.
func (h *Handler) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.active--
	h.announce()
}

// track notes a WebSocket whose reader Close has to wait for. It is called while
// a request is served.
func (h *Handler) track(ws *webSocket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sockets[ws] = struct{}{}
}

// untrack is called at the end of the reader.
func (h *Handler) untrack(ws *webSocket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sockets, ws)
	h.announce()
}

// add makes a session known, or says why it is not taken. It comes before
// anybody can end the session, which takes it out again.
func (h *Handler) add(s *session) Refusal {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing || h.dispersing || h.sessions[s.sid] != nil {
		return RefusedDraining
	}
	if h.relieves(ReliefRefuse) {
		return RefusedMemory
	}
	if why := h.admitted.admit(h.now(), s.from); why != "" {
		return why
	}
	h.sessions[s.sid] = s
	return ""
}

// remove forgets a session. It may be called more than once.
func (h *Handler) remove(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sessions[s.sid] != s {
		return
	}
	delete(h.sessions, s.sid)
	h.admitted.forget(s.from)
	h.announce()
}

func (h *Handler) session(sid string) *session {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sessions[sid]
}

// empty reports whether nothing is left. It is called with mu held.
func (h *Handler) empty() bool {
	return h.active == 0 && len(h.sessions) == 0 && len(h.sockets) == 0 && len(h.tunnels) == 0
}

// announce wakes Close when nothing is left. It is called with mu held.
func (h *Handler) announce() {
	if !h.closing || !h.empty() {
		return
	}
	select {
	case <-h.idle:
	default:
		close(h.idle)
	}
}
