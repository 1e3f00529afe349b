package gatefan

import (
	"slices"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

type clientState uint8

const (
	pending clientState = iota // its connect hooks run
	live
	away     // it lost its connection and may recover
	arriving // it moves here from another node
)

// client is one client of a namespace.
type client struct {
	id, pid string
	state   clientState
	socket  actors.Socket // nil while away, and once it is known to be closed
	waiting []*actors.Packet
	rooms   []place // in the order of joining
	seen    []seen  // by node; nil until an event goes to several rooms
	history history

	generation string           // of its offsets
	held       []*wire.GateEmit // while it is arriving
	before     []wire.Heard     // up to where it was given events before it came here
	overrun    bool             // more came for it than may be held
	also       []string         // rooms that it counts as in while it moves
}

// place is a room a client is in.
type place struct {
	room   string
	base   uint64      // position at entering; of the activation of at
	at     wire.HubPos // the last event it was sent
	before uint64      // events it was sent of earlier activations
}

// since is how many events of the room the client was sent since it entered.
func (p *place) since() uint64 { return p.before + p.at.Pos - p.base }

// reach takes the place of an event, and reports false if the client was sent
// it, or one of a later activation, before.
func (p *place) reach(at wire.HubPos) bool {
	switch {
	case at.Epoch < p.at.Epoch, at.Epoch == p.at.Epoch && at.Pos != 0 && at.Pos <= p.at.Pos:
		return false
	case at.Epoch > p.at.Epoch: // it begins at zero
		p.before, p.base = p.since(), 0
		p.at = wire.HubPos{Epoch: at.Epoch}
	}
	p.at.Pos = max(p.at.Pos, at.Pos)
	return true
}

func (c *client) inRoom(room string) bool {
	for i := range c.rooms {
		if c.rooms[i].room == room {
			return true
		}
	}
	return false
}

// excepted reports whether a client is in any of the rooms of names, its own
// included.
func (c *client) excepted(names []string) bool {
	for _, name := range names {
		if name == c.id || c.inRoom(name) || slices.Contains(c.also, name) {
			return true
		}
	}
	return false
}

// exit takes a client out of a room.
func (s *space) exit(c *client, room string) {
	for i := range c.rooms {
		if c.rooms[i].room == room {
			c.rooms = append(c.rooms[:i], c.rooms[i+1:]...)
			break
		}
	}
	if crowd := s.rooms[room]; crowd != nil {
		if crowd.remove(c); len(crowd.list) == 0 {
			delete(s.rooms, room)
		}
	}
}

// crowd is the local clients in a room.
type crowd struct {
	at    wire.HubPos // what came of the room last
	list  []*client
	index map[*client]int
}

func newCrowd() *crowd { return &crowd{index: make(map[*client]int)} }

func (r *crowd) add(c *client) {
	r.index[c] = len(r.list)
	r.list = append(r.list, c)
}

func (r *crowd) remove(c *client) {
	i, ok := r.index[c]
	if !ok {
		return
	}
	last := len(r.list) - 1
	r.list[i] = r.list[last]
	r.index[r.list[i]] = i
	r.list[last] = nil
	r.list = r.list[:last]
	delete(r.index, c)
}

// windowIDs is how far the ids of events that go to several rooms may be apart
// when they arrive. Rooms are separate actors: while one is behind by more
// such events than this, a client in two of them may get one twice.
const windowIDs = 8192

// seen is which ids that a node gave out a client has had.
type seen struct {
	node string
	ids  *recent
}

// maxSeen is of how many nodes ids are remembered. Nodes that have gone give
// out no more, so that the one that was not heard for longest can be forgotten.
const maxSeen = 16

// hasSeen reports whether the client was sent an event with this id before,
// and notes that it was.
func (c *client) hasSeen(node string, id uint64) bool {
	for i := range c.seen {
		if c.seen[i].node == node {
			ids := c.seen[i].ids
			copy(c.seen[1:i+1], c.seen[:i])
			c.seen[0] = seen{node, ids}
			return ids.add(id)
		}
	}
	if len(c.seen) == maxSeen {
		c.seen = c.seen[:maxSeen-1]
	}
	c.seen = append([]seen{{node, new(recent)}}, c.seen...)
	return c.seen[0].ids.add(id)
}

// recent remembers which of the latest windowIDs ids were there. Ids are given
// out in order by one counter.
type recent struct {
	top  uint64 // the highest so far
	bits [windowIDs / 64]uint64
}

// add reports whether id was there already. One that is too old to tell was
// not.
func (r *recent) add(id uint64) bool {
	if id > r.top {
		if id-r.top >= windowIDs {
			clear(r.bits[:])
			r.top = id - 1
		}
		for r.top++; r.top < id; r.top++ {
			r.set(r.top, false)
		}
		r.set(id, true)
		return false
	}
	if r.top-id >= windowIDs {
		return false
	}
	was := r.bits[id%windowIDs/64]&(1<<(id%64)) != 0
	r.set(id, true)
	return was
}

func (r *recent) set(id uint64, to bool) {
	word, bit := &r.bits[id%windowIDs/64], uint64(1)<<(id%64)
	if to {
		*word |= bit
	} else {
		*word &^= bit
	}
}
