package engineio

import "net/http"

// Refusal is why a request was refused, as Engine.IO numbers it.
type Refusal int

// The refusals of engine.io 6.6.
const (
	TransportUnknown           Refusal = 0
	SessionIDUnknown           Refusal = 1
	BadHandshakeMethod         Refusal = 2
	BadRequest                 Refusal = 3
	Forbidden                  Refusal = 4
	UnsupportedProtocolVersion Refusal = 5
)

// Message is the text that upstream sends for r.
func (r Refusal) Message() string {
	switch r {
	case TransportUnknown:
		return "Transport unknown"
	case SessionIDUnknown:
		return "Session ID unknown"
	case BadHandshakeMethod:
		return "Bad handshake method"
	case Forbidden:
		return "Forbidden"
	case UnsupportedProtocolVersion:
		return "Unsupported protocol version"
	default:
		return "Bad request"
	}
}

// Status is the HTTP status of r: 403 for Forbidden and 400 for the others. A
// refused WebSocket upgrade is answered with 400 and the bare message whatever
// the refusal.
func (r Refusal) Status() int {
	if r == Forbidden {
		return http.StatusForbidden
	}
	return http.StatusBadRequest
}

// Body is the JSON body of r, `{"code":1,"message":"Session ID unknown"}`. An
// empty message stands for r.Message(); a refused Forbidden carries its own.
func (r Refusal) Body(message string) []byte {
	if message == "" {
		message = r.Message()
	}
	return marshal(struct {
		Code    Refusal `json:"code"`
		Message string  `json:"message"`
	}{r, message})
}
