package wire

import "github.com/parlor-rooms/parlor/actors"

// Messages between nodes, besides those of rooms and gateways. They name
// everything by what it is, so that nothing in them ends with a process but
// the ids of nodes and calls.

// Call asks a room, or a node where Op is a NodeOp, and is answered with one
// Answer. A room that is not on the node it reached is not woken: the answer
// is Moved.
type Call struct {
	ID      uint64 // unique on the node that asks
	From    string // the node that asks
	Room    actors.RoomRef
	Event   string     // for a room
	Payload actors.Raw // for a room
	Op      any        // for a gateway's room: *HubEnter, *HubExit, *HubEmit or *HubList; for a room: *RoomDue; for a node: a NodeOp
	Trace   actors.Trace
}

// Answer answers a Call.
type Answer struct {
	ID     uint64
	Moved  bool // the room is not there, and nothing was done
	Result actors.Raw
	Done   *HubDone // of an Op
	Moves  *Session // of ClientTake and ClientHand; nil: it does not move
	Err    *actors.Error
}

// RoomDue tells a room that the agenda wants it to be awake. The Answer holds
// nothing.
type RoomDue struct{}

// NodeOp asks a node about what is there.
type NodeOp interface{ nodeOp() }

// RoomHere asks whether a node has a room. The Answer is Moved if it has not,
// and otherwise holds nothing.
type RoomHere struct{ Room actors.RoomRef }

// ClientsList asks for clients. Answered HubDone with Members.
type ClientsList struct {
	Namespace string
	IDs       []string // those that are there of these; with All everybody
	All       bool
}

// ClientsMove makes clients join and leave rooms.
type ClientsMove struct {
	Namespace   string
	IDs         []string
	Join, Leave []string
}

// ClientsEnd disconnects clients.
type ClientsEnd struct {
	Namespace string
	IDs       []string
	Close     bool // and their transports
}

// ServerEvent is an event between the gateways of a namespace on different
// nodes. Answered with a Result of one element.
type ServerEvent struct {
	Namespace string
	Event     string
	Args      actors.Raw
}

// ClientTake asks for a client that has come back on the node that asks. Its
// handlers end, and its connection is closed if it has one. Answered with a
// Session without events.
type ClientTake struct {
	Namespace string
	PID       string
}

// ClientHand asks for what the client has missed since Offset, once it has
// entered its rooms from its next node, To. Answered with a Session that holds
// the events, after which the client lives there; without one it ends where it
// was.
type ClientHand struct {
	Client string
	To     string
	Offset string
	Heard  []Heard
}

func (*RoomHere) nodeOp()    {}
func (*ClientTake) nodeOp()  {}
func (*ClientHand) nodeOp()  {}
func (*ClientsList) nodeOp() {}
func (*ClientsMove) nodeOp() {}
func (*ClientsEnd) nodeOp()  {}
func (*ServerEvent) nodeOp() {}

// HubSend is a HubEmit on its way to a gateway's room.
type HubSend struct {
	Room  actors.RoomRef
	Emit  HubEmit
	Wakes bool // the room has left its node with clients in it: it is woken where it is next
}

// HubMissed gives a HubSend back to Emit.From, whose room was not there.
type HubMissed struct{ HubSend }

// HubGone tells a node with clients in a gateway's room that the room has left
// its node with them in it: they have to enter it again.
type HubGone struct{ Room actors.RoomRef }

// Asked tells the node that asked clients for acknowledgements whom one of the
// Shards of a node has asked.
type Asked struct {
	Ask     uint64
	Node    string
	Shards  int
	Clients []string
}

// Answered brings a client's acknowledgement to the node that asked, or says
// in Err that there will be none.
type Answered struct {
	Ask    uint64
	Client string
	Args   actors.Args
	Err    *actors.Error
}
