package storetest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// ErrLost is what a caller gets whose outcome is unknown.
var ErrLost = errors.New("storetest: no answer")

// Faults says how often a call meets which fault. Each is a probability from 0
// to 1, and together they are at most 1.
type Faults struct {
	Seed uint64 // the same seed gives the same call the same fault

	Refuse    float64 // not done, and the caller is told: ErrUnavailable
	Vanish    float64 // not done, and nobody knows: ErrLost
	LoseReply float64 // done, and nobody knows: ErrLost
	Late      float64 // done before the next call that names the same room or record: ErrLost
	Duplicate float64 // done twice; the caller gets the first answer
	Delay     float64 // done after a while

	// LongestDelay is the most that Delay waits. Zero means 10 ms.
	LongestDelay time.Duration

	// Wait waits on behalf of Delay. Nil means on a timer.
	Wait func(ctx context.Context, d time.Duration) error
}

// Faulty is a store whose calls meet faults. Which fault the n-th call of a
// method for a room or record meets depends on the seed alone, however calls
// of different rooms interleave: a test that prints its seed can be replayed.
//
// Reading calls (Owner, Load, Due, Read) are refused, vanish or wait; Provides
// and Close are left alone. A room's Late calls are done by Settle at the
// latest.
type Faulty struct {
	actors.Store
	faults Faults

	mu     sync.Mutex // guards the following
	healed bool
	calls  map[string]uint64                  // by method and name
	late   map[string][]func(context.Context) // by name
	met    map[string]int                     // by fault
	marks  []func()
}

// WithFaults returns s with faults.
func WithFaults(s actors.Store, f Faults) *Faulty {
	if f.LongestDelay == 0 {
		f.LongestDelay = 10 * time.Millisecond
	}
	if f.Wait == nil {
		f.Wait = waitOnTimer
	}
	return &Faulty{
		Store: s, faults: f,
		calls: make(map[string]uint64), late: make(map[string][]func(context.Context)), met: make(map[string]int),
	}
}

func waitOnTimer(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Heal ends all faults, or brings them back.
func (f *Faulty) Heal(healed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.healed = healed
}

// Settle does what is late.
func (f *Faulty) Settle(ctx context.Context) {
	f.mu.Lock()
	all := f.late
	f.late = make(map[string][]func(context.Context))
	f.mu.Unlock()
	for _, calls := range all {
		for _, do := range calls {
			do(ctx)
		}
	}
}

// Met counts the faults that were met, by name.
func (f *Faulty) Met() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	met := make(map[string]int, len(f.met))
	for k, n := range f.met {
		met[k] = n
	}
	return met
}

// Rewinder is a store that can lose what happened after a moment, as a Redis
// does whose replica was behind.
type Rewinder interface {
	// Mark returns a function that brings this moment back.
	Mark() (rewind func())
}

// Mark notes this moment for Rewind. It reports whether the store can.
func (f *Faulty) Mark() bool {
	r, ok := f.Store.(Rewinder)
	if ok {
		rewind := r.Mark()
		f.mu.Lock()
		f.marks = append(f.marks, rewind)
		f.mu.Unlock()
	}
	return ok
}

// Rewind brings the n-th marked moment back; marks after it are forgotten.
func (f *Faulty) Rewind(n int) {
	f.mu.Lock()
	rewind := f.marks[n]
	f.marks = f.marks[:n+1]
	f.met["rewind"]++
	f.mu.Unlock()
	rewind()
}

// fate draws the fault of the next call of a method for name.
func (f *Faulty) fate(method, name string, writes bool) (fault string, delay time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s", method, name)
	n := f.calls[method+" "+name]
	f.calls[method+" "+name]++
	if f.healed {
		return "", 0
	}
	rnd := rand.New(rand.NewPCG(f.faults.Seed^h.Sum64(), n))
	at := rnd.Float64()
	for _, c := range []struct {
		name   string
		share  float64
		writes bool
	}{
		{"refuse", f.faults.Refuse, false},
		{"vanish", f.faults.Vanish, false},
		{"lose reply", f.faults.LoseReply, true},
		{"late", f.faults.Late, true},
		{"duplicate", f.faults.Duplicate, true},
		{"delay", f.faults.Delay, false},
	} {
		if at -= c.share; at < 0 && (writes || !c.writes) {
			f.met[c.name]++
			return c.name, time.Duration(rnd.Int64N(int64(f.faults.LongestDelay)))
		}
	}
	return "", 0
}

// call does a call, or does not. do may be called more than once, also later.
func call[T any](ctx context.Context, f *Faulty, method, name string, writes bool, do func(context.Context) (T, error)) (T, error) {
	f.mu.Lock()
	late := f.late[name]
	delete(f.late, name)
	f.mu.Unlock()
	for _, do := range late {
		do(context.WithoutCancel(ctx))
	}
	var none T
	switch fault, delay := f.fate(method, name, writes); fault {
	case "refuse":
		return none, fmt.Errorf("%w: as storetest says", actors.ErrUnavailable)
	case "vanish":
		return none, ErrLost
	case "lose reply":
		_, _ = do(ctx) // nobody hears of it
		return none, ErrLost
	case "late":
		f.mu.Lock()
		f.late[name] = append(f.late[name], func(ctx context.Context) { _, _ = do(ctx) })
		f.mu.Unlock()
		return none, ErrLost
	case "duplicate":
		defer func() { _, _ = do(ctx) }()
	case "delay":
		if err := f.faults.Wait(ctx, delay); err != nil {
			return none, fmt.Errorf("%w: %w", actors.ErrUnavailable, err)
		}
	}
	return do(ctx)
}

// plain is call for methods that return an error only.
func (f *Faulty) plain(ctx context.Context, method, name string, do func(context.Context) error) error {
	_, err := call(ctx, f, method, name, true, func(ctx context.Context) (struct{}, error) { return struct{}{}, do(ctx) })
	return err
}

// Claim implements actors.Ownership.
func (f *Faulty) Claim(ctx context.Context, room actors.RoomRef, c actors.Claim) (actors.Owned, error) {
	return call(ctx, f, "Claim", room.String(), true, func(ctx context.Context) (actors.Owned, error) {
		return f.Store.Claim(ctx, room, c)
	})
}

// Owner implements actors.Ownership.
func (f *Faulty) Owner(ctx context.Context, room actors.RoomRef) (actors.Owner, error) {
	return call(ctx, f, "Owner", room.String(), false, func(ctx context.Context) (actors.Owner, error) {
		return f.Store.Owner(ctx, room)
	})
}

// Release implements actors.Ownership.
func (f *Faulty) Release(ctx context.Context, room actors.RoomRef, o actors.Owned) error {
	return f.plain(ctx, "Release", room.String(), func(ctx context.Context) error { return f.Store.Release(ctx, room, o) })
}

// Destroy implements actors.Ownership.
func (f *Faulty) Destroy(ctx context.Context, room actors.RoomRef, o actors.Owned) error {
	return f.plain(ctx, "Destroy", room.String(), func(ctx context.Context) error { return f.Store.Destroy(ctx, room, o) })
}

// Load implements actors.Journal.
func (f *Faulty) Load(ctx context.Context, room actors.RoomRef, o actors.Owned, each func(string, []byte) error) error {
	_, err := call(ctx, f, "Load", room.String(), false, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, f.Store.Load(ctx, room, o, each)
	})
	return err
}

// Append implements actors.Journal. A call that is late or comes twice works on
// a copy: the batch is the caller's again.
func (f *Faulty) Append(ctx context.Context, room actors.RoomRef, b *actors.Batch) error {
	own := *b
	own.Entries = make([]actors.Entry, len(b.Entries))
	for i, e := range b.Entries {
		if own.Entries[i].Key = e.Key; e.Value != nil {
			own.Entries[i].Value = append([]byte{}, e.Value...)
		}
	}
	return f.plain(ctx, "Append", room.String(), func(ctx context.Context) error { return f.Store.Append(ctx, room, &own) })
}

// Schedule implements actors.Agenda.
func (f *Faulty) Schedule(ctx context.Context, room actors.RoomRef, at time.Time) error {
	return f.plain(ctx, "Schedule", room.String(), func(ctx context.Context) error { return f.Store.Schedule(ctx, room, at) })
}

// Due implements actors.Agenda.
func (f *Faulty) Due(ctx context.Context, now, again time.Time, limit int) ([]actors.RoomRef, error) {
	return call(ctx, f, "Due", "agenda", !again.IsZero(), func(ctx context.Context) ([]actors.RoomRef, error) {
		return f.Store.Due(ctx, now, again, limit)
	})
}

// Read implements actors.Records.
func (f *Faulty) Read(ctx context.Context, key string) ([]byte, uint64, error) {
	type record struct {
		value   []byte
		version uint64
	}
	r, err := call(ctx, f, "Read", "record "+key, false, func(ctx context.Context) (r record, err error) {
		r.value, r.version, err = f.Store.Read(ctx, key)
		return r, err
	})
	return r.value, r.version, err
}

// Write implements actors.Records.
func (f *Faulty) Write(ctx context.Context, key string, value []byte, ifVersion uint64, ttl time.Duration) (uint64, error) {
	if value != nil {
		value = append([]byte{}, value...)
	}
	return call(ctx, f, "Write", "record "+key, true, func(ctx context.Context) (uint64, error) {
		return f.Store.Write(ctx, key, value, ifVersion, ttl)
	})
}
