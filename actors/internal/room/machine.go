// Package room is the state machine of one room: its members, the turns of
// its user code, what they changed and sent. It has no goroutine, no lock and
// no clock. Whoever drives it (a Proto.Actor shell in actors/node, a test in
// actors/actorstest) calls it from one goroutine at a time with the time as an
// input, and carries out its Effects.
package room

import (
	"container/heap"
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// Effects is how a room acts on the world. The machine calls it from within
// its own methods; no method may block or call the machine back.
type Effects interface {
	// Deliver sends to the fan-out of a node.
	Deliver(node string, d *wire.Deliver)
	// Tell sends Joined, Refused, Gone, Credit or Moved to a connection.
	Tell(conn wire.ConnRef, msg any)
	// Run runs work beside the room and comes back with Machine.WorkDone. The
	// context ends when the room leaves memory.
	Run(id uint64, work func(context.Context) error)
	// Call sends an event to another room and comes back with
	// Machine.CallDone.
	Call(id uint64, c OutCall)
	// Answer answers a Call that was handed in.
	Answer(id uint64, result actors.Raw, err *actors.Error)
	// Save hands over what a turn changed in durable fields.
	Save(changes []actors.Change)
	// Forget deletes everything that was saved.
	Forget()
	// Retire asks for the room to be taken off the directory; afterwards
	// whoever held the room's address is told Moved. The machine is done.
	Retire()
}

// OutCall is a call from a room to another.
type OutCall struct {
	Room    actors.RoomRef
	Event   string
	Payload actors.Raw // arguments, a JSON array
	Timeout time.Duration
}

// Config describes one activation of a room.
type Config struct {
	Ref      actors.RoomRef
	Behavior actors.Behavior
	Epoch    uint64
	Stored   []actors.Change // durable entries; Field indexes Instance.Fields
	Log      *slog.Logger
	Rand     *rand.Rand
	NewID    func() string
	Effects  Effects
}

type phase uint8

const (
	opening  phase = iota // before the first turn: Load is under way, or a restart waits
	open                  // turns run
	retiring              // Retire was called: everything is answered Moved
)

// maxWaiting is how many joins and calls wait for a room that is opening;
// beyond it they are refused as overloaded.
const maxWaiting = 4096

// Machine is one activation of a room. Use it from one goroutine at a time.
type Machine struct {
	cfg    Config
	kind   actors.KindConfig
	effect Effects
	log    *slog.Logger

	now   time.Time // of the current step
	phase phase

	inst    actors.Instance
	hooks   *actors.Hooks
	fields  []actors.FieldSpec
	synced  bool // any field is
	durable bool // any field is
	life    int  // counts instances: work of an earlier one is dropped
	waiting []func()

	members roster
	seats   map[actors.MemberID]*pendingJoin // by the id that was asked for
	nodes   []*node

	sync    syncState
	history history

	turn    turnState
	timers  timerHeap
	timerID uint64
	idle    *timer
	ticks   tickState
	work    workState
	asks    map[uint64]*ask
	askID   uint64
	laters  map[*later]struct{}
	faults  faultState

	destroyed bool // what was saved is deleted when the activation ends
}

// New returns a room that is not open yet: call Start.
func New(cfg Config) *Machine {
	m := &Machine{
		cfg:    cfg,
		kind:   cfg.Behavior.Config(),
		effect: cfg.Effects,
		log:    cfg.Log,
		seats:  make(map[actors.MemberID]*pendingJoin),
		asks:   make(map[uint64]*ask),
		laters: make(map[*later]struct{}),
	}
	m.members.init()
	m.work.running = make(map[uint64]func(error))
	m.history.init(m.kind, cfg.NewID())
	return m
}

// node is what the room knows of a node that holds members.
type node struct {
	name     string
	members  int
	mirrored bool // it has a copy of the synced fields
	awaiting bool // a Sync on its way to it was not confirmed
	confirm  bool // ask for confirmation of the next Deliver
	items    []wire.Item
}

func (m *Machine) node(name string) *node {
	for _, n := range m.nodes {
		if n.name == name {
			return n
		}
	}
	n := &node{name: name}
	m.nodes = append(m.nodes, n)
	return n
}

// send queues an item for one node until the step ends.
func (n *node) send(i wire.Item) { n.items = append(n.items, i) }

// step runs f as one step of the machine at time now.
func (m *Machine) step(now time.Time, f func()) {
	if now.After(m.now) {
		m.now = now
	}
	f()
	m.settle()
}

// settle flushes what the step gathered.
func (m *Machine) settle() {
	if m.phase == open {
		m.flushIfDue()
		m.watchIdle()
	}
	for _, n := range m.nodes {
		if len(n.items) == 0 {
			continue
		}
		d := &wire.Deliver{Room: m.cfg.Ref, Namespace: m.cfg.Ref.Namespace(), Epoch: m.cfg.Epoch, Items: n.items, Confirm: n.confirm}
		n.items, n.confirm = nil, false
		m.effect.Deliver(n.name, d)
	}
	m.nodes = slices.DeleteFunc(m.nodes, func(n *node) bool { return n.members == 0 })
}

// Wake runs what is due at now: ticks, timers, flushes.
func (m *Machine) Wake(now time.Time) {
	m.step(now, func() {
		for len(m.timers) > 0 && !m.timers[0].at.After(m.now) {
			t := heap.Pop(&m.timers).(*timer)
			t.run()
		}
		m.tickIfDue()
	})
}

// NextWake returns when Wake has something to do; the zero Time if nothing is
// due.
func (m *Machine) NextWake() time.Time {
	var next time.Time
	earlier := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if len(m.timers) > 0 {
		earlier(m.timers[0].at)
	}
	if m.phase == open {
		earlier(m.ticks.next)
		earlier(m.flushDueAt())
	}
	return next
}

// Members is the number of members, kept seats included.
func (m *Machine) Members() int { return m.members.len() }

// Retired reports whether the room has left: whatever still arrives is
// answered Moved.
func (m *Machine) Retired() bool { return m.phase == retiring }
