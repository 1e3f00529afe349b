package actors

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// Loader is implemented by a room that reads something before it opens. Load
// runs beside the room: it may block until ctx ends (30 s), while joins wait.
// It may set plain fields; tagged fields are not open yet. An error refuses
// those who wait with CodeUnavailable, or as it says if it is an *Error.
type Loader interface {
	Load(ctx context.Context, room RoomRef) error
}

// Opener is implemented by a room that prepares itself: Opened is its first
// turn after tagged fields hold what is durable. An error closes the room as
// an error of Load does.
type Opener interface{ Opened(t *Turn) error }

// Admitter is implemented by a room that decides itself who enters: Admit
// runs as a turn, after KindConfig.Authorize, while r.Member is not yet a
// member. An error refuses it; an *Error reaches the client.
type Admitter interface {
	Admit(t *Turn, r *JoinRequest) error
}

// Joiner is told of a new member, after the member has been sent the room's
// state as it was before.
type Joiner interface{ Joined(t *Turn, m Member) }

// Dropper is told that a member lost its connection and keeps its seat for
// KindConfig.ResumeWithin.
type Dropper interface {
	Dropped(t *Turn, m Member, why LeaveReason)
}

// Resumer is told that a dropped member is back, and whether it was sent
// everything it missed. If not, it has the state and none of the events.
type Resumer interface {
	Resumed(t *Turn, m Member, recovered bool)
}

// Leaver is told, exactly once for every Joined, that a member is gone. The
// member is not among Members any more.
type Leaver interface {
	Left(t *Turn, m Member, why LeaveReason)
}

// Ticker is implemented by a room with KindConfig.TickEvery.
type Ticker interface{ Tick(t *Turn, k Tick) }

// Alarmer is implemented by a room that sets alarms: Alarm is the turn of one
// that is due. The alarm is gone with the turn's changes, at once: if the turn
// fails it is tried again, after a second, then two, at most five minutes. A
// kind with this hook is kept in a store even if no field is durable.
type Alarmer interface{ Alarm(t *Turn, name string) }

// Closer is implemented by a room that wants a last turn before it leaves
// memory: it has no members, and what it emits reaches nobody.
type Closer interface{ Closing(t *Turn) }

// hookTypes are the optional interfaces by the name of their one method.
var hookTypes = map[string]reflect.Type{
	"Load":    reflect.TypeFor[Loader](),
	"Opened":  reflect.TypeFor[Opener](),
	"Admit":   reflect.TypeFor[Admitter](),
	"Joined":  reflect.TypeFor[Joiner](),
	"Dropped": reflect.TypeFor[Dropper](),
	"Resumed": reflect.TypeFor[Resumer](),
	"Left":    reflect.TypeFor[Leaver](),
	"Tick":    reflect.TypeFor[Ticker](),
	"Alarm":   reflect.TypeFor[Alarmer](),
	"Closing": reflect.TypeFor[Closer](),
}

// checkHooks reports methods of room type t that are named like a hook and do
// not fit it.
func checkHooks(t reflect.Type) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(hookTypes)) {
		want := hookTypes[name]
		m, has := t.MethodByName(name)
		if has && !t.Implements(want) {
			errs = append(errs, fmt.Errorf("method %s does not fit the hook: want %v, have %v", name, want.Method(0).Type, withoutReceiver(m.Type)))
		}
	}
	return errors.Join(errs...)
}

func withoutReceiver(t reflect.Type) reflect.Type {
	var in, out []reflect.Type
	for i := 1; i < t.NumIn(); i++ {
		in = append(in, t.In(i))
	}
	for i := range t.NumOut() {
		out = append(out, t.Out(i))
	}
	return reflect.FuncOf(in, out, t.IsVariadic())
}

func bindHooks(room any) Hooks {
	var h Hooks
	if x, ok := room.(Loader); ok {
		h.Load = x.Load
	}
	if x, ok := room.(Opener); ok {
		h.Opened = x.Opened
	}
	if x, ok := room.(Admitter); ok {
		h.Admit = x.Admit
	}
	if x, ok := room.(Joiner); ok {
		h.Joined = x.Joined
	}
	if x, ok := room.(Dropper); ok {
		h.Dropped = x.Dropped
	}
	if x, ok := room.(Resumer); ok {
		h.Resumed = x.Resumed
	}
	if x, ok := room.(Leaver); ok {
		h.Left = x.Left
	}
	if x, ok := room.(Ticker); ok {
		h.Tick = x.Tick
	}
	if x, ok := room.(Alarmer); ok {
		h.Alarm = x.Alarm
	}
	if x, ok := room.(Closer); ok {
		h.Closing = x.Closing
	}
	return h
}
