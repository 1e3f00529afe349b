package actorstest

import (
	"encoding/json"
	"net"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/rawjson"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// Member is a fake client in the room. Use it from the test's goroutine.
type Member struct {
	room     *Room
	conn     uint64
	identity actors.Identity
	auth     json.RawMessage

	id      actors.MemberID
	pid     string
	offset  string
	joined  bool
	refused *actors.Error
	closed  actors.LeaveReason // why its transport was closed
	kicked  bool               // it was sent DISCONNECT
	link    uint64
	ackID   uint64
	acks    map[uint64]actors.Raw
	events  []Event
	state   map[string]map[string]json.RawMessage
	parts   map[string]map[string]json.RawMessage // of a state whose last part is to come
	version uint64
	onAsk   map[string]func(Event) any
	lagging bool
	drained []func()
	pushed  []*actors.Packet
}

// Event is an event a member received.
type Event struct {
	Name string
	Args actors.Args // without the offset of kinds that resume
}

// Decode unmarshals argument i, from 0.
func (e Event) Decode(i int, v any) error { return e.Args.Decode(i, v) }

// Join lets an anonymous client in; auth is its CONNECT payload, nil or
// anything that encodes to a JSON object. The test fails if it is refused.
func (r *Room) Join(auth any) *Member {
	r.t.Helper()
	return r.JoinAs("", auth)
}

// JoinAs lets a client with a user id in.
func (r *Room) JoinAs(user string, auth any) *Member {
	r.t.Helper()
	m, err := r.TryJoinAs(user, auth)
	if err != nil {
		r.t.Fatalf("actorstest: join was refused: %v", err)
	}
	return m
}

// TryJoin is Join for a client that may be refused.
func (r *Room) TryJoin(auth any) (*Member, *actors.Error) { return r.TryJoinAs("", auth) }

// TryJoinAs is JoinAs for a client that may be refused.
func (r *Room) TryJoinAs(user string, auth any) (*Member, *actors.Error) {
	r.t.Helper()
	return r.TryJoinWith(actors.Identity{Subject: user}, auth)
}

// TryJoinWith is TryJoin for a client with an identity, grants included. What
// a connection checks before it asks the room, as that the identity has not
// expired and may join, is not checked here.
func (r *Room) TryJoinWith(id actors.Identity, auth any) (*Member, *actors.Error) {
	r.t.Helper()
	m := &Member{room: r, identity: id, onAsk: make(map[string]func(Event) any)}
	if auth != nil {
		raw, err := json.Marshal(auth)
		if err != nil {
			r.t.Fatalf("actorstest: %v", err)
		}
		m.auth = raw
	}
	m.connect("", "")
	if m.refused != nil {
		return nil, m.refused
	}
	if !m.joined {
		r.t.Fatalf("actorstest: the room answered neither yes nor no")
	}
	return m, nil
}

func (m *Member) connect(pid, offset string) {
	r := m.room
	r.awaken()
	r.nextID++
	m.conn = r.nextID
	r.members[m.conn] = m
	m.joined, m.refused, m.closed, m.kicked = false, nil, "", false
	m.link, m.pushed, m.acks = 0, nil, make(map[uint64]actors.Raw)
	r.machine.Join(r.now, &wire.Join{
		Room: r.ref, Conn: m.ref(), Member: actors.MemberID(r.newID()), Identity: m.identity,
		Auth: m.auth, Address: "127.0.0.1", PID: pid, Offset: offset,
	})
	r.settle()
}

func (m *Member) ref() wire.ConnRef { return wire.ConnRef{Node: "test", ID: m.conn} }

func (m *Member) told(msg any) {
	switch msg := msg.(type) {
	case *wire.Joined:
		m.joined, m.id = true, msg.Member
	case *wire.Refused:
		m.refused = msg.Err
	case *wire.Gone:
		m.joined = false
	}
}

// ID is the member's id in the room.
func (m *Member) ID() actors.MemberID { return m.id }

// Emit sends an event without asking for an acknowledgement. A failure
// arrives as the event "exception".
func (m *Member) Emit(event string, args ...any) { m.room.t.Helper(); m.send(event, args, false) }

// Ask sends an event and returns its acknowledgement, or the *actors.Error it
// was answered with. If the handler has not answered by the time all work is
// done, the error has CodeTimeout; the Ack can be asked again after Advance.
func (m *Member) Ask(event string, args ...any) (*Ack, error) {
	m.room.t.Helper()
	a := &Ack{member: m, id: m.send(event, args, true)}
	return a, a.Err()
}

func (m *Member) send(event string, args []any, ack bool) uint64 {
	m.room.t.Helper()
	raw, err := actors.EncodeArgs(&event, args...)
	if err != nil {
		m.room.t.Fatalf("actorstest: %v", err)
	}
	m.link++
	m.ackID++
	e := &wire.Event{Room: m.room.ref, Conn: m.ref(), Member: m.id, Link: m.link, ID: m.ackID, HasID: ack, Data: raw}
	m.room.rouse()
	m.room.machine.Event(m.room.now, e)
	m.room.settle()
	return m.ackID
}

// Ack is the answer to Ask.
type Ack struct {
	member *Member
	id     uint64
}

// Err is nil once the handler has answered without an error.
func (a *Ack) Err() error {
	raw, ok := a.member.acks[a.id]
	if !ok {
		return actors.Errorf(actors.CodeTimeout, "no answer yet")
	}
	var failed []struct {
		Error *actors.Error `json:"error"`
	}
	if json.Unmarshal(raw.JSON, &failed) == nil && len(failed) == 1 && failed[0].Error != nil {
		return failed[0].Error
	}
	return nil
}

// Decode unmarshals the value the handler returned.
func (a *Ack) Decode(v any) error {
	if err := a.Err(); err != nil {
		return err
	}
	raw := a.member.acks[a.id]
	elems, err := rawjson.Split(raw.JSON)
	if err != nil || len(elems) == 0 {
		return actors.Errorf(actors.CodeBadPayload, "the acknowledgement is empty")
	}
	return actors.Raw{JSON: elems[0], Attachments: raw.Attachments}.Decode(v)
}

// Events returns the events of that name received so far, in order.
func (m *Member) Events(name string) []Event {
	var found []Event
	for _, e := range m.events {
		if e.Name == name {
			found = append(found, e)
		}
	}
	return found
}

// AllEvents returns every event received so far, in order.
func (m *Member) AllEvents() []Event { return append([]Event(nil), m.events...) }

// State returns the member's view of a synced field, as its client has it: a
// Value is under the empty key.
func (m *Member) State(field string) map[string]json.RawMessage { return m.state[field] }

// State decodes a member's view of a synced field: its entries by key, a Value
// under the empty key. The test fails if one does not fit V.
func State[V any](m *Member, field string) map[string]V {
	m.room.t.Helper()
	view := make(map[string]V, len(m.state[field]))
	for key, raw := range m.state[field] {
		var v V
		if err := json.Unmarshal(raw, &v); err != nil {
			m.room.t.Fatalf("actorstest: %s[%q]: %v", field, key, err)
		}
		view[key] = v
	}
	return view
}

// OnAsk answers events the room asks an acknowledgement for.
func (m *Member) OnAsk(event string, answer func(Event) any) { m.onAsk[event] = answer }

// Leave disconnects, as a client that means it.
func (m *Member) Leave() { m.gone(actors.ReasonClientLeft) }

// Drop loses the connection. Kinds that resume keep the seat.
func (m *Member) Drop() { m.gone(actors.ReasonTransportClosed) }

func (m *Member) gone(why actors.LeaveReason) {
	r := m.room
	r.rouse()
	r.machine.Leave(r.now, &wire.Leave{Room: r.ref, Conn: m.ref(), Member: m.id, Why: why})
	delete(r.members, m.conn)
	r.settle()
}

// Return connects again after Drop and reports whether everything it missed
// was delivered. If its seat is gone it joins afresh.
func (m *Member) Return() (recovered bool) {
	m.room.t.Helper()
	pid := m.pid
	m.connect(pid, m.offset)
	if m.refused != nil {
		m.room.t.Fatalf("actorstest: return was refused: %v", m.refused)
	}
	return pid != "" && m.pid == pid
}

// Kicked reports whether the room sent the member away.
func (m *Member) Kicked() bool { return m.kicked }

// Closed is why the member's transport was closed; empty if it was not.
func (m *Member) Closed() actors.LeaveReason { return m.closed }

// Lag makes the member a slow reader, or a reader that has caught up.
func (m *Member) Lag(lagging bool) {
	m.lagging = lagging
	if !lagging {
		waiting := m.drained
		m.drained = nil
		for _, f := range waiting {
			f()
		}
		m.room.settle()
	}
}

// Socket implements fanout.Sockets.
func (r *Room) Socket(conn uint64) (actors.Socket, bool) {
	m := r.members[conn]
	return (*socket)(m), m != nil
}

// socket is a member as the fan-out sees it.
type socket Member

func (s *socket) SID() string { return string(s.id) }

func (s *socket) Push(p *actors.Packet) error {
	if s.closed != "" {
		return net.ErrClosed
	}
	if p.Class == actors.Volatile && s.lagging {
		return actors.ErrDropped
	}
	(*Member)(s).receive(p)
	return nil
}

func (s *socket) Flush() {}

func (s *socket) Lagging() bool { return s.lagging }

func (s *socket) WhenDrained(f func()) {
	if s.lagging {
		s.drained = append(s.drained, f)
	} else {
		f()
	}
}

func (s *socket) Close(why actors.LeaveReason) {
	if s.closed == "" {
		s.closed = why
		m, conn := (*Member)(s), s.conn
		s.room.queue = append(s.room.queue, func() {
			s.room.rouse()
			s.room.machine.Leave(s.room.now, &wire.Leave{Room: s.room.ref, Conn: wire.ConnRef{Node: "test", ID: conn}, Member: m.id, Why: why})
		})
	}
}

// receive does what a client does with a packet.
func (m *Member) receive(p *actors.Packet) {
	switch p.Type {
	case actors.PacketConnect:
		var answer struct {
			SID actors.MemberID `json:"sid"`
			PID string          `json:"pid"`
		}
		_ = json.Unmarshal(p.Data, &answer)
		m.id, m.pid = answer.SID, answer.PID
	case actors.PacketDisconnect:
		m.kicked = true
	case actors.PacketAck:
		m.acks[p.ID] = actors.Raw{JSON: p.Data, Attachments: p.Attachments}
	case actors.PacketEvent:
		m.event(p)
	}
}

func (m *Member) event(p *actors.Packet) {
	name, args, err := rawjson.SplitEvent(p.Data)
	if err != nil {
		m.room.t.Errorf("actorstest: the room sent a malformed event: %s", p.Data)
		return
	}
	if n := len(args); m.pid != "" && n > 0 && args[n-1][0] == '"' {
		_ = json.Unmarshal(args[n-1], &m.offset)
		args = args[:n-1]
	}
	e := Event{Name: name, Args: actors.Args{List: args, Attachments: p.Attachments}}
	switch name {
	case "room:state":
		m.applyState(e)
		return
	case "room:patch":
		m.applyPatch(e)
		return
	}
	m.events = append(m.events, e)
	if answer := m.onAsk[name]; answer != nil && p.HasID {
		raw, err := actors.EncodeArgs(nil, answer(e))
		if err != nil {
			m.room.t.Fatalf("actorstest: %v", err)
		}
		ack := &wire.Ack{Room: m.room.ref, Conn: m.ref(), Member: m.id, ID: p.ID, Data: raw}
		m.room.queue = append(m.room.queue, func() { m.room.rouse(); m.room.machine.Ack(m.room.now, ack) })
	}
}
