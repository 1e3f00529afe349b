package transport

import (
	"sync/atomic"

	"github.com/parlor-rooms/parlor/actors"
)

// Refusal is why a request was refused. It is a closed list.
type Refusal string

// The refusals, with the HTTP status each is answered with.
const (
	RefusedTransport  Refusal = "transport_unknown"   // 400, code 0: no such transport, or not offered
	RefusedSID        Refusal = "sid_unknown"         // 400, code 1
	RefusedMethod     Refusal = "bad_method"          // 400, code 2
	RefusedRequest    Refusal = "bad_request"         // 400, code 3
	RefusedOrigin     Refusal = "origin"              // 403, code 4
	RefusedByGate     Refusal = "refused_by_node"     // 403, code 4: Gate.Accept refused
	RefusedVersion    Refusal = "unsupported_version" // 400, code 5
	RefusedOverload   Refusal = "overloaded"          // 503, code 4: Gate.Accept cannot take it now
	RefusedDraining   Refusal = "draining"            // 503, code 4: Handler.Close was called
	RefusedRate       Refusal = "connect_rate"        // 503, code 4: more than Config.ConnectRate
	RefusedMemory     Refusal = "memory"              // 503, code 4: ReliefRefuse
	RefusedAddress    Refusal = "too_many_of_address" // 429, code 4: more than Config.MaxPerAddress
	RefusedOwner      Refusal = "owner_lost"          // 400, code 1: the session's node did not answer
	RefusedTooLarge   Refusal = "too_large"           // 413: a POST above Config.MaxPayload
	RefusedSecondGET  Refusal = "second_get"          // 400, code 3, and the session is closed
	RefusedSecondPOST Refusal = "second_post"         // 400, code 3, and the session is closed
)

// Drop is why a packet that was pushed never reached its client. It is a
// closed list.
type Drop string

// The drops.
const (
	DroppedVolatile Drop = "volatile_lagging" // a volatile packet, and the client lags
	DroppedMemory   Drop = "memory"           // a volatile packet: ReliefShed
	DroppedTooSlow  Drop = "outbox_full"      // the packet that did not fit and what waited before it
	DroppedClosed   Drop = "closed"           // what still waited when a session ended for another reason
)

// Stats is a snapshot of what a [Handler] counted since it was made. Counters
// are read one after the other: sums may be off by what happened meanwhile.
type Stats struct {
	Polling   int // open sessions, by their transport at the moment
	WebSocket int

	Waiting int64 // bytes that sessions hold for clients that have not taken them

	Tunnels int // WebSockets that are carried to the session's node

	Forwarded       uint64 // requests for sessions of other nodes
	Opened          uint64 // handshakes that became a session
	Upgraded        uint64 // sessions that moved from polling to WebSocket
	ProbesAbandoned uint64 // WebSockets that came to upgrade and did not

	Refused  map[Refusal]uint64
	Closed   map[actors.LeaveReason]uint64
	Violated map[Violation]uint64 // sessions closed with ReasonProtocolError, by what was wrong
	Dropped  map[Drop]uint64      // packets

	PacketsIn  uint64 // Socket.IO packets given to the runtime
	PacketsOut uint64 // packets taken by Push
	BytesIn    uint64 // WebSocket messages and POST bodies
	BytesOut   uint64 // encoded size of PacketsOut
}

// Stats returns a snapshot. Any goroutine may call it.
func (h *Handler) Stats() Stats {
	c := &h.count
	return Stats{
		Polling:         int(c.polling.Load()),
		WebSocket:       int(c.webSocket.Load()),
		Waiting:         h.waiting(),
		Tunnels:         int(c.tunnels.Load()),
		Forwarded:       c.forwarded.Load(),
		Opened:          c.opened.Load(),
		Upgraded:        c.upgraded.Load(),
		ProbesAbandoned: c.probesAbandoned.Load(),
		Refused:         snapshot(c.refused),
		Closed:          snapshot(c.closed),
		Violated:        snapshot(c.violated),
		Dropped:         snapshot(c.dropped),
		PacketsIn:       c.packetsIn.Load(),
		PacketsOut:      c.packetsOut.Load(),
		BytesIn:         c.bytesIn.Load(),
		BytesOut:        c.bytesOut.Load(),
	}
}

// counters is what Stats is made of. The maps are made once, for every key of
// their closed list, and only read afterwards.
type counters struct {
	polling, webSocket, tunnels       atomic.Int64
	forwarded                         atomic.Uint64
	opened, upgraded, probesAbandoned atomic.Uint64
	refused                           map[Refusal]*atomic.Uint64
	closed                            map[actors.LeaveReason]*atomic.Uint64
	violated                          map[Violation]*atomic.Uint64
	dropped                           map[Drop]*atomic.Uint64
	packetsIn, bytesIn                atomic.Uint64
	_                                 [64]byte // writers of out and in are different cores
	packetsOut, bytesOut              atomic.Uint64
}

func newCounters() counters {
	return counters{
		refused: closedList(RefusedTransport, RefusedSID, RefusedMethod, RefusedRequest, RefusedOrigin,
			RefusedByGate, RefusedVersion, RefusedOverload, RefusedDraining, RefusedRate, RefusedMemory, RefusedAddress,
			RefusedOwner, RefusedTooLarge, RefusedSecondGET, RefusedSecondPOST),
		closed: closedList(actors.ReasonClientLeft, actors.ReasonTransportClosed, actors.ReasonTransportError,
			actors.ReasonPingTimeout, actors.ReasonConnectTimeout, actors.ReasonProtocolError,
			actors.ReasonTooSlow, actors.ReasonRateLimited, actors.ReasonOverloaded, actors.ReasonKicked, actors.ReasonReplaced, actors.ReasonExpired,
			actors.ReasonRevoked, actors.ReasonRoomClosed, actors.ReasonNodeLost, actors.ReasonShutdown),
		violated: closedList(ViolatedSize, ViolatedPackets, ViolatedFlood, ViolatedText, ViolatedBase64,
			ViolatedDepth, ViolatedName, ViolatedAttachments, ViolatedLate, ViolatedOrder, ViolatedFrame,
			ViolatedPacket, ViolatedNode),
		dropped: closedList(DroppedVolatile, DroppedMemory, DroppedTooSlow, DroppedClosed),
	}
}

func closedList[K comparable](keys ...K) map[K]*atomic.Uint64 {
	m := make(map[K]*atomic.Uint64, len(keys))
	for _, k := range keys {
		m[k] = new(atomic.Uint64)
	}
	return m
}

func snapshot[K comparable](m map[K]*atomic.Uint64) map[K]uint64 {
	s := make(map[K]uint64, len(m))
	for k, v := range m {
		s[k] = v.Load()
	}
	return s
}
