package room

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// kept is the store of a world, and what was handed over to it. It answers at
// the end of each step unless a test has it slow.
type kept struct {
	owned   actors.Owned
	entries map[string]string
	agenda  time.Time

	slow       bool
	flight     *actors.Batch // handed over, not answered
	reclaiming bool          // asked to be the room's owner again, not answered
	taken      bool          // somebody else is
	past       []kept        // that a test can bring back
	rolledBack bool          // and has not been repaired since
	repairs    int
	destroying bool
	asleep     bool // the room hibernates
	appends    int
}

// openKept starts a room of a store.
func (s *script) openKept(t tester, c actors.KindConfig) *world {
	t.Helper()
	return keep(newWorld(t, s.behavior(c)))
}

// keep starts a room, and has a store keep it.
func keep(w *world) *world {
	w.kept = &kept{entries: make(map[string]string)}
	w.begin()
	return w
}

// begin starts an activation that has claimed the room.
func (w *world) begin() {
	k := w.kept
	k.owned.Epoch += 7
	k.owned.Owner = actors.Owner{Node: "n1", Nonce: fmt.Sprintf("owner-%d", k.owned.Epoch)}
	k.flight, k.destroying, k.reclaiming, k.taken, k.rolledBack = nil, false, false, false, false
	w.m.Start(w.now, Loaded{Epoch: k.owned.Epoch, Owned: k.owned, Entries: k.list()})
	w.settle()
}

// list is what a load returns.
func (k *kept) list() []actors.Entry {
	var entries []actors.Entry
	for _, key := range slices.Sorted(maps.Keys(k.entries)) {
		entries = append(entries, actors.Entry{Key: key, Value: []byte(k.entries[key])})
	}
	return entries
}

// machine returns a machine that is not started.
func (w *world) machine() *Machine {
	return New(Config{
		Ref: ref, Behavior: w.behavior, Log: slog.New(slog.NewTextHandler(w.logging, nil)),
		Rand: rand.New(rand.NewPCG(1, 1)), NewID: w.newID, Effects: w,
		MaxBytes: w.maxBytes,
	})
}

// next makes another activation of the room: the node of the one before has
// died, or the room has left memory.
func (w *world) next() {
	w.t.Helper()
	w.tables, w.unconfirmed = make(map[string]*table), make(map[string]int)
	w.told = make(map[wire.ConnRef][]any)
	w.work, w.worked, w.calls = make(map[uint64]func(context.Context) error), nil, make(map[uint64]OutCall)
	w.retired = 0
	w.m = w.machine()
	w.kept.asleep = false
	w.begin()
}

// Append implements Effects.
func (w *world) Append(a Append) {
	w.alive("Append")
	k, b := w.kept, a.Batch
	if k == nil || k.flight != nil || k.destroying || k.reclaiming {
		w.t.Fatalf("Append of %v, after %+v", b, k)
	}
	if err := b.Check(ref); err != nil {
		w.t.Fatalf("Append: %v", err)
	}
	if !a.Wake.IsZero() {
		k.agenda = a.Wake
	}
	k.flight = b
	w.note("append %s", describeEntries(b.Entries))
}

// Schedule implements Effects.
func (w *world) Schedule(at time.Time) { w.alive("Schedule"); w.kept.agenda = at }

// Hibernate implements Effects.
func (w *world) Hibernate(owned actors.Owned, _ []string) {
	w.alive("Hibernate")
	if owned != w.kept.owned {
		w.t.Errorf("hibernates as %+v, and is stored as %+v", owned, w.kept.owned)
	}
	w.kept.asleep = true
	w.note("hibernate")
}

// wake makes the next machine of a room that hibernates.
func (w *world) wake() {
	if w.kept == nil || !w.kept.asleep {
		return
	}
	w.kept.asleep = false
	w.m = w.machine()
	w.m.Start(w.now, Loaded{Epoch: w.kept.owned.Epoch, Owned: w.kept.owned, Entries: w.kept.list()})
	w.settle()
}

// Reclaim implements Effects.
func (w *world) Reclaim(o actors.Owned) {
	w.alive("Reclaim")
	if w.kept.flight != nil || w.kept.destroying || w.kept.reclaiming {
		w.t.Errorf("Reclaim while something is on its way")
	}
	w.kept.reclaiming = true
	w.kept.owned.Epoch = max(w.kept.owned.Epoch, o.Epoch) // as a clock would have it
	w.note("reclaim")
}

// reclaimed says whether the room is this activation's.
func (w *world) reclaimed() {
	k := w.kept
	k.reclaiming = false
	if k.taken {
		w.m.Reclaimed(w.now, actors.Owned{}, &actors.HeldError{Owner: actors.Owner{Node: "n2", Nonce: "other"}})
		return
	}
	k.owned.Owner = w.m.journal.owned.Owner
	k.owned.Epoch++
	w.m.Reclaimed(w.now, k.owned, nil)
}

// mark remembers what is stored.
func (k *kept) mark() {
	k.past = append(k.past, kept{owned: k.owned, entries: maps.Clone(k.entries), agenda: k.agenda})
}

// rollBack brings back the n-th mark.
func (k *kept) rollBack(n int) {
	p := k.past[n]
	k.owned, k.entries, k.agenda, k.rolledBack = p.owned, maps.Clone(p.entries), p.agenda, true
	k.past = k.past[:n+1]
}

// Destroy implements Effects.
func (w *world) Destroy() {
	w.alive("Destroy")
	if w.kept.flight != nil || w.kept.destroying || w.kept.reclaiming {
		w.t.Errorf("Destroy while something is on its way")
	}
	w.kept.destroying = true
	w.note("destroy")
}

// settle answers what the store was handed, unless it is slow.
func (w *world) settle() {
	if w.kept == nil || w.kept.slow {
		return
	}
	for w.kept.flight != nil || w.kept.destroying || w.kept.reclaiming {
		w.commit()
	}
}

// commit has the store carry out what it was handed, and say so.
func (w *world) commit() {
	w.t.Helper()
	k := w.kept
	if k.reclaiming {
		w.reclaimed()
		return
	}
	if k.destroying {
		k.destroying = false
		if o := w.m.journal.owned; k.rolledBack && (k.owned.Owner != o.Owner || k.owned.Epoch != o.Epoch) {
			w.m.Destroyed(w.now, fmt.Errorf("destroy: %w", actors.ErrFenced))
			return
		}
		clear(k.entries)
		if w.destroyed != nil {
			w.destroyed()
		}
		k.owned.Generation, k.owned.Sequence = "", 0
		w.m.Destroyed(w.now, nil)
		return
	}
	b := k.flight
	if b == nil {
		w.t.Fatalf("nothing is on its way")
	}
	if w.lost(b.Owned) && w.lost(b.After()) {
		w.fence()
		return
	}
	w.apply()
	k.flight = nil
	w.m.Appended(w.now, b.ID, nil)
}

// lost reports whether the store was rolled back to where nobody owns the room
// as o.
func (w *world) lost(o actors.Owned) bool { return w.kept.rolledBack && w.kept.owned != o }

// apply has the store carry out a batch without a word, once.
func (w *world) apply() {
	k := w.kept
	b := k.flight
	if w.lost(b.Owned) && w.lost(b.After()) {
		return
	}
	if b.Owned != k.owned && b.After() != k.owned {
		w.t.Fatalf("Append at %+v, the room is at %+v", b.Owned, k.owned)
	}
	k.apply(b)
}

// apply applies a batch, unless it was applied already.
func (k *kept) apply(b *actors.Batch) {
	if b.After() == k.owned {
		return
	}
	if b.Replace {
		clear(k.entries)
		k.rolledBack = false
		k.repairs++
	}
	for _, e := range b.Entries {
		if e.Value == nil {
			delete(k.entries, e.Key)
		} else {
			k.entries[e.Key] = string(e.Value)
		}
	}
	k.owned = b.After()
	k.appends++
}

// fence says that what is on its way is refused.
func (w *world) fence() {
	b := w.kept.flight
	w.kept.flight = nil
	w.m.Appended(w.now, b.ID, fmt.Errorf("append: %w", actors.ErrFenced))
}

// counted is how much of what is stored counts towards Config.MaxBytes.
func (k *kept) counted() (bytes int) {
	for key, value := range k.entries {
		bytes += Counted(key, []byte(value))
	}
	return bytes
}

// area lists the stored keys that begin with a prefix, and their values.
func (k *kept) area(prefix string) []string {
	var found []string
	for _, key := range slices.Sorted(maps.Keys(k.entries)) {
		if rest, is := strings.CutPrefix(key, prefix); is {
			found = append(found, rest+"="+k.entries[key])
		}
	}
	return found
}

// describeEntries writes a batch as a test reads it: fields with their values,
// of everything else the key.
func describeEntries(entries []actors.Entry) string {
	var parts []string
	for _, e := range entries {
		switch field, is := strings.CutPrefix(e.Key, areaField); {
		case is && e.Value == nil:
			parts = append(parts, "-"+field)
		case is:
			parts = append(parts, field+"="+string(e.Value))
		case e.Value == nil:
			parts = append(parts, "-"+e.Key)
		case e.Key != keyMeta && e.Key != keyLives:
			parts = append(parts, e.Key)
		}
	}
	return strings.Join(parts, " ")
}
