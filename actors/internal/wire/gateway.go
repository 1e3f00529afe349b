package wire

import (
	"encoding/json"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// Messages of gateways. A gateway room is an actor as well, the hub: it owns
// who is in the room. The gateway fan-out of a node, in shards by connection,
// knows its local clients and their rooms, and writes to their sockets.
//
//	gateway ──HubEnter HubExit HubEmit HubList──▶ hub ──GateDeliver──▶ fan-out ──▶ sockets
//	gateway ◀──HubDone── hub

// HubEnter takes a client into a room, or updates its data. Answered HubDone.
type HubEnter struct {
	Client string
	Conn   ConnRef
	User   string
	Data   json.RawMessage
	Had    *HubPos // what its node was sent last, if the client enters again
}

// HubPos is a place among the events of a gateway's room: of one activation,
// which counts those that are kept for nodes that were away.
type HubPos struct{ Epoch, Pos uint64 }

// HubExit takes a client out of a room. Answered HubDone.
type HubExit struct {
	Client string
	Conn   ConnRef
}

// HubEmit sends an event to a room's members.
type HubEmit struct {
	Except   []string
	Data     actors.Raw // EVENT payload
	Volatile bool
	EmitID   uint64        // unique; set if the event goes to several rooms: a client gets it once
	AskID    uint64        // unique; set if clients are to acknowledge
	Local    string        // id of the only node to deliver on; empty: all
	AskFor   time.Duration // how long that is waited for
	From     ConnRef       // whose node gave EmitID, and collects the acknowledgements of AskID
	Trace    actors.Trace  // of what caused it, if it is sampled
}

// HubList asks for the members. Answered HubDone.
type HubList struct{}

// HubDone answers HubEnter, HubExit and HubList, and HubEmit with AskID.
type HubDone struct {
	Members []actors.ClientInfo // of HubList; without Rooms
	Nodes   []string            // of HubEmit: where it was sent to
}

// GateDeliver carries items for the gateway fan-out of a node. Items for
// clients that a shard does not hold are ignored by it.
type GateDeliver struct {
	Namespace string
	Items     []GateItem
	Trace     actors.Trace // of what caused it, if it is sampled
}

// GateItem is one step of a GateDeliver.
type GateItem interface{ gateItem() }

// GateAttach adds a client whose connect hooks are running: what is emitted to
// it waits until GateAccept.
type GateAttach struct {
	Client        string
	Conn          ConnRef
	PID           string // empty: the client cannot recover
	RecoverEvents int
	RecoverBytes  int
}

// GateAccept sends a client its CONNECT answer and what waited.
type GateAccept struct {
	Client string
	Answer []byte
}

// GateRefuse sends a client CONNECT_ERROR and forgets it with what waited.
type GateRefuse struct {
	Client string
	Answer []byte
}

// GateEnter says that a client is in a room from a position of its events.
type GateEnter struct {
	Client string
	Room   string
	HubPos
}

// GateExit says that a client is not in a room any more.
type GateExit struct {
	Client string
	Room   string
	Epoch  uint64 // of the activation that says so
}

// GateGap says that clients of this node have missed events of a room that
// nobody has any more.
type GateGap struct {
	Room  string
	Epoch uint64 // of the activation that says so
}

// Scope says whom a GateEmit is for.
type Scope uint8

// The scopes.
const (
	ScopeRoom      Scope = iota // local clients in Room
	ScopeClient                 // the client whose id is Room
	ScopeNamespace              // every local client of the namespace
	ScopeLoss                   // no event: local clients in Room, or whose id it is, or all if it is empty, may have missed some, and those that may recover are cut off
)

// GateEmit delivers an event.
type GateEmit struct {
	Scope Scope
	Room  string
	Epoch uint64 // of the room's activation, ScopeRoom
	// Pos is the position among the room's events, ScopeRoom; among those of
	// From that go to every node, ScopeNamespace and ScopeLoss. Zero if it is
	// not counted.
	Pos      uint64
	Except   []string // rooms and client ids; a client in any of them is left out
	Data     actors.Raw
	Volatile bool
	EmitID   uint64 // not zero: a client that had an event of this id is left out
	AskID    uint64 // not zero: acknowledgement id; the targets are reported
	AskFor   time.Duration
	From     string // the node that gave EmitID and AskID

	// Packet is the event for clients that cannot recover. It is made when
	// the item reaches a node, so that all shards share one encoding.
	Packet *actors.Packet
}

// Prepare makes the packets that the shards of a node share.
func (d *GateDeliver) Prepare() {
	for i, item := range d.Items {
		if e, ok := item.(GateEmit); ok && e.Packet == nil && e.Scope != ScopeLoss {
			e.Packet = e.For(d.Namespace, e.Data.JSON)
			d.Items[i] = e
		}
	}
}

// For makes the packet of the event with another payload.
func (e *GateEmit) For(namespace string, payload []byte) *actors.Packet {
	p := &actors.Packet{
		Type: actors.PacketEvent, Namespace: namespace, Data: payload, Attachments: e.Data.Attachments,
		ID: e.AskID, HasID: e.AskID != 0,
	}
	if e.Volatile {
		p.Class = actors.Volatile
	}
	return p
}

// GateReply acknowledges an event of a client.
type GateReply struct {
	Client string
	ID     uint64
	Data   actors.Raw
}

// GateDetach forgets a client.
type GateDetach struct {
	Client     string
	Disconnect bool               // send DISCONNECT first
	Close      actors.LeaveReason // close the transport for this reason; empty: leave it open
}

// GateAway says that a client lost its connection and may recover: what is
// emitted to it is kept.
type GateAway struct {
	Client string
}

// GateResume gives a client that is away another connection. If everything
// after Offset is kept it is sent Answer and what it missed; else it is
// forgotten. The outcome is reported.
type GateResume struct {
	Client string
	Conn   ConnRef
	Offset string
	Answer []byte
}

// GateTake says that a client is about to move to another node: its connection
// is closed, and what is emitted to it is kept until GateHand.
type GateTake struct {
	Client string
	Rooms  []string // those it is in; it counts as in them until it has moved
}

// GateHand gives a client away. That happens as soon as it is in no room any
// more and everything of Heard has come; what it missed since Offset is
// reported, and what is emitted to it afterwards is passed on to the node To.
type GateHand struct {
	Client string
	To     string
	Offset string
	Heard  []Heard
}

// GateKeep ends the wait of GateTake and GateHand: if the client has not been
// given away, that is reported, and it stays.
type GateKeep struct{ Client string }

// GateArrive adds a client that moves here: what is emitted to it waits until
// GateInstall. What this shard has heard so far is reported.
type GateArrive struct {
	Client string
	Conn   ConnRef
	Rooms  []string // those it counts as in until GateInstall
}

// GateInstall gives a client that arrives what its earlier node knew, and sends
// it Answer, what it missed, and what waited.
type GateInstall struct {
	Client        string
	PID           string
	RecoverEvents int
	RecoverBytes  int
	Session       *Session
	Answer        []byte
}

// Session is a client that moves to another node.
type Session struct {
	Client     string
	Generation string // of its offsets
	Rooms      []string
	Data       json.RawMessage // of its handlers
	Seq        uint64          // events so far
	Events     []actors.Raw    // the latest of them: those it missed
	Seen       []SeenIDs
	Heard      []Heard // Events are with those
}

// SeenIDs are the latest EmitIDs of one node that a client was sent: those
// below and at Top whose bits are set.
type SeenIDs struct {
	Node string
	Top  uint64
	Bits []byte
}

// Heard says up to which of the events that a node emits to all of a namespace
// they have come.
type Heard struct {
	Node string
	Pos  uint64
}

func (GateTake) gateItem()    {}
func (GateHand) gateItem()    {}
func (GateKeep) gateItem()    {}
func (GateArrive) gateItem()  {}
func (GateInstall) gateItem() {}

func (GateAttach) gateItem() {}
func (GateAccept) gateItem() {}
func (GateRefuse) gateItem() {}
func (GateEnter) gateItem()  {}
func (GateExit) gateItem()   {}
func (GateGap) gateItem()    {}
func (GateEmit) gateItem()   {}
func (GateReply) gateItem()  {}
func (GateDetach) gateItem() {}
func (GateAway) gateItem()   {}
func (GateResume) gateItem() {}
