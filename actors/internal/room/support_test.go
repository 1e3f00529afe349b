package room

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// hall is the room under test. What its hooks and handlers do is in script.
type hall struct {
	Notes  actors.Map[string, int]             `room:"notes,durable,synced"`
	Spots  actors.Map[actors.MemberID, string] `room:"spots,synced"`
	Hands  actors.Map[actors.MemberID, string] `room:"hands,synced,member"`
	Secret actors.Value[int]                   `room:"secret,durable"`
	plain  int
	script *script
}

// script says what the room does; nil members do nothing.
type script struct {
	opened  func(*hall, *actors.Turn) error
	admit   func(*hall, *actors.Turn, *actors.JoinRequest) error
	joined  func(*hall, *actors.Turn, actors.Member)
	dropped func(*hall, *actors.Turn, actors.Member, actors.LeaveReason)
	resumed func(*hall, *actors.Turn, actors.Member)
	left    func(*hall, *actors.Turn, actors.Member, actors.LeaveReason)
	tick    func(*hall, *actors.Turn, actors.Tick)
	closing func(*hall, *actors.Turn)
	on      map[string]func(*hall, *actors.Turn, actors.Args) (any, error)
	later   func(*hall, *actors.Turn, string, actors.Ack[string])
	load    func(context.Context, actors.RoomRef) error // of a loading hall
	make    func()                                      // called by the function that makes a room
}

func (h *hall) Opened(t *actors.Turn) error {
	if h.script.opened != nil {
		return h.script.opened(h, t)
	}
	return nil
}

func (h *hall) Admit(t *actors.Turn, r *actors.JoinRequest) error {
	if h.script.admit != nil {
		return h.script.admit(h, t, r)
	}
	return nil
}

func (h *hall) Joined(t *actors.Turn, m actors.Member) {
	if h.script.joined != nil {
		h.script.joined(h, t, m)
	}
}

func (h *hall) Dropped(t *actors.Turn, m actors.Member, why actors.LeaveReason) {
	if h.script.dropped != nil {
		h.script.dropped(h, t, m, why)
	}
}

func (h *hall) Resumed(t *actors.Turn, m actors.Member, _ bool) {
	if h.script.resumed != nil {
		h.script.resumed(h, t, m)
	}
}

func (h *hall) Left(t *actors.Turn, m actors.Member, why actors.LeaveReason) {
	if h.script.left != nil {
		h.script.left(h, t, m, why)
	}
}

func (h *hall) Tick(t *actors.Turn, k actors.Tick) {
	if h.script.tick != nil {
		h.script.tick(h, t, k)
	}
}

func (h *hall) Closing(t *actors.Turn) {
	if h.script.closing != nil {
		h.script.closing(h, t)
	}
}

// loading is a hall that loads something first.
type loading struct{ hall }

func (l *loading) Load(ctx context.Context, ref actors.RoomRef) error {
	return l.script.load(ctx, ref)
}

func (s *script) behavior(c actors.KindConfig) actors.Behavior {
	k := actors.NewKind("hall", func() *hall { s.made(); return &hall{script: s} }, c)
	for name, f := range s.on {
		actors.OnAck(k, name, func(h *hall, t *actors.Turn, in actors.Args) (any, error) { return f(h, t, in) })
	}
	if s.later != nil {
		actors.OnLater(k, "later", func(h *hall, t *actors.Turn, in string, ack actors.Ack[string]) { s.later(h, t, in, ack) })
	}
	return k
}

func (s *script) loadingBehavior(c actors.KindConfig) actors.Behavior {
	k := actors.NewKind("hall", func() *loading { s.made(); return &loading{hall{script: s}} }, c)
	for name, f := range s.on {
		actors.OnAck(k, name, func(h *loading, t *actors.Turn, in actors.Args) (any, error) { return f(&h.hall, t, in) })
	}
	return k
}

func (s *script) made() {
	if s.make != nil {
		s.make()
	}
}

// tester is what testing.T and rapid.T have in common.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// world is everything around one activation of a room. It writes down what the
// room does and fails the test if that breaks what it promises to others.
type world struct {
	t   tester
	m   *Machine
	now time.Time

	log         []string
	logging     *strings.Builder // the room's log
	tables      map[string]*table
	unconfirmed map[string]int // flushes, by node
	told        map[wire.ConnRef][]any
	work        map[uint64]func(context.Context) error
	worked      []uint64
	calls       map[uint64]OutCall
	answers     map[uint64]string
	retired     int
	ids         int
	connID      uint64
	behavior    actors.Behavior
	kept        *kept                   // nil: nothing is kept
	watch       func(string, wire.Item) // sees what is sent to a node; may be nil
	moves       bool                    // the room moves: members may be in tables when it retires
	user        string                  // who joins, unless told otherwise
	destroyed   func()                  // the store has forgotten the room; may be nil
	breaks      bool                    // Run panics: a fault of the runtime
	maxBytes    int                     // what the room may keep, once limit was called
}

// table is what a fan-out keeps for a room.
type table struct {
	members map[actors.MemberID]wire.ConnRef
	mirror  map[string]string // nil: none yet
	version uint64
}

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

var ref = actors.RoomRef{Kind: "hall", ID: "1"}

// open starts a room.
func (s *script) open(t tester, c actors.KindConfig) *world {
	t.Helper()
	return openRoom(t, s.behavior(c))
}

func openRoom(t tester, b actors.Behavior) *world {
	t.Helper()
	w := newWorld(t, b)
	w.m.Start(w.now, Loaded{Epoch: 7})
	return w
}

// newWorld returns a room that is not started, of which nothing is kept.
func newWorld(t tester, b actors.Behavior, options ...func(*Config)) *world {
	t.Helper()
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, now: start, logging: &strings.Builder{}, behavior: b,
		tables: make(map[string]*table), unconfirmed: make(map[string]int), told: make(map[wire.ConnRef][]any),
		work: make(map[uint64]func(context.Context) error), calls: make(map[uint64]OutCall),
		answers: make(map[uint64]string),
	}
	cfg := Config{
		Ref: ref, Behavior: b, Log: slog.New(slog.NewTextHandler(w.logging, nil)),
		Rand: rand.New(rand.NewPCG(1, 1)), NewID: w.newID, Effects: w,
	}
	for _, f := range options {
		f(&cfg)
	}
	w.m = New(cfg)
	return w
}

// limit bounds what the room may keep, in this activation and later ones.
func (w *world) limit(bytes int) { w.maxBytes, w.m.cfg.MaxBytes = bytes, bytes }

// durable is what the room has in its durable fields.
func (w *world) durable() map[string]string {
	held := make(map[string]string)
	for i, spec := range w.m.fields {
		if spec.Durable {
			w.m.inst.Each(i, func(key string, value []byte) { held[spec.Name+"/"+key] = string(value) })
		}
	}
	return held
}

func (w *world) newID() string { w.ids++; return fmt.Sprintf("id-%05d", w.ids) }

func (w *world) note(format string, args ...any) { w.log = append(w.log, fmt.Sprintf(format, args...)) }

func (w *world) alive(what string) {
	if w.retired > 0 {
		w.t.Errorf("%s after Retire", what)
	}
}

// Deliver implements Effects: what a fan-out does, and what it may rely on.
func (w *world) Deliver(node string, d *wire.Deliver) {
	w.alive("Deliver")
	tb := w.tables[node]
	if tb == nil {
		tb = &table{members: make(map[actors.MemberID]wire.ConnRef)}
		w.tables[node] = tb
	}
	if d.Adopts != 0 && len(d.Items) == 0 && d.Confirm {
		w.unconfirmed[node]++
		w.note("%s: adopts %d as %d", node, d.Adopts, d.Epoch)
		return
	}
	if d.Room != ref || d.Namespace != "/hall/1" || d.Epoch != w.m.epoch || len(d.Items) == 0 {
		w.t.Errorf("Deliver %+v", d)
	}
	if len(tb.members) == 0 && !slices.ContainsFunc(d.Items, func(i wire.Item) bool { _, admits := i.(wire.Admit); return admits }) {
		w.t.Errorf("%s has no members and is sent %s", node, describe(d.Items))
	}
	flushed := false
	for _, item := range d.Items {
		w.note("%s: %s", node, describe([]wire.Item{item}))
		if w.watch != nil {
			w.watch(node, item)
		}
		switch it := item.(type) {
		case wire.Admit:
			w.admit(node, tb, it)
		case wire.Emit:
			for _, id := range it.To {
				w.inTable(node, tb, id, "Emit")
			}
		case wire.Reply:
			w.inTable(node, tb, it.Member, "Reply")
		case wire.Remove:
			w.inTable(node, tb, it.Member, "Remove")
			delete(tb.members, it.Member)
		case wire.Mirror:
			tb.mirror, tb.version = make(map[string]string), it.Version
			w.change(tb, it.Entries)
		case wire.Sync:
			flushed = true
			if tb.mirror == nil || it.Version <= tb.version {
				w.t.Errorf("%s at version %d is sent Sync %d", node, tb.version, it.Version)
			}
			tb.version = it.Version
			w.change(tb, it.Changes)
		case wire.End:
			if len(tb.members) > 0 {
				w.t.Errorf("End for %s, which has %v", node, tb.members)
			}
			delete(w.tables, node)
			tb.mirror = nil
		}
	}
	if flushed != d.Confirm {
		w.t.Errorf("Confirm is %v: %s", d.Confirm, describe(d.Items))
	}
	if d.Confirm {
		w.unconfirmed[node]++
	}
}

func (w *world) admit(node string, tb *table, a wire.Admit) {
	if a.Conn.Node != node {
		w.t.Errorf("Admit of %v at %s", a.Conn, node)
	}
	if old, has := tb.members[a.Member]; has {
		w.t.Errorf("Admit of %s, which is there from %v", a.Member, old)
	}
	if w.m.synced && tb.mirror == nil {
		w.t.Errorf("Admit of %s before a Mirror", a.Member)
	}
	tb.members[a.Member] = a.Conn
}

func (w *world) inTable(node string, tb *table, id actors.MemberID, what string) {
	if _, has := tb.members[id]; !has {
		w.t.Errorf("%s for %s, which is not at %s", what, id, node)
	}
}

func (w *world) change(tb *table, changes []actors.Change) {
	for _, c := range changes {
		if spec := w.m.fields[c.Field]; !spec.Synced {
			w.t.Errorf("field %s is sent to members", spec.Name)
		} else if key := spec.Name + "/" + c.Key; c.Value == nil {
			delete(tb.mirror, key)
		} else {
			tb.mirror[key] = string(c.Value)
		}
	}
}

// Tell implements Effects.
func (w *world) Tell(c wire.ConnRef, msg any) {
	w.told[c] = append(w.told[c], msg)
	text := ""
	switch msg := msg.(type) {
	case *wire.Joined:
		w.alive("Joined")
		text = fmt.Sprintf("joined %s as %s", msg.Asked, msg.Member)
	case *wire.Refused:
		w.alive("Refused")
		text = fmt.Sprintf("refused %s %s", msg.Asked, msg.Err.Code)
	case *wire.Gone:
		w.alive("Gone")
		text = "gone " + string(msg.Member)
	case *wire.Credit:
		w.alive("Credit")
		text = fmt.Sprintf("credit %s %d", msg.Member, msg.Link)
	case *wire.Moved:
		text = "moved"
	}
	w.note("tell %s/%d: %s", c.Node, c.ID, text)
}

// Run implements Effects.
func (w *world) Run(id uint64, work func(context.Context) error) {
	w.alive("Run")
	if w.breaks {
		panic("a fault of the runtime")
	}
	w.work[id] = work
	w.worked = append(w.worked, id)
	w.note("run %d", id)
}

// Call implements Effects.
func (w *world) Call(id uint64, c OutCall) {
	w.alive("Call")
	w.calls[id] = c
	w.note("call %d %v %s %s", id, c.Room, c.Event, c.Payload.JSON)
}

// Answer implements Effects.
func (w *world) Answer(id uint64, result actors.Raw, err *actors.Error) {
	if err != ErrMoved {
		w.alive("Answer")
	}
	if before, twice := w.answers[id]; twice {
		w.t.Errorf("call %d is answered twice, first with %s", id, before)
	}
	w.answers[id] = string(result.JSON)
	if err != nil {
		w.answers[id] = string(err.Code)
	}
	w.note("answer %d %s", id, w.answers[id])
}

// Retire implements Effects.
func (w *world) Retire() {
	w.alive("Retire")
	w.retired++
	w.note("retire")
	if w.moves {
		return
	}
	for node, tb := range w.tables {
		w.t.Errorf("%s still has the room and %v; %s", node, tb.members, strings.Join(w.log[max(0, len(w.log)-30):], "\n\t"))
	}
}

// describe writes items as a test reads them.
func describe(items []wire.Item) string {
	var parts []string
	for _, item := range items {
		switch it := item.(type) {
		case wire.Admit:
			s := fmt.Sprintf("admit %s %s", it.Member, it.Answer)
			if it.Resumed {
				s += fmt.Sprintf(" since %d", it.Since)
			}
			for _, e := range it.Replay {
				s += " replay " + strings.TrimPrefix(describe([]wire.Item{e}), "emit ")
			}
			parts = append(parts, s)
		case wire.Emit:
			s := "emit " + string(it.Data.JSON)
			if it.To != nil {
				s += fmt.Sprintf(" to %v", it.To)
			}
			if it.Except != nil {
				s += fmt.Sprintf(" except %v", it.Except)
			}
			if it.Volatile {
				s += " volatile"
			}
			if it.HasAck {
				s += fmt.Sprintf(" ask %d", it.AckID)
			}
			parts = append(parts, s)
		case wire.Reply:
			parts = append(parts, fmt.Sprintf("reply %s #%d %s", it.Member, it.ID, it.Data.JSON))
		case wire.Mirror:
			parts = append(parts, fmt.Sprintf("mirror v%d %s%s", it.Version, it.Offset, describeChanges(it.Entries)))
		case wire.Sync:
			parts = append(parts, fmt.Sprintf("sync v%d %s%s", it.Version, it.Offset, describeChanges(it.Changes)))
		case wire.Remove:
			s := "remove " + string(it.Member)
			if it.Disconnect {
				s += " disconnect"
			}
			if it.Close != "" {
				s += " close " + string(it.Close)
			}
			parts = append(parts, s)
		case wire.End:
			parts = append(parts, "end")
		}
	}
	return strings.Join(parts, " | ")
}

func describeChanges(changes []actors.Change) string {
	var b strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&b, " %d/%s=%s", c.Field, c.Key, c.Value)
	}
	return b.String()
}
