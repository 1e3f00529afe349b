package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/parlor-rooms/parlor/actors"
)

// modelRoom is what the contract says of one room, in the fewest words.
type modelRoom struct {
	owner   actors.Owner
	epoch   uint64 // of the owner
	highest uint64 // epoch that any owner had
	gen     string
	seq     uint64
	last    string // id of the last batch
	entries map[string]string
}

func (m *modelRoom) owns(o actors.Owned) bool { return m.owner == o.Owner && m.epoch == o.Epoch }

// claim returns the error that is due and whether the owner is a new one. rolls
// says that the store may be rolled back.
func (m *modelRoom) claim(c actors.Claim, rolls bool) (err error, takes bool) {
	switch {
	case m.owner == c.Owner && m.epoch > c.Floor:
		return nil, false
	case c.Back && (!rolls && m.owner != c.Owner || m.epoch > c.Floor || m.epoch == c.Floor && m.owner != c.Owner):
		return actors.ErrHeld, false
	case c.Back || m.owner == actors.Owner{} || m.owner == c.Owner || m.owner == c.Expect:
		return nil, true
	}
	return actors.ErrHeld, false
}

func (m *modelRoom) append(b *actors.Batch) error {
	after := b.After()
	switch {
	case !m.owns(b.Owned):
		return actors.ErrFenced
	case m.last == b.ID && m.gen == after.Generation && m.seq == after.Sequence:
		return nil
	case m.gen != b.Generation || m.seq != b.Sequence:
		return actors.ErrFenced
	}
	if b.Replace {
		clear(m.entries)
	}
	for _, e := range b.Entries {
		if e.Value == nil {
			delete(m.entries, e.Key)
		} else {
			m.entries[e.Key] = string(e.Value)
		}
	}
	m.gen, m.seq, m.last = after.Generation, after.Sequence, b.ID
	return nil
}

func (m *modelRoom) forget() {
	m.owner, m.epoch, m.gen, m.seq, m.last = actors.Owner{}, 0, "", 0, ""
	clear(m.entries)
}

// checkModel compares a store with the model along random schedules of
// claimers and appenders, among them owners that were fenced, batches that are
// repeated and batches out of turn. It shrinks and prints what it finds, with
// the seed, as rapid does.
func checkModel(t *testing.T, open Open) {
	s := open(t)
	defer s.Close()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		w := &world{ctx: t.Context(), store: s, run: run}
		for i := range 2 {
			w.refs = append(w.refs, actors.RoomRef{Kind: "model", ID: fmt.Sprintf("%d.%d", run, i)})
			w.rooms = append(w.rooms, &modelRoom{entries: make(map[string]string)})
			w.batches = append(w.batches, nil)
			w.owned = append(w.owned, nil)
		}
		rt.Repeat(map[string]func(*rapid.T){
			"claim":   w.claim,
			"append":  w.append,
			"repeat":  w.repeat,
			"release": w.release,
			"destroy": w.destroy,
			"load":    w.load,
		})
	})
}

// world is one schedule: a store, what the model says of its rooms, and what
// was handed out to owners so far.
type world struct {
	ctx     context.Context
	store   actors.Store
	run     int
	ids     int
	refs    []actors.RoomRef
	rooms   []*modelRoom
	owned   [][]actors.Owned // by room: all that owners were told
	batches [][]*actors.Batch
}

func (w *world) id(what string) string {
	w.ids++
	return fmt.Sprintf("%s-%d-%d", what, w.run, w.ids)
}

func (w *world) pick(t *rapid.T) int { return rapid.IntRange(0, len(w.refs)-1).Draw(t, "room") }

// someOwned is a room as some owner believes it to be: usually the latest.
func (w *world) someOwned(t *rapid.T, i int) (actors.Owned, bool) {
	if len(w.owned[i]) == 0 {
		return actors.Owned{}, false
	}
	back := rapid.SampledFrom([]int{0, 0, 0, 0, 1, 2, 3}).Draw(t, "back")
	return w.owned[i][max(0, len(w.owned[i])-1-back)], true
}

func (w *world) claim(t *rapid.T) {
	i := w.pick(t)
	m := w.rooms[i]
	c := actors.Claim{Owner: actors.Owner{Node: "n", Nonce: w.id("o")}}
	if o, ok := w.someOwned(t, i); ok {
		switch rapid.IntRange(0, 4).Draw(t, "expect") {
		case 0:
			c.Owner = o.Owner // it came twice, or late
		case 1, 2, 3:
			c.Expect = o.Owner
		}
	}
	if rapid.IntRange(0, 5).Draw(t, "floor") == 0 {
		c.Floor = m.highest + uint64(rapid.IntRange(0, 3).Draw(t, "above"))
	}
	if o, ok := w.someOwned(t, i); ok && rapid.IntRange(0, 3).Draw(t, "back") == 0 {
		c = actors.Claim{Owner: o.Owner, Back: true, Floor: o.Epoch}
	}
	_, rolls := w.store.(Rewinder)
	want, takes := m.claim(c, rolls)
	o, err := w.store.Claim(w.ctx, w.refs[i], c)
	wantError(t, "claim", err, want)
	if want != nil {
		var held *actors.HeldError
		if !errors.As(err, &held) || held.Owner != m.owner || held.Epoch != m.epoch && m.owner != (actors.Owner{}) {
			t.Fatalf("claim: %+v, want that %v has it in epoch %d", err, m.owner, m.epoch)
		}
		return
	}
	if takes {
		if o.Epoch <= max(m.highest, c.Floor) {
			t.Fatalf("claim: epoch %d, after %d, with floor %d", o.Epoch, m.highest, c.Floor)
		}
		m.owner, m.epoch, m.highest = c.Owner, o.Epoch, o.Epoch
	}
	if told := (actors.Owned{Owner: m.owner, Epoch: m.epoch, Generation: m.gen, Sequence: m.seq}); o != told {
		t.Fatalf("claim: %+v, want %+v", o, told)
	}
	w.owned[i] = append(w.owned[i], o)
}

func (w *world) append(t *rapid.T) {
	i := w.pick(t)
	o, ok := w.someOwned(t, i)
	if !ok {
		return
	}
	b := &actors.Batch{Owned: o, ID: w.id("b"), NewGeneration: w.id("g"), Replace: rapid.IntRange(0, 9).Draw(t, "replace") == 0}
	for range rapid.IntRange(0, 4).Draw(t, "entries") {
		e := actors.Entry{Key: rapid.SampledFrom([]string{"a", "b", "c", "d", "\x00", "e"}).Draw(t, "key")}
		if rapid.IntRange(0, 3).Draw(t, "remove") > 0 {
			e.Value = []byte(w.id("v"))
		}
		b.Entries = append(b.Entries, e)
	}
	w.batches[i] = append(w.batches[i], b)
	w.apply(t, i, b)
}

func (w *world) repeat(t *rapid.T) {
	i := w.pick(t)
	if n := len(w.batches[i]); n > 0 {
		back := rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "back")
		w.apply(t, i, w.batches[i][max(0, n-1-back)])
	}
}

func (w *world) apply(t *rapid.T, i int, b *actors.Batch) {
	want := w.rooms[i].append(b)
	wantError(t, "append", w.store.Append(w.ctx, w.refs[i], b), want)
	if want == nil {
		w.owned[i] = append(w.owned[i], b.After())
	}
}

func (w *world) release(t *rapid.T) {
	i := w.pick(t)
	o, ok := w.someOwned(t, i)
	if !ok {
		return
	}
	m := w.rooms[i]
	err := w.store.Release(w.ctx, w.refs[i], o)
	if !m.owns(o) {
		wantError(t, "release", err, actors.ErrFenced)
		return
	}
	wantError(t, "release", err, nil)
	if m.owner = (actors.Owner{}); m.gen == "" {
		m.epoch = 0 // nothing is known of the room any more
	}
}

func (w *world) destroy(t *rapid.T) {
	i := w.pick(t)
	o, ok := w.someOwned(t, i)
	if !ok || rapid.IntRange(0, 2).Draw(t, "really") > 0 {
		return
	}
	m := w.rooms[i]
	err := w.store.Destroy(w.ctx, w.refs[i], o)
	if !m.owns(o) {
		wantError(t, "destroy", err, actors.ErrFenced)
		return
	}
	wantError(t, "destroy", err, nil)
	m.forget()
}

func (w *world) load(t *rapid.T) {
	i := w.pick(t)
	m := w.rooms[i]
	owner, err := w.store.Owner(w.ctx, w.refs[i])
	if err != nil || owner != m.owner {
		t.Fatalf("owner: %v, %v, want %v", owner, err, m.owner)
	}
	o, ok := w.someOwned(t, i)
	if !ok {
		return
	}
	got, err := load(w.ctx, w.store, w.refs[i], o)
	if !m.owns(o) {
		wantError(t, "load", err, actors.ErrFenced)
		return
	}
	wantError(t, "load", err, nil)
	if !maps.Equal(got, m.entries) {
		t.Fatalf("the room holds %s, want %s", brief(got), brief(m.entries))
	}
}

func wantError(t *rapid.T, what string, err, want error) {
	if !errors.Is(err, want) {
		t.Fatalf("%s: %v, want %v", what, err, want)
	}
}
