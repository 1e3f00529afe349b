package fanout

import "sync/atomic"

// Stats is a snapshot of what a [Machine] holds and of what it counted since
// it was made. Counters are read one after the other: sums may be off by what
// happened meanwhile.
type Stats struct {
	Rooms   int // with a table
	Members int // in all tables

	Delivers uint64 // messages given to Deliver, ignored ones included
	Packets  uint64 // packets that sockets took: one broadcast to ten members is ten
	States   uint64 // times a member was begun to be sent the whole state

	PatchesConflated uint64 // patches a member was not sent because a later one says as much
	VolatileDropped  uint64 // volatile packets a member was not sent: it lagged, or awaited its state
	TooSlow          uint64 // sockets closed, by themselves or here, because too much waited
	Closed           uint64 // sockets that were found closed when a packet was pushed

	StaleEpochs   uint64 // messages ignored because a higher epoch was seen
	StraySyncs    uint64 // Syncs ignored because no Mirror preceded, or a later one did
	UnknownMember uint64 // times an item named a member that is not in the table
	UnknownSocket uint64 // Admits ignored because the connection is gone
}

// Stats returns a snapshot. Any goroutine may call it.
func (m *Machine) Stats() Stats {
	c := &m.count
	return Stats{
		Rooms:            int(c.rooms.Load()),
		Members:          int(c.members.Load()),
		Delivers:         c.delivers.Load(),
		Packets:          c.packets.Load(),
		States:           c.states.Load(),
		PatchesConflated: c.conflated.Load(),
		VolatileDropped:  c.volatileDropped.Load(),
		TooSlow:          c.tooSlow.Load(),
		Closed:           c.closed.Load(),
		StaleEpochs:      c.staleEpochs.Load(),
		StraySyncs:       c.straySyncs.Load(),
		UnknownMember:    c.unknownMember.Load(),
		UnknownSocket:    c.unknownSocket.Load(),
	}
}

// counters is what Stats is made of.
type counters struct {
	rooms, members               atomic.Int64
	delivers, packets, states    atomic.Uint64
	conflated, volatileDropped   atomic.Uint64
	tooSlow, closed              atomic.Uint64
	staleEpochs, straySyncs      atomic.Uint64
	unknownMember, unknownSocket atomic.Uint64
}

// tally is what was counted since the last publish, without atomics: it is
// written once per member and packet.
type tally struct {
	delivers, packets, states    uint64
	conflated, volatileDropped   uint64
	tooSlow, closed              uint64
	staleEpochs, straySyncs      uint64
	unknownMember, unknownSocket uint64
}

// publish moves the tally into what Stats reads.
func (m *Machine) publish() {
	t, c := &m.tally, &m.count
	for _, n := range [...]struct {
		from uint64
		to   *atomic.Uint64
	}{
		{t.delivers, &c.delivers}, {t.packets, &c.packets}, {t.states, &c.states},
		{t.conflated, &c.conflated}, {t.volatileDropped, &c.volatileDropped},
		{t.tooSlow, &c.tooSlow}, {t.closed, &c.closed},
		{t.staleEpochs, &c.staleEpochs}, {t.straySyncs, &c.straySyncs},
		{t.unknownMember, &c.unknownMember}, {t.unknownSocket, &c.unknownSocket},
	} {
		if n.from > 0 {
			n.to.Add(n.from)
		}
	}
	*t = tally{}
}
