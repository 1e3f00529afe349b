package room

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// keptModel is the model of a room that is kept in a store which answers late,
// in its own time, more than once, or never, and which is rolled back under the
// living room; whose node dies at any point; and whose place is taken by
// another. It checks what the world outside has been shown against what the
// store holds at that moment, once it has been given back what it lost.
//
// Mutants that it finds within a few dozen schedules, each tried by hand: acks
// that do not wait for the append; events or patches that do not; a copy of
// the state for a new node taken from the instance as it is; an admission
// before its seat; the removal of a seat apart from the turn of Left; commands
// or events that are not stored; a fenced room that lets go of what it held;
// Appended that takes any answer for the one it waits for. Reads that do not
// wait, and a room that is destroyed without being forgotten, are found by the
// tests of these names.
type keptModel struct {
	*model
	seen      map[string]bool        // what was acknowledged, or told: "ev 7"
	events    map[uint64]storedEvent // the history as the store has had it
	history   string                 // its generation
	latest    map[string]uint64      // by node: the latest sequence it was sent
	returns   []ticket
	live      map[uint64]string        // events that a node with a member that returned has yet to be sent
	returning map[string]string        // offset by pid
	lost      map[actors.MemberID]bool // whose Left, or Joined, was a turn that failed
	crashes   int
}

// ticket is what a client needs to return.
type ticket struct {
	id          actors.MemberID
	pid, offset string
}

func TestAKeptRoomKeepsItsPromisesWhateverHappens(t *testing.T) {
	repairs := 0
	rapid.Check(t, func(t *rapid.T) {
		m := newKeptModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"":        func(*rapid.T) { m.check() },
			"join":    m.act(m.join),
			"leave":   m.act(m.leave),
			"return":  m.act(m.comeBack),
			"ticket":  m.act(m.useTicket),
			"event":   m.act(m.event),
			"do":      m.act(m.do),
			"more":    m.act(m.do),
			"command": m.act(m.command),
			"call":    m.act(func() { m.calls++; m.w.call(m.calls, "keep", fmt.Sprintf(`[%d]`, m.number())) }),
			"work":    m.act(m.work),
			"time":    m.act(func() { m.w.advance(m.duration()) }),
			"confirm": m.act(func() { m.w.confirm() }),
			"recheck": m.act(func() { m.w.m.Recheck(m.w.now) }),
			"rewind":  m.act(m.rollBack),
			"append":  m.act(m.append),
			"trim":    m.act(m.trim),
			"appends": m.act(m.append),
			"close": m.act(func() {
				if m.pick(20) == 0 && m.w.m.phase != asleep {
					m.w.m.Close(m.w.now, actors.ReasonShutdown)
				}
			}),
			"crash": m.act(func() {
				if m.pick(6) == 0 {
					m.crash()
				}
			}),
		})
		m.finish()
		repairs += m.w.kept.repairs
	})
	if repairs == 0 {
		t.Error("no store was rolled back and repaired")
	}
}

func newKeptModel(t *rapid.T) *keptModel {
	m := &keptModel{seen: make(map[string]bool), events: make(map[uint64]storedEvent), latest: make(map[string]uint64), lost: make(map[actors.MemberID]bool), returning: make(map[string]string), live: make(map[uint64]string)}
	m.model = newScript(t)
	s := m.s
	joined, left := s.joined, s.left
	s.joined = func(h *hall, t *actors.Turn, who actors.Member) {
		m.lost[who.ID] = true
		count(h, "joined "+string(who.ID))
		joined(h, t, who)
		delete(m.lost, who.ID)
	}
	s.left = func(h *hall, t *actors.Turn, who actors.Member, why actors.LeaveReason) {
		m.lost[who.ID] = true
		count(h, "left "+string(who.ID))
		left(h, t, who, why)
		m.left[who.ID] = 0 // a crash may take it back: the note in the store counts
		delete(m.lost, who.ID)
	}
	s.on["keep"] = func(h *hall, t *actors.Turn, in actors.Args) (any, error) {
		var n int
		if err := in.Decode(0, &n); err != nil {
			return nil, err
		}
		key := fmt.Sprintf("ev %d", n)
		count(h, key)
		if m.rand.IntN(2) == 0 {
			t.Broadcast("kept", key)
		}
		if m.rand.IntN(4) == 0 {
			t.All().Volatile().Emit("kept", key)
		}
		return key, nil
	}
	s.on["look"] = func(h *hall, t *actors.Turn, in actors.Args) (any, error) {
		var keys []string
		for key := range h.Notes.All() {
			if strings.HasPrefix(key, "ev ") {
				keys = append(keys, key)
			}
		}
		return keys, nil
	}
	s.on["cursor"] = func(h *hall, t *actors.Turn, _ actors.Args) (any, error) {
		h.Spots.Set("somewhere", fmt.Sprint(m.sent))
		t.All().Volatile().Emit("cursor", m.sent)
		return nil, nil
	}
	m.hibernates = true
	m.open(t)
	m.w = newWorld(t, m.behavior)
	m.w.watch, m.w.user = m.watch, "ada"
	m.w.destroyed = m.forget
	m.w.kept = &kept{entries: make(map[string]string), slow: rapid.Bool().Draw(t, "the store is slow")}
	m.w.begin()
	return m
}

func count(h *hall, key string) {
	n, _ := h.Notes.Get(key)
	h.Notes.Set(key, n+1)
}

func (m *keptModel) number() int { m.sent++; return m.sent }

func (m *keptModel) do() {
	c := m.client()
	switch m.pick(5) {
	case 0:
		c.send(`["look"]`)
	case 1:
		c.send(`["cursor"]`)
	default:
		c.send(fmt.Sprintf(`["keep",%d]`, m.number()))
	}
}

// command sends one of a few commands, again and again.
func (m *keptModel) command() {
	n := 100_000 + m.pick(4)
	m.client().send(fmt.Sprintf(`["keep",%d,{"$parlor":{"cid":"c%d"}}]`, n, n))
}

// append has the store do something about what it was handed.
func (m *keptModel) append() {
	k := m.w.kept
	if m.w.m.phase == open && m.pick(4) == 0 {
		k.mark()
	}
	switch what := m.pick(8); {
	case k.reclaiming && what > 1:
		m.w.reclaimed()
	case k.reclaiming:
	case k.destroying:
		m.w.commit()
	case k.flight == nil:
	case what == 0:
		m.w.apply() // and the answer is lost: it will be asked again
	case what == 1 && m.pick(4) == 0:
		m.takenOver()
	case what == 2:
		id := k.flight.ID
		m.w.commit()
		m.w.m.Appended(m.w.now, id, nil) // it comes twice
	default:
		m.w.commit()
	}
}

// trim forgets a part of the history, for want of memory.
func (m *keptModel) trim() {
	if m.w.m.phase != asleep && m.pick(4) == 0 {
		m.w.m.Trim()
		m.w.m.Wake(m.w.now)
		m.w.settle()
	}
}

// rollBack has the store lose what it acknowledged last. The room is told, or
// finds out.
func (m *keptModel) rollBack() {
	k := m.w.kept
	if n := len(k.past); m.w.m.phase == open && n > 0 && m.pick(3) == 0 {
		k.rollBack(m.pick(n))
		m.w.note("rolled back to %+v", k.owned)
	}
}

// forgive is for a room whose owner is gone before it has given back what the
// store has lost.
func (m *keptModel) forgive() {
	if m.w.kept.rolledBack {
		m.forget()
		m.left = make(map[actors.MemberID]int)
	}
	m.w.kept.past = nil
}

// forget is for a room that is destroyed: what was acknowledged is gone.
func (m *keptModel) forget() {
	clear(m.seen)
	clear(m.events)
	m.returns = nil
	m.history = ""
}

// takenOver says that another activation has the room.
func (m *keptModel) takenOver() {
	m.takeTickets()
	if m.w.kept.taken = true; !m.w.kept.reclaiming {
		m.w.fence()
	}
	m.w.reclaimed()
	if m.w.retired != 1 || len(m.w.tables) != 0 {
		m.t.Fatalf("a fenced room has %d retirements and tables %v", m.w.retired, m.w.tables)
	}
	m.again()
}

// crash ends the node, with a batch that may have been applied.
func (m *keptModel) crash() {
	if m.w.kept.flight != nil && m.pick(2) == 0 {
		m.w.apply()
	}
	if m.w.kept.destroying && m.pick(2) == 0 {
		m.w.kept.entries = make(map[string]string)
		m.w.kept.owned.Generation, m.w.kept.owned.Sequence = "", 0
		m.forget()
	}
	m.takeTickets()
	m.again()
}

func (m *keptModel) takeTickets() {
	for _, c := range m.clients {
		mem := m.w.m.members.byID[c.id()]
		if mem == nil || mem.pid == "" || c.answer() != "joined" || m.w.tables[c.conn.Node] == nil {
			continue
		}
		offset := ""
		if seq, sent := m.latest[c.conn.Node]; sent {
			p := m.w.m.seen()
			p.seq = seq
			offset = p.offset()
		}
		m.returns = append(m.returns, ticket{mem.ID, mem.pid, offset})
	}
}

func (m *keptModel) again() {
	m.crashes++
	m.forgive()
	m.clients, m.owed = nil, nil
	m.model.events = make(map[actors.MemberID]int)
	clear(m.latest)
	m.w.next()
}

// useTicket has a client return from an activation that has died.
func (m *keptModel) useTicket() {
	if len(m.returns) == 0 {
		return
	}
	i := m.pick(len(m.returns))
	tk := m.returns[i]
	m.returns = slices.Delete(m.returns, i, i+1)
	m.returning[tk.pid] = tk.offset
	c := m.w.join(with(tk.pid, tk.offset), at(fmt.Sprintf("n%d", m.pick(3)+1)))
	m.clients = append(m.clients, c)
}

// watch sees everything that leaves for the fan-outs.
func (m *keptModel) watch(node string, item wire.Item) {
	switch it := item.(type) {
	case wire.Emit:
		m.learn(string(it.Data.JSON), false)
		if p, ok := offsetOf(it.Data.JSON); ok && !it.Volatile {
			m.sequence(node, p, it)
		}
	case wire.Reply:
		m.learn(string(it.Data.JSON), true)
	case wire.Sync:
		m.learnState(it.Changes)
	case wire.Mirror:
		m.learnState(it.Entries)
	case wire.Remove:
		maps.DeleteFunc(m.live, func(_ uint64, at string) bool { return at == node })
	case wire.Admit:
		if m.w.m.keepsSeats() && !m.w.m.destroyed && m.w.kept.entries[seatKey(it.Member)] == "" && m.w.m.members.byID[it.Member] != nil {
			m.t.Fatalf("%s is admitted, and its seat is not stored; %s", it.Member, m.story())
		}
		m.replayed(it)
	}
}

// learn notes what is told, which has to be stored by then.
func (m *keptModel) learn(told string, acked bool) {
	for rest := told; ; {
		i := strings.Index(rest, `"ev `)
		if i < 0 {
			return
		}
		rest = rest[i+1:]
		key := rest[:strings.IndexByte(rest, '"')]
		if m.w.m.destroyed {
			continue // it was, and is forgotten
		}
		if n := m.w.kept.entries[fieldKey("notes", key)]; n == "" && !m.w.kept.rolledBack {
			m.t.Fatalf("%s tells of %q, which is not stored", told, key)
		}
		if acked {
			m.seen[key] = true
		}
	}
}

func (m *keptModel) learnState(changes []actors.Change) {
	for _, c := range changes {
		if c.Field == 0 && c.Value != nil && strings.HasPrefix(c.Key, "ev ") {
			m.learn(`"`+c.Key+`"`, false)
		}
	}
}

// sequence checks that reliable events come in their order, and are stored.
func (m *keptModel) sequence(node string, p position, e wire.Emit) {
	if p.seq <= m.latest[node] {
		m.t.Fatalf("%s is sent event %d behind %d", node, p.seq, m.latest[node])
	}
	m.latest[node] = p.seq
	if m.live[p.seq] == node {
		delete(m.live, p.seq)
	}
	if m.history != p.generation {
		m.history = p.generation
		clear(m.events)
	}
	stored := m.w.kept.entries[eventKey(p.seq)]
	var ev storedEvent
	if stored == "" || json.Unmarshal([]byte(stored), &ev) != nil {
		if p.seq <= m.w.m.history.floor || m.w.m.destroyed {
			return // trimmed by later ones of its batch, or forgotten
		}
		m.t.Fatalf("event %d %s is sent and not stored; %s", p.seq, e.Data.JSON, m.story())
	}
	m.events[p.seq] = ev
}

// replayed checks that whoever returns gets what it missed.
func (m *keptModel) replayed(a wire.Admit) {
	var answer struct{ PID string }
	_ = json.Unmarshal(a.Answer, &answer)
	from, ok := parseOffset(m.returning[answer.PID])
	delete(m.returning, answer.PID)
	if !ok || m.w.m.members.byID[a.Member] == nil {
		return
	}
	from.seq = max(from.seq, m.w.m.members.byID[a.Member].admitted.seq)
	var got []uint64
	for _, e := range a.Replay {
		p, _ := offsetOf(e.Data.JSON)
		got = append(got, p.seq)
	}
	var want []uint64
	for _, key := range slices.Sorted(maps.Keys(m.w.kept.entries)) {
		seq, err := strconv.ParseUint(strings.TrimPrefix(key, areaEvent), 10, 64)
		if err != nil || seq <= from.seq {
			continue
		}
		var ev storedEvent
		_ = json.Unmarshal([]byte(m.w.kept.entries[key]), &ev)
		if seq <= m.w.m.history.sent && meantFor(wire.Emit{To: ev.To, Except: ev.Except}, a.Member) {
			want = append(want, seq)
		}
	}
	slices.Sort(want)
	last := from.seq
	for _, seq := range got { // some of which may have been trimmed since
		if seq <= last {
			m.t.Fatalf("%s returns from %d and is sent %v", a.Member, from.seq, got)
		}
		last = seq
	}
	for _, seq := range want {
		switch {
		case slices.Contains(got, seq):
		case seq < last:
			m.t.Fatalf("%s returns from %d and is sent %v, not %v", a.Member, from.seq, got, want)
		default:
			m.live[seq] = a.Conn.Node // happened behind the admission, in the same step
		}
	}
}

func offsetOf(payload []byte) (position, bool) {
	var elems []json.RawMessage
	if json.Unmarshal(payload, &elems) != nil || len(elems) < 2 {
		return position{}, false
	}
	var s string
	_ = json.Unmarshal(elems[len(elems)-1], &s)
	return parseOffset(s)
}

// story is what happened last, and where the room is.
func (m *keptModel) story() string {
	log := m.w.log[max(0, len(m.w.log)-40):]
	return fmt.Sprintf("phase %d, destroyed %v:\n\t%s\nstored %v", m.w.m.phase, m.w.m.destroyed, strings.Join(log, "\n\t"), m.w.kept.entries)
}

// check holds the room and its store to what is true after every step.
func (m *keptModel) check() {
	if len(m.live) > 0 {
		m.t.Fatalf("events %v are missing for who returned; %s", m.live, m.story())
	}
	for key := range m.seen {
		if m.w.kept.rolledBack {
			break // it is given back
		}
		if n := m.w.kept.entries[fieldKey("notes", key)]; n != "1" {
			m.t.Fatalf("%q was acknowledged and is stored %q times", key, n)
		}
	}
	for _, line := range m.w.kept.area(fieldKey("notes", "left ")) {
		if !strings.HasSuffix(line, "=1") {
			m.t.Fatalf("left %s", line)
		}
	}
	for _, line := range m.w.kept.area(fieldKey("notes", "ev ")) {
		if !strings.HasSuffix(line, "=1") {
			m.t.Fatalf("done twice: ev %s", line)
		}
	}
	room := m.w.m
	if room.phase == asleep {
		m.checkAsleep()
		return
	}
	if len(m.broken) > 0 || m.depth != 0 {
		m.t.Fatalf("user code saw: %q, %d", m.broken, m.depth)
	}
	if strings.Contains(strings.Join(m.w.log, "\n"), "poison") {
		m.t.Fatalf("something of a failed turn was seen")
	}
	if room.gate.need != 0 || room.gate.bytes < 0 || room.gate.turns < 0 || len(room.gate.queue) == 0 && (room.gate.turns != 0 || room.gate.bytes != 0) {
		m.t.Fatalf("the gate is left as %+v", room.gate)
	}
	if room.journal.idle() != (m.w.kept.flight == nil && !m.w.kept.reclaiming) && room.phase != retiring && !room.destroyed && (!room.journal.repair.due || room.phase != opening) {
		m.t.Fatalf("the journal waits for nothing: %+v", room.journal)
	}
	if room.phase == open && room.journal.idle() && !m.w.kept.rolledBack {
		if len(room.gate.queue) > 0 {
			m.t.Fatalf("%d are held although everything is durable", len(room.gate.queue))
		}
		m.checkSeats()
		m.checkKept()
	}
	if (room.phase == retiring) != (m.w.retired == 1) {
		m.t.Fatalf("phase %d, retired %d times", room.phase, m.w.retired)
	}
	if room.phase == retiring && room.destroyed && !room.abandoned && len(m.w.kept.entries) > 0 {
		m.t.Fatalf("it was to be forgotten: %s", m.story())
	}
	if room.phase == retiring {
		m.takeTickets()
		m.again()
	}
}

// checkAsleep checks that nobody notices that the room hibernates.
func (m *keptModel) checkAsleep() {
	room := m.w.m
	if !room.journal.idle() || len(room.gate.queue) > 0 || !room.NextWake().IsZero() || m.w.kept.agenda.IsZero() {
		m.t.Fatalf("it hibernates and wants something: %s", m.story())
	}
	connected := 0
	for _, tb := range m.w.tables {
		connected += len(tb.members)
		for key := range tb.mirror {
			if m.w.kept.entries[areaField+key] != tb.mirror[key] {
				m.t.Fatalf("%s is mirrored as %s, and stored as %s", key, tb.mirror[key], m.w.kept.entries[areaField+key])
			}
		}
	}
	if connected == 0 || connected != len(m.w.kept.area(areaSeat)) {
		m.t.Fatalf("%d members are connected, seats %v", connected, m.w.kept.area(areaSeat))
	}
}

// checkKept compares the store with the room, when nothing is on its way, and
// copies with both once everything is flushed.
func (m *keptModel) checkKept() {
	room, k := m.w.m, m.w.kept
	m.checkWhole()
	synced := map[string]string{}
	for i, spec := range room.fields {
		if spec.Synced {
			room.inst.Each(i, func(key string, value []byte) { synced[spec.Name+"/"+key] = string(value) })
		}
	}
	stored := map[string]string{}
	for key, value := range k.entries {
		if rest, is := strings.CutPrefix(key, areaField); is {
			stored[rest] = value
		}
	}
	if durable := m.w.durable(); !maps.Equal(durable, stored) {
		m.t.Fatalf("stored is %v, the room has %v", stored, durable)
	}
	for name, tb := range m.w.tables {
		if len(room.sync.dirty) == 0 && !maps.Equal(tb.mirror, synced) {
			m.t.Fatalf("%s has %v, the room %v", name, tb.mirror, synced)
		}
	}
	if room.kept != k.counted() {
		m.t.Fatalf("the room counts %d bytes, and %d are stored: %v", room.kept, k.counted(), k.entries)
	}
	if room.keepsSeats() && len(k.area(areaSeat)) != room.members.len() {
		m.t.Fatalf("seats %v are stored for %d members", k.area(areaSeat), room.members.len())
	}
	if kept := len(k.area(areaEvent)); room.resumes() && kept != len(room.history.kept) {
		m.t.Fatalf("%d events are stored, %d kept", kept, len(room.history.kept))
	}
	if room.keepsSeats() && room.members.len() > 0 && k.agenda.IsZero() {
		m.t.Fatalf("nobody will look after the seats: %+v %s", room.journal.agenda, m.story())
	}
}

// checkWhole compares what would be given back with what is stored.
func (m *keptModel) checkWhole() {
	stored := maps.Clone(m.w.kept.entries)
	delete(stored, keySleep)
	var had, has storedMeta
	_ = json.Unmarshal([]byte(stored[keyMeta]), &had)
	for _, e := range m.w.m.whole() {
		value, there := stored[e.Key]
		delete(stored, e.Key)
		switch {
		case !m.w.m.journal.written(), e.Key == keyLives && !m.w.m.journal.named:
		case e.Key == keyMeta:
			if _ = json.Unmarshal(e.Value, &has); has.Seq != had.Seq || has.Version != had.Version {
				m.t.Fatalf("%s would be given back as %s", value, e.Value)
			}
		case strings.HasPrefix(e.Key, areaCommand) && strings.Contains(string(e.Value), errAnswerLost().Message) && value != "":
		case !there || value != string(e.Value):
			m.t.Fatalf("%s is %q, and would be given back as %q", e.Key, value, e.Value)
		}
	}
	if len(stored) > 0 {
		m.t.Fatalf("%v would not be given back", stored)
	}
}

// finish lets everything come to rest: then whoever joined is there or has
// left, once.
func (m *keptModel) finish() {
	m.quiet = true
	m.w.kept.slow = false
	m.w.m.Recheck(m.w.now)
	for range 50 {
		m.reseed()
		m.w.settle()
		m.w.confirm()
		m.w.finishAll()
		m.w.advance(time.Second)
		m.check()
	}
	room := m.w.m
	for _, line := range m.w.kept.area(fieldKey("notes", "joined ")) {
		id, _, _ := strings.Cut(line, "=")
		_, there := room.members.byID[actors.MemberID(id)]
		left := m.w.kept.entries[fieldKey("notes", "left "+id)] != ""
		if room.resumes() && there == left && !m.lost[actors.MemberID(id)] {
			m.t.Fatalf("%s is there: %v; has left: %v", id, there, left)
		}
	}
}
