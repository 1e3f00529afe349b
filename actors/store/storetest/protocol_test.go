package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/store/memory"
)

// The ownership protocol as small steps: activations of one room claim, load,
// apply commands, append and acknowledge; any of them may crash, pause for as
// long as it likes or be replaced at any time, for there is no lease; a call
// that is on its way may be done, be done with its answer lost, be done twice
// or never; clients repeat commands that were not acknowledged. Whatever the
// order, at the end:
//
//   - what was acknowledged is in the room, at the place that was told;
//   - no command is in it twice;
//   - its places are dense, and epochs grow along them;
//   - a place was never told with two commands.

// mutant is a protocol with one of its rules left out.
type mutant string

const (
	sound           mutant = "sound"
	noFence         mutant = "no fence"          // the store does not look at the owner
	ackBeforeAppend mutant = "ack before append" // the answer leaves before the store's
	noBatchID       mutant = "no batch id"       // what may have been done is done anew
	claimAfterLoad  mutant = "claim after load"  // what is loaded may be out of date
	clientRetries   mutant = "client retries"    // the driver repeats calls, and the store takes them as new ones
)

// picker draws one of n steps.
type picker func(n int) int

type activation struct {
	owned   actors.Owned
	log     []string // "epoch cid" by place: what it holds in memory
	claimed bool
	fenced  bool
	pending *actors.Batch // in flight or to be repeated
	command string        // that pending is about
}

type inFlight struct {
	by    *activation
	batch actors.Batch
}

type protocol struct {
	kind  mutant
	pick  picker
	store *memory.Store
	ref   actors.RoomRef
	ids   int

	live    []*activation
	calls   []inFlight
	clients []string       // the command of each client that is not acknowledged; "" for none
	told    map[string]int // command to place, as acknowledged
	places  map[int]string // place to command, as acknowledged
}

func newProtocol(kind mutant, pick picker) *protocol {
	return &protocol{
		kind: kind, pick: pick, store: memory.New(memory.Config{}), ref: actors.RoomRef{Kind: "p", ID: "r"},
		clients: make([]string, 3), told: make(map[string]int), places: make(map[int]string),
	}
}

func (p *protocol) id(what string) string {
	p.ids++
	return fmt.Sprintf("%s%d", what, p.ids)
}

// step does one thing that may happen.
func (p *protocol) step() error {
	switch p.pick(8) {
	case 0:
		return p.arrive()
	case 1, 2:
		return p.command()
	case 3, 4, 5:
		return p.deliver()
	case 6:
		p.repeat()
	case 7:
		if n := len(p.live); n > 0 && p.pick(3) == 0 { // a crash; its calls travel on
			i := p.pick(n)
			p.live = append(p.live[:i], p.live[i+1:]...)
		}
	}
	return nil
}

// arrive makes an activation, or lets one that is begun go on.
func (p *protocol) arrive() error {
	for _, a := range p.live {
		if !a.claimed {
			return p.claim(a)
		}
	}
	if len(p.live) == 3 {
		return nil
	}
	a := &activation{owned: actors.Owned{Owner: actors.Owner{Node: "n", Nonce: p.id("o")}}}
	p.live = append(p.live, a)
	if p.kind == claimAfterLoad {
		var err error
		a.log, err = contents(p.store.Copy(), p.ref)
		return err
	}
	return p.claim(a)
}

func (p *protocol) claim(a *activation) error {
	ctx := context.Background()
	present, err := p.store.Owner(ctx, p.ref)
	if err != nil {
		return err
	}
	a.owned, err = p.store.Claim(ctx, p.ref, actors.Claim{Owner: a.owned.Owner, Expect: present})
	if err != nil {
		return err
	}
	a.claimed = true
	if p.kind != claimAfterLoad {
		a.log, err = load(p.store, p.ref, a.owned)
	}
	return err
}

// contents is what a store holds, whoever owns it.
func contents(s *memory.Store, ref actors.RoomRef) ([]string, error) {
	present, err := s.Owner(context.Background(), ref)
	if err != nil {
		return nil, err
	}
	o, err := s.Claim(context.Background(), ref, actors.Claim{Owner: actors.Owner{Node: "n", Nonce: "look"}, Expect: present})
	if err != nil {
		return nil, err
	}
	return load(s, ref, o)
}

func load(s *memory.Store, ref actors.RoomRef, o actors.Owned) ([]string, error) {
	byPlace := make(map[string]string)
	err := s.Load(context.Background(), ref, o, func(k string, v []byte) error { byPlace[k] = string(v); return nil })
	var log []string
	for len(log) < len(byPlace) {
		next, ok := byPlace[fmt.Sprint(len(log))]
		if !ok {
			return nil, fmt.Errorf("the room has %d places, and %d is not among them", len(byPlace), len(log))
		}
		log = append(log, next)
	}
	return log, err
}

// command gives a client's command, perhaps one that it repeats, to some
// activation that believes to own the room.
func (p *protocol) command() error {
	if len(p.live) == 0 {
		return nil
	}
	a := p.live[p.pick(len(p.live))]
	if !a.claimed || a.fenced || a.pending != nil {
		return nil
	}
	c := p.pick(len(p.clients))
	if p.clients[c] == "" {
		p.clients[c] = p.id("c")
	}
	cid := p.clients[c]
	for place, entry := range a.log { // it was taken before
		if strings.HasSuffix(entry, " "+cid) {
			return p.acknowledge(cid, place)
		}
	}
	a.command = cid
	a.pending = p.batch(a)
	p.send(a)
	if p.kind == ackBeforeAppend {
		return p.acknowledge(cid, len(a.log))
	}
	return nil
}

func (p *protocol) batch(a *activation) *actors.Batch {
	return &actors.Batch{Owned: a.owned, ID: p.id("b"), NewGeneration: p.id("g"), Entries: []actors.Entry{
		{Key: fmt.Sprint(len(a.log)), Value: fmt.Appendf(nil, "%d %s", a.owned.Epoch, a.command)},
	}}
}

func (p *protocol) send(a *activation) { p.calls = append(p.calls, inFlight{a, *a.pending}) }

// repeat sends again what may have been lost.
func (p *protocol) repeat() {
	for _, a := range p.live {
		if a.pending == nil || a.fenced || len(p.calls) > 3 || p.pick(2) == 0 {
			continue
		}
		if p.kind == noBatchID {
			// It asks where the room stands, and does it anew behind that.
			now, err := p.store.Claim(context.Background(), p.ref, actors.Claim{Owner: a.owned.Owner})
			if err != nil {
				a.fenced = true
				continue
			}
			if a.owned = now; len(a.log) < int(now.Sequence) {
				a.log, _ = load(p.store, p.ref, now)
			}
			a.pending = p.batch(a)
		}
		p.send(a)
	}
}

// deliver has one call that is on its way done, or lost.
func (p *protocol) deliver() error {
	if len(p.calls) == 0 {
		return nil
	}
	i := p.pick(len(p.calls))
	c := p.calls[i]
	fate := p.pick(6)
	if fate != 0 { // 0: it stays on its way too, and is done once more
		p.calls = append(p.calls[:i], p.calls[i+1:]...)
	}
	if fate == 1 {
		return nil // it never arrives
	}
	err := p.append(&c.batch)
	if fate == 2 {
		return nil // nobody hears
	}
	a := c.by
	if a.pending == nil || a.pending.ID != c.batch.ID {
		return nil // an answer that nobody waits for
	}
	if errors.Is(err, actors.ErrFenced) {
		a.fenced = true
		return nil
	}
	if err != nil {
		return err
	}
	a.owned = c.batch.After()
	a.log = append(a.log, string(c.batch.Entries[0].Value))
	a.pending = nil
	return p.acknowledge(a.command, len(a.log)-1)
}

// append is the store's side, with the rule left out that the mutant lacks.
func (p *protocol) append(b *actors.Batch) error {
	ctx := context.Background()
	switch p.kind {
	case noFence:
		return p.overwrite(b, func(o actors.Owned) actors.Entry { return b.Entries[0] })
	case clientRetries:
		owner, err := p.store.Owner(ctx, p.ref)
		if err != nil || owner != b.Owner {
			return fmt.Errorf("%w: %w", actors.ErrFenced, err)
		}
		return p.overwrite(b, func(o actors.Owned) actors.Entry {
			return actors.Entry{Key: fmt.Sprint(o.Sequence), Value: b.Entries[0].Value}
		})
	}
	return p.store.Append(ctx, p.ref, b)
}

// overwrite appends in the name of whoever owns the room, in its turn.
func (p *protocol) overwrite(b *actors.Batch, entry func(actors.Owned) actors.Entry) error {
	ctx := context.Background()
	owner, err := p.store.Owner(ctx, p.ref)
	if err != nil || owner == (actors.Owner{}) {
		return fmt.Errorf("%w: %w", actors.ErrFenced, err)
	}
	now, err := p.store.Claim(ctx, p.ref, actors.Claim{Owner: owner})
	if err != nil {
		return err
	}
	return p.store.Append(ctx, p.ref, &actors.Batch{
		Owned: now, ID: p.id("x"), NewGeneration: b.NewGeneration, Entries: []actors.Entry{entry(now)},
	})
}

// acknowledge tells the client its place. It is an error if that contradicts
// what was told before.
func (p *protocol) acknowledge(cid string, place int) error {
	if was, ok := p.told[cid]; ok && was != place {
		return fmt.Errorf("%s was told to be at %d and at %d", cid, was, place)
	}
	if was, ok := p.places[place]; ok && was != cid {
		return fmt.Errorf("place %d was told to hold %s and %s", place, was, cid)
	}
	p.told[cid], p.places[place] = place, cid
	for i, c := range p.clients {
		if c == cid {
			p.clients[i] = ""
		}
	}
	return nil
}

// check looks at the room as the next owner finds it.
func (p *protocol) check() error {
	log, err := contents(p.store.Copy(), p.ref)
	if err != nil {
		return err
	}
	at, last := make(map[string]int), uint64(0)
	for place, entry := range log {
		var epoch uint64
		var cid string
		if _, err := fmt.Sscan(entry, &epoch, &cid); err != nil {
			return err
		}
		if was, twice := at[cid]; twice {
			return fmt.Errorf("%s is at %d and at %d", cid, was, place)
		}
		if epoch < last {
			return fmt.Errorf("place %d has epoch %d, after %d", place, epoch, last)
		}
		at[cid], last = place, epoch
	}
	for cid, place := range p.told {
		if is, ok := at[cid]; !ok || is != place {
			return fmt.Errorf("%s was told to be at %d, and is not: %v", cid, place, log)
		}
	}
	return nil
}

// run is one schedule.
func (p *protocol) run(steps int) error {
	for range steps {
		if err := p.step(); err != nil {
			return err
		}
	}
	return p.check()
}

func TestTheProtocolKeepsWhatItAcknowledges(t *testing.T) {
	acknowledged := 0
	rapid.Check(t, func(rt *rapid.T) {
		p := newProtocol(sound, func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "pick") })
		if err := p.run(rapid.IntRange(1, 120).Draw(rt, "steps")); err != nil {
			rt.Fatal(err)
		}
		acknowledged += len(p.told)
	})
	if acknowledged == 0 {
		t.Error("no schedule acknowledged anything")
	}
	for seed := range uint64(schedules) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		if err := newProtocol(sound, rnd.IntN).run(150); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// TestEveryRuleOfTheProtocolIsNeeded leaves out one rule at a time, and finds
// the schedule in which that loses or doubles something.
func TestEveryRuleOfTheProtocolIsNeeded(t *testing.T) {
	for _, m := range []mutant{noFence, ackBeforeAppend, noBatchID, claimAfterLoad, clientRetries} {
		t.Run(string(m), func(t *testing.T) {
			for seed := range uint64(2_000) {
				rnd := rand.New(rand.NewPCG(seed, 0))
				if err := newProtocol(m, rnd.IntN).run(150); err != nil {
					t.Logf("seed %d: %v", seed, err)
					return
				}
			}
			t.Errorf("2,000 schedules do not notice")
		})
	}
}
