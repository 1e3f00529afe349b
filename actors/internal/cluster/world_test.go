package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

var silentLog = slog.New(slog.NewTextHandler(io.Discard, nil))

// failer is what testing.T and rapid.T have in common.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// world is a few memberships with a registry and links between them, all of
// which can fail, in a time of its own.
type world struct {
	t     failer
	now   time.Time
	reg   *Memory
	down  bool // the registry answers nobody
	nodes map[string]*fakeNode
	cut   map[[2]string]bool // links, both ways
	queue []timed
	seq   int
	rand  *rand.Rand
	born  int
	log   *slog.Logger // of the nodes that are started
}

type timed struct {
	at   time.Time
	seq  int
	node string // empty: nobody's
	f    func()
}

// fakeNode is one process.
type fakeNode struct {
	w        *world
	m        *Membership
	id       string
	address  string
	alive    bool
	paused   bool
	noAsk    bool // the registry does not get what it sends
	noReply  bool // it does not get what the registry answers
	joinedAt time.Time
	until    time.Time
	lost     string
	view     *View
	views    int
	asked    []string
	seen     map[string]bool // who was ever on its list
	held     []func()        // what came while it was paused
	beatN    int
}

func newWorld(t failer, seed uint64) *world {
	w := &world{
		t: t, now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), nodes: make(map[string]*fakeNode),
		cut: make(map[[2]string]bool), rand: rand.New(rand.NewPCG(seed, 1)), log: silentLog,
	}
	w.reg = &Memory{Now: func() time.Time { return w.now }}
	return w
}

// start starts a process, on an address of its own unless one is given.
func (w *world) start(address string) *fakeNode {
	w.born++
	n := &fakeNode{w: w, id: fmt.Sprintf("n%02d", w.born), address: address, alive: true, view: &View{}, seen: make(map[string]bool)}
	if n.address == "" {
		n.address = "host-" + n.id + ":7000"
	}
	n.m = NewMembership(MembershipConfig{
		Self: Member{ID: n.id, Address: n.address, Rooms: true, Kinds: []string{"board"}},
		Rand: w.rand, Log: w.log, Effects: n,
	})
	w.nodes[n.id] = n
	n.m.Start(w.now)
	return n
}

const testTTL = 5 * time.Second // the default

// after does f to a node in d, or when it is resumed.
func (w *world) after(d time.Duration, node string, f func()) {
	w.seq++
	w.queue = append(w.queue, timed{w.now.Add(d), w.seq, node, f})
}

// delay is how long a message is under way.
func (w *world) delay() time.Duration { return time.Duration(w.rand.IntN(20)+1) * time.Millisecond }

func (n *fakeNode) Beat(b Beat) {
	w := n.w
	n.beatN++
	number := n.beatN
	over := false
	answer := func(roll Roll, err error) {
		if over || number != n.beatN {
			return
		}
		over = true
		if err != nil {
			n.m.BeatFailed(w.now, err)
			return
		}
		if b.Join && n.joinedAt.IsZero() {
			n.joinedAt = w.now
		}
		n.m.Beaten(w.now, roll)
	}
	w.after(time.Second, n.id, func() { answer(Roll{}, errors.New("no answer")) })
	if n.noAsk {
		return
	}
	w.after(w.delay(), "", func() {
		if w.down {
			return
		}
		roll, err := w.reg.Beat(context.Background(), b)
		if !n.noReply {
			w.after(w.delay(), n.id, func() { answer(roll, err) })
		}
	})
}

func (n *fakeNode) Expire(id string) {
	if !n.noAsk {
		n.w.after(n.w.delay(), "", func() {
			if !n.w.down {
				_ = n.w.reg.Expire(context.Background(), id)
			}
		})
	}
}

func (n *fakeNode) Ask(peer Member) {
	w := n.w
	n.asked = append(n.asked, peer.ID)
	over := false
	answer := func(s Said) {
		if !over {
			over = true
			n.m.Answered(w.now, peer.ID, s)
		}
	}
	w.after(500*time.Millisecond, n.id, func() { answer(Said{}) })
	if w.cut[[2]string{n.id, peer.ID}] {
		return
	}
	w.after(w.delay(), "", func() {
		p := w.nodes[peer.ID]
		if !p.alive {
			w.after(w.delay(), n.id, func() { answer(Said{Outcome: OutcomeRefused}) })
			return
		}
		w.after(0, p.id, func() {
			p.m.Heard(w.now, n.id)
			since := w.now.Sub(p.m.LastAnswer())
			w.after(w.delay(), n.id, func() { answer(Said{OutcomeAnswer, since}) })
		})
	})
}

func (n *fakeNode) Publish(v *View) {
	n.view, n.views = v, n.views+1
	for _, m := range v.Members {
		n.seen[m.ID] = true
	}
}

func (n *fakeNode) Serve(until time.Time) { n.until = until }
func (n *fakeNode) Lost(why string)       { n.lost, n.alive = why, false }

// serves reports whether the process would serve if it ran.
func (n *fakeNode) serves() bool { return n.alive && n.w.now.Before(n.until) }

// advance lets d pass, event by event, and calls check after each.
func (w *world) advance(d time.Duration, check func()) {
	end := w.now.Add(d)
	for {
		next, wakes := end, ""
		i := -1
		for j, q := range w.queue {
			if q.at.Before(next) || i >= 0 && q.at.Equal(next) && q.seq < w.queue[i].seq {
				next, i = q.at, j
			}
		}
		for _, id := range slices.Sorted(maps.Keys(w.nodes)) {
			n := w.nodes[id]
			if at := n.m.NextWake(); n.alive && !n.paused && !at.IsZero() && at.Before(next) {
				next, wakes = at, id
			}
		}
		if next.After(w.now) {
			w.now = next
		}
		switch {
		case wakes != "":
			w.nodes[wakes].m.Wake(w.now)
		case i >= 0:
			q := w.queue[i]
			w.queue = slices.Delete(w.queue, i, i+1)
			w.run(q)
		default:
			return
		}
		check()
	}
}

func (w *world) run(q timed) {
	if q.node == "" {
		q.f()
		return
	}
	n := w.nodes[q.node]
	switch {
	case !n.alive:
	case n.paused:
		n.held = append(n.held, q.f)
	default:
		q.f()
	}
}

// resume continues a process. What it does first is chance.
func (w *world) resume(n *fakeNode) {
	n.paused = false
	held := n.held
	n.held = nil
	if w.rand.IntN(2) == 0 {
		n.m.Wake(w.now)
	}
	for _, f := range held {
		if n.alive {
			f()
		}
	}
	n.m.Wake(w.now)
}

func (w *world) alive() []*fakeNode {
	var alive []*fakeNode
	for _, id := range slices.Sorted(maps.Keys(w.nodes)) {
		if n := w.nodes[id]; n.alive {
			alive = append(alive, n)
		}
	}
	return alive
}

// checkServing is the invariant: a node that serves is on the list of every
// node that has seen a list since it joined. Who does not know it yet may miss
// it as long as his view is not settled.
func (w *world) checkServing() {
	for _, a := range w.alive() {
		if !a.serves() {
			continue
		}
		for _, b := range w.alive() {
			if b.view.AsOf.After(a.joinedAt) && !b.view.Has(a.id) && (b.seen[a.id] || !b.view.Settled.After(w.now)) {
				w.t.Fatalf("%s serves until %v, and %s has counted it out at %v", a.id, a.until.Sub(w.now), b.id, w.now)
			}
		}
	}
}

// checkConverged says that all living nodes see each other and nobody else,
// and serve.
func (w *world) checkConverged() {
	w.t.Helper()
	var ids []string
	for _, n := range w.alive() {
		ids = append(ids, n.id)
	}
	for _, n := range w.alive() {
		var sees []string
		for _, m := range n.view.Members {
			sees = append(sees, m.ID)
		}
		if !slices.Equal(sees, ids) {
			w.t.Errorf("%s sees %v, alive are %v", n.id, sees, ids)
		}
		if !n.serves() {
			w.t.Errorf("%s lives and does not serve", n.id)
		}
	}
}

func (w *world) kill(n *fakeNode) {
	n.alive, n.held = false, nil
	for _, other := range w.alive() { // their links break
		if !w.cut[[2]string{other.id, n.id}] {
			w.after(w.delay(), other.id, func() { other.m.Suspect(w.now, n.id) })
		}
	}
}

func (w *world) cutLink(a, b string, cut bool) {
	w.cut[[2]string{a, b}], w.cut[[2]string{b, a}] = cut, cut
}
