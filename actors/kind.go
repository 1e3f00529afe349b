package actors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// Kind describes rooms of one kind: how one is made, what members may send
// and how it is run. Build it once, register handlers with On, OnAck, OnLater
// and OnAny, hand it to a node, and do not change it afterwards.
type Kind[S any] struct {
	name     string
	make     func() *S
	config   KindConfig
	handlers map[string]handler[S]
	any      handler[S]
	errs     []error
}

type handler[S any] func(s *S, t *Turn, ev *Event) (Result, error)

// KindConfig says how the rooms of a kind are run. The zero value is useful.
type KindConfig struct {
	// SyncEvery gathers changes of synced fields: members receive one patch
	// per interval. Zero means at the end of each turn. At most one minute. A
	// turn that emits a reliable event flushes before it in any case.
	SyncEvery time.Duration

	// TickEvery calls the hook Tick at this interval while the room has
	// members. Zero means no ticks. At least 1 ms, at most one hour.
	TickEvery time.Duration

	// MaxMembers is how many seats a room has, kept seats included. A join
	// beyond it is refused with CodeRoomFull. Zero means 10,000.
	MaxMembers int

	// IdleAfter is how long an empty room stays in memory. Zero means 30 s.
	IdleAfter time.Duration

	// ResumeWithin keeps the seat of a member that lost its connection, and
	// lets it return with everything it missed. Zero means that members leave
	// at once and clients get neither pid nor offsets.
	ResumeWithin time.Duration

	// ResumeEvents and ResumeBytes bound the events kept for those who
	// return. Zero means 1,000 events and 1 MiB. A member that missed more
	// returns with recovered false.
	ResumeEvents int
	ResumeBytes  int

	// Authorize decides who may enter, beside the room and so without holding
	// it up; the seat is reserved meanwhile. It must not touch the room. An
	// *Error reaches the client. Nil means everybody the hook Admit lets in.
	// It is given AuthorizeTimeout, zero means 10 s.
	Authorize        func(context.Context, *JoinRequest) error
	AuthorizeTimeout time.Duration

	// MaxWork is how many functions given to Turn.Go run at a time per room;
	// the rest wait. Zero means 16.
	MaxWork int
}

// NewKind returns a kind. name is [a-z][a-z0-9-]{0,31}. newRoom returns an
// empty room and is called for every activation, from any goroutine. Mistakes
// in the definition (a malformed tag, a method named like a hook that does
// not fit, an event registered twice) are reported by Err, and by the node or
// test that is given the kind.
func NewKind[S any](name string, newRoom func() *S, c KindConfig) *Kind[S] {
	k := &Kind[S]{name: name, make: newRoom, config: c, handlers: make(map[string]handler[S])}
	if !ValidKindName(name) {
		k.fail(fmt.Errorf("name is not [a-z][a-z0-9-]{0,31}"))
	}
	k.fail(k.config.complete())
	if newRoom == nil {
		k.fail(errors.New("the function that makes a room is nil"))
		return k
	}
	k.fail(checkHooks(reflect.TypeFor[*S]()))
	_, err := bindFields(reflect.ValueOf(newRoom()))
	k.fail(err)
	return k
}

func (c *KindConfig) complete() error {
	defaultTo(&c.MaxMembers, 10_000)
	defaultTo(&c.IdleAfter, 30*time.Second)
	defaultTo(&c.ResumeEvents, 1_000)
	defaultTo(&c.ResumeBytes, 1<<20)
	defaultTo(&c.AuthorizeTimeout, 10*time.Second)
	defaultTo(&c.MaxWork, 16)
	return errors.Join(
		within("SyncEvery", c.SyncEvery, 0, time.Minute),
		within("TickEvery", c.TickEvery, 0, time.Hour),
		within("MaxMembers", c.MaxMembers, 1, 1_000_000),
		within("IdleAfter", c.IdleAfter, time.Millisecond, 1000*time.Hour),
		within("ResumeWithin", c.ResumeWithin, 0, 24*time.Hour),
		within("ResumeEvents", c.ResumeEvents, 1, 1_000_000),
		within("ResumeBytes", c.ResumeBytes, 1, 1<<30),
		within("AuthorizeTimeout", c.AuthorizeTimeout, time.Millisecond, time.Hour),
		within("MaxWork", c.MaxWork, 1, 10_000),
	)
}

func defaultTo[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func within[T int | time.Duration](name string, v, low, high T) error {
	if v < low || v > high {
		return fmt.Errorf("%s is %v: want %v to %v", name, v, low, high)
	}
	return nil
}

func (k *Kind[S]) fail(err error) {
	if err != nil {
		k.errs = append(k.errs, err)
	}
}

func (k *Kind[S]) register(event string, h handler[S]) {
	switch {
	case event == "" || len(event) > MaxEventName:
		k.fail(fmt.Errorf("event name %q: want 1 to %d bytes", event, MaxEventName))
	case ReservedEvent(event):
		k.fail(fmt.Errorf("event name %q is reserved", event))
	case k.handlers[event] != nil:
		k.fail(fmt.Errorf("event %q is registered twice", event))
	}
	k.handlers[event] = h
}

// Name implements Behavior.
func (k *Kind[S]) Name() string { return k.name }

// Config implements Behavior.
func (k *Kind[S]) Config() KindConfig { return k.config }

// HandlesEvent implements Behavior.
func (k *Kind[S]) HandlesEvent(name string) bool { return k.handlers[name] != nil || k.any != nil }

// Err reports everything that is wrong with the definition of the kind.
func (k *Kind[S]) Err() error {
	if len(k.errs) == 0 {
		return nil
	}
	return fmt.Errorf("kind %q: %w", k.name, errors.Join(k.errs...))
}

// Events lists the events that have a handler, sorted.
func (k *Kind[S]) Events() []string {
	var names []string
	for name := range k.handlers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// On registers the handler of an event. In is the type of the event's first
// argument: anything encoding/json decodes, []byte or Binary for an
// attachment, Raw for the value as it stands, or Args for all arguments as
// they stand. If *In has a method Validate() error it is called as well. A
// client that asked for an acknowledgement gets an empty one.
func On[S, In any](k *Kind[S], event string, h func(*S, *Turn, In)) {
	k.register(event, func(s *S, t *Turn, ev *Event) (Result, error) {
		in, err := decodeIn[In](ev)
		if err != nil {
			return Result{}, err
		}
		h(s, t, in)
		return Result{Ack: Raw{JSON: json.RawMessage("[]")}}, nil
	})
}

// OnAck registers a handler whose result is the acknowledgement: the client's
// callback receives it as its one argument, or {"error":{code,message}} if the
// handler returned an error, which also undoes the turn. See On.
func OnAck[S, In, Out any](k *Kind[S], event string, h func(*S, *Turn, In) (Out, error)) {
	k.register(event, func(s *S, t *Turn, ev *Event) (Result, error) {
		in, err := decodeIn[In](ev)
		if err != nil {
			return Result{}, err
		}
		out, err := h(s, t, in)
		if err != nil {
			return Result{}, err
		}
		raw, err := EncodeArgs(nil, out)
		return Result{Ack: raw}, err
	})
}

// Ack is an acknowledgement that is given later, from any later turn of the
// same room. Only the first answer counts; if the room ends without one, the
// client gets CodeUnavailable.
type Ack[Out any] struct{ answer func(*Turn, Raw, error) }

// Reply answers with out. It panics if out cannot be encoded.
func (a Ack[Out]) Reply(t *Turn, out Out) {
	raw, err := EncodeArgs(nil, out)
	if err != nil {
		panic("actors: acknowledgement: " + err.Error())
	}
	a.answer(t, raw, nil)
}

// Fail answers with err. It undoes nothing.
func (a Ack[Out]) Fail(t *Turn, err error) { a.answer(t, Raw{}, err) }

// OnLater registers a handler that answers when it can: it keeps ack, goes
// off with Turn.Go, Turn.Call or Turn.After, and answers in the turn that
// follows. See On.
func OnLater[S, In, Out any](k *Kind[S], event string, h func(*S, *Turn, In, Ack[Out])) {
	k.register(event, func(s *S, t *Turn, ev *Event) (Result, error) {
		in, err := decodeIn[In](ev)
		if err != nil {
			return Result{}, err
		}
		h(s, t, in, Ack[Out]{ev.Answer})
		return Result{Later: true}, nil
	})
}

// OnAny registers the handler of every event that has none of its own. Its
// result is the acknowledgement, as with OnAck. Reserved events never reach it.
func OnAny[S any](k *Kind[S], h func(s *S, t *Turn, event string, args Args) (any, error)) {
	if k.any != nil {
		k.fail(errors.New("OnAny is registered twice"))
	}
	k.any = func(s *S, t *Turn, ev *Event) (Result, error) {
		out, err := h(s, t, ev.Name, ev.Args)
		if err != nil {
			return Result{}, err
		}
		if out == nil {
			return Result{Ack: Raw{JSON: json.RawMessage("[]")}}, nil
		}
		raw, err := EncodeArgs(nil, out)
		return Result{Ack: raw}, err
	}
}

// decodeIn turns the arguments of an event into what its handler wants.
func decodeIn[In any](ev *Event) (In, error) {
	var in In
	switch p := any(&in).(type) {
	case *Args:
		*p = ev.Args
		return in, nil
	case *Raw:
		*p = ev.Args.At(0)
		return in, nil
	case *struct{}:
		return in, nil
	}
	if err := ev.Args.Decode(0, &in); err != nil {
		return in, err
	}
	if v, ok := any(&in).(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			var known *Error
			if errors.As(err, &known) {
				return in, known
			}
			return in, Errorf(CodeInvalid, "%s", err.Error())
		}
	}
	return in, nil
}
