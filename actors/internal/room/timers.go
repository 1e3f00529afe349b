package room

import (
	"container/heap"
	"time"
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
	if t.user {
		m.userTimers++
	}
	heap.Push(&m.timers, t)
}

func (m *Machine) after(d time.Duration, user bool, run func()) *timer {
	t := &timer{at: m.now.Add(d), index: -1, user: user, run: run}
	m.schedule(t)
	return t
}

// nextTimer returns the timer that is due first, if it is due.
func (m *Machine) nextTimer() *timer {
	if len(m.timers) == 0 || m.timers[0].at.After(m.now) {
		return nil
	}
	return m.timers[0]
}

// cancelTimer takes a timer out of the heap, if it is there.
func (m *Machine) cancelTimer(t *timer) {
	if t == nil || t.index < 0 || t.index >= len(m.timers) || m.timers[t.index] != t {
		return
	}
	heap.Remove(&m.timers, t.index)
	if t.user {
		m.userTimers--
	}
}

func (m *Machine) dropUserTimers() {
	kept := m.timers[:0]
	for _, t := range m.timers {
		if t.user {
			t.index = -1
			continue
		}
		t.index = len(kept)
		kept = append(kept, t)
	}
	clear(m.timers[len(kept):])
	m.timers, m.userTimers = kept, 0
	heap.Init(&m.timers)
}

// watchIdle lets an empty room leave memory after KindConfig.IdleAfter. An
// acknowledgement that is owed does not keep it: only an input could give it,
// and whoever waits for it is answered at the end.
func (m *Machine) watchIdle() {
	busy := m.members.len() > 0 || m.seats > 0 || m.userTimers > 0 || m.work.busy()
	switch {
	case busy && m.idle != nil:
		m.cancelTimer(m.idle)
		m.idle = nil
	case !busy && m.idle == nil:
		m.idle = m.after(m.idleFor(), false, m.passivate)
	}
}
