package cluster

import (
	"context"
	"log/slog"
	mathrand "math/rand/v2"
	"time"
)

// Graves is a store that knows which nodes own rooms, the dead included.
type Graves interface {
	// Owners returns the nodes that may own rooms.
	Owners(ctx context.Context) ([]string, error)
	// Bury gives up rooms of a dead node, at most so many, and reports whether
	// there are more. It may be repeated, and done by two at once.
	Bury(ctx context.Context, node string, most int) (more bool, err error)
}

// Burial gives up the rooms of nodes that have died, so that nothing is left of
// those of which nothing is kept.
type Burial struct {
	Self    string
	Graves  Graves
	Members Members
	Log     *slog.Logger
	Every   time.Duration // how often is looked, about

	missing map[string]bool // nodes that owned rooms and were no members when it looked before
}

// buryAtOnce is how many rooms are given up at once, one after the other.
const buryAtOnce = 128

// Run looks after the dead until ctx ends.
func (b *Burial) Run(ctx context.Context) {
	for sleep(ctx, b.Every/2+mathrand.N(b.Every)) {
		if err := b.look(ctx); err != nil && ctx.Err() == nil {
			b.Log.Debug("the rooms of dead nodes are left for the time being", "err", err)
		}
	}
}

// look buries nodes that were missing when it looked before: a list that is
// young is not believed alone. It buries what falls to this node.
func (b *Burial) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, max(b.Every, time.Minute))
	defer cancel()
	asked := time.Now()
	owners, err := b.Graves.Owners(ctx)
	if err != nil {
		return err
	}
	view, err := b.Members.Refresh(ctx, asked)
	if err != nil {
		return err
	}
	if asked.Before(view.Settled) {
		return nil
	}
	before := b.missing
	b.missing = make(map[string]bool)
	for _, node := range owners {
		if !view.Has(node) {
			b.missing[node] = true
		}
	}
	for node := range b.missing {
		if before[node] && undertaker(view, node) == b.Self {
			if err := b.bury(ctx, node); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *Burial) bury(ctx context.Context, node string) error {
	for more := true; more; {
		var err error
		if more, err = b.Graves.Bury(ctx, node, buryAtOnce); err != nil {
			return err
		}
	}
	b.Log.Info("the rooms of a dead node are given up", "node", node)
	return nil
}

// undertaker is the member that buries a node, so that not everybody does.
func undertaker(v *View, node string) string {
	var best string
	var most uint64
	for _, m := range v.Members {
		if h := mix(hash(node) ^ mix(hash(m.ID))); best == "" || h > most {
			best, most = m.ID, h
		}
	}
	return best
}
