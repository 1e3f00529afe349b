package fanout

import (
	"errors"
	"slices"

	"github.com/parlor-rooms/parlor/actors"
)

// conn is a connection with at least one member in this shard.
type conn struct {
	id       uint64
	socket   actors.Socket
	caughtUp func() // posts Drained; made once
	members  int    // attached ones, leaving ones included
	closed   bool   // the socket refused a packet or was closed here: nothing is pushed any more

	frames, bytes int  // pushed since the last flush
	touched       bool // in Machine.touched
	asked, lag    bool // lag is what Lagging said before the first of frames

	waiting []*member // those that wait for the socket to drain, first come first served
	armed   bool      // WhenDrained was called and Drained is yet to come
}

// Drained says that a socket has caught up. It goes from Config.Post to
// Machine.Drained.
type Drained struct{ conn *conn }

// attach gives mem its connection.
func (m *Machine) attach(mem *member, id uint64, socket actors.Socket) {
	c := m.conns[id]
	if c == nil {
		c = &conn{id: id, socket: socket}
		c.caughtUp = func() { m.config.Post(Drained{c}) }
		m.conns[id] = c
	}
	for _, w := range c.waiting {
		// A client that enters again has left by itself, whatever it was yet
		// to be sent.
		if w.leaving && w.room.namespace == mem.room.namespace {
			m.detach(w)
			break
		}
	}
	c.members++
	mem.conn = c
}

// detach ends the stay of mem on its connection; nothing is sent to it any
// more. Calling it again does nothing.
func (m *Machine) detach(mem *member) {
	if mem.gone {
		return
	}
	mem.gone = true
	mem.release()
	c := mem.conn
	if mem.waiting {
		c.waiting = slices.DeleteFunc(c.waiting, func(w *member) bool { return w == mem })
	}
	if c.members--; c.members == 0 && m.conns[c.id] == c {
		delete(m.conns, c.id)
	}
}

// lagging reports whether earlier packets still wait in the socket, apart from
// those pushed since the last flush.
func (m *Machine) lagging(c *conn) bool {
	if !c.asked {
		m.touch(c)
		c.asked, c.lag = true, c.socket.Lagging()
	}
	return c.lag
}

func (m *Machine) touch(c *conn) {
	if !c.touched {
		c.touched = true
		m.touched = append(m.touched, c)
	}
}

// ready reports whether the socket takes p without being pressed; a nil p is
// small.
func (m *Machine) ready(c *conn, p *actors.Packet) bool {
	m.makeRoom(c, size(p))
	return !m.lagging(c)
}

// makeRoom flushes if n more bytes would gather too much.
func (m *Machine) makeRoom(c *conn, n int) {
	limits := &m.config.Limits
	if c.frames > 0 && (c.frames >= limits.Gather || c.bytes+n > limits.GatherBytes) {
		m.flush(c)
	}
}

func (m *Machine) flush(c *conn) {
	c.socket.Flush()
	c.frames, c.bytes, c.asked = 0, 0, false
}

// push queues p on the socket and reports whether it was taken. A socket that
// refuses a reliable packet is closing; its members stay in the table, and are
// sent nothing, until their room removes them.
func (m *Machine) push(c *conn, p *actors.Packet) bool {
	if c.closed {
		return false
	}
	n := size(p)
	m.makeRoom(c, n)
	m.lagging(c)
	err := c.socket.Push(p)
	switch {
	case err == nil:
		c.frames++
		c.bytes += n
		m.tally.packets++
		return true
	case p.Class == actors.Volatile && errors.Is(err, actors.ErrDropped):
		m.tally.volatileDropped++
		return false
	case errors.Is(err, actors.ErrTooSlow):
		m.tally.tooSlow++
	default:
		m.tally.closed++
	}
	m.lost(c)
	return false
}

// closeSocket closes the socket behind what was pushed to it.
func (m *Machine) closeSocket(c *conn, why actors.LeaveReason) {
	if c.frames > 0 {
		m.flush(c)
	}
	c.socket.Close(why)
	m.lost(c)
}

// lost lets go of everything that waits for c.
func (m *Machine) lost(c *conn) {
	c.closed = true
	waiting := c.waiting
	c.waiting = nil
	for _, w := range waiting {
		w.waiting = false
		w.release()
		if w.leaving {
			m.detach(w)
		}
	}
}

// await makes mem go on when the socket has drained.
func (m *Machine) await(mem *member) {
	c := mem.conn
	if !mem.waiting {
		mem.waiting = true
		c.waiting = append(c.waiting, mem)
	}
	if !c.armed {
		c.armed = true
		c.socket.WhenDrained(c.caughtUp)
	}
}

// drained lets the members that wait for c go on in turn. Those the socket has
// no room for are first the next time, so that one long state does not hold up
// the other rooms of a connection.
func (m *Machine) drained(c *conn) {
	c.armed = false
	if c.frames > 0 {
		m.flush(c)
	}
	c.asked = false

	turn := c.waiting
	c.waiting = nil
	for len(turn) > 0 && m.ready(c, nil) {
		mem := turn[0]
		turn = turn[1:]
		mem.waiting = false
		m.advance(mem)
	}
	if c.waiting = append(turn, c.waiting...); c.closed {
		m.lost(c)
	} else if len(c.waiting) > 0 {
		m.await(c.waiting[0])
	}
}

// size is about how many bytes p has on the wire; 0 if p is nil.
func size(p *actors.Packet) int {
	if p == nil {
		return 0
	}
	n := len(p.Data)
	for _, a := range p.Attachments {
		n += len(a)
	}
	return n
}
