package actors

// LeaveReason says why a member left, or why a connection ended. It is a
// closed list; docs/protocol.md repeats it.
type LeaveReason string

// The reasons.
const (
	ReasonClientLeft      LeaveReason = "client_left"      // the client sent DISCONNECT for the namespace
	ReasonTransportClosed LeaveReason = "transport_closed" // the socket was closed by the client or the network
	ReasonTransportError  LeaveReason = "transport_error"  // the socket failed
	ReasonPingTimeout     LeaveReason = "ping_timeout"     // no pong within ping interval plus timeout
	ReasonConnectTimeout  LeaveReason = "connect_timeout"  // no namespace was joined in time
	ReasonProtocolError   LeaveReason = "protocol_error"   // the client broke the protocol
	ReasonTooSlow         LeaveReason = "too_slow"         // its outbox was full
	ReasonRateLimited     LeaveReason = "rate_limited"     // it went on sending too much
	ReasonOverloaded      LeaveReason = "overloaded"       // the node has too much to do
	ReasonKicked          LeaveReason = "kicked"           // Turn.Kick
	ReasonReplaced        LeaveReason = "replaced"         // the member resumed on another connection
	ReasonExpired         LeaveReason = "expired"          // its identity expired
	ReasonRevoked         LeaveReason = "revoked"          // its identity was revoked
	ReasonRoomClosed      LeaveReason = "room_closed"      // Turn.Destroy, or the room could not go on
	ReasonNodeLost        LeaveReason = "node_lost"        // the node that held its socket died
	ReasonShutdown        LeaveReason = "shutdown"         // the node is stopping
)

// MayReturn reports whether a client that left for this reason may come back
// and find its seat, within the grace period of the kind.
func (r LeaveReason) MayReturn() bool {
	switch r {
	case ReasonTransportClosed, ReasonTransportError, ReasonPingTimeout,
		ReasonTooSlow, ReasonOverloaded, ReasonNodeLost, ReasonShutdown:
		return true
	}
	return false
}
