package room

import (
	"context"
	"iter"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// host is what the machine lends a turn.
type host Machine

func (h *host) Room() actors.RoomRef { return h.cfg.Ref }
func (h *host) Now() time.Time       { return h.now }
func (h *host) Rand() *rand.Rand     { return h.cfg.Rand }
func (h *host) NewID() string        { return h.cfg.NewID() }
func (h *host) Log() *slog.Logger    { return h.log }

func (h *host) Members() iter.Seq[actors.Member] {
	return func(yield func(actors.Member) bool) {
		for mem := range h.members.all() {
			if !yield(mem.Member) {
				return
			}
		}
	}
}

func (h *host) Lookup(id actors.MemberID) (actors.Member, bool) {
	if mem := h.members.byID[id]; mem != nil {
		return mem.Member, true
	}
	return actors.Member{}, false
}

func (h *host) Emit(out *actors.Outgoing) {
	h.weigh(out)
	h.turn.emits = append(h.turn.emits, emission{out: *out})
}

// weigh counts what the turn sends reliably: it may have to be stored.
func (h *host) weigh(out *actors.Outgoing) {
	if !out.Volatile {
		h.turn.sends++
		h.turn.bytes += rawSize(out.Data)
	}
}

func (h *host) SetAlarm(name string, at time.Time) {
	(*Machine)(h).checkAlarm(name, at)
	h.turn.alarms = append(h.turn.alarms, setAlarm{name, at})
}

func (h *host) Ask(out *actors.Outgoing, timeout time.Duration, then func(*actors.Turn, []actors.Answer)) {
	h.weigh(out)
	h.turn.emits = append(h.turn.emits, emission{out: *out, ask: &ask{timeout: orTen(timeout), then: then}})
}

func (h *host) Kick(id actors.MemberID, reason string) {
	h.turn.kicks = append(h.turn.kicks, kick{id, reason})
}

func (h *host) Destroy() { h.turn.destroy = true }

// whenDone runs f if the turn succeeds.
func (h *host) whenDone(f func()) { h.turn.effects = append(h.turn.effects, f) }

// After starts the timer if the turn succeeds. Stopping it takes effect at
// once, also in a turn that fails.
func (h *host) After(d time.Duration, f func(*actors.Turn)) (stop func() bool) {
	m := (*Machine)(h)
	t := &timer{at: h.now.Add(max(d, 0)), index: -1, user: true}
	over := false // it has run, or was stopped
	t.run = func() {
		m.park(func() {
			if !over {
				over = true
				m.turnFor(actors.Member{}, f)
			}
		})
	}
	h.whenDone(func() {
		if !over {
			m.schedule(t)
		}
	})
	return func() bool {
		if over {
			return false
		}
		over = true
		m.cancelTimer(t)
		return true
	}
}

func (h *host) Go(work func(context.Context) error, then func(*actors.Turn, error)) {
	m := (*Machine)(h)
	life := m.life
	h.whenDone(func() { m.behind(func() { m.startWork(life, work, then) }) })
}

func (h *host) Call(room actors.RoomRef, event string, payload actors.Raw, timeout time.Duration, then func(*actors.Turn, actors.Raw, error)) {
	m := (*Machine)(h)
	life := m.life
	h.whenDone(func() { m.behind(func() { m.startCall(life, OutCall{room, event, payload, orTen(timeout)}, then) }) })
}

// orTen is a timeout of user code, for which zero means 10 s.
func orTen(d time.Duration) time.Duration {
	if d <= 0 {
		return 10 * time.Second
	}
	return d
}
