package link_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/link"
)

// world is two ends and a carrier that does to batches what rapid says.
type world struct {
	t     *rapid.T
	now   time.Time
	limit link.Limits
	ends  [2]*end
	sent  [2][2][]string // by sender and lane, in the session that is
	seen  [2][2]int      // by receiver and lane: how many of came were of earlier sessions
	lost  [2]int
	n     int
	all   []string // that was queued, ever; each is its own mark
}

func newWorld(t *rapid.T) *world {
	w := &world{t: t, now: start, limit: link.Limits{
		Window: 4000, Queue: 12_000, Volatile: 3000, Chunk: 300, Batch: 900, Message: 5000,
		Linger: rapid.SampledFrom([]time.Duration{-1, 20 * time.Millisecond}).Draw(t, "linger"),
	}}
	w.ends[0], w.ends[1] = pair(w.limit)
	return w
}

func (w *world) send(who int) {
	lane := link.Lane(rapid.IntRange(0, 1).Draw(w.t, "lane"))
	class := actors.Class(rapid.IntRange(0, 1).Draw(w.t, "class"))
	w.n++
	msg := fmt.Sprintf("%d.%s", w.n, strings.Repeat("x", rapid.SampledFrom([]int{0, 10, 290, 1000, 3000}).Draw(w.t, "size")))
	before := w.ends[who].Session()
	err := w.ends[who].SendMarked(w.now, lane, class, []byte(msg), msg)
	switch {
	case err == nil:
		w.all = append(w.all, msg)
		w.sent[who][lane] = append(w.sent[who][lane], msg)
	case err == link.ErrDropped && class == actors.Volatile:
	case err == link.ErrLost && w.ends[who].Session() == before+1:
	default:
		w.t.Fatalf("Send: %v", err)
	}
	w.told(who)
}

// told forgets what was sent in sessions that are over.
func (w *world) told(who int) {
	e := w.ends[who]
	if len(e.lost) == w.lost[who] {
		return
	}
	if got, want := len(e.lost), int(e.Session()-1); got > want {
		w.t.Fatalf("end %d was told of %d losses in session %d", who, got, e.Session())
	}
	w.lost[who] = len(e.lost)
	w.sent[who] = [2][]string{}
	for lane := range e.came {
		w.seen[who][lane] = len(e.came[lane])
	}
}

// carry takes one batch out of the carrier, whichever it is, and hands it over
// or not, and perhaps again later.
func (w *world) carry(who int) {
	e, other := w.ends[who], w.ends[1-who]
	if len(e.sent) == 0 {
		return
	}
	i := rapid.IntRange(0, min(len(e.sent)-1, 4)).Draw(w.t, "which")
	batch := e.sent[i]
	fate := rapid.SampledFrom([]string{"arrives", "arrives", "arrives", "twice", "lost"}).Draw(w.t, "fate")
	if fate != "twice" {
		e.sent = slices.Delete(e.sent, i, i+1)
	}
	if fate == "lost" {
		return
	}
	// What was sent by who in its session counts for other only in the same
	// session: an end that is told of a loss starts from nothing.
	before := len(other.lost)
	came := [2]int{len(other.came[0]), len(other.came[1])}
	if err := other.Receive(w.now, slices.Clone(batch)); err != nil {
		w.t.Fatalf("Receive: %v", err)
	}
	if len(other.lost) > before {
		w.sent[1-who] = [2][]string{}
		w.lost[1-who] = len(other.lost)
		w.seen[1-who] = came
	}
}

func (w *world) check() {
	for who, e := range w.ends {
		other := w.ends[1-who]
		s := e.Stats()
		if most := 2 * (w.limit.Queue + 20*link.FrameCost + w.limit.Message); s.Queued > most {
			w.t.Fatalf("end %d queues %d bytes", who, s.Queued)
		}
		if most := 2 * (w.limit.Window + w.limit.Chunk + link.FrameCost); s.Held > most {
			w.t.Fatalf("end %d holds %d bytes", who, s.Held)
		}
		if e.Session() != other.Session() {
			continue
		}
		for lane := range e.came {
			came := e.came[lane][w.seen[who][lane]:]
			sent := w.sent[1-who][lane]
			if len(came) > len(sent) || !slices.Equal(came, sent[:len(came)]) {
				w.t.Fatalf("end %d, lane %d: %d came of %d sent, not in order and once", who, lane, len(came), len(sent))
			}
		}
	}
}

// TestEachMessageComesOutOnceAndInOrder draws what the ends send and what the
// carrier does to it: loss, doubles, any order, ends that are slow to consume,
// sessions that are given up. At any moment what came out is a beginning of
// what was sent in the session, and once the carrier behaves all of it comes. Of
// every session that was given up, what has not come out is named by its mark.
func TestEachMessageComesOutOnceAndInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		who := rapid.IntRange(0, 1)
		steps := map[string]func(*rapid.T){
			"send":    func(*rapid.T) { w.send(who.Draw(t, "who")) },
			"flush":   func(*rapid.T) { w.ends[who.Draw(t, "who")].Flush(w.now) },
			"carry":   func(*rapid.T) { w.carry(who.Draw(t, "who")) },
			"consume": func(*rapid.T) { w.ends[who.Draw(t, "who")].consume(w.now) },
			"wait": func(*rapid.T) {
				w.now = w.now.Add(time.Duration(rapid.IntRange(1, 400).Draw(t, "ms")) * time.Millisecond)
				for who, e := range w.ends {
					e.Wake(w.now)
					w.told(who)
				}
			},
			"": func(*rapid.T) { w.check() },
		}
		t.Repeat(steps)
		w.settle()
	})
}

// settle lets the carrier behave until nothing waits.
func (w *world) settle() {
	for range 200 {
		w.now = w.now.Add(50 * time.Millisecond)
		for who, e := range w.ends {
			e.consume(w.now)
			e.Wake(w.now)
			w.told(who)
		}
		for who, e := range w.ends {
			batches := e.sent
			e.sent = nil
			for _, b := range batches {
				e.sent = append([][]byte{b}, e.sent...)
				w.settleOne(who)
			}
		}
	}
	w.check()
	for who, e := range w.ends {
		if e.Session() != w.ends[1-who].Session() {
			w.t.Fatalf("sessions %d and %d", e.Session(), w.ends[1-who].Session())
		}
		for lane := range e.came {
			if got, want := len(e.came[lane])-w.seen[who][lane], len(w.sent[1-who][lane]); got != want {
				w.t.Fatalf("end %d, lane %d: %d of %d came", who, lane, got, want)
			}
		}
		if s := e.Stats(); s.Queued != 0 || s.Held != 0 {
			w.t.Fatalf("end %d: %d bytes queued and %d held at the end", who, s.Queued, s.Held)
		}
	}
	w.checkMarks()
}

// checkMarks says whether everything has come or is known to be lost. Something
// may be both.
func (w *world) checkMarks() {
	known, named := make(map[string]bool), make(map[any]bool)
	for _, e := range w.ends {
		for _, came := range e.came {
			for _, msg := range came {
				known[msg] = true
			}
		}
		for _, mark := range e.marks {
			if named[mark] {
				w.t.Fatalf("%.9s was lost twice", mark)
			}
			named[mark] = true
		}
	}
	for _, msg := range w.all {
		if !known[msg] && !named[msg] {
			w.t.Fatalf("%.9s has not come, and nobody says that it is lost", msg)
		}
	}
}

func (w *world) settleOne(who int) {
	e, other := w.ends[who], w.ends[1-who]
	batch := e.sent[0]
	e.sent = e.sent[1:]
	before, came := len(other.lost), [2]int{len(other.came[0]), len(other.came[1])}
	if err := other.Receive(w.now, batch); err != nil {
		w.t.Fatalf("Receive: %v", err)
	}
	if len(other.lost) > before {
		w.sent[1-who], w.lost[1-who], w.seen[1-who] = [2][]string{}, len(other.lost), came
	}
}
