//go:build !long

package faults

import "time"

// How much is done in make test; size_long_test.go has the whole.
const (
	rooms       = 10
	guests      = 6 // of each room
	everySay    = 200 * time.Millisecond
	outage      = 12 * time.Second // of Redis; more than two leases
	enterWithin = 60 * time.Second
	cut         = 3 * lease // of links
	metronomes  = 6
	resultsFile = ""
)
