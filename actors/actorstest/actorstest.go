// Package actorstest runs a user's room in one process, with fake members and
// a clock that the test moves. The room, its synced state and what members
// receive are the real ones: the same machines a node runs, without sockets
// and goroutines. Everything happens in the test's goroutine, so that a test
// is deterministic; only the function given to Turn.Go is run between turns.
//
//	r := actorstest.Open(t, board.Kind(), actorstest.Config{})
//	ada := r.Join(map[string]any{"name": "Ada"})
//	ack, err := ada.Ask("add", AddNote{Text: "hello"})
//	r.Advance(33 * time.Millisecond)
//	notes := ada.State("notes")
package actorstest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/fanout"
	"github.com/parlor-rooms/parlor/actors/internal/rawjson"
	"github.com/parlor-rooms/parlor/actors/internal/room"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
	"github.com/parlor-rooms/parlor/actors/store/memory"
)

// Config describes a room under test. The zero value is useful.
type Config struct {
	// ID is the room's id. Empty means "test".
	ID string
	// Seed seeds Turn.Rand and the ids. Zero means 1.
	Seed uint64
	// Start is the time at which the room opens. Zero means 2026-01-01 UTC.
	Start time.Time
	// Call answers Turn.Call: what the other room would return. Nil answers
	// CodeUnavailable.
	Call func(room actors.RoomRef, event string, payload json.RawMessage) (any, error)
	// Store is where the room is kept. Nil is a store of its own, in memory.
	Store actors.Store
	// Log receives the room's log. Nil means the test's log.
	Log *slog.Logger
}

// Room is a room under test. Use it from the test's goroutine.
type Room struct {
	t       testing.TB
	cfg     Config
	ref     actors.RoomRef
	kind    actors.Behavior
	now     time.Time
	rand    *rand.Rand
	machine *room.Machine
	fan     *fanout.Machine
	epoch   uint64
	owned   actors.Owned
	agenda  time.Time // when the room is to be woken; zero: not at all
	queue   []func()  // what happens after the present step
	members map[uint64]*Member
	nextID  uint64
	answers map[uint64]func(actors.Raw, *actors.Error)

	away       bool          // the store does not answer
	batch      *actors.Batch // on its way to the store; nil: none is
	reclaiming *actors.Owned // how it is asked whether the room is still this activation's; nil: it is not
	destroying bool          // the store was asked to forget the room
	asleep     bool          // the room hibernates
}

// Open opens a room. The test fails if the kind is wrong.
func Open(t testing.TB, kind actors.Behavior, cfg Config) *Room {
	t.Helper()
	if err := kind.Err(); err != nil {
		t.Fatalf("actorstest: %v", err)
	}
	if cfg.ID == "" {
		cfg.ID = "test"
	}
	if cfg.Seed == 0 {
		cfg.Seed = 1
	}
	if cfg.Start.IsZero() {
		cfg.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(testLog{t}, nil))
	}
	r := &Room{
		t: t, cfg: cfg, kind: kind, now: cfg.Start, ref: actors.RoomRef{Kind: kind.Name(), ID: cfg.ID},
		rand:    rand.New(rand.NewPCG(cfg.Seed, cfg.Seed)),
		members: make(map[uint64]*Member), answers: make(map[uint64]func(actors.Raw, *actors.Error)),
	}
	if r.cfg.Store == nil {
		r.cfg.Store = memory.New(memory.Config{Now: r.Now})
	}
	if !r.ref.Valid() {
		t.Fatalf("actorstest: %q is not a room id", cfg.ID)
	}
	r.connectNode()
	r.wake()
	return r
}

// connectNode makes a node without connections.
func (r *Room) connectNode() {
	r.members, r.queue = make(map[uint64]*Member), nil
	r.fan = fanout.New(fanout.Config{Node: "test", Sockets: r, Post: func(d fanout.Drained) {
		r.queue = append(r.queue, func() { r.fan.Drained(d) })
	}})
}

type testLog struct{ t testing.TB }

func (l testLog) Write(b []byte) (int, error) { l.t.Logf("%s", b); return len(b), nil }

// wake starts an activation.
func (r *Room) wake() {
	r.epoch++
	r.destroying = false
	loaded := room.Loaded{Epoch: r.epoch}
	if r.kind.Lasts() {
		loaded = r.load()
	}
	r.start(loaded)
}

// start makes a machine for the present activation.
func (r *Room) start(loaded room.Loaded) {
	r.machine = room.New(room.Config{
		Ref: r.ref, Behavior: r.kind, Log: r.cfg.Log, Rand: r.rand, NewID: r.newID, Effects: (*effects)(r),
	})
	r.machine.Start(r.now, loaded)
	r.settle()
}

func (r *Room) newID() string {
	return fmt.Sprintf("%011x%011x", r.rand.Uint64N(1<<44), r.rand.Uint64N(1<<44))
}

// settle carries out everything that is to happen now.
func (r *Room) settle() {
	for len(r.queue) > 0 {
		next := r.queue[0]
		r.queue = r.queue[1:]
		next()
	}
	r.fan.Flush()
	if len(r.queue) > 0 {
		r.settle()
	}
}

// Advance moves the clock by d, running ticks, timers and flushes at the
// times they are due.
func (r *Room) Advance(d time.Duration) {
	target := r.now.Add(d)
	for {
		next := r.machine.NextWake()
		due := !r.agenda.IsZero() && (next.IsZero() || !r.agenda.After(next))
		if due {
			next = r.agenda
		}
		if next.IsZero() || next.After(target) {
			break
		}
		if next.After(r.now) {
			r.now = next
		}
		r.wakeDue(due)
	}
	r.now = target
	r.machine.Wake(r.now)
	r.settle()
}

// wakeDue runs what is due: in another activation, if the agenda says so and
// the room is not in memory.
func (r *Room) wakeDue(agenda bool) {
	if agenda {
		r.agenda = time.Time{}
		r.awaken()
		r.machine.Due(r.now)
	} else {
		r.machine.Wake(r.now)
	}
	r.settle()
}

// Skip moves the clock by d at once, as if the process had been paused: ticks
// that were due meanwhile are late or skipped.
func (r *Room) Skip(d time.Duration) {
	r.now = r.now.Add(d)
	r.machine.Wake(r.now)
	r.settle()
}

// Now is the time of the room.
func (r *Room) Now() time.Time { return r.now }

// Ref names the room.
func (r *Room) Ref() actors.RoomRef { return r.ref }

// Members is how many members the room has, kept seats included.
func (r *Room) Members() int { return r.machine.Members() }

// Awake reports whether the room is in memory: an empty one leaves it after
// KindConfig.IdleAfter, one whose members are quiet after
// KindConfig.HibernateAfter. Whoever wants something of it next wakes it with
// what is durable.
func (r *Room) Awake() bool { return !r.machine.Retired() && !r.asleep }

// awaken wakes the room if it is not in memory.
func (r *Room) awaken() {
	r.rouse()
	if r.machine.Retired() {
		r.wake()
	}
}

// Call sends an event from Go code, as Node.Call does, and decodes the answer
// into result unless that is nil. A handler that answers later must have
// answered by the time its work is done.
func (r *Room) Call(event string, payload, result any) error {
	r.t.Helper()
	raw, err := actors.EncodeArgs(nil, payload)
	if err != nil {
		r.t.Fatalf("actorstest: %v", err)
	}
	r.awaken()
	var got actors.Raw
	var failed *actors.Error
	answered := false
	r.nextID++
	r.answers[r.nextID] = func(a actors.Raw, e *actors.Error) { got, failed, answered = a, e, true }
	r.machine.Call(r.now, r.nextID, event, raw)
	r.settle()
	switch {
	case !answered:
		return actors.Errorf(actors.CodeTimeout, "no answer yet")
	case failed != nil:
		return failed
	case result == nil:
		return nil
	}
	elems, _ := rawjson.Split(got.JSON)
	if len(elems) == 0 {
		elems = []json.RawMessage{json.RawMessage("null")}
	}
	return actors.Raw{JSON: elems[0], Attachments: got.Attachments}.Decode(result)
}

// effects carries out what the machine wants.
type effects Room

func (e *effects) later(f func()) { e.queue = append(e.queue, f) }

func (e *effects) Deliver(_ string, d *wire.Deliver) {
	e.later(func() {
		if c := e.fan.Deliver(d); c != nil {
			e.machine.Delivered(e.now, c)
		}
	})
}

func (e *effects) Tell(c wire.ConnRef, msg any) {
	e.later(func() {
		if m := e.members[c.ID]; m != nil {
			m.told(msg)
		}
	})
}

func (e *effects) Run(id uint64, work func(context.Context) error) {
	machine := e.machine
	e.later(func() {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		machine.WorkDone(e.now, id, work(ctx))
	})
}

func (e *effects) Call(id uint64, c room.OutCall) {
	machine := e.machine
	e.later(func() {
		if e.cfg.Call == nil {
			machine.CallDone(e.now, id, actors.Raw{}, actors.Errorf(actors.CodeUnavailable, "actorstest: Config.Call is not set"))
			return
		}
		var payload json.RawMessage
		if elems, _ := rawjson.Split(c.Payload.JSON); len(elems) > 0 {
			payload = elems[0]
		}
		value, err := e.cfg.Call(c.Room, c.Event, payload)
		raw, encErr := actors.EncodeArgs(nil, value)
		if err == nil {
			err = encErr
		}
		machine.CallDone(e.now, id, raw, actors.AsError(err))
	})
}

func (e *effects) Answer(id uint64, result actors.Raw, err *actors.Error) {
	if f := e.answers[id]; f != nil {
		delete(e.answers, id)
		f(result, err)
	}
}

func (e *effects) Append(a room.Append) {
	if !a.Wake.IsZero() {
		e.agenda = a.Wake
	}
	e.batch = a.Batch
	e.later((*Room)(e).commit)
}

func (e *effects) Schedule(at time.Time) { e.agenda = at }

func (e *effects) Hibernate(owned actors.Owned, _ []string) { e.asleep, e.owned = true, owned }

func (e *effects) Reclaim(o actors.Owned) {
	e.reclaiming = &o
	e.later((*Room)(e).commit)
}

func (e *effects) Destroy() {
	e.destroying = true
	e.later((*Room)(e).commit)
}

func (e *effects) Retire() {
	if e.destroying || e.owned.Owner == (actors.Owner{}) {
		return
	}
	if err := e.cfg.Store.Release(context.Background(), e.ref, e.owned); err != nil && !errors.Is(err, actors.ErrFenced) {
		e.t.Errorf("actorstest: release: %v", err)
	}
}
