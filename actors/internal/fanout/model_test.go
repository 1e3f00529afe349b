package fanout

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
	"pgregory.net/rapid"
)

// modelRoom is a room as its members are to know it.
type modelRoom struct {
	ref     actors.RoomRef
	fields  []actors.FieldSpec
	resumes bool

	epoch, seq, version uint64
	heard               uint64 // the epoch that was sent last
	before              uint64 // the version before that
	mirrored            bool
	values              map[fieldKey]string
	history             map[uint64]map[fieldKey]string // by version
	ring                []modelEvent
	clients             map[actors.MemberID]*client // those with a seat
	all                 map[actors.MemberID]*client // and those who had one
	removed             map[actors.MemberID]modelRemoval
	replies             map[actors.MemberID]uint64
}

type fieldKey struct {
	field int
	key   string
}

type modelEvent struct {
	seq  uint64
	emit wire.Emit
}

type modelRemoval struct{ seq, version uint64 }

// view is what a member is to see at a version.
func (r *modelRoom) view(version uint64, id actors.MemberID) view {
	v := make(view)
	for _, f := range r.fields {
		if f.Synced && !f.Single {
			v[f.Name] = make(map[string]string)
		}
	}
	for k, value := range r.history[version] {
		f := r.fields[k.field]
		if !f.Synced || f.Audience == actors.KeyMember && k.key != string(id) {
			continue
		}
		if v[f.Name] == nil {
			v[f.Name] = make(map[string]string)
		}
		v[f.Name][k.key] = value
	}
	return v
}

// events lists what a member that joined after a sequence is sent.
func (r *modelRoom) events(id actors.MemberID, since uint64) []uint64 {
	var seqs []uint64
	for _, e := range r.missed(id, since) {
		seqs = append(seqs, e.seq)
	}
	return seqs
}

func (r *modelRoom) missed(id actors.MemberID, since uint64) []modelEvent {
	var out []modelEvent
	removal, isRemoved := r.removed[id]
	for _, e := range r.ring {
		if e.seq > since && (!isRemoved || e.seq <= removal.seq) && addressed(&e.emit, id) {
			out = append(out, e)
		}
	}
	return out
}

func addressed(e *wire.Emit, id actors.MemberID) bool {
	return (e.To == nil || slices.Contains(e.To, id)) && !slices.Contains(e.Except, id)
}

func (r *modelRoom) offset() string {
	if !r.resumes {
		return ""
	}
	return formatOffset(r.seq, r.version)
}

// payload is an EVENT that says what it presupposes, with an offset that claims
// a version.
func (r *modelRoom) payload(claimed uint64, name string, numbers ...uint64) actors.Raw {
	b := fmt.Appendf(nil, `[%q`, name)
	for _, n := range numbers {
		b = fmt.Appendf(b, `,%d`, n)
	}
	if r.resumes {
		b = fmt.Appendf(b, `,%q`, formatOffset(r.seq, claimed))
	}
	return actors.Raw{JSON: append(b, ']')}
}

// model drives a machine as rooms, networks and clients would.
type model struct {
	*shard
	t      *rapid.T
	rooms  []*modelRoom
	conns  map[uint64]map[string]*client // conn → namespace → whose seat it is
	lastID uint64
}

func newModel(t *rapid.T) *model {
	small := rapid.IntRange(1, 4)
	m := &model{t: t, conns: make(map[uint64]map[string]*client)}
	m.shard = newShard(Limits{
		Part:        rapid.IntRange(20, 120).Draw(t, "part"),
		Gather:      small.Draw(t, "gather"),
		GatherBytes: rapid.IntRange(20, 300).Draw(t, "gatherBytes"),
		Removed:     small.Draw(t, "removed"),
		Backlog:     rapid.SampledFrom([]int{3, 1000}).Draw(t, "backlog"),
		Ended:       1,
	})
	for i, fields := range [][]actors.FieldSpec{boardFields, boardFields[:hand], boardFields} {
		m.rooms = append(m.rooms, &modelRoom{
			ref: actors.RoomRef{Kind: "board", ID: fmt.Sprint("r", i)}, fields: fields, resumes: i < 2,
			epoch: 1, values: make(map[fieldKey]string), history: map[uint64]map[fieldKey]string{0: {}},
			clients: make(map[actors.MemberID]*client), all: make(map[actors.MemberID]*client), removed: make(map[actors.MemberID]modelRemoval),
			replies: make(map[actors.MemberID]uint64),
		})
	}
	return m
}

func (m *model) send(r *modelRoom, items ...wire.Item) {
	m.Deliver(&wire.Deliver{Room: r.ref, Namespace: r.ref.Namespace(), Epoch: r.epoch, Adopts: r.heard, Items: items})
	r.heard = r.epoch
}

func (m *model) room() *modelRoom { return rapid.SampledFrom(m.rooms).Draw(m.t, "room") }

func (m *model) chance(name string) bool { return rapid.Bool().Draw(m.t, name) }

// draw picks one of what there is, or reports false.
func draw[K string | actors.MemberID | uint64, V any](m *model, name string, from map[K]V) (V, bool) {
	if len(from) == 0 {
		var none V
		return none, false
	}
	return from[rapid.SampledFrom(slices.Sorted(maps.Keys(from))).Draw(m.t, name)], true
}

// change makes the next version of a room.
func (m *model) change(r *modelRoom) []actors.Change {
	values := maps.Clone(r.values)
	changed := make(map[fieldKey]bool)
	var changes []actors.Change
	r.before = r.version
	r.version += rapid.Uint64Range(1, 3).Draw(m.t, "step")
	for range rapid.IntRange(0, 4).Draw(m.t, "changes") {
		k := fieldKey{field: rapid.IntRange(0, len(r.fields)-1).Draw(m.t, "field")}
		switch {
		case r.fields[k.field].Audience == actors.KeyMember && len(r.clients) > 0:
			c, _ := draw(m, "key", r.clients)
			k.key = string(c.id)
		case !r.fields[k.field].Single:
			k.key = rapid.SampledFrom([]string{"a", "b", `"c\`, "d", "e"}).Draw(m.t, "key")
		}
		if changed[k] {
			continue
		}
		changed[k] = true
		c := actors.Change{Field: k.field, Key: k.key}
		if rapid.IntRange(0, 2).Draw(m.t, "delete") == 0 {
			delete(values, k)
		} else {
			c.Value = fmt.Appendf(nil, "%d", r.version*100+uint64(len(changes)))
			values[k] = string(c.Value)
		}
		changes = append(changes, c)
	}
	r.values = values
	r.history[r.version] = values
	return changes
}

// turn is some syncs and events in one Deliver.
func (m *model) turn(*rapid.T) {
	r := m.room()
	var items []wire.Item
	for range rapid.IntRange(1, 4).Draw(m.t, "items") {
		switch rapid.IntRange(0, 4).Draw(m.t, "item") {
		case 0, 1:
			if r.mirrored {
				items = append(items, wire.Sync{Changes: m.change(r), Version: r.version, Offset: r.offset()})
			}
		case 2:
			r.seq++
			claimed := r.version
			if m.chance("held") {
				claimed = r.before // what was seen when its turn ran: it was held back
			}
			e := wire.Emit{Data: r.payload(claimed, "ev", r.seq, r.version)}
			switch c, ok := draw(m, "of", r.clients); {
			case !ok:
			case m.chance("to"):
				e.To = []actors.MemberID{c.id}
			case m.chance("except"):
				e.Except = []actors.MemberID{c.id}
			}
			r.ring = append(r.ring, modelEvent{r.seq, e})
			items = append(items, e)
		case 3:
			items = append(items, wire.Emit{Data: r.payload(r.version, "vol", r.version), Volatile: true})
		case 4:
			if c, ok := draw(m, "reply", r.clients); ok {
				r.replies[c.id]++
				items = append(items, wire.Reply{Member: c.id, ID: r.replies[c.id],
					Data: actors.Raw{JSON: fmt.Appendf(nil, "[%d]", r.version)}})
			}
		}
	}
	m.send(r, items...)
}

func (m *model) mirror(r *modelRoom) wire.Mirror {
	r.mirrored = true
	w := wire.Mirror{Version: r.version, Offset: r.offset(), Fields: r.fields}
	for k, v := range r.values {
		w.Entries = append(w.Entries, actors.Change{Field: k.field, Key: k.key, Value: []byte(v)})
	}
	slices.SortFunc(w.Entries, func(a, b actors.Change) int { return int(a.Value[0]) - int(b.Value[0]) })
	return w
}

// restart is another activation of a room, or the same with another mirror.
func (m *model) restart(*rapid.T) {
	r := m.room()
	if m.chance("activation") {
		r.epoch++
	}
	m.change(r)
	m.send(r, m.mirror(r))
}

// end destroys a room; the next to join finds another activation.
func (m *model) end(*rapid.T) {
	r := m.room()
	var items []wire.Item
	for _, id := range slices.Sorted(maps.Keys(r.clients)) {
		r.removed[id] = modelRemoval{r.seq, r.version}
		r.clients[id].leaving = true
		items = append(items, wire.Remove{Member: id, Disconnect: true})
	}
	clear(r.clients)
	m.send(r, append(items, wire.End{})...)
	r.epoch++
	r.mirrored = false
	m.change(r)
}

func (m *model) stale(*rapid.T) {
	r := m.room()
	m.Deliver(&wire.Deliver{Room: r.ref, Namespace: r.ref.Namespace(), Epoch: r.epoch - 1,
		Items: []wire.Item{wire.Emit{Data: r.payload(r.version, "stale")}, wire.Mirror{}, wire.End{}}})
}

// free returns a connection on which nobody is in the room.
func (m *model) free(r *modelRoom) uint64 {
	for _, conn := range slices.Sorted(maps.Keys(m.conns)) {
		if c := m.conns[conn][r.ref.Namespace()]; c == nil || c.left || c.gone {
			if m.chance("shared") {
				return conn
			}
		}
	}
	m.lastID++
	conn := m.lastID
	m.conns[conn] = make(map[string]*client)
	s := m.socket(conn)
	s.stalled = m.chance("stalled")
	listeners := make(map[string]*client)
	s.receive = func(p *actors.Packet) {
		if p.Type == actors.PacketConnect {
			var answer struct{ SID actors.MemberID }
			if err := json.Unmarshal(p.Data, &answer); err != nil {
				m.t.Fatalf("%s: %v", p.Data, err)
			}
			for _, r := range m.rooms {
				if r.ref.Namespace() == p.Namespace {
					listeners[p.Namespace] = r.all[answer.SID]
				}
			}
		}
		if listeners[p.Namespace] == nil {
			m.t.Fatalf("nobody awaits %s", text(p))
		}
		listeners[p.Namespace].receive(p)
	}
	return conn
}

func (m *model) join(*rapid.T) {
	r := m.room()
	conn := m.free(r)
	m.lastID++
	id := fmt.Sprint("m", m.lastID)
	c := &client{room: r, id: actors.MemberID(id), since: r.seq, conn: conn, fail: m.t.Fatalf}
	if old := m.conns[conn][r.ref.Namespace()]; old != nil {
		old.gone = true
	}
	m.conns[conn][r.ref.Namespace()] = c
	r.clients[c.id], r.all[c.id] = c, c
	var items []wire.Item
	if !r.mirrored {
		items = append(items, m.mirror(r))
	}
	m.send(r, append(items, admit(id, conn))...)
}

// resume brings a member back that was cut off; without an offset it cannot.
func (m *model) resume(*rapid.T) {
	r := m.room()
	away := make(map[actors.MemberID]*client)
	for id, c := range r.clients {
		if c.conn == 0 {
			away[id] = c
		}
	}
	c, ok := draw(m, "away", away)
	if !ok {
		return
	}
	if c.offset == "" {
		delete(r.clients, c.id)
		m.send(r, wire.Remove{Member: c.id})
		return
	}
	seq, version := parseOffset(c.offset)
	a := admit(string(c.id), m.free(r))
	a.Resumed, a.Since = true, version
	for _, e := range r.missed(c.id, max(seq, c.since)) {
		a.Replay = append(a.Replay, e.emit)
	}
	c.resume(a.Conn.ID)
	m.conns[a.Conn.ID][r.ref.Namespace()] = c
	if m.chance("remove") {
		m.send(r, wire.Remove{Member: c.id})
	}
	m.send(r, a)
}

func (m *model) leave(*rapid.T) {
	r := m.room()
	c, ok := draw(m, "member", r.clients)
	if !ok {
		return
	}
	r.removed[c.id] = modelRemoval{r.seq, r.version}
	w := wire.Remove{Member: c.id, Disconnect: m.chance("disconnect")}
	if c.leaving = w.Disconnect; !c.leaving {
		c.gone = true
	}
	delete(r.clients, c.id)
	m.send(r, w)
}

// cut ends a connection.
func (m *model) cut(*rapid.T) {
	if s, ok := draw(m, "socket", m.sockets); ok {
		s.Close(actors.ReasonTransportError)
	}
}

// reap is what follows when sockets have closed, by whoever's hand.
func (m *model) reap() {
	for _, conn := range slices.Sorted(maps.Keys(m.sockets)) {
		if m.sockets[conn].closed == "" {
			continue
		}
		m.sockets[conn].receive = nil // what was on its way is lost
		delete(m.sockets, conn)
		delete(m.conns, conn)
		for _, r := range m.rooms {
			for _, id := range slices.Sorted(maps.Keys(r.clients)) {
				c := r.clients[id]
				if c.conn != conn {
					continue
				}
				if c.cut(); !r.resumes {
					delete(r.clients, c.id)
					m.send(r, wire.Remove{Member: c.id})
				}
			}
		}
	}
}

func (m *model) stall(*rapid.T) {
	if s, ok := draw(m, "socket", m.sockets); ok {
		s.stalled = true
	}
}

func (m *model) take(*rapid.T) {
	if s, ok := draw(m, "socket", m.sockets); ok && len(s.waiting) > 0 {
		s.take(rapid.IntRange(1, len(s.waiting)).Draw(m.t, "n"))
	}
}

func (m *model) unstall(*rapid.T) {
	if s, ok := draw(m, "socket", m.sockets); ok {
		s.resume()
	}
}

func (m *model) pump(*rapid.T) {
	if len(m.posted) > 0 {
		d := m.posted[0]
		m.posted = m.posted[1:]
		m.Drained(d)
	}
}

// check holds what must be true at any time.
func (m *model) check(*rapid.T) {
	m.reap()
	for _, r := range m.Machine.rooms {
		for _, mem := range r.byID {
			if c := mem.conn; !c.closed && (mem.busy() || mem.behind()) && (!mem.waiting || !c.armed) {
				m.t.Fatalf("nothing will wake %s: waiting %v, armed %v", mem.id, mem.waiting, c.armed)
			}
		}
	}
}

// finish lets everything arrive and checks that nothing is missing.
func (m *model) finish() {
	m.Flush()
	for _, s := range m.sockets {
		s.resume()
	}
	m.settle()
	for range len(m.leaving) {
		m.Flush()
	}
	for _, r := range m.rooms {
		for _, c := range r.clients {
			if c.conn == 0 {
				continue
			}
			c.checkView()
			c.checkFresh(r.version)
			if want := r.events(c.id, c.since); !slices.Equal(c.got, want) {
				m.t.Fatalf("%s got events %v, want %v", c.id, c.got, want)
			}
			if !c.state.equal(r.view(r.version, c.id)) {
				m.t.Fatalf("%s has %v in the end, want %v", c.id, c.state, r.view(r.version, c.id))
			}
		}
	}
	members := 0
	for _, c := range m.Machine.conns {
		members += c.members
	}
	if st := m.Stats(); members != st.Members {
		m.t.Fatalf("%d stays on connections and %d members in tables", members, st.Members)
	}
}

// Whatever sockets do, each member has exactly the state it was told of, all
// reliable events once and in order, and resumes without gap or duplicate.
// A failure prints the seed to replay it with.
func TestEveryMemberHasTheStateItWasTold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"": m.check, "turn": m.turn, "turn again": m.turn, "restart": m.restart, "end": m.end, "stale": m.stale,
			"join": m.join, "resume": m.resume, "leave": m.leave, "cut": m.cut,
			"stall": m.stall, "take": m.take, "unstall": m.unstall,
			"flush": func(*rapid.T) { m.Flush() }, "pump": m.pump, "pump again": m.pump,
		})
		m.finish()
	})
}
