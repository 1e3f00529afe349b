package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// Revocations in force are one record of the store, which every node reads.
const (
	revokedRecord = "parlor/revoked"
	revokedEvery  = 2 * time.Second // so that all nodes know within five
	maxRevoked    = 4096            // in force
	revokeTries   = 8               // against other nodes that revoke at the same moment
)

// ErrRevokedHere says that credentials were revoked on this node and could not
// be written where others read it.
var ErrRevokedHere = errors.New("node: revoked on this node only")

// shares reports whether revocations are kept in the store.
func (n *Node) shares() bool { return n.cfg.Store != nil && n.cfg.Authenticator != nil }

// share writes a revocation where other nodes, and this one after a restart,
// read it.
func (n *Node) share(ctx context.Context, r actors.Revocation) error {
	var err error
	for range revokeTries {
		var all []actors.Revocation
		var version uint64
		if all, version, err = n.readRevoked(ctx); err != nil {
			break
		}
		var known revocations
		now := time.Now()
		known.add(now, all...)
		known.add(now, n.house.revoked.list()...) // what could not be written before, too
		known.add(now, r)
		all = known.list()
		if len(all) > maxRevoked {
			return fmt.Errorf("%w: more than %d are in force", ErrRevokedHere, maxRevoked)
		}
		var value []byte
		if value, err = json.Marshal(all); err != nil {
			break
		}
		if _, err = n.store.Write(ctx, revokedRecord, value, version, lastUntil(all).Sub(now)); !errors.Is(err, actors.ErrVersion) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRevokedHere, err)
	}
	return nil
}

func lastUntil(all []actors.Revocation) time.Time {
	var last time.Time
	for _, r := range all {
		if r.Until.After(last) {
			last = r.Until
		}
	}
	return last
}

func (n *Node) readRevoked(ctx context.Context) (all []actors.Revocation, version uint64, err error) {
	value, version, err := n.store.Read(ctx, revokedRecord)
	if err != nil || value == nil {
		return nil, version, err
	}
	return all, version, json.Unmarshal(value, &all)
}

// learnRevoked takes over what was revoked elsewhere, or before.
func (n *Node) learnRevoked(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, revokedEvery)
	defer cancel()
	all, _, err := n.readRevoked(ctx)
	if err != nil {
		if n.ctx.Err() == nil {
			n.log.Warn("what was revoked elsewhere cannot be read", "error", err)
		}
		return
	}
	n.applyRevocations(all...)
}

// watchRevoked learns what is revoked elsewhere, until the node stops.
func (n *Node) watchRevoked() {
	tick := time.NewTicker(revokedEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			n.learnRevoked(n.ctx)
		case <-n.ctx.Done():
			return
		}
	}
}
