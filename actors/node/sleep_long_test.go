//go:build long

package node

// Of how many known rooms how many are awake.
const (
	knownRooms = 1_000_000
	awakeRooms = 10_000
)
