// Package storetest holds the contract of actors.Store as tests that every
// store passes, a model that random schedules are compared with, and a wrapper
// that injects faults.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// Open returns an empty store for one test. The suite closes it.
type Open func(t testing.TB) actors.Store

// Run runs the whole contract against stores that open returns, each part as a
// subtest with a store of its own.
func Run(t *testing.T, open Open) {
	for _, p := range []struct {
		name string
		test func(*suite)
	}{
		{"OneClaimerWins", (*suite).oneClaimerWins},
		{"ARepeatedClaimReturnsWhatItHas", (*suite).aRepeatedClaimReturnsWhatItHas},
		{"EpochsGrow", (*suite).epochsGrow},
		{"TheFloorIsExceeded", (*suite).theFloorIsExceeded},
		{"ARoomIsTakenBack", (*suite).aRoomIsTakenBack},
		{"ARoomIsNotTakenBackFromALaterOwner", (*suite).aRoomIsNotTakenBackFromALaterOwner},
		{"AStoreThatWasRolledBackIsRepaired", (*suite).aStoreThatWasRolledBackIsRepaired},
		{"AWholeRoomIsReplacedAtOnce", (*suite).aWholeRoomIsReplacedAtOnce},
		{"AFencedOwnerChangesNothing", (*suite).aFencedOwnerChangesNothing},
		{"WhoNeverAppendedLeavesNothing", (*suite).whoNeverAppendedLeavesNothing},
		{"WhatIsAppendedIsLoaded", (*suite).whatIsAppendedIsLoaded},
		{"ABatchIsAppliedOnce", (*suite).aBatchIsAppliedOnce},
		{"ABatchOutOfTurnIsFenced", (*suite).aBatchOutOfTurnIsFenced},
		{"ReplaceBeginsAnew", (*suite).replaceBeginsAnew},
		{"DestroyLeavesNothing", (*suite).destroyLeavesNothing},
		{"AnyBytesAreKeys", (*suite).anyBytesAreKeys},
		{"RoomsDoNotTouchEachOther", (*suite).roomsDoNotTouchEachOther},
		{"LimitsHold", (*suite).limitsHold},
		{"AManySidedRoomIsLoadedWhole", (*suite).aManySidedRoomIsLoadedWhole},
		{"ALargeRoomIsLoadedInPages", (*suite).aLargeRoomIsLoadedInPages},
		{"LoadStopsWithAnError", (*suite).loadStopsWithAnError},
		{"RacingClaimersNeverBothAppend", (*suite).racingClaimersNeverBothAppend},
		{"MalformedCallsDoNothing", (*suite).malformedCallsDoNothing},
		{"AClosedStoreIsUnavailable", (*suite).aClosedStoreIsUnavailable},
		{"LevelsThatAreRefusedAreRefusedByAppend", (*suite).levelsThatAreRefused},
		{"WhatIsDueComesInOrder", (*suite).whatIsDueComesInOrder},
		{"WhatIsDueIsTakenOnce", (*suite).whatIsDueIsTakenOnce},
		{"TheAgendaRoundsUp", (*suite).theAgendaRoundsUp},
		{"RecordsCompareAndSet", (*suite).recordsCompareAndSet},
		{"RecordsEnd", (*suite).recordsEnd},
		{"RacingWritersOfARecord", (*suite).racingWritersOfARecord},
	} {
		t.Run(p.name, func(t *testing.T) {
			s := open(t)
			defer func() {
				if err := s.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}()
			p.test(&suite{T: t, Store: s})
		})
	}
	t.Run("RandomSchedulesAgreeWithTheModel", func(t *testing.T) { checkModel(t, open) })
}

// suite is one test with its store. Its methods end the test when a store
// does what the contract forbids.
type suite struct {
	*testing.T
	actors.Store
	ids atomic.Int64
}

// room names a room that no other call of this test names.
func (s *suite) room() actors.RoomRef {
	return actors.RoomRef{Kind: "board", ID: fmt.Sprintf("Room~%d", s.ids.Add(1))}
}

func (s *suite) id(what string) string { return fmt.Sprintf("%s-%d", what, s.ids.Add(1)) }

func (s *suite) owner() actors.Owner { return actors.Owner{Node: "node", Nonce: s.id("nonce")} }

// claim makes a fresh owner of room, which has none or expect.
func (s *suite) claim(room actors.RoomRef, expect actors.Owner) actors.Owned {
	s.Helper()
	c := actors.Claim{Owner: s.owner(), Expect: expect}
	o, err := s.Claim(s.Context(), room, c)
	if err != nil {
		s.Fatalf("claim %v: %v", room, err)
	}
	if o.Owner != c.Owner || o.Epoch == 0 {
		s.Fatalf("claim %v for %v = %+v", room, c.Owner, o)
	}
	return o
}

// batch is what o appends next.
func (s *suite) batch(o actors.Owned, entries ...actors.Entry) *actors.Batch {
	return &actors.Batch{Owned: o, ID: s.id("batch"), NewGeneration: s.id("gen"), Entries: entries}
}

// append appends and returns the room as it is afterwards.
func (s *suite) append(room actors.RoomRef, o actors.Owned, entries ...actors.Entry) actors.Owned {
	s.Helper()
	b := s.batch(o, entries...)
	if err := s.Append(s.Context(), room, b); err != nil {
		s.Fatalf("append to %v: %v", room, err)
	}
	return b.After()
}

func set(key, value string) actors.Entry {
	return actors.Entry{Key: key, Value: append([]byte{}, value...)}
}
func remove(key string) actors.Entry { return actors.Entry{Key: key} }

// load returns a room's entries.
func load(ctx context.Context, s actors.Store, room actors.RoomRef, o actors.Owned) (map[string]string, error) {
	got := make(map[string]string)
	err := s.Load(ctx, room, o, func(key string, value []byte) error {
		if was, twice := got[key]; twice && was != string(value) {
			return fmt.Errorf("%q came twice, first as %q, then as %q", key, was, value)
		}
		if value == nil {
			return fmt.Errorf("%q came without a value", key)
		}
		got[key] = string(value)
		clear(value) // it is the caller's
		return nil
	})
	return got, err
}

func (s *suite) wantEntries(room actors.RoomRef, o actors.Owned, want map[string]string) {
	s.Helper()
	got, err := load(s.Context(), s.Store, room, o)
	if err != nil {
		s.Fatalf("load %v: %v", room, err)
	}
	if !maps.Equal(got, want) {
		s.Fatalf("%v holds %s, want %s", room, brief(got), brief(want))
	}
}

func brief(m map[string]string) string {
	text := fmt.Sprintf("%q", m)
	return fmt.Sprintf("%d entries %s", len(m), text[:min(len(text), 300)])
}

// want fails the test unless err wraps target.
func (s *suite) want(what string, err, target error) {
	s.Helper()
	if !errors.Is(err, target) {
		s.Fatalf("%s: %v, want %v", what, err, target)
	}
}

func (s *suite) ok(what string, err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("%s: %v", what, err)
	}
}

// eventually waits until ok is true, up to ten seconds.
func (s *suite) eventually(what string, ok func() bool) {
	s.Helper()
	end := time.NewTimer(10 * time.Second)
	defer end.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-end.C:
			s.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

func filled(n int, b byte) []byte { return bytes.Repeat([]byte{b}, n) }
