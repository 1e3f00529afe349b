package app

import (
	"io"
	"net/http"
	"sync/atomic"
)

// health answers the questions of an orchestrator.
type health struct {
	started atomic.Bool // all parts have, once
	ready   atomic.Bool // between the last start and the first stop
}

// mount adds /healthz, which is 200 while the process answers; /startupz, which
// is 200 once everything has started; and /readyz, which is 200 while clients
// are welcome.
func (h *health) mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	for path, asked := range map[string]struct {
		is       *atomic.Bool
		yes, not string
	}{
		"/startupz": {&h.started, "started", "starting"},
		"/readyz":   {&h.ready, "ready", "not ready"},
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			if asked.is.Load() {
				say(w, http.StatusOK, asked.yes)
			} else {
				say(w, http.StatusServiceUnavailable, asked.not)
			}
		})
	}
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // nobody is left to tell
}
