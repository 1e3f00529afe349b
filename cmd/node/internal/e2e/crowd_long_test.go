//go:build long

package e2e

import "time"

var crowdOfThisRun = crowd{members: 1000, rate: 20, time: 20 * time.Second}
