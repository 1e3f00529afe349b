package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/parlor-rooms/parlor/actors/node"
)

const (
	// checkPause is how long after the first look the second one is: longer
	// than a message waits on a node that keeps up.
	checkPause = 2 * time.Second

	// checkWithin bounds a check.
	checkWithin = 30 * time.Second

	// faultSessions: the node has more or fewer connections than the transport
	// has sessions.
	faultSessions node.Fault = "sessions"
)

// check compares the tables of the server with each other. One check runs at a
// time.
func (s *server) check(w http.ResponseWriter, r *http.Request) {
	if !s.health.started.Load() {
		say(w, http.StatusServiceUnavailable, "starting")
		return
	}
	if !s.checking.TryLock() {
		say(w, http.StatusConflict, "another check is under way")
		return
	}
	defer s.checking.Unlock()
	ctx, cancel := context.WithTimeout(r.Context(), checkWithin)
	defer cancel()
	before := s.sessionsBeyondConnections()
	report, err := s.node.Check(ctx, checkPause)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		say(w, http.StatusGatewayTimeout, "the check took longer than "+checkWithin.String())
		return
	case err != nil:
		s.log.Error("the tables could not be checked", "error", err)
		say(w, http.StatusServiceUnavailable, "the tables could not be checked; the log says why")
		return
	}
	if after := s.sessionsBeyondConnections(); after != 0 && after == before {
		report.Disagreements = append(report.Disagreements, node.Disagreement{
			Fault: faultSessions, Detail: fmt.Sprintf("%d more sessions than connections", after),
		})
		report.Total++
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(report) // nobody is left to tell
}

func (s *server) sessionsBeyondConnections() int64 {
	t := s.transport.Stats()
	return int64(t.Polling+t.WebSocket) - s.node.Stats().Connections
}
