package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/store/memory"
)

// The protocol of owners whose store is rolled back. Nodes have leases: one
// that serves is never taken for dead; one that has lapsed stops by itself, but
// what it had sent travels on. An owner that is fenced while it serves takes
// its room back, and replaces what the store has by what it knows. With the
// quarantine nobody claims a room afresh before every owner that serves has
// looked after its own since the store was rolled back. Whatever the order:
//
//   - what was acknowledged is in the room, at the place that was told, unless
//     no owner that had it was left when the store lost it;
//   - with the quarantine, an owner that serves keeps its room; without it, and
//     once only, who has claimed the room since has it, and what that one
//     acknowledges stays;
//   - no command is in it twice.

const (
	noQuarantine   mutant = "no quarantine"
	noEpochCheck   mutant = "repair without checking the epoch"
	overLaterOwner mutant = "repair although another owner committed"
	lapsedRepairs  mutant = "repair by an owner that was taken for dead"
	noRepair       mutant = "no repair"
	repairsItsTail mutant = "repair of what is missing at the end only"
	nobodyLooks    mutant = "owners do not look after their rooms"
)

// keeper is an owner, or one that is about to be.
type keeper struct {
	owned   actors.Owned
	log     []string // commands by place
	lapsed  bool     // its node was taken for dead
	fenced  bool     // it has ended its activation
	looked  bool     // after its room, since the store was rolled back
	back    bool     // it has to take its room back
	pending *actors.Batch
	command string // that pending is about; "" for none
}

type errand struct {
	by  *keeper
	run func() (answer func() error) // the answer is for by
}

type rollbacks struct {
	kind       mutant
	quarantine bool
	pick       picker
	store      *memory.Store
	ref        actors.RoomRef
	ids        int

	marks   []func()
	keepers []*keeper
	errands []errand
	client  string
	told    map[string]int
	was     bool // rolled back
	repairs int
}

func newRollbacks(kind mutant, quarantine bool, pick picker) *rollbacks {
	p := &rollbacks{
		kind: kind, quarantine: quarantine, pick: pick, store: memory.New(memory.Config{}), ref: actors.RoomRef{Kind: "p", ID: "r"},
		told: make(map[string]int),
	}
	p.marks = []func(){p.store.Mark()}
	return p
}

func (p *rollbacks) id(what string) string { p.ids++; return fmt.Sprintf("%s%d", what, p.ids) }

func (p *rollbacks) serves(k *keeper) bool { return !k.lapsed && !k.fenced }

// acts reports whether a keeper still does anything.
func (p *rollbacks) acts(k *keeper) bool { return !k.fenced && (!k.lapsed || p.kind == lapsedRepairs) }

func (p *rollbacks) step() error {
	switch p.pick(12) {
	case 0:
		return p.arrive()
	case 1, 2:
		return p.act(p.work)
	case 3, 4, 5, 6:
		return p.deliver()
	case 7:
		return p.act(p.again)
	case 8:
		return p.act(p.look)
	case 9:
		p.marks = append(p.marks, p.store.Mark())
	case 10:
		if (p.quarantine || !p.was) && p.pick(3) == 0 {
			p.was = true
			p.errands = nil // what was sent to the store of before does not reach this one
			p.marks[p.pick(len(p.marks))]()
			for _, k := range p.keepers {
				k.looked = false
			}
			return p.forgive()
		}
	case 11:
		if n := len(p.keepers); n > 0 && p.pick(4) == 0 {
			i := p.pick(n)
			if p.keepers[i].lapsed = true; p.pick(2) == 0 {
				p.keepers = slices.Delete(p.keepers, i, i+1)
			}
			return p.forgive()
		}
	}
	return nil
}

func (p *rollbacks) act(f func(*keeper) error) error {
	if len(p.keepers) == 0 {
		return nil
	}
	if k := p.keepers[p.pick(len(p.keepers))]; p.acts(k) {
		return f(k)
	}
	return nil
}

// arrive has a node wake the room, if nobody has it.
func (p *rollbacks) arrive() error {
	present, err := p.store.Owner(context.Background(), p.ref)
	if err != nil {
		return err
	}
	for _, k := range p.keepers {
		alive := p.serves(k)
		if alive && (k.owned.Owner == present || p.quarantine && p.kind != noQuarantine && !k.looked) {
			return nil
		}
	}
	k := &keeper{looked: true}
	k.owned, err = p.store.Claim(context.Background(), p.ref, actors.Claim{Owner: actors.Owner{Node: "n", Nonce: p.id("o")}, Expect: present})
	if err != nil {
		return err
	}
	p.keepers = append(p.keepers, k)
	k.log, err = load(p.store, p.ref, k.owned)
	return err
}

// work has a keeper take the client's command.
func (p *rollbacks) work(k *keeper) error {
	if k.pending != nil || k.back {
		return nil
	}
	if p.client == "" {
		p.client = p.id("c")
	}
	if place := slices.Index(k.log, p.client); place >= 0 {
		return nil // it was taken, and its answer is lost: a read, which the store is not asked for
	}
	k.command = p.client
	k.pending = &actors.Batch{Owned: k.owned, ID: p.id("b"), NewGeneration: p.id("g"), Entries: []actors.Entry{entryAt(len(k.log), k.command)}}
	p.send(k)
	return nil
}

func entryAt(place int, cid string) actors.Entry {
	return actors.Entry{Key: fmt.Sprint(place), Value: []byte(cid)}
}

// look is what an owner does when it hears that the store was rolled back.
func (p *rollbacks) look(k *keeper) error {
	if k.looked || k.pending != nil || k.back || p.kind == nobodyLooks {
		return nil
	}
	k.back = true
	p.send(k)
	return nil
}

func (p *rollbacks) again(k *keeper) error {
	if (k.pending != nil || k.back) && len(p.errands) < 4 {
		p.send(k)
	}
	return nil
}

// send asks the store what a keeper waits for. A node looks at its lease before
// each time.
func (p *rollbacks) send(k *keeper) {
	if k.back {
		p.errands = append(p.errands, errand{k, p.takeBack(k)})
		return
	}
	b := *k.pending
	p.errands = append(p.errands, errand{k, func() func() error {
		err := p.store.Append(context.Background(), p.ref, &b)
		return func() error { return p.appended(k, &b, err) }
	}})
}

func (p *rollbacks) takeBack(k *keeper) func() func() error {
	c := actors.Claim{Owner: k.owned.Owner, Back: true, Floor: k.owned.Epoch}
	return func() func() error {
		ctx := context.Background()
		if p.kind == noEpochCheck {
			present, _ := p.store.Owner(ctx, p.ref)
			c = actors.Claim{Owner: c.Owner, Expect: present, Floor: c.Floor}
		}
		o, err := p.store.Claim(ctx, p.ref, c)
		var held *actors.HeldError
		if errors.As(err, &held) && p.kind == overLaterOwner {
			o, err = p.store.Claim(ctx, p.ref, actors.Claim{Owner: c.Owner, Expect: held.Owner, Floor: held.Epoch})
		}
		return func() error { return p.tookBack(k, c.Floor, o, err) }
	}
}

func (p *rollbacks) tookBack(k *keeper, floor uint64, o actors.Owned, err error) error {
	switch {
	case !k.back || k.owned.Epoch != floor:
		return nil // an answer that nobody waits for
	case errors.Is(err, actors.ErrHeld):
		k.fenced = true
		if !k.lapsed && p.quarantine {
			return fmt.Errorf("%v serves and has lost its room: %w", k.owned, err)
		}
		return p.forgive()
	case err != nil:
		return err
	}
	generation := k.owned.Generation
	if generation == "" {
		generation = p.id("g")
	}
	p.repairs++
	k.back, k.owned.Epoch = false, o.Epoch
	k.pending = &actors.Batch{Owned: o, ID: p.id("r"), NewGeneration: generation, Replace: true}
	whole := k.log
	if k.command != "" {
		whole = append(slices.Clone(whole), k.command)
	}
	for place, cid := range whole {
		k.pending.Entries = append(k.pending.Entries, entryAt(place, cid))
	}
	if p.kind == repairsItsTail {
		k.pending.Replace, k.pending.Entries = o.Generation == "", k.pending.Entries[max(0, len(whole)-1):]
	}
	p.send(k)
	return nil
}

func (p *rollbacks) appended(k *keeper, b *actors.Batch, err error) error {
	switch {
	case k.pending == nil || k.pending.ID != b.ID:
		return nil
	case errors.Is(err, actors.ErrFenced) && p.kind != noRepair:
		k.pending, k.back = nil, true
		p.send(k)
		return nil
	case errors.Is(err, actors.ErrFenced):
		k.fenced = true
		return nil
	case err != nil:
		return err
	}
	k.owned, k.pending, k.looked = b.After(), nil, true
	cid := k.command
	if k.command = ""; cid == "" {
		return nil
	}
	k.log = append(k.log, cid)
	p.told[cid] = len(k.log) - 1
	if p.client == cid {
		p.client = ""
	}
	return nil
}

// deliver has one errand done, or lost. Who has lapsed hears of nothing.
func (p *rollbacks) deliver() error {
	if len(p.errands) == 0 {
		return nil
	}
	i := p.pick(len(p.errands))
	e := p.errands[i]
	fate := p.pick(6)
	if fate != 0 {
		p.errands = slices.Delete(p.errands, i, i+1)
	}
	if fate == 1 {
		return nil
	}
	answer := e.run()
	if fate == 2 || !p.acts(e.by) {
		return nil
	}
	return answer()
}

// forgive takes from what was told what nobody has any more: no owner that
// serves, or, if none does, the store.
func (p *rollbacks) forgive() error {
	stored, err := contents(p.store.Copy(), p.ref)
	if err != nil {
		return err
	}
	for cid, place := range p.told {
		has := func(log []string) bool { return place < len(log) && log[place] == cid }
		had := has(stored) && !slices.ContainsFunc(p.keepers, p.serves)
		if !had && !slices.ContainsFunc(p.keepers, func(k *keeper) bool { return p.serves(k) && has(k.log) }) {
			delete(p.told, cid)
		}
	}
	return nil
}

// finish lets those who serve look after the room, and audits it.
func (p *rollbacks) finish() error {
	for range 60 {
		for _, k := range p.keepers {
			if p.acts(k) {
				_ = p.look(k)
				_ = p.again(k)
			}
		}
		for range 8 {
			if err := p.deliver(); err != nil {
				return err
			}
		}
	}
	log, err := contents(p.store.Copy(), p.ref)
	if err != nil {
		return err
	}
	for place, cid := range log {
		if slices.Index(log, cid) != place {
			return fmt.Errorf("%s is twice in %v", cid, log)
		}
	}
	for cid, place := range p.told {
		if place >= len(log) || log[place] != cid {
			return fmt.Errorf("%s was told to be at %d of %v", cid, place, log)
		}
	}
	return nil
}

func (p *rollbacks) run(steps int) error {
	for range steps {
		if err := p.step(); err != nil {
			return err
		}
	}
	return p.finish()
}

func TestALivingOwnerGivesBackWhatARolledBackStoreHasLost(t *testing.T) {
	repairs := 0
	for _, quarantine := range []bool{true, false} {
		rapid.Check(t, func(rt *rapid.T) {
			p := newRollbacks(sound, quarantine, func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "pick") })
			if err := p.run(rapid.IntRange(1, 150).Draw(rt, "steps")); err != nil {
				rt.Fatal(err)
			}
		})
		for seed := range uint64(schedules) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			p := newRollbacks(sound, quarantine, rnd.IntN)
			if err := p.run(200); err != nil {
				t.Fatalf("seed %d, quarantine %v: %v", seed, quarantine, err)
			}
			repairs += p.repairs
		}
	}
	if repairs < schedules {
		t.Errorf("%d repairs in %d schedules", repairs, 2*schedules)
	}
}

// TestEveryRuleOfTheRepairIsNeeded leaves out one rule at a time.
func TestEveryRuleOfTheRepairIsNeeded(t *testing.T) {
	for _, m := range []struct {
		kind       mutant
		quarantine bool
	}{
		{noQuarantine, true}, {noEpochCheck, true}, {overLaterOwner, false}, {lapsedRepairs, true}, {noRepair, true}, {repairsItsTail, true}, {nobodyLooks, true},
	} {
		t.Run(string(m.kind), func(t *testing.T) {
			for seed := range uint64(4_000) {
				rnd := rand.New(rand.NewPCG(seed, 0))
				if err := newRollbacks(m.kind, m.quarantine, rnd.IntN).run(200); err != nil {
					t.Logf("seed %d: %v", seed, err)
					return
				}
			}
			t.Errorf("4,000 schedules do not notice")
		})
	}
}
