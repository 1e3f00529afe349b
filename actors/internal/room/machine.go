// Package room is the state machine of one room: its members, the turns of
// its user code, what they changed and sent. It has no goroutine, no lock and
// no clock. Whoever drives it (a Proto.Actor shell in actors/node, a test in
// actors/actorstest) calls it from one goroutine at a time with the time as an
// input, and carries out its Effects. The same inputs have the same effects in
// the same order, as far as user code does not depend on the order of a map.
//
// An input is one step. Within it turns run one after the other: what a turn
// causes (the hook Left of those it kicked, the end of the room) runs after
// it, never inside it. At the end of the step everything that was gathered for
// a node leaves in one Deliver, and then, if the room has ended, Retire.
//
// A member is in the table of its node from its Admit to its Remove, and a
// node has the room in its fan-out from the first Admit to an End. Every
// member that the hook Joined was told of is told to Left exactly once, even
// if the room's instance was replaced meanwhile after too many panics; only if
// the activation ends while no instance is open (it never opened again, or was
// closed before) there is no room left to be told.
package room

import (
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
	// Deliver sends to the fan-out of a node. If d.Confirm is set, the answer
	// comes back with Machine.Delivered.
	Deliver(node string, d *wire.Deliver)
	// Tell sends Joined, Refused, Gone, Credit or Moved to a connection.
	Tell(conn wire.ConnRef, msg any)
	// Run runs work beside the room and comes back with Machine.WorkDone and
	// the error as it is. The context ends when the room leaves memory.
	Run(id uint64, work func(context.Context) error)
	// Call sends an event to another room and comes back with
	// Machine.CallDone.
	Call(id uint64, c OutCall)
	// Answer answers a Call that was handed in, once.
	Answer(id uint64, result actors.Raw, err *actors.Error)
	// Append has the store keep a batch, and comes back with
	// Machine.Appended once it is known what became of it. One batch is on its
	// way at a time.
	Append(a Append)
	// Schedule sets when the room is to be woken, whether it is in memory or
	// not, by Machine.Due; the zero Time takes it off the agenda. It may fail:
	// that costs no more than a wake for nothing. It happens behind what
	// Append and Schedule were told before.
	Schedule(at time.Time)
	// Reclaim finds out whether the room is still this activation's, although
	// the store says otherwise or was rolled back, and comes back with
	// Machine.Reclaimed. Nothing is on its way meanwhile.
	Reclaim(o actors.Owned)
	// Destroy has the store forget the room, and comes back with
	// Machine.Destroyed. Nothing is on its way meanwhile.
	Destroy()
	// Hibernate says that this machine is over, and the activation goes on:
	// with the next message for the room, another machine is given what is
	// then loaded, and room as it is owned. nodes hold its members: if one of
	// them dies that is a message for the room.
	Hibernate(room actors.Owned, nodes []string)
	// Retire asks for the room to be released, if it is somebody's, and taken
	// off the directory; afterwards whoever held the room's address is told
	// Moved. It comes once, after
	// everything else that concerns the room; what follows are Moved and
	// ErrMoved, to those who came too late.
	Retire()
}

// OutCall is a call from a room to another.
type OutCall struct {
	Room    actors.RoomRef
	Event   string
	Payload actors.Raw // arguments, a JSON array
	Timeout time.Duration
}

// Append is a batch on its way to the store.
type Append struct {
	Batch *actors.Batch
	Trace actors.Trace // of the latest turn in it that is traced

	// Wake is when the agenda has to say that the room is to be woken, before
	// the batch is appended; zero if what it says already will do.
	Wake time.Time
}

// Config describes one activation of a room.
type Config struct {
	Ref           actors.RoomRef
	Behavior      actors.Behavior
	Log           *slog.Logger // names the room already
	Authenticates bool         // clients of the node can prove who they are
	// Begin takes one room that begins with a join out of what may begin per
	// second, or says in an *Error that it is too many. It does not block. Nil
	// lets any number begin.
	Begin func(*wire.Join) *actors.Error
	// Decided is told what became of every join, with err if it was refused,
	// and Ticked how late a tick was. They do not block. Nil if nobody counts.
	Decided func(j *wire.Join, o JoinOutcome, err *actors.Error)
	Ticked  func(late time.Duration)
	Rand    *rand.Rand
	NewID   func() string // unguessable, of [A-Za-z0-9_-]
	Follows bool          // connections follow a room that is told Moved to its next activation
	Effects Effects

	// MaxBytes is how much the room may keep in durable fields and seats, keys
	// and values as they are stored: what would make it more is refused with
	// CodeTooLarge. Turns that are nobody's event or call have an eighth more.
	// Zero means any amount.
	MaxBytes int

	// Apart gives every turn a batch of its own, though others wait for the
	// same append: what benchmarks measure sharing against.
	Apart bool

	// Traced returns a context that carries a trace, for a turn that is
	// traced. Nil if nothing is.
	Traced func(context.Context, actors.Trace) context.Context
}

type phase uint8

const (
	opening  phase = iota // before the first turn: the store or Load is asked, or a restart waits
	open                  // turns run
	ending                // within one step: nobody is inside any more, the last hooks run
	draining              // no turn will run; what was the last is not durable yet
	asleep                // the room hibernates: this machine is over
	retiring              // the instance is gone: joins and calls are answered Moved
)

// Machine is one activation of a room. Use it from one goroutine at a time.
type Machine struct {
	cfg       Config
	kind      actors.KindConfig
	effect    Effects
	log       *slog.Logger
	namespace string
	ctx       context.Context // of turns; ends when the room leaves memory
	cancel    context.CancelFunc

	now    time.Time // of the current step; never goes back
	trace  tracing   // what the step is part of
	phase  phase
	epoch  uint64 // of the activation, for the world
	yields bool   // nobody has claimed the room for it

	inst    actors.Instance
	hooks   *actors.Hooks
	fields  []actors.FieldSpec
	synced  bool // any field is
	life    int  // counts instances: work of an earlier one is dropped
	waiting []waiter

	members roster
	joins   map[actors.MemberID]*pendingJoin // joins without an answer, by the id they ask for
	joinID  uint64
	seats   int // reserved for those of joins that are being authorized
	nodes   []*node

	// What the room keeps for later activations.
	journal       journal
	foreign       []actors.Entry         // of durable fields that the kind does not have
	kept          int                    // bytes in durable fields and seats, as turns have them
	subjects      map[string]*commandLog // what is remembered of commands, by subject
	commands      int                    // in subjects
	commandBytes  int                    // of acknowledgements in them
	outdated      []*command             // that were forgotten in this step, and are stored
	commandSerial uint64
	alarms        map[string]*alarm

	// What the world has seen.
	gate    gate
	tables  map[actors.MemberID]wire.ConnRef // who is in the table of its node
	sync    syncState
	history history // what turns have sent, and how much of it was seen
	names   names

	turn      turnState
	followUps []func() // what turns have caused
	following bool     // followUps are being run

	beginning  beginning
	timers     timerHeap
	timerID    uint64
	userTimers int // of timers, those that belong to user code
	idle       *timer
	ticks      tickState
	work       workState
	asks       []*ask // in the order of their ids
	askID      uint64
	laters     laterList // of calls
	faults     faultState

	sleep     sleepState
	stirred   time.Time // when somebody wanted something last
	stirs     uint64    // counts that
	used      time.Time // when somebody came, sent or left last
	destroyed bool      // what is stored is deleted when the activation ends
	abandoned bool      // the activation ended without its last turn
	moving    bool      // members follow the room to its next activation
	retired   bool      // Retire was called
}

// New returns a room that is not open yet: call Start.
func New(cfg Config) *Machine {
	m := &Machine{
		cfg:       cfg,
		kind:      cfg.Behavior.Config(),
		effect:    cfg.Effects,
		log:       cfg.Log,
		namespace: cfg.Ref.Namespace(),
		hooks:     &actors.Hooks{},
		joins:     make(map[actors.MemberID]*pendingJoin),
		tables:    make(map[actors.MemberID]wire.ConnRef),
		names:     make(names),
	}
	if cfg.Authenticates && m.kind.Create == actors.CreateDefault {
		m.kind.Create = actors.CreateUsers
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.journal.apart = cfg.Apart
	m.members.init()
	m.work.init()
	return m
}

// Members is the number of members, kept seats included.
func (m *Machine) Members() int { return m.members.len() }

// Retired reports whether the room has left: joins and calls that still arrive
// are answered Moved and ErrMoved, and nothing else is, because connections of
// members have been told Gone.
func (m *Machine) Retired() bool { return m.phase == retiring }

// Open reports whether turns are run: before, and while the room starts again,
// events are refused.
func (m *Machine) Open() bool { return m.phase == open }

// step runs f as one step of the machine at time now.
func (m *Machine) step(now time.Time, f func()) {
	if now.After(m.now) {
		m.now = now
	}
	m.following = false // a step that a fault of the runtime has cut short left it so
	m.trace, m.journal.trace = tracing{}, actors.Trace{}
	f()
	m.runFollowUps()
	m.settle()
}

// settle sends what the step gathered.
func (m *Machine) settle() {
	m.giveBack()
	m.prune()
	if m.phase == open {
		m.flushIfDue()
		m.watchIdle()
		m.watchQuiet()
	}
	if m.phase == draining && m.settled() {
		m.phase = retiring
	}
	for _, n := range m.nodes {
		m.deliver(n)
	}
	m.nodes = slices.DeleteFunc(m.nodes, (*node).forgotten)
	m.append()
	m.reschedule()
	if m.phase == retiring && !m.retired {
		m.retire()
	}
}

// follow runs f when the present turn is over and what was caused before has
// run.
func (m *Machine) follow(f func()) { m.followUps = append(m.followUps, f) }

func (m *Machine) runFollowUps() {
	if m.following {
		return
	}
	m.following = true
	for i := 0; i < len(m.followUps); i++ {
		f := m.followUps[i]
		m.followUps[i] = nil
		f()
	}
	m.followUps = m.followUps[:0]
	m.following = false
}

// Wake runs what is due at now: timers, the latest tick, a flush. What a timer
// makes due at once waits for the next Wake.
func (m *Machine) Wake(now time.Time) {
	m.step(now, func() {
		latest := m.timerID
		for {
			t := m.nextTimer()
			if t == nil || t.id > latest || m.phase == retiring {
				break
			}
			m.cancelTimer(t)
			t.run()
			m.runFollowUps()
		}
		m.tickIfDue()
	})
}

// NextWake returns when Wake has something to do, which may be in the past;
// the zero Time if nothing is due.
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
		if !m.ticksWait() {
			earlier(m.ticks.next)
		}
		earlier(m.flushDueAt())
	}
	return next
}
