// Package fanout is the last step of a room's output: one shard of a node's
// table room → local members, the node's copy of each room's synced fields,
// and the decision what a socket that does not keep up is sent.
//
// A [Machine] is a plain state machine: no goroutine, no lock, no clock. One
// goroutine drives it with Deliver, Drained and Flush; only Stats, and the
// callbacks it gives to sockets, may run elsewhere.
//
// What a member is sent follows docs/protocol.md, section 4. In terms of this
// package a member is either in step (it was sent the state at the mirror's
// version), behind (it was sent an older one and gets one merged patch), or
// has something on its way (a state, a large patch or missed events, pushed
// one by one as its socket takes them, while reliable events wait behind).
package fanout

import (
	"fmt"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// Sockets finds the socket of a connection of this node. Socket does not
// block and may be called from any goroutine; it reports false if there is no
// such connection any more. A connection keeps its socket for life.
type Sockets interface {
	Socket(conn uint64) (actors.Socket, bool)
}

// Config says what a Machine works with. Node, Sockets and Post are required.
type Config struct {
	Node    string // id of this node
	Sockets Sockets

	// Post hands d to the goroutine that drives the machine, which calls
	// Drained with it. Sockets call it from any goroutine, also from within a
	// call of the machine, so it must neither block nor call the machine.
	Post func(d Drained)

	// Stale is told of members whose activation has a successor, and of those
	// that an activation which has one would have admitted: they are sent
	// nothing any more, and their connections have to find the room again. It
	// must neither block nor call the machine. Nil if nobody cares.
	Stale func(room actors.RoomRef, conn uint64, member actors.MemberID)

	Limits Limits
}

// Limits bounds what is kept for members. Zero or less means the default.
type Limits struct {
	// Part is about how many bytes of JSON one part of a room:state has; a
	// larger value makes a larger part. A patch above it is paced like a state.
	// The default is 64 KiB.
	Part int

	// Backlog is how many reliable packets, and BacklogBytes how many bytes of
	// them, may wait for one member while its state or the events it missed
	// are on their way. One more closes its socket with ReasonTooSlow. The
	// defaults are 1,024 and 1 MiB. The bytes are shared between members.
	Backlog      int
	BacklogBytes int

	// Removed is how many removed entries of a room are remembered at least, so
	// that a member which fell behind is told of them in a patch. Otherwise
	// there are as many as entries: above that the whole state is the shorter
	// message. The default is 64.
	Removed int

	// Gather is how many packets, and GatherBytes how many bytes, are pushed to
	// one socket before it is flushed in the middle of a batch: what was not
	// flushed counts against its outbox as if its reader were slow, so both
	// have to be well below the limits of that. The defaults are 32 and 64 KiB.
	Gather      int
	GatherBytes int

	// Ended is for how many rooms that ended the epoch is remembered, so that
	// an activation older than the last one stays unheard. The default is 1,024.
	Ended int
}

func (l Limits) complete() Limits {
	for _, d := range []struct {
		field *int
		value int
	}{{&l.Part, 64 << 10}, {&l.Backlog, 1024}, {&l.BacklogBytes, 1 << 20},
		{&l.Removed, 64}, {&l.Gather, 32}, {&l.GatherBytes, 64 << 10}, {&l.Ended, 1024}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	return l
}

// Machine is one shard of a node's fan-out. All methods but Stats belong to
// the one goroutine that drives it. None of them blocks.
type Machine struct {
	// Set by New, read-only afterwards.
	config Config

	// Owned by the driving goroutine.
	rooms   map[actors.RoomRef]*room
	conns   map[uint64]*conn // by id: those with at least one member
	touched []*conn          // pushed to, or asked whether they lag, since the last Flush
	leaving []*member        // removed ones that are yet to be sent something; see sweep
	swept   int              // index in leaving
	behind  []*room          // those with members left behind; see sweepLeft
	mark    uint64           // of the latest Emit; see member.mark
	ended   []actors.RoomRef // rooms that ended, as a ring of Limits.Ended
	endedAt int              // where the next goes once the ring is full
	tally   tally

	sweptLeft int // index in behind

	count counters // read by Stats from any goroutine
}

// New returns a machine with an empty table.
func New(config Config) *Machine {
	config.Limits = config.Limits.complete()
	return &Machine{
		config: config,
		rooms:  make(map[actors.RoomRef]*room),
		conns:  make(map[uint64]*conn),
	}
}

// Deliver works off the items of d in order: it queues packets on sockets,
// which Flush sends. It returns the answer if d asked for one, once everything
// is queued on the sockets or, for members with something on their way, behind
// that. If a higher epoch of the room was seen before, nothing of d is done
// and there is no answer, unless d yields. d and what it refers to must not be
// modified afterwards.
func (m *Machine) Deliver(d *wire.Deliver) (answer *wire.Delivered) {
	m.tally.delivers++
	r, adopted := m.room(d)
	unheard := r == nil && d.Yields || r != nil && d.Adopts != 0 && !adopted
	if r != nil {
		for _, item := range d.Items {
			m.item(r, item)
		}
	} else {
		m.refuse(d)
	}
	if unheard || r != nil && d.Confirm {
		answer = &wire.Delivered{Room: d.Room, Epoch: d.Epoch, Node: m.config.Node, Unheard: unheard}
	}
	m.publish()
	return answer
}

func (m *Machine) item(r *room, item wire.Item) {
	switch it := item.(type) {
	case wire.Admit:
		m.admit(r, &it)
	case wire.Emit:
		m.emit(r, &it)
	case wire.Reply:
		m.reply(r, &it)
	case wire.Sync:
		m.sync(r, &it)
	case wire.Mirror:
		m.restart(r, &it)
	case wire.Remove:
		m.remove(r, &it)
	case wire.End:
		m.end(r)
	default:
		panic(fmt.Sprintf("fanout: no such item: %T", item))
	}
}

// Drained says that a socket which lagged has caught up: what waits for its
// members is sent as far as it takes it. A stale d does nothing.
func (m *Machine) Drained(d Drained) {
	m.drained(d.conn)
	m.publish()
}

// Flush makes every socket that was pushed to since the last Flush write what
// waits, once each. Whoever drives the machine calls it when a batch of
// Deliver and Drained is worked off, so that each socket has one write. It
// returns how many sockets that were.
func (m *Machine) Flush() (sockets int) {
	for i, c := range m.touched {
		if c.frames > 0 {
			m.flush(c)
			sockets++
		}
		c.touched, c.asked = false, false
		m.touched[i] = nil
	}
	m.touched = m.touched[:0]
	m.sweep()
	m.sweepLeft()
	return sockets
}
