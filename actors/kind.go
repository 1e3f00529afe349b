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
	lasts    bool
	errs     []error
}

type handler[S any] func(s *S, t *Turn, ev *Event) (Result, error)

// KindConfig says how the rooms of a kind are run. The zero value is useful.
// A value beyond its limits is reported by Kind.Err.
type KindConfig struct {
	// SyncEvery gathers changes of synced fields: members receive one patch
	// per interval. Zero means at the end of each turn. At most one minute. A
	// turn that emits a reliable event flushes before it in any case.
	SyncEvery time.Duration

	// TickEvery calls the hook Tick at this interval while the room has
	// members. Zero means no ticks. At least 1 ms, at most one hour. The room
	// must have the hook.
	TickEvery time.Duration

	// MaxMembers is how many seats a room has, kept seats included. A join
	// beyond it is refused with CodeRoomFull. Zero means 10,000; at most
	// 1,000,000.
	MaxMembers int

	// IdleAfter is how long an empty room stays in memory. Zero means 30 s. At
	// least 1 ms, at most 1,000 hours.
	IdleAfter time.Duration

	// ResumeWithin keeps the seat of a member that lost its connection, and
	// lets it return with everything it missed. Zero means that members leave
	// at once and clients get neither pid nor offsets. At most 24 hours.
	ResumeWithin time.Duration

	// ResumeEvents and ResumeBytes bound the events kept for those who
	// return. Zero means 1,000 events and 1 MiB; at most 1,000,000 events and
	// 1 GiB. A member that missed more returns with recovered false.
	ResumeEvents int
	ResumeBytes  int

	// Authorize decides who may enter, beside the room and so without holding
	// it up; the seat is reserved meanwhile. It must not touch the room. An
	// *Error reaches the client. Nil means everybody the hook Admit lets in.
	// It is given AuthorizeTimeout: zero means 10 s; at least 1 ms, at most
	// one hour.
	Authorize        func(context.Context, *JoinRequest) error
	AuthorizeTimeout time.Duration

	// Durability is what an acknowledged change of a durable field survives.
	// The zero value is the highest level that the node's store provides by
	// itself; a node refuses a kind whose level its store does not provide.
	Durability Durability

	// Version is that of the kind's durable fields, 0 to 1,000,000. A room
	// that was stored by a higher one does not open, and nothing of it is
	// touched. One stored by a lower one is handed to Migrate before it opens,
	// field name → key → JSON, the key of a Value being empty, to be changed
	// in place; what changed is written with the first turn. An error refuses
	// to open the room. It runs within the room: it must not block. Nil means
	// that nothing needs to be done.
	Version int
	Migrate func(from int, fields map[string]map[string]json.RawMessage) error

	// Retention destroys a room with durable fields that nobody has used for
	// so long. Zero means never; at least one second, at most 10,000 days.
	Retention time.Duration

	// HibernateAfter lets a room whose members are connected, but quiet, leave
	// memory after so long: the next event wakes it, and members notice
	// nothing. Plain fields are lost. A room with anything in ephemeral synced
	// fields, a kept seat, a timer, work or an answer that it owes stays. Zero
	// means never; at least 1 ms, at most 1,000 hours. The kind must have
	// durable fields and no ticks.
	HibernateAfter time.Duration

	// Create says for whom a room begins that does not exist yet. See
	// CreatePolicy.
	Create CreatePolicy
	// Rooms are ids of rooms that exist always, so that everybody may enter
	// them who may join. At most 10,000.
	Rooms []string

	// MaxWork is how many functions given to Turn.Go run at a time per room;
	// the rest wait. Zero means 16; at most 10,000.
	MaxWork int
}

// NewKind returns a kind. name is [a-z][a-z0-9-]{0,31}. newRoom returns a
// fresh, empty room and is called for every activation, from any goroutine,
// and by NewKind itself to look at what it returns. Mistakes in the definition
// (a malformed tag, a method named like a hook that does not fit, an event
// registered twice) are reported by Err, and by the node or test that is given
// the kind.
func NewKind[S any](name string, newRoom func() *S, c KindConfig) *Kind[S] {
	k := &Kind[S]{name: name, make: newRoom, config: c, handlers: make(map[string]handler[S])}
	if !ValidKindName(name) {
		k.fail(errors.New("the name is not [a-z][a-z0-9-]{0,31}"))
	}
	if name == GatewayRooms {
		k.fail(errors.New("the name is the runtime's own"))
	}
	k.fail(k.config.complete())
	room := reflect.TypeFor[*S]()
	k.fail(checkHooks(room))
	if _, has := room.MethodByName("Tick"); k.config.TickEvery > 0 && !has {
		k.fail(errors.New("TickEvery is set and the room has no method Tick(*actors.Turn, actors.Tick)"))
	}
	k.fail(k.probe())
	if k.config.HibernateAfter > 0 && (!k.lasts || k.config.TickEvery > 0) {
		k.fail(errors.New("HibernateAfter is for rooms with durable fields and without ticks"))
	}
	return k
}

// probe makes two rooms to see whether they can be run and are two, and
// whether there is anything to keep of them.
func (k *Kind[S]) probe() error {
	if k.make == nil {
		return errors.New("the function that makes a room is nil")
	}
	one := k.make()
	tx, err := bindFields(reflect.ValueOf(one))
	if err != nil {
		return err
	}
	k.lasts = tx.lasting || bindHooks(one).Alarm != nil
	if another := k.make(); another == one && reflect.TypeFor[S]().Size() > 0 {
		return errors.New("the function that makes a room returned the same one twice")
	}
	return nil
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
		withinOrZero("TickEvery", c.TickEvery, time.Millisecond, time.Hour),
		within("MaxMembers", c.MaxMembers, 1, 1_000_000),
		within("IdleAfter", c.IdleAfter, time.Millisecond, 1000*time.Hour),
		within("ResumeWithin", c.ResumeWithin, 0, 24*time.Hour),
		within("ResumeEvents", c.ResumeEvents, 1, 1_000_000),
		within("ResumeBytes", c.ResumeBytes, 1, 1<<30),
		within("AuthorizeTimeout", c.AuthorizeTimeout, time.Millisecond, time.Hour),
		within("MaxWork", c.MaxWork, 1, 10_000),
		within("Version", c.Version, 0, 1_000_000),
		withinOrZero("Retention", c.Retention, time.Second, 10_000*24*time.Hour),
		withinOrZero("HibernateAfter", c.HibernateAfter, time.Millisecond, 1000*time.Hour),
		c.Durability.check(),
		c.Create.check(),
		checkNamedRooms(c.Rooms),
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

func withinOrZero[T int | time.Duration](name string, v, low, high T) error {
	if v == 0 {
		return nil
	}
	return within(name, v, low, high)
}

func (k *Kind[S]) fail(err error) {
	if err != nil {
		k.errs = append(k.errs, err)
	}
}

// Name implements Behavior.
func (k *Kind[S]) Name() string { return k.name }

// Config implements Behavior.
func (k *Kind[S]) Config() KindConfig { return k.config }

// Lasts implements Behavior.
func (k *Kind[S]) Lasts() bool { return k.lasts }

// HandlesEvent implements Behavior.
func (k *Kind[S]) HandlesEvent(name string) bool {
	return k.handlers[name] != nil || k.any != nil && !ReservedEvent(name)
}

// Err reports everything that is wrong with the definition of the kind, one
// mistake per line.
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
