package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/link"
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

	// Locate says which node has a room, or is to wake it. It blocks until ctx
	// ends at the latest. It does not wake the room. It is not asked about a
	// room that this node has, nor twice at a time about one room.
	Locate(ctx context.Context, q Query) (Place, error)

	// Reclaim makes this node the owner once more of a room that Locate has
	// claimed for it as o, if the store has been rolled back and forgotten
	// that. It returns actors.ErrHeld if somebody has claimed it since, and
	// actors.ErrFenced if this node may have been taken for dead meanwhile. It
	// blocks until ctx ends at the latest.
	Reclaim(ctx context.Context, room actors.RoomRef, o actors.Owned) (actors.Owned, error)

	// Claim claims a room that has started here because a Place said Unclaimed.
	// It blocks until ctx ends at the latest. The place is another node if that
	// has the room.
	Claim(ctx context.Context, room actors.RoomRef) (Place, error)

	// Release gives up a room that Locate or Claim has claimed for this node
	// and that has left memory. It does not block.
	Release(room actors.RoomRef, o actors.Owned)

	// Drain tells the others that no room wakes here any more. It does not
	// block for long.
	Drain()

	// Lease says how this node's membership stands. It does not block.
	Lease() Lease

	// Leave ends the membership; others see it at once. Nothing is called
	// back after it has returned.
	Leave(ctx context.Context) error
}

// Lease is how long a node may still be counted on.
type Lease struct {
	Age  time.Duration // since the latest heart-beat that was answered was sent
	Away bool          // what keeps the members does not answer
}

// Query asks where a room is.
type Query struct {
	Room actors.RoomRef
	// Peek asks for the node that has the room; the answer is "" if none has.
	Peek bool
	// Here asks on behalf of another node, which has found that the room is to
	// start on this one. The answer is another node only if that has the room.
	Here bool
	// Brief says that nothing of the room outlives its activation.
	Brief bool
	// Misled is a node that an earlier answer named and that did not have the
	// room.
	Misled string
}

// Place answers a Query.
type Place struct {
	// Node has the room, or is to wake it. Empty if no node has it, of a Peek.
	Node string
	// Owned is how the room was claimed for this node, if Node is this one and
	// the query was no Peek: the room must wake here, and be released.
	Owned actors.Owned
	// Unclaimed says that rooms cannot be claimed at present, and that Node is
	// where this one, which is brief, starts unless another node has it: it is
	// to be claimed later.
	Unclaimed bool
}

// View is what a node knows of its cluster.
type View struct {
	Peers []Peer // nodes that are alive, this one included, by id

	// Data names what the cluster's own data lie in. If it is another one than
	// before, they may have lost what came last, and so may the rooms that are
	// kept: whoever has some looks after them.
	Data uint64

	// Away says that what keeps the members does not answer: the peers are
	// those that were known last.
	Away bool
}

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
const MaxBatch = 256 << 10

// LinkLimits bounds the link to one other node, each of its two lanes. Zero
// means the default. All nodes should have the same.
type LinkLimits struct {
	// Window is how many bytes may be sent and not be worked off at the other
	// end, and Queue how many may wait here; beyond Queue everything under
	// way is given up, and the members whose room is on the other side lose
	// their connection to it. The defaults are 8 MiB and 64 MiB.
	Window, Queue int
	// Volatile is how many bytes may wait ahead of a volatile event, which is
	// otherwise dropped, and Message how many one message may have, which is
	// otherwise refused: what a room sends to all members on a node at once,
	// or a member to its room. The defaults are 1 MiB and 32 MiB.
	Volatile, Message int
	// ResendAfter is how long the other end may be silent before it is asked
	// what has arrived; GiveUpAfter is when everything under way is given up.
	// The defaults are 250 ms and 15 s.
	ResendAfter, GiveUpAfter time.Duration
	// Linger is how long after a batch to a node the next one may be, so that
	// what is sent meanwhile travels in it. Nothing waits where fewer than
	// three messages are sent in such a time. The default is 4 ms; below zero
	// nothing ever waits.
	Linger time.Duration
}

func (l *LinkLimits) complete() error {
	d := link.Limits{
		Window: l.Window, Queue: l.Queue, Volatile: l.Volatile, Message: l.Message, ResendAfter: l.ResendAfter, GiveUpAfter: l.GiveUpAfter,
	}.Complete()
	switch {
	case min(l.Window, l.Queue, l.Volatile, l.Message) < 0 || min(l.ResendAfter, l.GiveUpAfter) < 0:
		return errors.New("of Links, want 0 or more of each but Linger")
	case d.Queue < d.Window:
		return fmt.Errorf("of Links, Queue is %d: want Window or more, which is %d", d.Queue, d.Window)
	case d.ResendAfter >= d.GiveUpAfter:
		return fmt.Errorf("of Links, ResendAfter is %v: want less than GiveUpAfter, which is %v", d.ResendAfter, d.GiveUpAfter)
	}
	return nil
}
