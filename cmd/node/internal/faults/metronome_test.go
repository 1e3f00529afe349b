package faults

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/transporttest"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// beat is the time between two messages of a metronome.
const beat = 20 * time.Millisecond

// metronome is a room that last says a number at every beat, so that how long
// its members hear nothing tells how long it stood still.
type metronome struct {
	Beats actors.Value[int] `room:"beats,durable"`
}

func (m *metronome) Tick(t *actors.Turn, _ actors.Tick) {
	m.Beats.Set(m.Beats.Get() + 1)
	t.All().Emit("beat", m.Beats.Get())
}

func metronomeKind() actors.Behavior {
	return actors.NewKind("metronome", func() *metronome { return new(metronome) }, actors.KindConfig{
		Create: actors.CreateAnyone, TickEvery: beat, ResumeWithin: time.Minute, ResumeEvents: 20_000,
	})
}

// audience listens to metronomes, each listener over a WebSocket to one node.
type audience struct {
	t    *testing.T
	all  []*listener
	wait sync.WaitGroup
}

// listener is one member of one metronome.
type listener struct {
	server string

	mu     sync.Mutex // guards the following
	last   int        // the number heard last
	latest time.Time  // when
	gap    time.Duration
	wrong  string // what should not have happened first
}

// newAudience has a listener at each of the servers in every room.
func newAudience(t *testing.T, rooms int, servers []string) *audience {
	t.Helper()
	a := &audience{t: t}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); a.wait.Wait() })
	for r := range rooms {
		for _, server := range servers {
			client, err := transporttest.Dial(ctx, server, transporttest.Options{Transport: transporttest.WebSocket, Queue: 1_000})
			if err != nil {
				t.Fatal(err)
			}
			ns, err := client.Connect(ctx, fmt.Sprint("/metronome/m", r), nil)
			if err != nil {
				t.Fatal(err)
			}
			l := &listener{server: server}
			a.all = append(a.all, l)
			a.wait.Go(func() {
				defer client.Abort()
				for {
					e, err := ns.Next(ctx)
					if err != nil {
						l.ends(err)
						return
					}
					if e.Name == "beat" {
						l.hear(e, time.Now())
					}
				}
			})
		}
	}
	return a
}

func (l *listener) ends(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wrong == "" {
		l.wrong = "the connection ended: " + err.Error()
	}
}

func (l *listener) hear(e transporttest.Event, now time.Time) {
	var n int
	err := e.Decode(0, &n)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.wrong != "":
	case err != nil:
		l.wrong = err.Error()
	case l.last != 0 && n != l.last+1:
		l.wrong = "a beat is missing or comes twice"
	}
	if !l.latest.IsZero() {
		l.gap = max(l.gap, now.Sub(l.latest))
	}
	l.last, l.latest = n, now
}

// mark begins to measure.
func (a *audience) mark() {
	for _, l := range a.all {
		l.mu.Lock()
		l.gap, l.latest = 0, time.Now()
		l.mu.Unlock()
	}
}

// goOn waits until every listener has heard a second of beats from here on, but
// for those at servers that were ended.
func (a *audience) goOn(but ...string) {
	a.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	first := make([]int, len(a.all))
	for i, l := range a.all {
		first[i] = l.heard()
	}
	for i, l := range a.all {
		for !slices.Contains(but, l.server) && l.heard() < first[i]+int(time.Second/beat) {
			if time.Now().After(deadline) {
				a.t.Fatalf("a listener at %s hears no more beats: %d", l.server, l.heard())
			}
			testenv.Pause(a.t.Context(), beat)
		}
	}
}

func (l *listener) heard() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// pauses are how long each listener heard nothing that a metronome at rest
// would have said, sorted, but for those at servers, whose own node was ended.
// Each of the others must still be connected, and have heard every beat.
func (a *audience) pauses(but ...string) []time.Duration {
	a.t.Helper()
	var all []time.Duration
	for _, l := range a.all {
		if slices.Contains(but, l.server) {
			continue
		}
		l.mu.Lock()
		all = append(all, max(0, max(l.gap, time.Since(l.latest))-beat))
		if l.wrong != "" {
			a.t.Errorf("a listener at %s: %s", l.server, l.wrong)
		}
		l.mu.Unlock()
	}
	slices.Sort(all)
	return all
}
