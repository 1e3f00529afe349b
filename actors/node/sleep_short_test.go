//go:build !long

package node

// Of how many known rooms how many are awake.
const (
	knownRooms = 30_000
	awakeRooms = 1_000
)
