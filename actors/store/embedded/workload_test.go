package embedded_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// slots is how many entries a room of the workload has: the room stays small
// however often it changes.
const slots = 40

// writer appends to one room, each batch with an effect that shows when it was
// applied twice or not at all: a count that must equal the sequence, and a slot
// for each of the last sequences.
type writer struct {
	store actors.Store
	ref   actors.RoomRef
	rnd   *rand.Rand
	owned actors.Owned
	count uint64
}

func newWriter(ctx context.Context, s actors.Store, name string, rnd *rand.Rand) (*writer, error) {
	w := &writer{store: s, ref: actors.RoomRef{Kind: "load", ID: name}, rnd: rnd}
	var err error
	w.owned, err = s.Claim(ctx, w.ref, actors.Claim{Owner: actors.Owner{Node: "n", Nonce: fmt.Sprintf("%x", rnd.Uint64())}})
	if err != nil {
		return nil, err
	}
	w.count, err = verify(ctx, s, w.ref, w.owned)
	return w, err
}

// batch is the one that makes the sequence n.
func (w *writer) step(ctx context.Context) error {
	n := w.count + 1
	b := &actors.Batch{Owned: w.owned, ID: fmt.Sprintf("%x", w.rnd.Uint64()), NewGeneration: "g" + fmt.Sprintf("%x", w.rnd.Uint64())}
	b.Entries = []actors.Entry{
		{Key: "count", Value: fmt.Appendf(nil, "%d", n)},
		{Key: fmt.Sprintf("slot %d", n%slots), Value: value(n)},
	}
	if w.rnd.IntN(4) == 0 { // what is scheduled lasts if what is appended afterwards does
		if err := w.store.Schedule(ctx, w.ref, time.UnixMilli(int64(n))); err != nil {
			return err
		}
		b.Entries = append(b.Entries, actors.Entry{Key: "due", Value: fmt.Appendf(nil, "%d", n)})
	}
	for range 1 + w.rnd.IntN(2) { // sometimes twice, as after a reply that was lost
		if err := w.store.Append(ctx, w.ref, b); err != nil {
			return err
		}
	}
	w.owned, w.count = b.After(), n
	return nil
}

// value is what the batch n writes; its length varies.
func value(n uint64) []byte {
	rnd := rand.New(rand.NewPCG(n, 7))
	v := make([]byte, 1+rnd.IntN(200))
	for i := range v {
		v[i] = byte(rnd.Uint32())
	}
	v, _ = json.Marshal(map[string]any{"n": n, "v": v})
	return v
}

// verify loads a room of the workload and returns its count. It is an error if
// the room is in a state that no number of batches makes.
func verify(ctx context.Context, s actors.Store, ref actors.RoomRef, o actors.Owned) (uint64, error) {
	got := make(map[string]string)
	if err := s.Load(ctx, ref, o, func(k string, v []byte) error { got[k] = string(v); return nil }); err != nil {
		return 0, err
	}
	n := o.Sequence
	want := uint64(0)
	if _, err := fmt.Sscan(got["count"], &want); err != nil && n > 0 || want != n {
		return 0, fmt.Errorf("%v: count %q at sequence %d", ref, got["count"], n)
	}
	due := got["due"]
	delete(got, "due")
	delete(got, "count")
	if uint64(len(got)) != min(n, slots) {
		return 0, fmt.Errorf("%v: %d slots at sequence %d", ref, len(got), n)
	}
	for i := n; i > 0 && i+slots > n; i-- {
		if got[fmt.Sprintf("slot %d", i%slots)] != string(value(i)) {
			return 0, fmt.Errorf("%v: slot of batch %d is not what was written, at sequence %d", ref, i, n)
		}
	}
	if due == "" {
		return n, nil
	}
	// The agenda has this time or a later one, whose append was not to be.
	all, err := s.Due(ctx, time.UnixMilli(1<<50), time.Time{}, 1000)
	if err != nil {
		return 0, err
	}
	for _, r := range all {
		if r == ref {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%v was due at %s and is not on the agenda", ref, due)
}
