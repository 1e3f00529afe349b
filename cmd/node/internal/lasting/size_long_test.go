//go:build long

package lasting

const (
	kills      = 100 // of the server
	outages    = 12  // of Redis
	stockLines = 300 // of each stock client
	rooms      = 4
	scribes    = 6   // of each room
	questions  = 200 // of each witness
)
