package embedded_test

import (
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors/node/nodetest"
)

// A node's visitors leave the store as it was.
func TestVisitsThroughANodeLeaveNothing(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	nodetest.Visits(t, s, 10)
	before, err := s.Keys()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	nodetest.Visits(t, s, visits)
	after, err := s.Keys()
	t.Logf("%d visits in %v: %d keys before and %d after, %d rooms in memory", visits, time.Since(start), before, after, s.Rooms())
	if err != nil || after != before || s.Rooms() != 0 {
		t.Errorf("%d keys on disk and %d rooms in memory, %v, want %d and none", after, s.Rooms(), err, before)
	}
}
