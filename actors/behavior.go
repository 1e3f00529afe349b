package actors

import (
	"context"
	"iter"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Behavior is a Kind whose type is erased: what a runtime needs to know of it.
// It may be used from any goroutine.
type Behavior interface {
	Name() string
	Config() KindConfig // validated, defaults filled in
	Err() error         // what is wrong with the kind's definition; nil if nothing
	NewRoom() Instance  // a fresh room struct, its fields bound and not yet open
	Lasts() bool        // rooms have something to keep: durable fields, or the hook Alarm
	HandlesEvent(string) bool
}

// Instance is one activation of a room: the user's struct and its tagged
// fields. Only the goroutine that runs the room's turns may use it, except
// that Load runs before the first turn.
type Instance interface {
	// Fields describes the tagged fields; a Change names one by its index.
	Fields() []FieldSpec

	// Restore puts back one entry of a field, before Open. value belongs to
	// the instance afterwards. An entry that does not fit its field's type is
	// an error and leaves the field as it was.
	Restore(field int, key string, value []byte) error
	// Open allows writes, within Begin and Commit or Rollback.
	Open()
	// Each calls f for every entry of a field. value must not be modified.
	Each(field int, f func(key string, value []byte))

	// Begin starts a transaction over the fields. Commit ends it and returns
	// what changed, in order, which is valid until the next Begin; Rollback
	// ends it and undoes it. Changes is what Commit would return, or has
	// returned.
	Begin()
	Changes() []Change
	Commit() []Change
	Rollback()

	// Read reports whether the transaction has looked at a field, and Replaced
	// what each of its changes replaced, nil where nothing was. Both are valid
	// until the next Begin. They are for instances with a durable field:
	// without one nothing is read or replaced.
	Read(field int) bool
	Replaced() [][]byte

	// Handle runs the handler of an event, or the catch-all. It panics if the
	// handler does.
	Handle(t *Turn, ev *Event) (Result, error)
	// Hooks returns the optional hooks; nil members are not implemented.
	Hooks() *Hooks
}

// Hooks are the optional methods of a room, bound to one instance.
type Hooks struct {
	Load    func(context.Context, RoomRef) error
	Opened  func(*Turn) error
	Admit   func(*Turn, *JoinRequest) error
	Joined  func(*Turn, Member)
	Dropped func(*Turn, Member, LeaveReason)
	Resumed func(*Turn, Member, bool)
	Left    func(*Turn, Member, LeaveReason)
	Tick    func(*Turn, Tick)
	Alarm   func(*Turn, string)
	Closing func(*Turn)
}

// FieldSpec describes a tagged field.
type FieldSpec struct {
	Name     string
	Durable  bool     // survives the room leaving memory
	Synced   bool     // mirrored to members
	Single   bool     // a Value: one entry with the empty key
	Audience Audience // who a synced field is mirrored to
}

// Audience says who sees a synced field.
type Audience uint8

// The audiences.
const (
	Everyone  Audience = iota
	KeyMember          // the member whose id is the entry's key
)

// Change is one entry of a field that was set, or removed if Value is nil.
// Value is JSON; nobody may modify it.
type Change struct {
	Field int
	Key   string
	Value []byte
}

// Event is an event addressed to a room.
type Event struct {
	Name     string
	Args     Args
	WantsAck bool

	// Answer takes a late answer, for handlers registered with OnLater, from
	// within a turn: the acknowledgement's arguments as in Result, or an
	// error. Only the first call counts.
	Answer func(*Turn, Raw, error)
}

// Result is what a handler answered.
type Result struct {
	Ack   Raw  // the acknowledgement's arguments, a JSON array
	Later bool // the answer comes through Event.Answer
}

// Host is what a runtime lends a turn. It is used only within the turn.
type Host interface {
	Room() RoomRef
	Now() time.Time
	Rand() *rand.Rand
	NewID() string
	Log() *slog.Logger
	Members() iter.Seq[Member]
	Lookup(MemberID) (Member, bool)
	Emit(*Outgoing)
	Ask(out *Outgoing, timeout time.Duration, then func(*Turn, []Answer))
	Kick(id MemberID, reason string)
	Destroy()
	After(time.Duration, func(*Turn)) (stop func() bool)
	SetAlarm(name string, at time.Time) // the zero Time cancels it
	Go(work func(context.Context) error, then func(*Turn, error))
	Call(room RoomRef, event string, payload Raw, timeout time.Duration, then func(*Turn, Raw, error))
}

// Outgoing is an event on its way to members. Data is the EVENT payload, a
// JSON array that begins with the name. Nobody modifies it after Emit.
type Outgoing struct {
	Event    string
	Data     Raw
	To       []MemberID // nil: every member
	Except   []MemberID
	Volatile bool
}

// Tick says which tick of a room this is. Ticks are scheduled at fixed
// multiples of KindConfig.TickEvery after the room's first tick and do not
// drift: a tick that cannot run in time is run once, late, and those whose
// time passed meanwhile are skipped and counted.
type Tick struct {
	N       uint64        // number of the tick since the room opened, from 0, skipped ones included
	At      time.Time     // when it was due
	Late    time.Duration // how long after that it runs
	Skipped uint64        // ticks left out since the last one that ran
	Every   time.Duration // KindConfig.TickEvery
}

// EmitReserved emits an event whose name is reserved. Kinds that speak a part
// of docs/protocol.md themselves, such as relay rooms, use it; rooms do not.
// Otherwise it is Emitter.Emit.
func EmitReserved(e Emitter, event string, args ...any) {
	raw, err := EncodeArgs(&event, args...)
	if err != nil {
		panic("actors: emit " + event + ": " + err.Error())
	}
	e.out.Event, e.out.Data = event, raw
	e.turn.live().Emit(&e.out)
}
