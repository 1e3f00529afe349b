package room

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"slices"

	"github.com/parlor-rooms/parlor/actors"
)

// Of the commands of one member's stay, or of one user where they are stored,
// this much is remembered; beyond it the oldest are forgotten.
const (
	rememberCommands = 256
	rememberBytes    = 64 << 10 // of acknowledgements
	maxRepetitions   = 16       // of one command that wait for its answer

	// rememberAll is how many commands a room stores, and rememberAllBytes of
	// how many bytes of acknowledgements; beyond it, those of the users who
	// sent nothing for the longest time are forgotten.
	rememberAll      = 16_384
	rememberAllBytes = 4 << 20
)

// commandLog remembers what the latest commands of a member were answered, so
// that one sent again takes effect once.
type commandLog struct {
	m       *Machine
	subject string // in the keys of entries; empty if nothing is stored
	byID    map[string]*command
	order   []*command // oldest first; those that were forgotten included
	bytes   int        // of acknowledgements
	latest  uint64     // serial of the latest command
}

// command is one command with an id that has taken effect. A nil command has
// no id.
type command struct {
	log      *commandLog
	id       string
	serial   uint64 // of those that are stored
	finished bool
	ack      actors.Raw
	err      *actors.Error
	bytes    int        // of ack, if the log counts them
	waiting  []*request // repetitions that came before the answer
}

// commandsOf returns what is remembered of a member: of its user, whichever
// member that was, if the room is stored.
func (m *Machine) commandsOf(mem *member) *commandLog {
	switch {
	case !m.journal.lasts:
		return &commandLog{m: m}
	case mem.Identity.Subject == "":
		return m.commandsBy("@" + string(mem.ID))
	}
	sum := sha256.Sum256([]byte(mem.Identity.Subject))
	return m.commandsBy(base64.RawURLEncoding.EncodeToString(sum[:16]))
}

func (m *Machine) commandsBy(subject string) *commandLog {
	l := m.subjects[subject]
	if l == nil {
		if m.subjects == nil {
			m.subjects = make(map[string]*commandLog)
		}
		l = &commandLog{m: m, subject: subject}
		m.subjects[subject] = l
	}
	return l
}

func (l *commandLog) lookup(cid string) *command { return l.byID[cid] }

// remember notes that a command has taken effect. An empty id is not one.
func (l *commandLog) remember(cid string) *command {
	if cid == "" {
		return nil
	}
	l.m.commandSerial++
	c := &command{log: l, id: cid, serial: l.m.commandSerial}
	l.add(c)
	c.store()
	l.m.forgetQuietUsers()
	return c
}

func (l *commandLog) add(c *command) {
	if l.byID == nil {
		l.byID = make(map[string]*command)
	}
	l.byID[c.id] = c
	l.order = append(l.order, c)
	l.latest = c.serial
	if l.subject != "" {
		l.m.commands++
	}
	l.trim()
}

func (l *commandLog) trim() {
	for len(l.order) > rememberCommands || l.bytes > rememberBytes {
		l.order[0].forget()
		l.order[0] = nil
		l.order = l.order[1:]
	}
}

// count notes that so many bytes of acknowledgements more are remembered.
func (l *commandLog) count(bytes int) {
	l.bytes += bytes
	if l.subject != "" {
		l.m.commandBytes += bytes
	}
}

// has reports whether c is remembered.
func (l *commandLog) has(c *command) bool { return l.byID[c.id] == c }

// key is where the command is stored.
func (c *command) key() string { return areaCommand + c.log.subject + "/" + c.id }

// stored reports whether the command outlives the activation.
func (c *command) stored() bool { return c != nil && c.log.subject != "" }

func (c *command) store() {
	if c.stored() && c.log.has(c) {
		c.log.m.journal.write(c.key(), encodeCommand(c.serial, c.finished, c.ack, c.err))
	}
}

// forget lets a command be tried again.
func (c *command) forget() {
	if c != nil && c.log.has(c) {
		c.log.count(-c.bytes)
		delete(c.log.byID, c.id)
		if c.stored() {
			c.log.m.commands--
			c.log.m.outdated = append(c.log.m.outdated, c)
		}
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

// note takes the answer to mind, before anybody sees it. An answer too large
// to be remembered makes the command forgotten.
func (c *command) note(ack actors.Raw, err *actors.Error) {
	if c == nil || c.finished {
		return
	}
	c.finished, c.ack, c.err = true, ack, err
	switch n := rawSize(ack); {
	case !c.log.has(c):
	case n > rememberBytes:
		c.forget()
	default:
		c.bytes = n
		c.log.count(n)
		c.store()
		c.log.trim()
		c.log.m.forgetQuietUsers()
	}
}

// finish answers the repetitions that waited.
func (c *command) finish(ack actors.Raw, err *actors.Error) {
	if c == nil {
		return
	}
	waiting := c.waiting
	c.waiting = nil
	for _, r := range waiting {
		r.answer(ack, err)
	}
}

// takeUpCommands restores what commands were answered. Of one that was to be
// answered later the answer is lost.
func (m *Machine) takeUpCommands(found []foundCommand) {
	for _, f := range found {
		l := m.commandsBy(f.subject)
		c := &command{log: l, id: f.cid, serial: f.N, finished: true}
		m.commandSerial = max(m.commandSerial, f.N)
		switch {
		case !f.Done:
			c.err = errAnswerLost()
		case f.Err != nil:
			c.err = &actors.Error{Code: f.Err.Code, Message: f.Err.Message}
			if f.Err.Data != nil {
				c.err.Data = actors.Raw{JSON: f.Err.Data}
			}
		default:
			c.ack = actors.Raw{JSON: f.Ack, Attachments: f.Attachments}
		}
		c.bytes = rawSize(c.ack)
		l.count(c.bytes)
		l.add(c)
	}
}

// forgetQuietUsers makes room for the commands of others.
func (m *Machine) forgetQuietUsers() {
	if m.commands <= rememberAll && m.commandBytes <= rememberAllBytes {
		return
	}
	logs := make([]*commandLog, 0, len(m.subjects))
	for _, l := range m.subjects {
		logs = append(logs, l)
	}
	slices.SortFunc(logs, func(a, b *commandLog) int { return cmp.Compare(a.latest, b.latest) })
	for _, l := range logs {
		if m.commands <= rememberAll*7/8 && m.commandBytes <= rememberAllBytes*7/8 {
			return
		}
		for _, c := range l.order {
			c.forget()
		}
		l.order = nil
		delete(m.subjects, l.subject)
	}
}
