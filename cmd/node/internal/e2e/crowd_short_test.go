//go:build !long

package e2e

import "time"

// crowdOfThisRun is bounded for make test; make test-long runs the whole.
var crowdOfThisRun = crowd{members: 150, rate: 20, time: 2 * time.Second}
