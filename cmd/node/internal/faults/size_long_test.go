//go:build long

package faults

import "time"

// On a machine with two cores nothing else should run beside it: four thousand
// guests take minutes to enter.
const (
	rooms       = 200
	guests      = 20
	everySay    = 10 * time.Second
	outage      = time.Minute
	enterWithin = 5 * time.Minute
	cut         = time.Minute // of links
	metronomes  = 20
	resultsFile = "docs/results/faults.txt"
)
