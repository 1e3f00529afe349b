package cluster

import (
	"maps"
	"slices"
	"time"
)

// suspect is a peer whose link broke. If nobody listens at its address three
// times in a row its process has ended, and its lease with it. A peer that is
// silent may be alive behind a cut: the lease decides.
type suspect struct {
	peer    Member
	refused int
	asking  bool
	next    time.Time // when it is asked again
	until   time.Time // when it is left to its lease
}

// The pause between two questions, and how many refusals are enough. A process
// that dies may still accept for a moment.
const (
	suspectPause   = 30 * time.Millisecond
	suspectRefused = 3
)

// Suspect says that the link to a peer broke, or that a message to it was
// refused.
func (m *Membership) Suspect(now time.Time, id string) {
	peer, known := m.view.Find(id)
	if m.over || !known || id == m.cfg.Self.ID || m.suspects[id] != nil {
		return
	}
	s := &suspect{peer: peer, asking: true, until: now.Add(m.cfg.TTL / 3)}
	m.suspects[id] = s
	m.effect.Ask(peer)
}

func (m *Membership) suspectAnswered(now time.Time, id string, said Said) {
	s := m.suspects[id]
	if s == nil || !s.asking {
		return
	}
	s.asking = false
	if said.Outcome == OutcomeRefused {
		s.refused++
	} else {
		s.refused = 0
	}
	switch {
	case s.refused >= suspectRefused:
		delete(m.suspects, id)
		if r := m.refused[id]; !r.ended {
			r.ended = true
			m.cfg.Log.Info("node has ended", "node", id, "address", s.peer.Address)
		}
		m.effect.Expire(id)
		m.beat(now)
	case now.After(s.until):
		delete(m.suspects, id)
	default:
		s.next = now.Add(suspectPause)
	}
}

func (m *Membership) wakeSuspects(now time.Time) {
	for _, id := range slices.Sorted(maps.Keys(m.suspects)) {
		if s := m.suspects[id]; !s.asking && !now.Before(s.next) {
			s.asking, s.next = true, time.Time{}
			m.effect.Ask(s.peer)
		}
	}
}
