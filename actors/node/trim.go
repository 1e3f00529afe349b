package node

// TrimHistory forgets the older half of the events that rooms and gateways keep
// for those who return, for want of memory. It does not block, and is done when
// rooms have worked off what waits for them. Who returns and needs one of these
// events is told that it has missed something, as when a history is too short.
func (n *Node) TrimHistory() {
	for _, d := range n.shards {
		n.send(d, trimHistory{})
	}
	for _, f := range n.fans {
		n.send(f.pid, trimHistory{})
	}
}

// trimHistory goes to directories, and from there to their rooms, and to
// fan-outs, which have the clients of gateways.
type trimHistory struct{}
