package cluster

import (
	"context"
	"time"
)

// Registry is where nodes leave word that they live. Calls block until ctx
// ends at the latest, may be made from any goroutine and may be repeated.
type Registry interface {
	// Beat renews the lease of a node, or takes one with b.Join set, and
	// returns everybody who has one. A beat with b.Sure set ends the leases
	// that have lapsed; if nobody has sent one for b.Gap it extends all of
	// them by b.TTL instead, for the registry was away.
	Beat(ctx context.Context, b Beat) (Roll, error)

	// Expire ends the lease of a node that is known to have ended, or of the
	// caller. The node can never take it again.
	Expire(ctx context.Context, id string) error

	// Watch calls changed whenever the list may have changed, from one
	// goroutine, and blocks until ctx ends. Calls can be missed.
	Watch(ctx context.Context, changed func())
}

// Beat is one heart-beat.
type Beat struct {
	Self Member
	TTL  time.Duration // of the lease, from when the registry has the beat
	Gap  time.Duration // see Registry.Beat
	Join bool          // the first one: an older node of the same address loses its lease
	Seen uint64        // the latest Roll.Tick
	Sure bool          // the beat before was answered: the node hears what it asks for
}

// Roll answers a Beat.
type Roll struct {
	Lost    bool     // the lease is over; the rest is not set
	Members []Member // everybody with a lease, in no particular order

	// Tick counts beats.
	Tick uint64
	// Data names the registry's data set. It is another one after the registry
	// was emptied, or has seen from Beat.Seen that it was rolled back.
	Data uint64
	// Age is since when the data set exists.
	Age time.Duration
}
