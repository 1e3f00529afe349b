package room

import "github.com/parlor-rooms/parlor/actors"

// Of the commands of one member's stay this much is remembered; beyond it the
// oldest are forgotten.
const (
	rememberCommands = 256
	rememberBytes    = 64 << 10 // of acknowledgements
	maxRepetitions   = 16       // of one command that wait for its answer
)

// commandLog remembers what the latest commands of a member were answered, so
// that one sent again takes effect once.
type commandLog struct {
	byID  map[string]*command
	order []*command // oldest first; those that were forgotten included
	bytes int        // of acknowledgements
}

// command is one command with an id that has taken effect. A nil command has
// no id.
type command struct {
	log      *commandLog
	id       string
	finished bool
	ack      actors.Raw
	err      *actors.Error
	bytes    int        // of ack, if the log counts them
	waiting  []*request // repetitions that came before the answer
}

func (l *commandLog) lookup(cid string) *command { return l.byID[cid] }

// remember notes that a command has taken effect. An empty id is not one.
func (l *commandLog) remember(cid string) *command {
	if cid == "" {
		return nil
	}
	if l.byID == nil {
		l.byID = make(map[string]*command)
	}
	c := &command{log: l, id: cid}
	l.byID[cid] = c
	l.order = append(l.order, c)
	l.trim()
	return c
}

func (l *commandLog) trim() {
	for len(l.order) > rememberCommands || l.bytes > rememberBytes {
		l.order[0].forget()
		l.order[0] = nil
		l.order = l.order[1:]
	}
}

// has reports whether c is remembered.
func (l *commandLog) has(c *command) bool { return l.byID[c.id] == c }

// forget lets a command be tried again.
func (c *command) forget() {
	if c != nil && c.log.has(c) {
		c.log.bytes -= c.bytes
		delete(c.log.byID, c.id)
	}
}

// repeat answers the command once more, as soon as there is an answer.
func (c *command) repeat(r *request) {
	switch {
	case c.finished:
		r.answer(c.ack, c.err)
	case len(c.waiting) >= maxRepetitions:
		r.answer(actors.Raw{}, actors.Errorf(actors.CodeOverloaded, "the command has not been answered yet"))
	default:
		c.waiting = append(c.waiting, r)
	}
}

func (c *command) finish(ack actors.Raw, err *actors.Error) {
	if c == nil || c.finished {
		return
	}
	waiting := c.waiting
	c.finished, c.ack, c.err, c.waiting = true, ack, err, nil
	for _, r := range waiting {
		r.answer(ack, err)
	}
	switch n := rawSize(ack); {
	case !c.log.has(c):
	case n > rememberBytes:
		c.forget()
	default:
		c.bytes = n
		c.log.bytes += n
		c.log.trim()
	}
}
