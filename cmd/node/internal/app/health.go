package app

import (
	"io"
	"net/http"
	"sync/atomic"
)

// health answers the questions of an orchestrator.
type health struct {
	ready atomic.Bool // between the last start and the first stop
}

// mount adds /healthz, which is 200 while the process answers, and /readyz,
// which is 200 while clients are welcome.
func (h *health) mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if h.ready.Load() {
			say(w, http.StatusOK, "ready")
		} else {
			say(w, http.StatusServiceUnavailable, "not ready")
		}
	})
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // nobody is left to tell
}
