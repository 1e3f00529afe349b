package node

// HeldMost and HeldBytes are for tests in package node_test.
const (
	HeldMost  = heldMost
	HeldBytes = heldBytes
)
