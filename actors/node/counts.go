package node

import (
	"sync/atomic"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/room"
)

// JoinOutcome is what became of a CONNECT that was let in.
type JoinOutcome string

// The outcomes.
const (
	JoinedNew      JoinOutcome = "new"      // somebody came
	JoinedResumed  JoinOutcome = "resumed"  // somebody came back, and has missed nothing
	JoinedCut      JoinOutcome = "cut"      // somebody came back whose stay could not go on: recovered is false
	JoinedFollowed JoinOutcome = "followed" // a connection followed its room to another activation; its client has not noticed
)

// outcomes are those of package room.
var outcomes = [...]JoinOutcome{
	room.JoinNew: JoinedNew, room.JoinResumed: JoinedResumed, room.JoinCut: JoinedCut, room.JoinFollowed: JoinedFollowed,
}

// otherCode stands for codes that are not Parlor's: rooms and guards may refuse
// with their own, of which there may be any number.
const otherCode actors.Code = "other"

// counts are what a node counts of joins and of its store. Any goroutine may
// use it.
type counts struct {
	joins        [len(outcomes)]atomic.Uint64
	refused      map[actors.Code]*atomic.Uint64 // made by init, for every code, and only read afterwards
	handOvers    atomic.Uint64
	storeRetries atomic.Uint64
	repairs      atomic.Uint64
	divergences  atomic.Uint64
}

func (c *counts) init() {
	c.refused = map[actors.Code]*atomic.Uint64{otherCode: new(atomic.Uint64)}
	for _, code := range actors.Codes() {
		c.refused[code] = new(atomic.Uint64)
	}
}

// joined counts a CONNECT that was let in.
func (c *counts) joined(o room.JoinOutcome) { c.joins[o].Add(1) }

// refuse counts a CONNECT that was not.
func (c *counts) refuse(code actors.Code) {
	n := c.refused[code]
	if n == nil {
		n = c.refused[otherCode]
	}
	n.Add(1)
}

// tell adds what was counted to s.
func (c *counts) tell(s *Stats) {
	s.Joins = make(map[JoinOutcome]uint64, len(outcomes))
	for i, o := range outcomes {
		s.Joins[o] = c.joins[i].Load()
	}
	s.Refused = make(map[actors.Code]uint64, len(c.refused))
	for code, n := range c.refused {
		s.Refused[code] = n.Load()
	}
	s.HandOvers, s.StoreRetries = c.handOvers.Load(), c.storeRetries.Load()
	s.Repairs, s.Divergences = c.repairs.Load(), c.divergences.Load()
}
