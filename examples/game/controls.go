package main

// Limits of what a member may send.
const (
	queueLimit  = 6  // inputs that may wait
	repeatFor   = 12 // ticks that the last input holds when no other comes
	calmAfter   = 30 // ticks after which a queue that never ran dry is shortened
	inputBurst  = 90 // inputs saved up, at two per tick
	inputDebt   = -600
	inputCredit = 2
)

// controls turn the inputs of one member, which come when the network brings
// them, into one per tick. Sending faster makes nobody faster.
type controls struct {
	queue  []Control
	last   Control
	got    int // sequence number of the latest input that came
	idle   int // ticks since one came
	spare  int // fewest inputs left over since calm was 0
	calm   int // ticks since spare was measured anew
	credit int // inputs this member may send; below inputDebt it is thrown out
}

func newControls() *controls {
	return &controls{credit: inputBurst, last: Control{Steering: Steering{Move: -1}}}
}

// push takes an input that came. It reports false if the member floods.
func (c *controls) push(in Control) bool {
	if c.credit--; c.credit < 0 {
		return c.credit > inputDebt
	}
	if in.Seq <= c.got {
		return true // late or repeated
	}
	c.got = in.Seq
	if len(c.queue) == queueLimit {
		c.drop()
	}
	c.queue = append(c.queue, in)
	return true
}

// next is the control for one tick. If nothing came, the last one holds for a
// moment: a ship does not stop because of one late packet.
func (c *controls) next() Control {
	c.credit = min(inputBurst, c.credit+inputCredit)
	if len(c.queue) == 0 {
		c.spare = 0
		c.last.Dash = false
		if c.idle++; c.idle > repeatFor {
			c.last.Move, c.last.Fire = -1, false
		}
		return c.last
	}
	c.idle = 0
	c.last = c.queue[0]
	c.queue = c.queue[1:]
	c.shorten()
	return c.last
}

// shorten drops as many inputs as waited all the time: the network is steadier
// than the queue is long, and waiting is lag.
func (c *controls) shorten() {
	c.spare = min(c.spare, len(c.queue))
	if c.calm++; c.calm < calmAfter {
		return
	}
	for range c.spare {
		c.drop()
	}
	c.calm, c.spare = 0, queueLimit
}

// drop removes the oldest input that waits. Its dash is not lost.
func (c *controls) drop() {
	dash := c.queue[0].Dash
	c.queue = c.queue[1:]
	if len(c.queue) > 0 {
		c.queue[0].Dash = c.queue[0].Dash || dash
	}
}

// release lets go of everything, for a member that lost its connection.
func (c *controls) release() {
	c.queue = nil
	c.last = Control{Seq: c.last.Seq, Steering: Steering{Move: -1, Aim: c.last.Aim}}
}
