package node

import (
	"testing"
	"time"
)

// TestAStockClientThatWasRefusedOnceIsBackBeforeItsNodeHasGone: its pauses, a
// second and two, each up to half longer, leave it time to connect and to be
// taken; and those who do not come back leave the node time for their hooks.
func TestAStockClientThatWasRefusedOnceIsBackBeforeItsNodeHasGone(t *testing.T) {
	const pauses, connects = 1500*time.Millisecond + 3*time.Second, 2 * time.Second
	for name, within := range map[string]time.Duration{
		"the default": 10 * time.Second, "that of the server with its default": 9 * time.Second, "a long one": time.Minute,
	} {
		if got := partFor(within); got < pauses+connects || got > within-2*time.Second {
			t.Errorf("%s, %v: kept for %v", name, within, got)
		}
	}
}
