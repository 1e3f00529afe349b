//go:build !long

package lasting

// How much is done in make test; size_long_test.go has the whole.
const (
	kills      = 6   // of the server
	outages    = 2   // of Redis
	stockLines = 100 // of each stock client
	rooms      = 3
	scribes    = 4  // of each room
	questions  = 25 // of each witness
)
