package transport

import (
	"net/http"
	"time"

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
	case RefusedSID, RefusedOwner:
		return engineio.SessionIDUnknown
	case RefusedMethod:
		return engineio.BadHandshakeMethod
	case RefusedVersion:
		return engineio.UnsupportedProtocolVersion
	case RefusedOrigin, RefusedByGate, RefusedOverload, RefusedDraining, RefusedRate, RefusedMemory, RefusedAddress:
		return engineio.Forbidden
	}
	return engineio.BadRequest
}

// status is the HTTP status that r is answered with. A refused WebSocket
// upgrade is 400 where polling would have been told 403 by the runtime, as
// upstream does it; a wrong origin is 403 for both.
func (r Refusal) status(upgrade bool) int {
	switch r {
	case RefusedOverload, RefusedDraining, RefusedRate, RefusedMemory:
		return http.StatusServiceUnavailable
	case RefusedAddress:
		return http.StatusTooManyRequests
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

// message is what a client is told of r.
func (r Refusal) message() string {
	switch r {
	case RefusedDraining:
		return "shutting down"
	case RefusedRate:
		return "too many connect at this moment, try again"
	case RefusedMemory:
		return "no room for another connection, try again"
	case RefusedAddress:
		return "too many connections from this address"
	}
	return r.wire().Message()
}

// refuse answers a request that is not served, and counts it. An empty message
// stands for the usual one of the code. A WebSocket upgrade is answered with
// the bare message, anything else with the JSON body of Engine.IO.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, why Refusal, message string) {
	h.count.refused[why].Add(1)
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(h.cfg.WriteTimeout)) // not every server has deadlines
	if message == "" {
		message = why.message()
	}
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	upgrade := isUpgrade(r)
	status := why.status(upgrade)
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
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
