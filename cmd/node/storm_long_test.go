//go:build long

package main

// stormOfThisRun is as many as the files allow of which this process, which has
// the clients' ends, may open as many as the server.
var stormOfThisRun = storm{rate: 500}
