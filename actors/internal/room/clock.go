package room

import (
	"container/heap"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// timer calls run once at a time. It is in the heap while index >= 0.
type timer struct {
	at    time.Time
	id    uint64 // order among equals
	index int
	user  bool // belongs to user code: it keeps the room awake
	run   func()
}

type timerHeap []*timer

func (h timerHeap) Len() int { return len(h) }
func (h timerHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].id < h[j].id
	}
	return h[i].at.Before(h[j].at)
}
func (h timerHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i]; h[i].index, h[j].index = i, j }
func (h *timerHeap) Push(x any)   { t := x.(*timer); t.index = len(*h); *h = append(*h, t) }
func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.index = -1
	return t
}

func (m *Machine) schedule(t *timer) {
	m.timerID++
	t.id = m.timerID
	heap.Push(&m.timers, t)
}

func (m *Machine) after(d time.Duration, user bool, run func()) *timer {
	t := &timer{at: m.now.Add(d), index: -1, user: user, run: run}
	m.schedule(t)
	return t
}

func (m *Machine) cancel(t *timer) {
	if t != nil && t.index >= 0 && t.index < len(m.timers) && m.timers[t.index] == t {
		heap.Remove(&m.timers, t.index)
	}
}

func (m *Machine) dropTimersOfUser() {
	kept := m.timers[:0]
	for _, t := range m.timers {
		if !t.user {
			t.index = len(kept)
			kept = append(kept, t)
		} else {
			t.index = -1
		}
	}
	clear(m.timers[len(kept):])
	m.timers = kept
	heap.Init(&m.timers)
}

func (m *Machine) userTimers() bool {
	for _, t := range m.timers {
		if t.user {
			return true
		}
	}
	return false
}

// watchIdle lets an empty room leave memory after KindConfig.IdleAfter.
func (m *Machine) watchIdle() {
	busy := m.members.len() > 0 || len(m.seats) > 0 || m.work.busy() || len(m.laters) > 0 || m.userTimers()
	switch {
	case busy:
		m.cancel(m.idle)
		m.idle = nil
	case m.idle == nil:
		m.idle = m.after(m.kind.IdleAfter, false, m.closing)
	}
}

// tickState schedules ticks at fixed multiples of TickEvery while the room
// has members.
type tickState struct {
	next time.Time // zero: not ticking
	n    uint64    // number of the next tick
}

func (m *Machine) startTicks() {
	if m.kind.TickEvery > 0 && m.hooks.Tick != nil && m.phase == open && m.ticks.next.IsZero() && m.members.len() > 0 {
		m.ticks.next = m.now.Add(m.kind.TickEvery)
	}
}

func (m *Machine) tickIfDue() {
	s := &m.ticks
	if m.phase != open || s.next.IsZero() || s.next.After(m.now) {
		return
	}
	if m.members.len() == 0 {
		s.next = time.Time{}
		return
	}
	skipped := uint64(m.now.Sub(s.next) / m.kind.TickEvery)
	at := s.next.Add(time.Duration(skipped) * m.kind.TickEvery)
	tick := actors.Tick{N: s.n + skipped, At: at, Late: m.now.Sub(at), Skipped: skipped, Every: m.kind.TickEvery}
	s.n = tick.N + 1
	s.next = at.Add(m.kind.TickEvery)
	_ = m.do(actors.Cause{}, func(t *actors.Turn) error { m.hooks.Tick(t, tick); return nil })
}
