package room

import "github.com/parlor-rooms/parlor/actors"

// rememberCommands is how many command ids a member's stay remembers.
const rememberCommands = 256

// commandLog remembers what the latest commands of a member were answered, so
// that one sent again takes effect once.
type commandLog struct {
	byID map[string]*command
	ring []string // oldest first
}

// command is one command that carries an id. A nil command has none.
type command struct {
	finished bool
	ack      actors.Raw
	err      *actors.Error
	waiting  []func(actors.Raw, *actors.Error) // repetitions that came before the answer
}

func (l *commandLog) lookup(cid string) (*command, bool) {
	c, ok := l.byID[cid]
	return c, ok
}

func (l *commandLog) begin(cid string) *command {
	if cid == "" {
		return nil
	}
	if l.byID == nil {
		l.byID = make(map[string]*command)
	}
	if len(l.ring) >= rememberCommands {
		delete(l.byID, l.ring[0])
		l.ring = append(l.ring[:0], l.ring[1:]...)
	}
	c := &command{}
	l.byID[cid] = c
	l.ring = append(l.ring, cid)
	return c
}

// answer calls f with the first answer, once there is one.
func (c *command) answer(f func(actors.Raw, *actors.Error)) {
	if c.finished {
		f(c.ack, c.err)
		return
	}
	c.waiting = append(c.waiting, f)
}

func (c *command) finish(ack actors.Raw, err *actors.Error) {
	if c == nil || c.finished {
		return
	}
	c.finished, c.ack, c.err = true, ack, err
	for _, f := range c.waiting {
		f(ack, err)
	}
	c.waiting = nil
}

// forget lets a command that failed be tried again.
func (c *command) forget(l *commandLog, cid string) {
	if c == nil {
		return
	}
	delete(l.byID, cid)
	for i, id := range l.ring {
		if id == cid {
			l.ring = append(l.ring[:i], l.ring[i+1:]...)
			return
		}
	}
}
