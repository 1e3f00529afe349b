package cluster

import "github.com/parlor-rooms/parlor/actors"

// Request asks Placement where a room is. It is answered once, with a Place.
type Request struct {
	ID   uint64 // chosen by the asker
	Room actors.RoomRef

	// Peek asks where the room is without starting it: the answer is asleep
	// if it is nowhere.
	Peek bool

	// Here asks on behalf of another node, which has found that a room that
	// is nowhere starts on this one. The answer is another node only if that
	// one has the room.
	Here bool
}

// Place answers a Request. Exactly one of the following holds: Err is set; the
// room is Asleep; Node has it, or starts it when a message for it arrives
// there. Where Node is this node, the room has been started (Effects.Start)
// before the answer.
type Place struct {
	Room   actors.RoomRef
	Node   string
	Asleep bool
	Err    *actors.Error
}
