package fanout

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/parlor-rooms/parlor/actors"
)

// view is the synced fields as a member sees them: field → key → value. A
// single value has the empty key, an empty map is there.
type view map[string]map[string]string

func (v view) equal(w view) bool {
	return maps.EqualFunc(v, w, func(a, b map[string]string) bool { return maps.Equal(a, b) })
}

// client is what docs/protocol.md asks of one that takes part in a room, and
// fails when it is told something that is not so.
type client struct {
	room  *modelRoom
	id    actors.MemberID
	since uint64 // sequence of the room when it joined
	fail  func(format string, args ...any)

	conn     uint64 // 0 while it is cut off
	answered bool   // got its CONNECT answer on this connection
	leaving  bool   // the room has removed it with DISCONNECT
	left     bool   // got DISCONNECT

	state   view
	v       uint64 // version it was told
	next    int    // part that comes next; 0 if the state is complete
	stated  bool   // got a whole state
	partial bool   // more may come for v
	torn    bool   // was cut off between the two patches of v
	gone    bool   // left by itself: what still arrives is ignored
	offset  string // the last it saw
	got     []uint64
	acks    uint64
}

func (c *client) receive(p *actors.Packet) {
	switch {
	case c.gone:
		return
	case c.left:
		c.fail("%s got %s after DISCONNECT", c.id, text(p))
	case p.Type == actors.PacketConnect:
		c.answered = true
		return
	case !c.answered:
		c.fail("%s got %s before its CONNECT answer", c.id, text(p))
	}
	var args []json.RawMessage
	if p.Data != nil {
		if err := json.Unmarshal(p.Data, &args); err != nil {
			c.fail("%s got %s: %v", c.id, text(p), err)
		}
	}
	name := ""
	if p.Type == actors.PacketEvent {
		name = string(args[0])
	}
	if name != `"room:patch"` && name != `"room:state"` {
		c.checkView() // more cannot come for the version; a state replaces it
	}
	switch {
	case p.Type == actors.PacketDisconnect:
		if c.left = true; !c.leaving {
			c.fail("%s got DISCONNECT", c.id)
		}
		c.checkFresh(c.room.removed[c.id].version)
	case p.Type == actors.PacketAck:
		if c.acks++; p.ID != c.acks {
			c.fail("%s got acknowledgement %d, want %d", c.id, p.ID, c.acks)
		}
		c.checkFresh(number(args[0]))
	case name == `"room:state"`:
		c.receiveState(args[1])
	case name == `"room:patch"`:
		c.receivePatch(args[1])
	case name == `"ev"`:
		c.receiveEvent(number(args[1]), number(args[2]))
	case name == `"vol"`:
		c.checkFresh(number(args[1]))
	default:
		c.fail("%s got %s", c.id, text(p))
	}
	if n := len(args); n > 1 && args[n-1][0] == '"' {
		c.receiveOffset(strings.Trim(string(args[n-1]), `"`))
	}
}

func (c *client) receiveState(raw json.RawMessage) {
	var s struct {
		V      uint64                     `json:"v"`
		Part   int                        `json:"part"`
		Last   bool                       `json:"last"`
		Fields map[string]json.RawMessage `json:"fields"`
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		c.fail("%s: %v", raw, err)
	}
	switch {
	case s.V < c.v:
		c.fail("%s was told version %d after %d", c.id, s.V, c.v)
	case s.Part == 0:
		c.state = make(view)
	case s.Part != c.next || s.V != c.v:
		c.fail("%s got part %d of %d, want part %d of %d", c.id, s.Part, s.V, c.next, c.v)
	}
	c.v, c.next, c.partial, c.torn = s.V, s.Part+1, true, false
	for name, raw := range s.Fields {
		c.set(name, raw)
	}
	if s.Last {
		c.next, c.stated = 0, true
		c.checkView()
	}
}

func (c *client) set(name string, raw json.RawMessage) {
	if c.state[name] == nil {
		c.state[name] = make(map[string]string)
	}
	if name == "title" {
		c.state[name][""] = string(raw)
		return
	}
	var entries map[string]json.RawMessage
	if err := json.Unmarshal(raw, &entries); err != nil {
		c.fail("%s: %s: %v", name, raw, err)
	}
	for k, v := range entries {
		c.state[name][k] = string(v)
	}
}

func (c *client) receivePatch(raw json.RawMessage) {
	var p struct {
		V   uint64                     `json:"v"`
		Set map[string]json.RawMessage `json:"set"`
		Del map[string]json.RawMessage `json:"del"`
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		c.fail("%s: %v", raw, err)
	}
	if !c.stated || c.next != 0 || p.V < c.v || len(p.Set)+len(p.Del) == 0 {
		c.fail("%s got patch %s at version %d, next part %d", c.id, raw, c.v, c.next)
	}
	if p.V > c.v {
		c.checkView()
	}
	c.v, c.partial, c.torn = p.V, true, false
	for name, raw := range p.Del {
		if string(raw) == "true" {
			delete(c.state, name)
			continue
		}
		var keys []string
		if err := json.Unmarshal(raw, &keys); err != nil {
			c.fail("%s: %v", raw, err)
		}
		for _, k := range keys {
			delete(c.state[name], k)
		}
	}
	for name, raw := range p.Set {
		c.set(name, raw)
	}
}

// checkView fails unless c has exactly the state at the version it was told.
// It is called when nothing more can come for that version.
func (c *client) checkView() {
	if !c.stated || c.next != 0 || !c.partial {
		return
	}
	if want := c.room.view(c.v, c.id); !c.state.equal(want) {
		c.fail("%s at version %d has\n  %v, want\n  %v", c.id, c.v, c.state, want)
	}
	c.partial = false
}

// checkFresh fails unless c has all that changed for it up to a version.
func (c *client) checkFresh(version uint64) {
	if c.next != 0 || !c.stated || c.partial || c.torn {
		c.fail("%s was told of version %d without having a state, part %d", c.id, version, c.next)
	}
	if c.v < version && !c.state.equal(c.room.view(version, c.id)) {
		c.fail("%s was told of version %d and has that of %d", c.id, version, c.v)
	}
}

func (c *client) receiveEvent(seq, version uint64) {
	c.got = append(c.got, seq)
	want := c.room.events(c.id, c.since)
	if n := len(c.got); n > len(want) || want[n-1] != seq {
		c.fail("%s got events %v, want %v", c.id, c.got, want)
	}
	c.checkFresh(version)
}

// receiveOffset fails unless everything that an offset claims has arrived, and
// nothing more: what is claimed is lost to whoever resumes from it, and what
// is not arrives again.
func (c *client) receiveOffset(offset string) {
	seq, version := parseOffset(offset)
	c.checkView()
	c.checkFresh(version)
	for _, e := range c.room.events(c.id, c.since) {
		if e <= seq && !slices.Contains(c.got, e) {
			c.fail("%s has offset %s and not event %d", c.id, offset, e)
		}
	}
	if n := len(c.got); n > 0 && c.got[n-1] > seq {
		c.fail("%s has offset %s and event %d", c.id, offset, c.got[n-1])
	}
	c.offset = offset
}

// cut is the end of its connection: what was on its way is lost.
func (c *client) cut() { c.conn, c.answered = 0, false }

// resume goes back to what the offset says. A state that was not complete
// cannot be patched: only another state is an answer. Acknowledgements are not
// sent again.
func (c *client) resume(conn uint64) {
	c.conn = conn
	if c.next != 0 {
		c.stated = false
	}
	c.torn = c.torn || c.partial
	c.next, c.partial = 0, false
	c.acks = c.room.replies[c.id]
}

func formatOffset(seq, version uint64) string { return fmt.Sprintf("r1.x.%d.%d", seq, version) }

func parseOffset(s string) (seq, version uint64) {
	f := strings.Split(s, ".")
	return number([]byte(f[2])), number([]byte(f[3]))
}

func number(b []byte) uint64 {
	n, err := strconv.ParseUint(string(b), 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}
