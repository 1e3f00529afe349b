package cluster

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func threeNodes(t *testing.T) (*world, *fakeNode, *fakeNode, *fakeNode) {
	w := newWorld(t, 1)
	a, b, c := w.start(""), w.start(""), w.start("")
	w.advance(3*time.Second, w.checkServing)
	w.checkConverged()
	return w, a, b, c
}

func TestNodesFindEachOther(t *testing.T) {
	w, a, _, _ := threeNodes(t)
	d := w.start("")
	w.advance(2*time.Second, w.checkServing)
	w.checkConverged()
	d.m.Drain(w.now)
	w.advance(2*time.Second, w.checkServing)
	if m, _ := a.view.Find(d.id); !m.Draining {
		t.Error("a node that drains is not shown as such")
	}
}

func TestANodeThatFallsSilentIsCountedOut(t *testing.T) {
	w, a, b, c := threeNodes(t)
	c.paused = true
	w.advance(testTTL-2*time.Second, w.checkServing)
	if !a.view.Has(c.id) {
		t.Fatal("counted out before its lease was over")
	}
	w.advance(3500*time.Millisecond, w.checkServing)
	if a.view.Has(c.id) || b.view.Has(c.id) {
		t.Fatal("still counted on after its lease was over")
	}
	w.resume(c)
	if c.serves() {
		t.Error("serves before it has asked")
	}
	w.advance(time.Second, w.checkServing)
	if c.lost == "" {
		t.Error("has not noticed that it was counted out")
	}
}

func TestAShortPauseHarmsNobody(t *testing.T) {
	w, _, _, c := threeNodes(t)
	c.paused = true
	w.advance(3*time.Second, w.checkServing)
	w.resume(c)
	w.advance(10*time.Second, w.checkServing)
	w.checkConverged()
	if len(w.alive()) != 3 {
		t.Errorf("%d nodes live, want 3", len(w.alive()))
	}
}

func TestAKilledNodeIsCountedOutAtOnce(t *testing.T) {
	w, a, b, c := threeNodes(t)
	w.kill(c)
	w.advance(300*time.Millisecond, w.checkServing)
	if a.view.Has(c.id) && b.view.Has(c.id) {
		t.Error("nobody has noticed within 300 ms")
	}
	w.advance(time.Second, w.checkServing)
	w.checkConverged()
}

func TestASuspectThatAnswersIsLeftAlone(t *testing.T) {
	w, a, _, c := threeNodes(t)
	a.m.Suspect(w.now, c.id)
	w.advance(10*time.Second, w.checkServing)
	w.checkConverged()
	asked := len(a.asked)
	w.advance(10*time.Second, w.checkServing)
	if len(a.asked) != asked {
		t.Error("is still asked")
	}
}

func TestAProcessThatRestartsReplacesItsPredecessor(t *testing.T) {
	w, _, _, c := threeNodes(t)
	c.alive = false // nobody's link breaks
	w.start(c.address)
	w.advance(1500*time.Millisecond, w.checkServing)
	w.checkConverged()
}

// TestTheRegistryMayBeAwayForLong: nobody stops serving for a moment, and
// nobody is counted out when it is back.
func TestTheRegistryMayBeAwayForLong(t *testing.T) {
	for _, nodes := range []int{1, 2, 3, 5} {
		w := newWorld(t, uint64(nodes))
		for range nodes {
			w.start("")
		}
		w.advance(3*time.Second, w.checkServing)
		w.down = true
		serving := func() {
			w.checkServing()
			for _, n := range w.alive() {
				if !n.serves() {
					t.Fatalf("%d nodes: %s has stopped serving", nodes, n.id)
				}
			}
		}
		w.advance(5*time.Minute, serving)
		w.down = false
		w.advance(20*time.Second, serving)
		w.checkConverged()
		if len(w.alive()) != nodes {
			t.Errorf("%d of %d nodes live", len(w.alive()), nodes)
		}
	}
}

func TestAViewSaysThatTheRegistryIsAway(t *testing.T) {
	w, a, _, _ := threeNodes(t)
	w.down = true
	w.advance(5*time.Second, w.checkServing)
	if !a.view.Away {
		t.Error("the view does not say so")
	}
	w.down = false
	w.advance(2*time.Second, w.checkServing)
	if a.view.Away {
		t.Error("the view still says so")
	}
}

// TestANodeThatAloneIsCutOffStops covers requests, answers, and both.
func TestANodeThatAloneIsCutOffStops(t *testing.T) {
	for name, cut := range map[string]func(*fakeNode){
		"requests": func(n *fakeNode) { n.noAsk = true },
		"answers":  func(n *fakeNode) { n.noReply = true },
		"both":     func(n *fakeNode) { n.noAsk, n.noReply = true, true },
	} {
		t.Run(name, func(t *testing.T) {
			w, _, _, c := threeNodes(t)
			cut(c)
			w.advance(testTTL, w.checkServing)
			if c.serves() {
				t.Error("serves although its lease is over")
			}
			w.advance(5*time.Second, w.checkServing)
			if c.lost == "" {
				t.Error("has not given up")
			}
			w.advance(5*time.Second, w.checkServing)
			w.checkConverged()
		})
	}
}

func TestAnIsolatedNodeStops(t *testing.T) {
	w, a, b, c := threeNodes(t)
	c.noAsk = true
	w.cutLink(a.id, c.id, true)
	w.cutLink(b.id, c.id, true)
	w.advance(testTTL+5*time.Second, w.checkServing)
	if c.lost == "" {
		t.Error("has not given up")
	}
	w.checkConverged()
}

// TestTwoOfThreeThatAreCutOffStop: that they agree with each other proves
// nothing while the third cannot be asked.
func TestTwoOfThreeThatAreCutOffStop(t *testing.T) {
	w, a, b, c := threeNodes(t)
	a.noAsk, b.noAsk = true, true
	w.cutLink(a.id, c.id, true)
	w.cutLink(b.id, c.id, true)
	w.advance(testTTL+5*time.Second, w.checkServing)
	if a.lost == "" || b.lost == "" {
		t.Error("they go on beside the one that has the registry")
	}
}

func TestANodeMayEndWhileTheRegistryIsAway(t *testing.T) {
	w, _, _, c := threeNodes(t)
	w.down = true
	w.advance(10*time.Second, w.checkServing)
	w.kill(c)
	w.advance(time.Minute, w.checkServing)
	if len(w.alive()) != 2 {
		t.Fatal("the others did not go on")
	}
	w.down = false
	w.advance(20*time.Second, w.checkServing)
	w.checkConverged()
}

// TestARegistryThatForgotEverythingIsToldAgain: claims wait until everybody
// has had time to say what he has.
// TestThatANodeHasEndedIsLoggedOnce lets links to it be tried, and break, while
// the registry is away and the node therefore stays listed.
func TestThatANodeHasEndedIsLoggedOnce(t *testing.T) {
	w := newWorld(t, 1)
	a, b := w.start(""), w.start("")
	var log bytes.Buffer
	w.log = slog.New(slog.NewTextHandler(&log, nil))
	c := w.start("")
	w.advance(3*time.Second, w.checkServing)
	logged := func(what string, of *fakeNode, want int) {
		t.Helper()
		if got := strings.Count(log.String(), fmt.Sprintf("msg=%q node=%s", what, of.id)); got != want {
			t.Errorf("%q of %s was logged %d times, want %d:\n%s", what, of.id, got, want, &log)
		}
	}
	tryLinks := func(n *fakeNode) {
		for range 20 {
			c.m.Suspect(w.now, n.id)
			w.advance(time.Second, w.checkServing)
		}
	}
	w.down = true
	w.kill(a)
	tryLinks(a)
	logged("node has ended", a, 1)
	w.kill(b)
	tryLinks(b)
	tryLinks(a)
	logged("node has ended", a, 1)
	logged("node has ended", b, 1)
	logged("node left", a, 0)

	// It was taken for ended and answers, so its end is news.
	c.m.Answered(w.now, a.id, Said{Outcome: OutcomeAnswer, Since: time.Minute})
	tryLinks(a)
	logged("node has ended", a, 2)

	w.down = false
	w.advance(3*testTTL, w.checkServing)
	logged("node has ended", a, 2)
	logged("node left", a, 1)
	logged("node left", b, 1)
}

func TestARegistryThatForgotEverythingIsToldAgain(t *testing.T) {
	w, a, _, _ := threeNodes(t)
	w.down = true
	w.advance(3*time.Second, w.checkServing)
	*w.reg = Memory{Now: w.reg.Now}
	w.down = false
	views := a.views
	for a.views == views || a.view.Away {
		w.advance(10*time.Millisecond, w.checkServing)
	}
	if !a.view.Settled.After(w.now) {
		t.Error("claims do not wait")
	}
	w.advance(20*time.Second, w.checkServing)
	w.checkConverged()
	if len(w.alive()) != 3 {
		t.Errorf("%d nodes live, want 3", len(w.alive()))
	}
	if a.view.Settled.After(w.now) {
		t.Error("claims wait for ever")
	}
}

func TestWhoWasCountedOutStaysOutThoughTheRegistryForgets(t *testing.T) {
	w, a, _, c := threeNodes(t)
	c.paused = true
	w.advance(testTTL+2*time.Second, w.checkServing)
	if a.view.Has(c.id) {
		t.Fatal("not counted out")
	}
	w.reg.mu.Lock()
	delete(w.reg.ended, c.id) // what it forgot
	w.reg.mu.Unlock()
	w.resume(c)
	w.advance(3*time.Second, w.checkServing)
	if c.lost == "" {
		t.Error("a node came back under an id that others had counted out")
	}
	w.checkConverged()
}

func TestANodeThatJoinsUnsettlesTheRest(t *testing.T) {
	w, a, b, c := threeNodes(t)
	w.kill(c)
	w.advance(time.Second, w.checkServing)
	a.noAsk, b.noAsk = true, true
	w.advance(4*time.Second, w.checkServing)
	w.start("") // which the registry answers
	w.advance(15*time.Second, w.checkServing)
	if a.lost == "" || b.lost == "" {
		t.Error("they go on beside one that has the registry")
	}
}
