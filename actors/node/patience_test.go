package node

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/store/memory"
)

// mute is a store that does not answer some calls, until nobody waits for it.
type mute struct {
	actors.Store
	claims, loads bool
	asked         int
}

func (m *mute) Claim(ctx context.Context, ref actors.RoomRef, c actors.Claim) (actors.Owned, error) {
	if m.claims {
		m.asked++
		<-ctx.Done()
		return actors.Owned{}, ctx.Err()
	}
	return m.Store.Claim(ctx, ref, c)
}

func (m *mute) Load(ctx context.Context, ref actors.RoomRef, o actors.Owned, each func(string, []byte) error) error {
	if m.loads {
		m.asked++
		<-ctx.Done()
		return ctx.Err()
	}
	return m.Store.Load(ctx, ref, o, each)
}

// TestARoomIsNotWaitedForWithoutEnd: the store is asked twice within the time
// that a claim, or a load, may take; then whoever waits is told, and the next
// one tries again.
func TestARoomIsNotWaitedForWithoutEnd(t *testing.T) {
	for name, store := range map[string]*mute{"claim": {claims: true}, "load": {loads: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store.Store = memory.New(memory.Config{})
				n := serving(t, Config{Kinds: []actors.Behavior{shelves("")}, Store: store})
				call := func() error {
					return n.Call(t.Context(), actors.RoomRef{Kind: "shelf", ID: "one"}, "count", 1, nil)
				}
				since := time.Now()
				if err := call(); code(err) != actors.CodeUnavailable {
					t.Errorf("whoever waits is told: %v", err)
				}
				if took := time.Since(since); took < claimPatience || took > claimPatience+storePauseMax {
					t.Errorf("after %v, want %v", took, claimPatience)
				}
				if store.asked != 2 {
					t.Errorf("the store was asked %d times", store.asked)
				}
				store.claims, store.loads = false, false
				if err := call(); err != nil {
					t.Errorf("the next one: %v", err)
				}
			})
		})
	}
}
