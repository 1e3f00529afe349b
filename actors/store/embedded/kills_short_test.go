//go:build !long

package embedded_test

const (
	kills = 8  // of a writing process
	flips = 25 // per file
	cuts  = 30 // of power

	visits = 3_000 // of rooms through a node
)
