package actors

import (
	"context"
	"iter"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Turn is one step of a room: an event of a member, a hook, a tick, a timer
// or a continuation. Turns of a room never overlap. A Turn is valid until the
// function it was passed to returns; using it later, or from another
// goroutine, panics or races. It must not be copied.
type Turn struct {
	_ noCopy

	host  Host
	cause Cause
	over  bool
}

// Cause says what a turn is for.
type Cause struct {
	Context context.Context // carries the trace; nil means Background
	Member  Member          // who caused it; zero if no member did
	Event   string          // event name; empty for hooks and timers
}

// NewTurn returns a turn on h. Runtimes call it, rooms do not.
func NewTurn(h Host, c Cause) *Turn { return &Turn{host: h, cause: c} }

// End makes any later use of t panic. Runtimes call it.
func (t *Turn) End() { t.over = true }

func (t *Turn) live() Host {
	if t.over {
		panic("actors: a Turn was used after it ended; take what you need before, or come back with Turn.Go")
	}
	return t.host
}

// Context carries the trace of what caused the turn and ends when the room
// leaves memory. It must not be used to wait for a room (ErrTurnContext).
func (t *Turn) Context() context.Context {
	t.live()
	ctx := t.cause.Context
	if ctx == nil {
		ctx = context.Background()
	}
	return context.WithValue(ctx, turnKey{}, true)
}

type turnKey struct{}

// InTurn reports whether ctx came from Turn.Context.
func InTurn(ctx context.Context) bool { return ctx.Value(turnKey{}) != nil }

// Room names the room.
func (t *Turn) Room() RoomRef { return t.live().Room() }

// Now is the time of the turn: it does not move while the turn runs.
func (t *Turn) Now() time.Time { return t.live().Now() }

// Rand is the room's random source; a test may seed it. It is not for secrets.
func (t *Turn) Rand() *rand.Rand { return t.live().Rand() }

// NewID returns a fresh random id: 22 characters of [A-Za-z0-9_-], 128 bits.
func (t *Turn) NewID() string { return t.live().NewID() }

// Log is the room's logger.
func (t *Turn) Log() *slog.Logger { return t.live().Log() }

// Member is who caused the turn; the zero Member for ticks, timers and calls
// from Go code.
func (t *Turn) Member() Member { t.live(); return t.cause.Member }

// Members iterates over the members, in the order they joined, including
// those whose seat is kept while they are away. The iteration is over when the
// turn is.
func (t *Turn) Members() iter.Seq[Member] {
	t.live()
	return func(yield func(Member) bool) {
		for m := range t.live().Members() {
			if !yield(m) {
				return
			}
		}
	}
}

// Lookup returns a member by id.
func (t *Turn) Lookup(id MemberID) (Member, bool) { return t.live().Lookup(id) }

// Broadcast emits to every member. See Emitter.Emit.
func (t *Turn) Broadcast(event string, args ...any) { t.All().Emit(event, args...) }

// Emit emits to one member; nothing happens if there is no such member. See
// Emitter.Emit.
func (t *Turn) Emit(to MemberID, event string, args ...any) { t.To(to).Emit(event, args...) }

// All addresses every member.
func (t *Turn) All() Emitter { t.live(); return Emitter{turn: t} }

// To addresses some members; none if no id is given.
func (t *Turn) To(ids ...MemberID) Emitter {
	t.live()
	return Emitter{turn: t, out: Outgoing{To: append(make([]MemberID, 0, len(ids)), ids...)}}
}

// Kick removes a member: it is sent DISCONNECT after everything emitted
// before, so a stock client does not reconnect by itself, and leaves with
// ReasonKicked. The hook Left runs as a turn of its own. A non-empty reason
// reaches the client first, as event "room:kicked" {reason}.
func (t *Turn) Kick(id MemberID, reason string) { t.live().Kick(id, reason) }

// Destroy ends the room when the turn succeeds: members are sent what was
// emitted and DISCONNECT, they leave with ReasonRoomClosed, and the room's
// durable state is deleted. A later join finds a new, empty room.
func (t *Turn) Destroy() { t.live().Destroy() }

// After runs f as a turn once d has passed; the returned function cancels it
// and reports whether it did. Timers live in memory only. They keep an empty
// room awake until they have run.
func (t *Turn) After(d time.Duration, f func(*Turn)) (stop func() bool) {
	if f == nil {
		panic("actors: After without a function")
	}
	return t.live().After(d, f)
}

// SetAlarm runs the hook Alarm at a time, or soon after: also if the room has
// left memory by then, or its node has died. It takes the place of an alarm of
// the same name; a time that is past is now. It is as durable as the kind, and
// nothing is set if the turn fails. name is 1 to 64 bytes. SetAlarm panics if
// it is not, if the room has no hook Alarm, or if it has MaxAlarms already.
func (t *Turn) SetAlarm(name string, at time.Time) {
	h := t.live()
	if name == "" || len(name) > maxAlarmName {
		panic("actors: SetAlarm: the name of an alarm is 1 to 64 bytes")
	}
	if at.IsZero() {
		at = h.Now()
	}
	h.SetAlarm(name, at)
}

// CancelAlarm forgets an alarm. Nothing happens if there is none.
func (t *Turn) CancelAlarm(name string) { t.live().SetAlarm(name, time.Time{}) }

// MaxAlarms is how many alarms a room may have set.
const MaxAlarms = 10_000

const maxAlarmName = 64

// Go runs work beside the room, at most MaxWork at a time per room, and then
// runs then as a turn with its error. work must not touch the room; its
// context ends when the room leaves memory, and then is dropped. A panic in
// work arrives as an error. Nothing starts if the turn fails. If then is nil
// an error is only logged.
func (t *Turn) Go(work func(context.Context) error, then func(*Turn, error)) {
	if work == nil {
		panic("actors: Go without a function")
	}
	if then == nil {
		then = logFailure("work failed")
	}
	t.live().Go(work, then)
}

// Call sends an event to another room, which may be anywhere, and runs then
// as a turn with its answer: the value it returned, which Raw.Decode reads, or an *Error
// (CodeTimeout after timeout; zero means 10 s). The call leaves only if the
// turn succeeds. Call panics, which fails the turn, if payload cannot be
// encoded. If then is nil an error is only logged.
func (t *Turn) Call(room RoomRef, event string, payload any, timeout time.Duration, then func(*Turn, Raw, error)) {
	h := t.live()
	raw, err := EncodeArgs(nil, payload)
	if err != nil {
		panic("actors: Call: " + err.Error())
	}
	if then == nil {
		failed := logFailure("call failed", "to", room.String(), "event", event)
		then = func(t *Turn, _ Raw, err error) { failed(t, err) }
	}
	h.Call(room, event, raw, timeout, then)
}

func logFailure(message string, args ...any) func(*Turn, error) {
	return func(t *Turn, err error) {
		if err != nil {
			t.Log().Error(message, append(args, "error", err)...)
		}
	}
}

// Emitter addresses members of a room. It is a value: each method returns a
// changed copy. It is valid as long as its Turn.
type Emitter struct {
	turn *Turn
	out  Outgoing
}

// Except leaves members out.
func (e Emitter) Except(ids ...MemberID) Emitter {
	e.out.Except = append(e.out.Except[:len(e.out.Except):len(e.out.Except)], ids...)
	return e
}

// Volatile lets the event be dropped for a member whose socket lags. Volatile
// events are not replayed on resume.
func (e Emitter) Volatile() Emitter { e.out.Volatile = true; return e }

// Emit sends an event once the turn has succeeded, in the order of the calls
// and after the synced state it follows. args are encoded before Emit
// returns, by encoding/json except that HTML characters are not escaped. An
// argument that is []byte becomes an attachment, and so does Binary wherever
// it stands; Raw passes unchanged, and Args stands for all of its arguments.
// Emit panics, which fails the turn, if a value cannot be encoded, if there
// are more than MaxAttachments attachments, or if the event name is empty,
// reserved or longer than MaxEventName bytes; nothing is sent then.
//
// In an event with attachments a key "_placeholder" of the user's is written
// "_placeholder_": receivers would take it for an attachment.
func (e Emitter) Emit(event string, args ...any) {
	h := e.turn.live()
	e.encode(event, args)
	h.Emit(&e.out)
}

// Ask emits and runs then as a turn with the clients' acknowledgements, as
// soon as every addressed member has answered, or at the timeout (zero means
// 10 s) with those that came. Members that are away are not asked. It panics
// as Emit does.
func (e Emitter) Ask(timeout time.Duration, then func(*Turn, []Answer), event string, args ...any) {
	h := e.turn.live()
	if then == nil {
		panic("actors: Ask without a function: use Emit")
	}
	e.encode(event, args)
	h.Ask(&e.out, timeout, then)
}

func (e *Emitter) encode(event string, args []any) {
	if err := checkEventName(event); err != nil {
		panic("actors: emit: " + err.Error())
	}
	raw, err := EncodeArgs(&event, args...)
	if err != nil {
		panic("actors: emit " + event + ": " + err.Error())
	}
	e.out.Event, e.out.Data = event, raw
}

// Answer is one member's acknowledgement.
type Answer struct {
	Member MemberID
	Args   Args  // what the client passed to the callback
	Err    error // CodeTimeout, or CodeNotFound if the member left first
}
