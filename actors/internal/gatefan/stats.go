package gatefan

import "sync/atomic"

// Stats is what a shard holds and has counted since it was made.
type Stats struct {
	Clients         int64
	Packets         uint64 // packets that sockets took
	VolatileDropped uint64
	TooSlow         uint64
}

type counters struct {
	clients                           atomic.Int64
	packets, volatileDropped, tooSlow atomic.Uint64
}

// Stats returns a snapshot. Any goroutine may call it.
func (m *Machine) Stats() Stats {
	return Stats{m.count.clients.Load(), m.count.packets.Load(), m.count.volatileDropped.Load(), m.count.tooSlow.Load()}
}
