package transport

import (
	"net/http"

	"github.com/parlor-rooms/parlor/transport/internal/engineio"
)

// refuseAfter is the Retry-After of a refusal for overload, in seconds. Stock
// clients ignore it and back off by themselves; proxies do not.
const refuseAfter = "1"

// wire is the Engine.IO code that r is answered with.
func (r Refusal) wire() engineio.Refusal {
	switch r {
	case RefusedTransport:
		return engineio.TransportUnknown
	case RefusedSID:
		return engineio.SessionIDUnknown
	case RefusedMethod:
		return engineio.BadHandshakeMethod
	case RefusedVersion:
		return engineio.UnsupportedProtocolVersion
	case RefusedOrigin, RefusedByGate, RefusedOverload, RefusedDraining:
		return engineio.Forbidden
	}
	return engineio.BadRequest
}

// status is the HTTP status that r is answered with. A refused WebSocket
// upgrade is 400 where polling would have been told 403 by the runtime, as
// upstream does it; a wrong origin is 403 for both.
func (r Refusal) status(upgrade bool) int {
	switch r {
	case RefusedOverload, RefusedDraining:
		return http.StatusServiceUnavailable
	case RefusedTooLarge:
		return http.StatusRequestEntityTooLarge
	case RefusedOrigin:
		return http.StatusForbidden
	}
	if upgrade {
		return http.StatusBadRequest
	}
	return r.wire().Status()
}

// refuse answers a request that is not served, and counts it. An empty message
// stands for the usual one of the code. A WebSocket upgrade is answered with
// the bare message, anything else with the JSON body of Engine.IO.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, why Refusal, message string) {
	h.count.refused[why].Add(1)
	if message == "" {
		message = why.wire().Message()
	}
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	upgrade := isUpgrade(r)
	status := why.status(upgrade)
	if status == http.StatusServiceUnavailable {
		header.Set("Retry-After", refuseAfter)
	}
	if why == RefusedTooLarge {
		w.WriteHeader(status)
		return
	}
	body := why.wire().Body(message)
	if upgrade {
		header.Set("Connection", "close")
		header.Set("Content-Type", "text/plain; charset=utf-8")
		body = []byte(message)
	} else {
		header.Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // nobody is left to tell
}
