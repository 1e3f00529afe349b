//go:build !long

package main

// stormOfThisRun is bounded for make test; make test-long runs the whole.
var stormOfThisRun = storm{clients: 600, rate: 100}
