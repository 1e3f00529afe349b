package app

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/cmd/node/internal/governor"
	"github.com/parlor-rooms/parlor/cmd/node/internal/settings"
	"github.com/parlor-rooms/parlor/transport"
)

// adminHandler serves operators.
func (s *server) adminHandler() http.Handler {
	mux, token := http.NewServeMux(), s.cfg.Admin.Token
	s.health.mount(mux)
	for path, handler := range map[string]http.Handler{
		"GET /metrics":         s.telemetry.Metrics(),
		"GET /stats":           http.HandlerFunc(s.showStats),
		"GET /check":           http.HandlerFunc(s.check),
		"GET /logs/levels":     http.HandlerFunc(s.showLevels),
		"POST /logs/levels":    s.audited("log levels", s.setLevels),
		"POST /drain":          s.audited("drain", s.drain),
		"POST /revoke":         s.audited("revoke", s.revoke),
		"/debug/pprof/":        http.HandlerFunc(pprof.Index),
		"/debug/pprof/cmdline": http.HandlerFunc(pprof.Cmdline),
		"/debug/pprof/profile": http.HandlerFunc(pprof.Profile),
		"/debug/pprof/symbol":  http.HandlerFunc(pprof.Symbol),
		"/debug/pprof/trace":   http.HandlerFunc(pprof.Trace),
	} {
		mux.Handle(path, guarded(token, handler))
	}
	return mux
}

// guarded lets operators in, and nobody's pages. An operator shows the token or,
// where there is none, a client certificate that the listener has verified or
// that he is on this machine.
func guarded(token settings.Secret, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch site := r.Header.Get("Sec-Fetch-Site"); {
		case len(r.Header["Origin"]) > 0, site != "" && site != "none" && site != "same-origin":
			say(w, http.StatusForbidden, "this is not for pages")
			return
		case token != "":
			shown, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			if !ok || subtle.ConstantTimeCompare([]byte(shown), []byte(token.Reveal())) != 1 {
				w.Header().Set("WWW-Authenticate", "Bearer")
				say(w, http.StatusUnauthorized, "the admin token is missing or wrong")
				return
			}
		case !certified(r) && !onThisMachine(r):
			say(w, http.StatusForbidden, "set admin.token or admin.tls.client_ca to use this from another machine")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// certified reports whether the client has shown a certificate that was asked
// for.
func certified(r *http.Request) bool { return r.TLS != nil && len(r.TLS.VerifiedChains) > 0 }

// onThisMachine reports whether the request came to a loopback address, and by a
// name that is one: another name is that of a page which was made to point here.
func onThisMachine(r *http.Request) bool {
	at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok || !at.IP.IsLoopback() {
		return false
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// auditPart is the part of the log whose level is not that of the others.
const auditPart = "audit"

// audited logs who asked for a change, and what became of it.
func (s *server) audited(action string, change http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &status{ResponseWriter: w, code: http.StatusOK}
		change(answer, r)
		as := "this machine"
		if certified(r) {
			as = r.TLS.VerifiedChains[0][0].Subject.String()
		} else if s.cfg.Admin.Token != "" {
			as = "token"
		}
		s.logger(auditPart).Info("operator", "action", action, "query", r.URL.RawQuery, "from", r.RemoteAddr, "as", as, "status", answer.code)
	})
}

// status remembers what was answered.
type status struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements http.ResponseWriter.
func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// showStats answers with all counts as JSON.
func (s *server) showStats(w http.ResponseWriter, _ *http.Request) {
	if !s.health.started.Load() {
		say(w, http.StatusServiceUnavailable, "starting")
		return
	}
	all := struct {
		Node      node.Stats
		Transport transport.Stats
		Memory    governor.Stats
		Crowded   uint64 // connections closed because their address had too many
	}{s.node.Stats(), s.transport.Stats(), s.governor.Stats(), s.callers.crowded.Load()}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(all) // nobody is left to tell
}

// drain stops the server as SIGTERM does.
func (s *server) drain(w http.ResponseWriter, _ *http.Request) {
	say(w, http.StatusAccepted, "stopping")
	s.quit()
}

// revoke voids the credentials of ?subject=, those issued before ?before= (RFC
// 3339) or until now, or the one with the id ?token_id=. It may be forgotten
// ?until=.
func (s *server) revoke(w http.ResponseWriter, r *http.Request) {
	if !s.health.started.Load() {
		say(w, http.StatusServiceUnavailable, "starting")
		return
	}
	query := r.URL.Query()
	moment := func(name string) (t time.Time, err error) {
		if text := query.Get(name); text != "" {
			t, err = time.Parse(time.RFC3339, text)
		}
		return t, err
	}
	before, bad := moment("before")
	until, worse := moment("until")
	if err := cmp.Or(bad, worse); err != nil {
		say(w, http.StatusBadRequest, "before and until: want a time such as 2027-01-31T12:00:00Z")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), revokeWithin)
	defer cancel()
	err := s.node.Revoke(ctx, actors.Revocation{
		Subject: query.Get("subject"), TokenID: query.Get("token_id"), Before: before, Until: until,
	})
	switch {
	case errors.Is(err, node.ErrRevokedHere):
		s.log.Error("a revocation could not be written", "error", err)
		say(w, http.StatusServiceUnavailable, "revoked on this node only; say it again")
		return
	case err != nil:
		say(w, http.StatusBadRequest, err.Error())
		return
	}
	say(w, http.StatusOK, "revoked")
}

// revokeWithin bounds how long a revocation may take to be told.
const revokeWithin = 5 * time.Second
