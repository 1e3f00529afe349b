package transport

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/internal/engineio"
)

// version is the protocol revision that clients name in the query.
const version = "4"

// The query parameters that belong to the transport.
const (
	paramVersion = "EIO"
	paramJSONP   = "j" // the index of a JSONP callback, which revision 4 has no more
)

// handshake opens a session, on either transport.
func (h *Handler) handshake(w http.ResponseWriter, r *http.Request, query url.Values, from provenance) {
	sid := h.cfg.NewSID()
	if !validSID(sid) {
		h.cfg.Logger.Error("transport: Config.NewSID returned a malformed id")
		h.refuse(w, r, RefusedRequest, "")
		return
	}
	client := h.cfg.clientAddress(r)
	s := newSession(h, sid, network(client))
	if why := h.add(s); why != "" {
		h.refuse(w, r, why, "")
		return
	}
	conn, err := h.gate.Accept(s, describe(r, query, from, client))
	if err != nil {
		s.end(ending{why: actors.ReasonTransportClosed, cut: true})
		h.refuseByGate(w, r, err)
		return
	}
	if !s.accepted(conn) {
		h.refuse(w, r, RefusedByGate, "")
		return
	}
	header := http.Header{}
	if h.cfg.Cookie != "" {
		cookie := http.Cookie{
			Name: h.cfg.Cookie, Value: sid, Path: "/",
			HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil,
		}
		header.Set("Set-Cookie", cookie.String())
	}
	if h.cfg.HandshakeHeaders != nil {
		h.cfg.HandshakeHeaders(header, r)
	}
	h.count.opened.Add(1)
	if isUpgrade(r) {
		s.openWebSocket(w, r, header)
		return
	}
	for key, values := range header {
		w.Header()[key] = values
	}
	s.respond(w, r, engineio.AppendText(nil, h.open(sid, Polling)), s.takeQueue())
}

// describe is what the runtime is told of the request.
func describe(r *http.Request, query url.Values, from provenance, client netip.Addr) *actors.Handshake {
	address := r.RemoteAddr
	if client.IsValid() {
		address = client.String()
	}
	for _, own := range []string{paramVersion, "transport", "sid", "t", "b64"} {
		query.Del(own)
	}
	header := r.Header
	if _, ok := header["Cookie"]; ok && !from.cookies {
		header = header.Clone()
		header.Del("Cookie")
	}
	return &actors.Handshake{
		Time:    time.Now(),
		Address: address,
		Secure:  r.TLS != nil,
		Path:    r.URL.Path,
		Header:  header,
		Query:   query,
	}
}

// refuseByGate answers a handshake that the runtime did not take. Only an
// *actors.Error is shown to the client.
func (h *Handler) refuseByGate(w http.ResponseWriter, r *http.Request, err error) {
	var e *actors.Error
	if !errors.As(err, &e) {
		h.cfg.Logger.Error("transport: gate refused a connection", "err", err)
	}
	e = actors.AsError(err)
	switch e.Code {
	case actors.CodeUnavailable, actors.CodeOverloaded, actors.CodeInternal:
		h.refuse(w, r, RefusedOverload, e.Message)
	default:
		h.refuse(w, r, RefusedByGate, e.Message)
	}
}

// isUpgrade reports whether the request asks for a WebSocket. Whether it does
// so correctly is found out later.
func isUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}
