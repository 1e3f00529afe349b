package cluster

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestANodeThatServesIsOnTheList draws what happens to a few nodes: pauses,
// cuts to the registry in either direction and between nodes, registries that
// are away, restart empty or were rolled back, processes that die, are
// replaced or join. The invariant holds after every step: a node that serves
// is on the list of every node that has seen a list since it joined. After the
// faults all that live agree, and serve.
//
// A node joins only while the registry reaches everybody, and the registry
// forgets only when those that live know each other: who joins during a cut,
// and can reach none of those that are cut off, can neither learn of them nor
// tell them (docs/guarantees.md, "Not promised").
//
// Mutants that it finds: a lease that is counted from the answer instead of
// from the question; a reprieve although a peer is silent; a registry without
// Gap; beats that sweep although the last one was not answered; a view that
// drops whom an empty registry does not know.
func TestANodeThatServesIsOnTheList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, rapid.Uint64().Draw(t, "seed"))
		for range rapid.IntRange(1, 4).Draw(t, "nodes") {
			w.start("")
		}
		w.advance(2*time.Second, w.checkServing)
		pick := func(t *rapid.T) *fakeNode {
			alive := w.alive()
			if len(alive) == 0 {
				return w.start("")
			}
			return alive[rapid.IntRange(0, len(alive)-1).Draw(t, "node")]
		}
		var saved *Memory
		t.Repeat(map[string]func(*rapid.T){
			"time": func(t *rapid.T) {
				w.advance(time.Duration(rapid.IntRange(1, 4000).Draw(t, "ms"))*time.Millisecond, w.checkServing)
			},
			"more": func(t *rapid.T) {
				w.advance(time.Duration(rapid.IntRange(1, 9000).Draw(t, "ms"))*time.Millisecond, w.checkServing)
			},
			"pause": func(t *rapid.T) { pick(t).paused = true },
			"resume": func(t *rapid.T) {
				if n := pick(t); n.paused {
					w.resume(n)
				}
			},
			"cut from the registry": func(t *rapid.T) {
				n := pick(t)
				if !w.acquainted() {
					return
				}
				n.noAsk, n.noReply = rapid.Bool().Draw(t, "requests"), rapid.Bool().Draw(t, "answers")
			},
			"cut between nodes": func(t *rapid.T) {
				if a, b := pick(t), pick(t); a != b && w.acquainted() {
					w.cutLink(a.id, b.id, rapid.Bool().Draw(t, "cut"))
					a.m.Suspect(w.now, b.id)
				}
			},
			"registry": func(t *rapid.T) { w.down = !w.down },
			"registry is emptied": func(t *rapid.T) {
				if w.down && w.acquainted() {
					*w.reg = Memory{Now: w.reg.Now}
				}
			},
			"registry is saved": func(*rapid.T) { saved = w.reg.copy() },
			"registry is rolled back": func(*rapid.T) {
				if saved != nil && w.down && w.acquainted() {
					*w.reg = *saved.copy()
				}
			},
			"kill": func(t *rapid.T) {
				if len(w.alive()) > 1 {
					w.kill(pick(t))
				}
			},
			"join": func(*rapid.T) {
				if !w.faulty() && len(w.alive()) < 6 {
					w.start("")
				}
			},
			"replace": func(t *rapid.T) {
				if n := pick(t); !w.faulty() && len(w.alive()) > 1 {
					n.alive = false
					w.start(n.address)
				}
			},
			"drain": func(t *rapid.T) {
				if n := pick(t); !n.paused {
					n.m.Drain(w.now)
				}
			},
		})
		w.heal()
		w.advance(4*testTTL, w.checkServing)
		w.checkConverged()
	})
}

// faulty reports whether the registry does not know somebody, or something
// keeps it from somebody, or did a moment ago.
func (w *world) faulty() bool {
	for _, n := range w.alive() {
		if _, known := w.reg.leases[n.id]; !known || n.noAsk || n.noReply || n.paused || w.now.Sub(n.m.LastAnswer()) > 1500*time.Millisecond {
			return true
		}
	}
	return w.down
}

// acquainted reports whether all living nodes have seen each other.
func (w *world) acquainted() bool {
	for _, a := range w.alive() {
		for _, b := range w.alive() {
			if !a.seen[b.id] {
				return false
			}
		}
	}
	return true
}

func (w *world) heal() {
	w.down = false
	w.cut = make(map[[2]string]bool)
	for _, id := range slices.Sorted(maps.Keys(w.nodes)) {
		n := w.nodes[id]
		n.noAsk, n.noReply = false, false
		if n.alive && n.paused {
			w.resume(n)
		}
	}
}

// copy returns the registry as it is.
func (r *Memory) copy() *Memory {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &Memory{
		Now: r.Now, leases: maps.Clone(r.leases), ended: maps.Clone(r.ended),
		tick: r.tick, lastSure: r.lastSure, born: r.born, data: r.data,
	}
}
