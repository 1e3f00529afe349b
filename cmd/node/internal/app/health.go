package app

import (
	"crypto/subtle"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync/atomic"

	"github.com/parlor-rooms/parlor/cmd/node/internal/settings"
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

// adminHandler serves operators.
func (s *server) adminHandler() http.Handler {
	mux, token := http.NewServeMux(), s.cfg.Admin.Token
	s.health.mount(mux)
	mux.Handle("GET /metrics", guarded(token, s.telemetry.Metrics()))
	mux.Handle("GET /logs/levels", guarded(token, http.HandlerFunc(s.showLevels)))
	mux.Handle("POST /logs/levels", guarded(token, http.HandlerFunc(s.setLevels)))
	for path, handler := range map[string]http.HandlerFunc{
		"/debug/pprof/":        pprof.Index,
		"/debug/pprof/cmdline": pprof.Cmdline,
		"/debug/pprof/profile": pprof.Profile,
		"/debug/pprof/symbol":  pprof.Symbol,
		"/debug/pprof/trace":   pprof.Trace,
	} {
		mux.Handle(path, guarded(token, handler))
	}
	return mux
}

// guarded asks for the token. Without one it lets in whoever came to a
// loopback address.
func guarded(token settings.Secret, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token == "" {
			if at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok && at.IP.IsLoopback() {
				next.ServeHTTP(w, r)
			} else {
				say(w, http.StatusForbidden, "set admin.token to use this from another machine")
			}
			return
		}
		shown, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || subtle.ConstantTimeCompare([]byte(shown), []byte(token.Reveal())) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			say(w, http.StatusUnauthorized, "the admin token is missing or wrong")
			return
		}
		next.ServeHTTP(w, r)
	})
}
