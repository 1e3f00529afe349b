//go:build long

package lasting

const (
	kills      = 100 // of the server
	outages    = 12  // of Redis
	stockLines = 600 // of each stock client
	rooms      = 4
	scribes    = 6  // of each room
	questions  = 40 // of each witness; with 100 porcupine did not end within its minute
)
