//go:build long

package embedded_test

const (
	kills = 1000 // of a writing process
	flips = 400  // per file
	cuts  = 1000 // of power

	visits = 1_000_000 // of rooms through a node
)
