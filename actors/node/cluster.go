package node

import (
	"context"

	"github.com/parlor-rooms/parlor/actors"
)

// Cluster is what a node knows of the others it is one of. What it says about
// rooms is a hint, so that a room comes up in one place and is found there;
// who may write a room is for the store to say. Methods may be called from any
// goroutine.
type Cluster interface {
	// Join makes self one of many and returns once the first view is known.
	// changed is called with that view before Join returns, and then with
	// every other one, from one goroutine at a time; it does not block. A view
	// is never partial: who is missing in it, or has another id, is gone for
	// good. lost is called once if the node has been expelled: it must stop.
	Join(ctx context.Context, self Peer, changed func(View), lost func(error)) error

	// Locate says which node has a room, or is to wake it; peek asks only for
	// one that has it, and gets "" if none has. It blocks until ctx ends at
	// the latest. It does not wake the room.
	Locate(ctx context.Context, room actors.RoomRef, peek bool) (node string, err error)

	// Misled says that the room was not where Locate said: the next Locate
	// does not answer from memory. It does not block.
	Misled(room actors.RoomRef, node string)

	// Leave ends the membership; others see it at once. Nothing is called
	// back after it has returned.
	Leave(ctx context.Context) error
}

// View is the nodes that are alive, this one included, by id.
type View struct{ Peers []Peer }

// Peer is one node of a cluster, for one start of its process.
type Peer struct {
	ID       string // of [A-Za-z0-9_-], 8 bytes; never used twice
	Address  string // host:port of its node listener
	Draining bool   // it takes no more rooms
	Kinds    []string
}

// Carrier takes batches from node to node. It may lose, double and reorder
// them: the links above it do not mind, but it should do so rarely. Methods
// may be called from any goroutine and do not block.
type Carrier interface {
	// Open begins to receive for the node with this id. receive is called
	// from any goroutine and owns the batch; it does not block. Whoever sent
	// it is a node of this cluster, as far as the carrier can prove that.
	Open(id string, receive func(batch []byte)) error
	// Address is host:port at which others reach this node, once it is open.
	Address() string
	// Send sends a batch of at most MaxBatch bytes, which the carrier owns.
	Send(to Peer, batch []byte)
	// Forget lets go of a peer that is gone for good.
	Forget(to Peer)
	// Close ends what Open began and waits for it. receive is not called
	// afterwards.
	Close() error
}

// MaxBatch is the largest batch that a Carrier has to take, in bytes.
const MaxBatch = 1 << 20
