package cluster

import (
	"context"
	"time"
)

// Registry is where nodes leave word that they live. Calls block until ctx
// ends at the latest, may be made from any goroutine and may be repeated.
type Registry interface {
	// Beat renews the lease of a node, or takes one with b.Join set, and
	// returns everybody who has one. Whoever let his lapse loses it, unless
	// nobody at all has beaten for b.Gap: then everybody's is extended, for
	// the registry was away.
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
}

// Roll answers a Beat.
type Roll struct {
	Lost    bool     // the lease is over; the rest is not set
	Members []Member // everybody with a lease, in no particular order

	// Tick counts beats. One that is lower than the one before says that the
	// registry has lost its latest changes.
	Tick uint64
	// Fresh says that a lease that was to be renewed was unknown, though
	// nobody ended it, and was taken anew: the registry has lost it.
	Fresh bool
	// Age is since when the registry's data set exists.
	Age time.Duration
}
