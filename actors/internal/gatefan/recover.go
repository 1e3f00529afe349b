package gatefan

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// history keeps the latest events of a client that may recover.
type history struct {
	seq       uint64 // events so far
	floor     uint64 // events up to here are not kept any more
	kept      []*actors.Packet
	bytes     int
	maxEvents int
	maxBytes  int
	next      uint64 // the first that the client is yet to be sent once more; zero if there is none
}

// keep remembers p as the event of the present sequence number. While the client
// is yet to be sent some, twice as much is kept: what it is sent is not to be
// lost to what comes meanwhile.
func (h *history) keep(p *actors.Packet) {
	h.kept = append(h.kept, p)
	h.bytes += size(p)
	events, bytes := h.maxEvents, h.maxBytes
	if h.next != 0 {
		events, bytes = 2*events, 2*bytes
	}
	drop := 0
	for drop < len(h.kept) && (len(h.kept)-drop > events || h.bytes > bytes) {
		h.bytes -= size(h.kept[drop])
		h.kept[drop] = nil
		drop++
	}
	h.kept = h.kept[drop:]
	h.floor += uint64(drop)
}

// cut forgets everything: whoever comes back with what it has, has missed
// something.
func (h *history) cut() {
	h.seq++
	h.kept, h.bytes, h.floor = nil, 0, h.seq
}

// trim forgets the older half of what is kept.
func (h *history) trim() {
	n := (len(h.kept) + 1) / 2
	for _, p := range h.kept[:n] {
		h.bytes -= size(p)
	}
	h.kept = slices.Clone(h.kept[n:]) // the array is as long as it ever was
	h.floor += uint64(n)
}

// Trim forgets the older half of the events that are kept for each client that
// may recover, for want of memory. Who needs one of them does not recover.
func (m *Machine) Trim() {
	for _, s := range m.spaces {
		for _, c := range s.clients {
			c.history.trim()
		}
	}
}

func size(p *actors.Packet) int {
	n := len(p.Data)
	for _, a := range p.Attachments {
		n += len(a)
	}
	return n
}

// since returns the events after seq, and whether none is missing.
func (h *history) since(seq uint64) ([]*actors.Packet, bool) {
	if seq < h.floor || seq > h.seq {
		return nil, false
	}
	return h.kept[seq-h.floor:], true
}

// offset is a client's place as a JSON string, docs/protocol.md section 6: a
// prefix that all clients of the shard share but those that have come from
// another node, and a suffix with the client's
// sequence number and its position in each room since it entered.
func (c *client) offset() string {
	b := binary.AppendUvarint(make([]byte, 0, 32), c.history.seq)
	for i := range c.rooms {
		b = binary.AppendUvarint(b, c.rooms[i].since())
	}
	return `"g1.` + c.generation + "." + base64.RawURLEncoding.EncodeToString(b) + `"`
}

// maxOffset bounds the offsets that are looked at, in bytes: those of clients
// in some ten thousand rooms.
const maxOffset = 65_536

// parseOffset returns the sequence number in an offset; 0 for the empty one,
// of a client that was sent no event yet.
func (c *client) parseOffset(s string) (seq uint64, ok bool) {
	if s == "" {
		return 0, true
	}
	parts := strings.Split(s, ".")
	if len(s) > maxOffset || len(parts) != 3 || parts[0] != "g1" || parts[1] != c.generation {
		return 0, false
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return 0, false
	}
	seq, n := binary.Uvarint(b)
	return seq, n > 0
}

func (m *Machine) resume(c *client, namespace string, r wire.GateResume) {
	if c == nil || c.state != live && c.state != away {
		m.cfg.Resumed(r.Client, false)
		return
	}
	seq, ok := c.parseOffset(r.Offset)
	_, whole := c.history.since(seq)
	socket, connected := m.cfg.Socket(r.Conn.ID)
	if !ok || !whole || !connected {
		m.cfg.Resumed(r.Client, false)
		return
	}
	if c.socket != nil && c.socket != socket {
		c.socket.Close(actors.ReasonReplaced)
	}
	c.state, c.socket = live, socket
	m.cfg.Resumed(r.Client, true) // first, so that its hooks are under way when the client knows
	m.push(c, &actors.Packet{Type: actors.PacketConnect, Namespace: namespace, Data: r.Answer})
	c.history.next = seq + 1
	m.catchUp(c)
}

// A client that comes back is sent so much of what it missed at once, and more
// when its socket has taken that: an outbox holds less than it may have missed.
const (
	replayMost  = 512 // events: of a client that polls, half of what its outbox takes for each GET
	replayBytes = 512 << 10
)

// Drained says that the socket of a client has taken what it was sent of what the
// client missed. It goes from Config.Drained to Machine.Drained.
type Drained struct {
	client *client
	socket actors.Socket
}

// Drained sends the client more.
func (m *Machine) Drained(d Drained) {
	if d.client.socket == d.socket {
		m.catchUp(d.client)
	}
}

// catchUp sends a client what it is yet to be sent of what it missed, as far as
// its socket takes it. What is emitted to it meanwhile waits behind that; if too
// much does, the client is cut off.
func (m *Machine) catchUp(c *client) {
	events, bytes := 0, 0
	for h := &c.history; h.next != 0 && c.socket != nil; h.next++ {
		missed, whole := h.since(h.next - 1)
		if !whole {
			m.count.tooSlow.Add(1)
			c.socket.Close(actors.ReasonTooSlow)
			c.socket, h.next = nil, 0
			return
		}
		if len(missed) == 0 {
			h.next = 0
			return
		}
		if n := size(missed[0]); events == replayMost || events > 0 && bytes+n > replayBytes {
			c.socket.Flush()
			if c.socket.Lagging() {
				d := Drained{c, c.socket}
				c.socket.WhenDrained(func() { m.cfg.Drained(d) })
				return
			}
			events, bytes = 0, 0
		}
		m.push(c, missed[0])
		events++
		bytes += size(missed[0])
	}
}
