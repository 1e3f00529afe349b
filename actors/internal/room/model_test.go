package room

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/parlor-rooms/parlor/actors"
)

// model drives a room with whatever may come, in any order, while its user
// code does whatever it may do, and holds it to its promises after each step.
type model struct {
	t *rapid.T
	w *world
	s *script

	behavior   actors.Behavior
	hibernates bool // the kind may

	rand    *rand.Rand // what user code does; drawn anew for each step
	quiet   bool       // user code does nothing any more
	clients []*client
	calls   uint64
	sent    int

	depth  int                     // turns within turns
	joined map[actors.MemberID]int // calls of the hook Joined
	left   map[actors.MemberID]int // calls of the hook Left
	events map[actors.MemberID]int // number of the latest event that was handled
	owed   []actors.Ack[string]
	broken []string // what user code saw and should not have
}

func TestARoomKeepsItsPromisesWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"":         func(*rapid.T) { m.check() },
			"join":     m.act(m.join),
			"leave":    m.act(m.leave),
			"return":   m.act(m.comeBack),
			"event":    m.act(m.event),
			"more":     m.act(m.event),
			"call":     m.act(func() { m.calls++; m.w.call(m.calls, "do", `[]`) }),
			"work":     m.act(m.work),
			"ack":      m.act(m.ack),
			"time":     m.act(func() { m.w.advance(m.duration()) }),
			"pause":    m.act(func() { m.w.now = m.w.now.Add(m.duration()); m.w.m.Wake(m.w.now) }),
			"confirm":  m.act(func() { m.w.confirm() }),
			"overload": m.act(m.overload),
			"close": m.act(func() {
				if m.pick(20) == 0 {
					m.w.m.Close(m.w.now, actors.ReasonShutdown)
				}
			}),
		})
		m.end()
	})
}

func newModel(t *rapid.T) *model {
	m := newScript(t)
	m.open(t)
	m.w = openRoom(t, m.behavior)
	return m
}

// newScript returns a model whose room is yet to be made.
func newScript(t *rapid.T) *model {
	m := &model{
		t: t, joined: make(map[actors.MemberID]int), left: make(map[actors.MemberID]int), events: make(map[actors.MemberID]int),
	}
	m.reseed()
	m.s = &script{
		opened:  func(h *hall, t *actors.Turn) error { return m.turn(h, t, 40) },
		admit:   func(h *hall, t *actors.Turn, r *actors.JoinRequest) error { return m.turn(h, t, 20) },
		joined:  func(h *hall, t *actors.Turn, who actors.Member) { m.joined[who.ID]++; m.hook(h, t) },
		dropped: func(h *hall, t *actors.Turn, _ actors.Member, _ actors.LeaveReason) { m.hook(h, t) },
		resumed: func(h *hall, t *actors.Turn, _ actors.Member) { m.hook(h, t) },
		left: func(h *hall, t *actors.Turn, who actors.Member, _ actors.LeaveReason) {
			m.left[who.ID]++
			if _, there := t.Lookup(who.ID); there {
				m.broken = append(m.broken, string(who.ID)+" is there although it left")
			}
			m.hook(h, t)
		},
		tick:    func(h *hall, t *actors.Turn, _ actors.Tick) { m.hook(h, t) },
		closing: func(h *hall, t *actors.Turn) { m.hook(h, t) },
		on: on{"do": func(h *hall, t *actors.Turn, in actors.Args) (any, error) {
			m.inOrder(t, in)
			return "done", m.turn(h, t, 8)
		}},
		later: func(h *hall, t *actors.Turn, in string, ack actors.Ack[string]) {
			m.owed = append(m.owed, ack)
			m.hook(h, t)
		},
		load: func(context.Context, actors.RoomRef) error {
			if m.rand.IntN(10) == 0 {
				return errors.New("load")
			}
			return nil
		},
	}
	return m
}

// open draws a kind.
func (m *model) open(t *rapid.T) {
	c := actors.KindConfig{
		MaxMembers: 6, MaxWork: 2, IdleAfter: 20 * time.Second, ResumeEvents: 5,
		SyncEvery:    rapid.SampledFrom([]time.Duration{0, time.Second}).Draw(t, "SyncEvery"),
		TickEvery:    rapid.SampledFrom([]time.Duration{0, 3 * time.Second}).Draw(t, "TickEvery"),
		ResumeWithin: rapid.SampledFrom([]time.Duration{0, 10 * time.Second}).Draw(t, "ResumeWithin"),
	}
	if m.hibernates && c.TickEvery == 0 {
		c.HibernateAfter = rapid.SampledFrom([]time.Duration{0, time.Second, 20 * time.Second}).Draw(t, "HibernateAfter")
	}
	if rapid.Bool().Draw(t, "authorizes") {
		c.Authorize = func(context.Context, *actors.JoinRequest) error {
			if m.rand.IntN(4) == 0 {
				return errors.New("authorize")
			}
			return nil
		}
	}
	b := m.s.behavior(c)
	if rapid.Bool().Draw(t, "loads") {
		b = m.s.loadingBehavior(c)
	}
	m.behavior = b
}

func (m *model) reseed() {
	seed := rapid.Uint64().Draw(m.t, "what user code does")
	m.rand = rand.New(rand.NewPCG(seed, seed))
}

// act makes an action of rapid of a step.
func (m *model) act(step func()) func(*rapid.T) {
	return func(t *rapid.T) { m.t = t; m.reseed(); step() }
}

func (m *model) pick(n int) int { return rapid.IntRange(0, n-1).Draw(m.t, "pick") }

func (m *model) duration() time.Duration {
	return time.Duration(rapid.SampledFrom([]int{0, 1, 100, 1000, 5000, 15_000}).Draw(m.t, "ms")) * time.Millisecond
}

// hook is a turn that cannot return an error.
func (m *model) hook(h *hall, t *actors.Turn) {
	if m.turn(h, t, 8) != nil {
		panic("a hook gives up")
	}
}

// turn does a few random things and fails once in a while.
func (m *model) turn(h *hall, t *actors.Turn, failsOnceIn int) error {
	if m.depth++; m.depth > 1 {
		m.broken = append(m.broken, "a turn within a turn")
	}
	defer func() { m.depth-- }()
	if h.Notes.Has("poison") {
		m.broken = append(m.broken, "a failed turn has left something")
	}
	if m.quiet {
		return nil
	}
	for range m.rand.IntN(4) {
		m.something(h, t)
	}
	switch m.rand.IntN(failsOnceIn) {
	case 0:
		poison(h, t)
		panic("user code gives up")
	case 1:
		poison(h, t)
		return actors.Errorf("no", "no")
	}
	return nil
}

// poison does what must not be seen.
func poison(h *hall, t *actors.Turn) {
	h.Notes.Set("poison", 1)
	h.Spots.Clear()
	t.Broadcast("poison")
	t.Destroy()
	t.Go(func(context.Context) error { return nil }, func(t *actors.Turn, _ error) { t.Broadcast("poison") })
	t.After(0, func(t *actors.Turn) { t.Broadcast("poison") })
	t.All().Ask(0, func(t *actors.Turn, _ []actors.Answer) { t.Broadcast("poison") }, "poison")
	for who := range t.Members() {
		t.Kick(who.ID, "poison")
	}
}

func (m *model) something(h *hall, t *actors.Turn) {
	var members []actors.MemberID
	for who := range t.Members() {
		members = append(members, who.ID)
	}
	one := actors.MemberID("nobody")
	if len(members) > 0 {
		one = members[m.rand.IntN(len(members))]
	}
	then := func(t *actors.Turn) { m.hook(h, t) }
	switch m.rand.IntN(16) {
	case 0, 1:
		h.Notes.Set(fmt.Sprint(m.rand.IntN(5)), m.rand.IntN(100))
	case 2:
		h.Notes.Delete(fmt.Sprint(m.rand.IntN(5)))
	case 3:
		h.Spots.Set(one, fmt.Sprint(m.rand.IntN(100)))
	case 4:
		h.Hands.Set(one, fmt.Sprint(m.rand.IntN(100)))
	case 5, 6:
		t.Broadcast("all")
	case 7:
		t.To(one, "nobody").Emit("some")
	case 8:
		t.All().Except(one).Volatile().Emit("others", "x")
	case 9:
		if m.rand.IntN(3) == 0 {
			t.Kick(one, []string{"", "bye"}[m.rand.IntN(2)])
		}
	case 10:
		if m.rand.IntN(15) == 0 {
			t.Destroy()
		}
	case 11:
		t.After(time.Duration(m.rand.IntN(5000))*time.Millisecond, then)
	case 12:
		t.Go(func(context.Context) error { return nil }, func(t *actors.Turn, _ error) { then(t) })
	case 13:
		t.All().Ask(time.Duration(m.rand.IntN(5000))*time.Millisecond, func(t *actors.Turn, _ []actors.Answer) { then(t) }, "ready?")
	case 14:
		for _, ack := range m.owed {
			if m.rand.IntN(2) == 0 {
				ack.Reply(t, "late")
			}
		}
	case 15:
		h.Secret.Set(m.rand.IntN(100))
	}
}

func (m *model) inOrder(t *actors.Turn, in actors.Args) {
	var n int
	if len(in.List) == 0 {
		return
	}
	_ = in.Decode(0, &n)
	if who := t.Member().ID; n <= m.events[who] {
		m.broken = append(m.broken, fmt.Sprintf("event %d of %s after %d", n, who, m.events[who]))
	} else {
		m.events[who] = n
	}
}

func (m *model) join() {
	m.clients = append(m.clients, m.w.join(at(fmt.Sprintf("n%d", m.pick(3)+1))))
}

func (m *model) client() *client {
	if len(m.clients) == 0 {
		return m.w.join()
	}
	return m.clients[m.pick(len(m.clients))]
}

func (m *model) leave() {
	why := []actors.LeaveReason{actors.ReasonClientLeft, actors.ReasonTransportClosed, actors.ReasonProtocolError}
	m.client().leave(why[m.pick(len(why))])
}

func (m *model) comeBack() {
	c := m.client()
	if mem := m.w.m.members.byID[c.id()]; mem != nil && mem.pid != "" {
		offsets := []string{"", "garbage", m.w.m.position().offset(), offset(m.pick(20), m.pick(20))}
		m.clients = append(m.clients, c.back(offsets[m.pick(len(offsets))], at(fmt.Sprintf("n%d", m.pick(3)+1))))
	}
}

func (m *model) event() {
	c := m.client()
	m.sent++
	payload := fmt.Sprintf(`["do",%d]`, m.sent)
	switch m.pick(6) {
	case 0:
		payload = `["later","x"]`
	case 1:
		payload = fmt.Sprintf(`["later","x",{"$parlor":{"cid":"c%d"}}]`, m.pick(3))
	case 2:
		payload = `["nobody takes this"]`
	}
	if m.pick(2) == 0 {
		c.send(payload)
	} else {
		c.tell(payload)
	}
}

func (m *model) overload() {
	c := m.client()
	c.link++
	m.w.m.Overloaded(m.w.now, eventOf(c, `["do",0]`))
}

func (m *model) work() {
	if running := keys(m.w.work); len(running) > 0 {
		m.w.finish(running[m.pick(len(running))])
	}
}

func (m *model) ack() {
	m.client().ack(uint64(m.pick(int(m.w.m.askID)+2)), `["yes"]`)
}

// check holds the room to what is true after every step.
func (m *model) check() {
	room := m.w.m
	if len(m.broken) > 0 || m.depth != 0 {
		m.t.Fatalf("user code saw: %q, %d", m.broken, m.depth)
	}
	if strings.Contains(strings.Join(m.w.log, "\n"), "poison") {
		m.t.Fatalf("something of a failed turn was seen:\n%s", strings.Join(m.w.log, "\n"))
	}
	m.checkSeats()
	for id, n := range m.left {
		if _, there := room.members.byID[id]; n != 1 || there {
			m.t.Fatalf("told %d times that %s left; is there: %v", n, id, there)
		}
	}
	if room.phase == open {
		m.checkState()
	}
	if room.following || len(room.followUps) != 0 || len(room.turn.emits)+len(room.turn.kicks)+len(room.turn.effects) != 0 || room.turn.destroy {
		m.t.Fatalf("a turn is left over")
	}
	if room.phase == ending || (room.phase == retiring) != (m.w.retired == 1) {
		m.t.Fatalf("phase %d, retired %d times", room.phase, m.w.retired)
	}
}

func (m *model) checkSeats() {
	room := m.w.m
	connected, reserved := map[string]map[actors.MemberID]bool{}, 0
	pids := 0
	for mem := range room.members.all() {
		if room.members.byID[mem.ID] != mem || room.members.order[mem.at] != mem {
			m.t.Fatalf("%s stands in the list and not in the table", mem.ID)
		}
		if mem.pid != "" {
			if pids++; room.members.byPID[mem.pid] != mem {
				m.t.Fatalf("the pid of %s is not known", mem.ID)
			}
		}
		if (room.members.byConn[mem.conn] == mem) != mem.Connected || mem.Connected == (mem.grace != nil && mem.grace.index >= 0) {
			m.t.Fatalf("%s: connected %v", mem.ID, mem.Connected)
		}
		if mem.Connected {
			if connected[mem.conn.Node] == nil {
				connected[mem.conn.Node] = map[actors.MemberID]bool{}
			}
			connected[mem.conn.Node][mem.ID] = true
		}
	}
	if pids != len(room.members.byPID) {
		m.t.Fatalf("%d pids for %d members that have one", len(room.members.byPID), pids)
	}
	for _, p := range room.joins {
		if p.seated {
			reserved++
		}
	}
	if reserved != room.seats || room.members.len()+reserved > room.kind.MaxMembers {
		m.t.Fatalf("%d seats are reserved, %d counted, %d members", reserved, room.seats, room.members.len())
	}
	if len(m.w.tables) != len(connected) {
		m.t.Fatalf("nodes %v have the room, members are at %v", slices.Collect(maps.Keys(m.w.tables)), connected)
	}
	for name, members := range connected {
		tb := m.w.tables[name]
		if tb == nil || len(tb.members) != len(members) {
			m.t.Fatalf("%s has %v of %v", name, tb, members)
		}
		for id := range members {
			if tb.members[id] != room.members.byID[id].conn {
				m.t.Fatalf("%s thinks that %s is at %v", name, id, tb.members[id])
			}
		}
	}
	for _, n := range room.nodes {
		if n.members != len(connected[n.name]) || n.unconfirmed != m.w.unconfirmed[n.name] || n.gathered != nil || n.forgotten() {
			m.t.Fatalf("%v are at %s, which has not confirmed %d flushes: %+v", connected[n.name], n.name, m.w.unconfirmed[n.name], *n)
		}
	}
}

// checkState compares what is stored with what the room has, and copies with
// both once everything is flushed.
func (m *model) checkState() {
	room := m.w.m
	durable, synced := map[string]string{}, map[string]string{}
	for i, spec := range room.fields {
		room.inst.Each(i, func(key string, value []byte) {
			if spec.Durable {
				durable[spec.Name+"/"+key] = string(value)
			}
			if spec.Synced {
				synced[spec.Name+"/"+key] = string(value)
			}
		})
	}
	if !maps.Equal(durable, m.w.durable()) {
		m.t.Fatalf("saved is %v, the room has %v", m.w.durable(), durable)
	}
	for name, tb := range m.w.tables {
		if len(room.sync.dirty) == 0 && !maps.Equal(tb.mirror, synced) {
			m.t.Fatalf("%s has %v, the room %v", name, tb.mirror, synced)
		}
	}
}

// end lets everything come to rest: then everybody has had an answer.
func (m *model) end() {
	m.quiet = true
	for range 50 {
		m.reseed()
		m.w.confirm()
		m.w.finishAll()
		m.w.advance(time.Second)
	}
	m.check()
	room := m.w.m
	for _, c := range m.clients {
		if a := c.answer(); a == "" || strings.Contains(a, " and ") {
			m.t.Fatalf("%s was answered %q", c.asked, a)
		}
		if _, there := room.members.byID[c.id()]; room.phase == open && !there && m.joined[c.id()] > 0 && m.left[c.id()] != 1 {
			m.t.Fatalf("told %d times that %s left", m.left[c.id()], c.id())
		}
	}
	if room.phase == open && (len(room.sync.dirty) > 0 || room.work.busy() && len(m.w.work) == 0) {
		m.t.Fatalf("%d changes wait; work is busy: %v", len(room.sync.dirty), room.work.busy())
	}
	if room.phase == retiring && (!room.NextWake().IsZero() || len(room.joins) > 0 || room.seats > 0) {
		m.t.Fatalf("a room that has left wants something")
	}
}
