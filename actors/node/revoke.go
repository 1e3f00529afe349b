package node

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// Revoke voids credentials: whoever has entered with one of them leaves with
// ReasonRevoked, and nobody enters with one any more. Connections of this node
// are told before it returns and are gone as soon as they have worked off what
// waits for them. With a Config.Store the revocation is kept there until
// r.Until: every other node of the store knows within five seconds, and this
// one after a restart; Revoke blocks until that is written or ctx ends, and
// returns an error that wraps ErrRevokedHere if it was not.
func (n *Node) Revoke(ctx context.Context, r actors.Revocation) error {
	r, err := r.Complete(time.Now())
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	n.applyRevocations(r)
	if !n.shares() {
		return nil
	}
	return n.share(ctx, r)
}

// applyRevocations takes over what was revoked, here or on another node.
func (n *Node) applyRevocations(rs ...actors.Revocation) {
	if !n.house.revoked.add(time.Now(), rs...) {
		return
	}
	n.conns.Range(func(_, c any) bool {
		n.send(c.(*connection).pid, recheck{})
		return true
	})
}

// recheck tells a connection that something was revoked. Whoever is let in
// later finds it in the table, which is written first.
type recheck struct{}

// Revoked implements connection.House.
func (h *house) Revoked(id actors.Identity) bool { return h.revoked.has(id) }

// revocations are those that have not been forgotten yet.
type revocations struct {
	mu       sync.RWMutex // guards the following
	subjects map[string][]actors.Revocation
	tokens   map[string]actors.Revocation
}

// add takes revocations in and reports whether any was new. It forgets those
// whose time is over.
func (t *revocations) add(now time.Time, rs ...actors.Revocation) (changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(now)
	for _, r := range rs {
		if now.After(r.Until) || t.known(r) {
			continue
		}
		changed = true
		if r.TokenID != "" {
			t.tokens[r.TokenID] = r
		} else {
			t.subjects[r.Subject] = append(t.subjects[r.Subject], r)
		}
	}
	return changed
}

// known reports whether r says nothing that is not known.
func (t *revocations) known(r actors.Revocation) bool {
	if old, ok := t.tokens[r.TokenID]; ok {
		return !r.Until.After(old.Until)
	}
	return slices.ContainsFunc(t.subjects[r.Subject], func(old actors.Revocation) bool {
		return !r.Until.After(old.Until) && !r.Before.After(old.Before)
	})
}

func (t *revocations) forget(now time.Time) {
	if t.tokens == nil {
		t.tokens, t.subjects = make(map[string]actors.Revocation), make(map[string][]actors.Revocation)
	}
	over := func(r actors.Revocation) bool { return now.After(r.Until) }
	for id, r := range t.tokens {
		if over(r) {
			delete(t.tokens, id)
		}
	}
	for subject, rs := range t.subjects {
		if rs = slices.DeleteFunc(rs, over); len(rs) == 0 {
			delete(t.subjects, subject)
		} else {
			t.subjects[subject] = rs
		}
	}
}

// list returns what is known.
func (t *revocations) list() []actors.Revocation {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var all []actors.Revocation
	for _, r := range t.tokens {
		all = append(all, r)
	}
	for _, rs := range t.subjects {
		all = append(all, rs...)
	}
	return all
}

func (t *revocations) has(id actors.Identity) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if r, ok := t.tokens[id.TokenID]; ok && id.TokenID != "" && r.Voids(id) {
		return true
	}
	return slices.ContainsFunc(t.subjects[id.Subject], func(r actors.Revocation) bool { return r.Voids(id) })
}
