package node

import (
	"testing"
	"time"
)

// TestEpochsOfRoomsThatStartEarlyAreLowerThanAnyClaimed: decades lower, so that
// no clock matters.
func TestEpochsOfRoomsThatStartEarlyAreLowerThanAnyClaimed(t *testing.T) {
	n := &Node{}
	before := uint64(time.Now().AddDate(-20, 0, 0).UnixMicro())
	if e := n.earlyEpoch(); e >= before || e == 0 {
		t.Errorf("%d, want less than %d", e, before)
	}
}
