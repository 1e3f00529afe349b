package room

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// How long after an alarm whose turn failed it is tried again: twice as long
// each time.
const (
	alarmRetryMin = time.Second
	alarmRetryMax = 5 * time.Minute
)

// alarm is a named time at which the hook Alarm is run.
type alarm struct {
	name  string
	at    time.Time
	timer *timer
	tries int // turns that failed
}

// setAlarm is what a turn wants of an alarm; the zero Time cancels it.
type setAlarm struct {
	name string
	at   time.Time
}

// agenda is what the store's agenda says of the room.
type agenda struct {
	at    time.Time // when the room is to be woken; zero: not at all
	known bool      // at is what it says; before, it may say anything
	stale bool      // what the room wants may have changed
}

// checkAlarm panics, within a turn, where an alarm cannot be set.
func (m *Machine) checkAlarm(name string, at time.Time) {
	switch {
	case at.IsZero():
	case m.hooks.Alarm == nil:
		panic("actors: SetAlarm in a room without a method Alarm(*actors.Turn, string)")
	case m.alarms[name] == nil && len(m.alarms)+len(m.turn.alarms) >= actors.MaxAlarms:
		panic("actors: SetAlarm: the room has MaxAlarms alarms")
	}
}

// setAlarm carries out what a turn wants of an alarm.
func (m *Machine) setAlarm(s setAlarm) {
	m.journal.agenda.stale = true
	if a := m.alarms[s.name]; a != nil {
		m.cancelTimer(a.timer)
		delete(m.alarms, s.name)
	}
	if s.at.IsZero() {
		m.journal.write(areaAlarm+s.name, nil)
		return
	}
	ms := s.at.Add(time.Millisecond - 1).UnixMilli() // as the agenda rounds
	m.journal.write(areaAlarm+s.name, strconv.AppendInt(nil, ms, 10))
	m.addAlarm(s.name, millis(ms))
}

func (m *Machine) addAlarm(name string, at time.Time) {
	if m.alarms == nil {
		m.alarms = make(map[string]*alarm)
	}
	a := &alarm{name: name, at: at}
	m.alarms[name] = a
	m.setTimer(a, at)
}

func (m *Machine) setTimer(a *alarm, at time.Time) {
	a.timer = &timer{at: at, index: -1, run: func() { m.park(func() { m.ring(a) }) }}
	m.schedule(a.timer)
}

// ring runs the hook Alarm. That the alarm is gone is part of the turn.
func (m *Machine) ring(a *alarm) {
	if m.alarms[a.name] != a || m.hooks.Alarm == nil {
		return
	}
	if m.phase != open {
		m.setTimer(a, m.now.Add(alarmRetryMin)) // the room starts again
		return
	}
	failed := m.do(actors.Cause{}, func(t *actors.Turn) error {
		m.turn.alarms = append(m.turn.alarms, setAlarm{name: a.name})
		m.hooks.Alarm(t, a.name)
		return nil
	})
	if failed != nil && m.alarms[a.name] == a && m.phase != retiring {
		m.setTimer(a, m.now.Add(min(alarmRetryMin<<min(a.tries, 16), alarmRetryMax)))
		a.tries++
	}
}

// takeUpAlarms sets the timers of alarms that were stored.
func (m *Machine) takeUpAlarms(alarms map[string]time.Time) {
	m.journal.agenda.stale = true
	for _, name := range slices.Sorted(maps.Keys(alarms)) {
		m.addAlarm(name, alarms[name])
	}
}

// wakeAt is when the room has to be woken if it is not in memory by then: for
// an alarm, to let go of seats that nobody returns to, or to be destroyed.
func (m *Machine) wakeAt() time.Time {
	at := m.alarmAt()
	earlier := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	if m.keepsSeats() && m.members.len() > 0 {
		earlier(m.now.Add(max(m.kind.ResumeWithin, watchEvery)))
	}
	if m.kind.Retention > 0 {
		earlier(m.used.Add(m.kind.Retention))
	}
	return at
}

// alarmAt is when the first alarm is due; the zero Time if there is none.
func (m *Machine) alarmAt() (at time.Time) {
	if m.hooks.Alarm != nil {
		for _, a := range m.alarms {
			if at.IsZero() || a.at.Before(at) {
				at = a.at
			}
		}
	}
	return at
}

// watchEvery is how often the agenda is told at least that a room with seats
// is to be looked after, should it end without a word.
const watchEvery = time.Minute

// sooner returns when the agenda has to wake the room, if that is before what
// it says.
func (m *Machine) sooner() time.Time {
	g := &m.journal.agenda
	if g.known && !g.stale && (!g.at.IsZero() || m.members.len() == 0) {
		return time.Time{}
	}
	want := m.wakeAt()
	g.stale = false
	if want.IsZero() || g.known && !g.at.IsZero() && !want.Before(g.at) {
		return time.Time{}
	}
	g.at, g.known = want, true
	return want
}

// reschedule tells the agenda what to say next, once what it says is over, or
// the room leaves memory. A wake for nothing costs less than telling it of
// every change. A room of which nothing is stored is on the agenda only if that
// has said so: whoever put it there did not come to store anything.
func (m *Machine) reschedule() {
	g := &m.journal.agenda
	if !m.journal.lasts || m.abandoned || m.retired || m.phase == opening || m.phase == asleep || !m.journal.idle() || !g.known && !m.journal.written() {
		return
	}
	over := g.known && !g.at.IsZero() && !g.at.After(m.now)
	if !over && (m.phase != retiring || !g.stale && g.known && !m.destroyed) {
		return
	}
	want := m.wakeAt()
	if m.destroyed || !m.journal.written() {
		want = time.Time{}
	}
	if g.known && g.at.Equal(want) && !over {
		return
	}
	g.at, g.known, g.stale = want, true, false
	m.effect.Schedule(want)
}

// Due says that the agenda wants the room to be awake.
func (m *Machine) Due(now time.Time) {
	m.Wake(now)
	m.step(now, func() {
		g := &m.journal.agenda
		if m.phase == open || m.phase == opening {
			g.at, g.known = m.now, true // whatever it was: it has come
		}
		if m.phase != open {
			return
		}
		if m.members.len() > 0 {
			m.used = m.now
		}
		m.retain()
	})
}

// retain destroys a room that nobody has used for KindConfig.Retention.
func (m *Machine) retain() bool {
	if m.kind.Retention == 0 || m.members.len() > 0 || len(m.joins) > 0 || m.now.Before(m.used.Add(m.kind.Retention)) {
		return false
	}
	m.log.Info("room is destroyed: nobody has used it", "since", m.used)
	m.destroy()
	return true
}

func millis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
