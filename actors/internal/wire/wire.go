// Package wire holds the messages between the machines of the runtime:
// connection, room and fan-out. A message is immutable once sent; the bytes
// in it are shared between machines and nodes.
//
//	connection ──Join Event Ack Renew Leave──▶ room ──Deliver──▶ fan-out ──▶ sockets
//	connection ◀──Joined Refused Gone Credit Moved── room ◀──Delivered── fan-out
package wire

import (
	"encoding/json"

	"github.com/parlor-rooms/parlor/actors"
)

// ConnRef names one connection in the cluster. It is comparable.
type ConnRef struct {
	Node string // id of the node that holds the socket; unique per process start
	ID   uint64 // unique on that node
}

// Join asks a room for a seat. It is answered with Joined, Refused or Moved.
type Join struct {
	Room      actors.RoomRef
	Conn      ConnRef
	Member    actors.MemberID // the id it gets unless it resumes
	Identity  actors.Identity
	Auth      json.RawMessage // without the reserved keys
	Address   string
	Handshake *actors.Handshake
	PID       string       // of an earlier stay, or empty
	Offset    string       // last offset the client saw, or empty
	Again     *Again       // set if the client is in the room as far as it knows
	Trace     actors.Trace // of the CONNECT, if it is sampled
}

// Again is what a connection knows of a stay whose room has gone to another
// activation: the client has not noticed.
type Again struct {
	Member  actors.MemberID // as the earlier activation had it
	Link    uint64          // of the first event that no activation was sent
	Restart bool            // the client takes a second CONNECT answer for a stay that begins afresh
}

// Event carries one event of a member to its room.
type Event struct {
	Room   actors.RoomRef
	Conn   ConnRef
	Member actors.MemberID
	Link   uint64 // 1, 2, 3 … per stay of a member on a connection
	ID     uint64 // acknowledgement id, if HasID
	HasID  bool
	Data   actors.Raw   // the EVENT payload: an array that begins with the name
	Trace  actors.Trace // of the client's emit, if it is sampled
}

// Ack carries a member's acknowledgement of an event that asked for one.
type Ack struct {
	Room   actors.RoomRef
	Conn   ConnRef
	Member actors.MemberID
	ID     uint64
	Data   actors.Raw // the ACK payload, an array
}

// Renew says that a member has shown a new credential, of the same subject.
type Renew struct {
	Room     actors.RoomRef
	Conn     ConnRef
	Member   actors.MemberID
	Identity actors.Identity
}

// Leave says that a member's connection has left the namespace or is gone.
// The room ignores it if the member has since resumed on another connection.
type Leave struct {
	Room   actors.RoomRef
	Conn   ConnRef
	Member actors.MemberID
	Why    actors.LeaveReason
}

// Joined tells the connection that it was admitted. The CONNECT answer itself
// travels through the fan-out, ahead of everything else for that member.
type Joined struct {
	Room   actors.RoomRef
	Conn   ConnRef
	Member actors.MemberID // differs from Join.Member if it resumed
	Asked  actors.MemberID // Join.Member
	Epoch  uint64          // of the activation; what a lower one says afterwards does not count
	PID    string          // to come back with; empty if the kind does not resume
	Link   uint64          // events up to it have been taken
}

// Refused tells the connection that it was not admitted.
type Refused struct {
	Room  actors.RoomRef
	Conn  ConnRef
	Asked actors.MemberID // Join.Member
	Err   *actors.Error
}

// Gone tells the connection that the room has removed its member: what still
// arrives for the namespace is ignored.
type Gone struct {
	Room   actors.RoomRef
	Conn   ConnRef
	Member actors.MemberID
	Epoch  uint64
}

// Credit tells the connection that events up to Link have had their turn.
type Credit struct {
	Room   actors.RoomRef
	Conn   ConnRef
	Member actors.MemberID
	Link   uint64
	Epoch  uint64
}

// Moved tells whoever sent a message to a room activation that it is not (or
// no longer) the room: resolve again and send again.
type Moved struct {
	Room   actors.RoomRef
	Conn   ConnRef
	Member actors.MemberID // Join.Member, or the member of the message; empty: whoever is there
	Trace  actors.Trace    // of the hand-over, if it is sampled
}

// Deliver carries what one turn of a room sends to the members on one node.
type Deliver struct {
	Room      actors.RoomRef
	Namespace string
	Epoch     uint64 // of the activation; the fan-out ignores lower ones than it has seen
	From      string // the node of the activation; empty: the same one
	Items     []Item
	Confirm   bool // answer with Delivered once the items are queued

	// Adopts is the Epoch that this activation had before: the members that the
	// table has of that one stay. If it has another's, the answer is Unheard.
	Adopts uint64
	// Yields says that nobody has claimed the room for the activation: where
	// another is heard, the answer is Unheard.
	Yields bool

	// Trace is the latest of the turns that this carries and that are sampled,
	// and Links are others whose changes it holds conflated.
	Trace actors.Trace
	Links []actors.Trace
}

// Delivered tells the room that a Deliver with Confirm was worked off.
type Delivered struct {
	Room  actors.RoomRef
	Epoch uint64
	Node  string

	// Unheard says that the node has heard another activation: the members it
	// had of this one have been told Moved.
	Unheard bool
}

// Item is one step of a Deliver: Admit, Emit, Reply, Sync, Mirror, Remove or
// End.
type Item interface{ item() }

// Admit adds a member to the node's table and sends its CONNECT answer, then
// the state, or what it missed of it.
type Admit struct {
	Conn   ConnRef
	Member actors.MemberID
	Answer []byte // CONNECT payload
	Quiet  bool   // the client has its CONNECT answer, and goes on with this stay
	Offset string // up to where the client has everything; empty if the kind does not resume

	// Resumed members have the state up to Since already and get a patch from
	// there; Fresh ones get the whole.
	Resumed bool
	Since   uint64

	// Replay holds the reliable events a resumed member missed, in order,
	// sent after the state.
	Replay []Emit
}

// Emit sends an event to the members named, or to all.
type Emit struct {
	Data     actors.Raw        // EVENT payload, offset included
	To       []actors.MemberID // nil: every member in the table
	Except   []actors.MemberID
	Volatile bool
	AckID    uint64 // acknowledgement id, if HasAck
	HasAck   bool
}

// Reply acknowledges an event of a member.
type Reply struct {
	Member actors.MemberID
	ID     uint64
	Data   actors.Raw // ACK payload
}

// Mirror replaces the node's copy of the synced fields and makes every member
// in the table start afresh from it. It precedes the first Admit on a node.
type Mirror struct {
	Version uint64
	Offset  string // offset for the state; empty if the kind does not resume
	Fields  []actors.FieldSpec
	Entries []actors.Change // Field indexes Fields
}

// Sync advances the copy to Version and sends members a patch.
type Sync struct {
	Version uint64
	Offset  string
	Changes []actors.Change // at most one per field and key
}

// Remove takes a member out of the table, after everything before it.
type Remove struct {
	Member     actors.MemberID
	Disconnect bool               // send DISCONNECT for the namespace
	Close      actors.LeaveReason // close the transport for this reason; empty: leave it open
}

// End takes the whole room out of the table. Its members have been removed.
type End struct{}

func (Admit) item()  {}
func (Emit) item()   {}
func (Reply) item()  {}
func (Mirror) item() {}
func (Sync) item()   {}
func (Remove) item() {}
func (End) item()    {}
