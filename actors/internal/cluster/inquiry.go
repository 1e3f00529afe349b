package cluster

import "time"

// Said is what a peer, or the attempt to reach it, answered to Effects.Ask.
type Said struct {
	Outcome Outcome
	// Since is how long ago the heart-beat was sent that the registry
	// answered last. Of an OutcomeAnswer.
	Since time.Duration
}

// Outcome says how asking a peer ended.
type Outcome uint8

// The outcomes.
const (
	OutcomeSilent  Outcome = iota // no answer in time, or an unclear one
	OutcomeAnswer                 // it answered
	OutcomeRefused                // its machine says that nobody listens there
)

// inquiry asks all peers at once whether the registry is silent for them too.
//
// A peer that has ended cannot say what it heard of the registry last. It
// counts as silent registry if it has been known to be dead for long enough, or
// if it said so itself before the last reprieve was granted.
type inquiry struct {
	begun   time.Time
	waiting map[string]bool
	excused []string // who stands in nobody's way
	failed  bool     // this node may be the one that is cut off
}

// inquiryDue is when the peers are to be asked: in the last third of what was
// granted, while the registry is away. Zero: not at all, for the time being.
func (m *Membership) inquiryDue() time.Time {
	if m.inquiry != nil || m.overdue {
		return time.Time{}
	}
	due := m.until().Add(-m.cfg.TTL / 3)
	due = later(due, m.answered.Add(m.awayAfter()+1))
	return later(due, m.nextAsk)
}

func (m *Membership) wakeInquiry(now time.Time) {
	if !m.joined || m.inquiry != nil || !m.away(now) || m.overdue || now.Before(m.inquiryDue()) {
		return
	}
	q := &inquiry{begun: now, waiting: make(map[string]bool)}
	m.inquiry = q
	for id, until := range m.strangers {
		if now.Before(until) {
			q.failed = true
		} else {
			delete(m.strangers, id)
		}
	}
	for _, peer := range m.view.Members {
		if peer.ID != m.cfg.Self.ID {
			q.waiting[peer.ID] = true
			m.effect.Ask(peer)
		}
	}
	m.endInquiry(now)
}

// Answered is what came of asking a peer.
func (m *Membership) Answered(now time.Time, peer string, said Said) {
	if m.lapsed(now) {
		return
	}
	if q := m.inquiry; q != nil && q.waiting[peer] {
		delete(q.waiting, peer)
		if now.Sub(q.begun) > 2*m.cfg.AskTimeout {
			said.Outcome = OutcomeSilent // this process, or the other, was paused
		}
		r, refused := m.refused[peer]
		switch {
		case said.Outcome == OutcomeAnswer && said.Since > m.awayAfter(),
			said.Outcome == OutcomeRefused && (m.excused[peer] || refused && now.Sub(r.since) > m.awayAfter()):
			q.excused = append(q.excused, peer)
		default:
			// One that had an answer lately knows better, or has had no time
			// to find out; one that is silent may.
			q.failed = true
		}
		m.endInquiry(now)
	}
	m.noteRefused(now, peer, said)
	m.suspectAnswered(now, peer, said)
}

func (m *Membership) endInquiry(now time.Time) {
	q := m.inquiry
	if len(q.waiting) > 0 {
		return
	}
	m.inquiry = nil
	m.nextAsk = now.Add(m.cfg.AskTimeout / 2)
	if q.failed {
		return
	}
	if m.reprieve.IsZero() || !now.Before(m.leaseEnd) && !now.Before(m.reprieve) {
		m.cfg.Log.Warn("the registry is silent for every node: rooms stay where they are", "since", now.Sub(m.answered))
	}
	for _, peer := range q.excused {
		m.excused[peer] = true
	}
	m.reprieve = later(m.reprieve, q.begun.Add(m.cfg.TTL/2))
	m.serve()
	v := *m.view
	v.Excused = m.reprieve
	m.publish(now, &v)
}

// refusal is of a peer at whose address nobody listens.
type refusal struct {
	since time.Time
	ended bool // it was logged that the peer has ended; links to it are tried, and break, for as long as it is listed
}

// noteRefused remembers since when nobody listens at a peer's address.
func (m *Membership) noteRefused(now time.Time, peer string, said Said) {
	if said.Outcome == OutcomeAnswer {
		delete(m.refused, peer)
	} else if _, known := m.refused[peer]; !known && said.Outcome == OutcomeRefused {
		m.refused[peer] = &refusal{since: now}
	}
}

// Heard says that a node has asked. One that is in no list yet may know better
// whether the registry answers, so that this node cannot be sure that nobody
// does.
func (m *Membership) Heard(now time.Time, peer string) {
	if m.over || m.view.Has(peer) {
		return
	}
	if _, gone := m.departed[peer]; !gone && peer != m.cfg.Self.ID {
		m.strangers[peer] = now.Add(2 * m.cfg.TTL)
	}
}

// hello makes a node that joins known to those that the registry does not
// reach.
func (m *Membership) hello() {
	for _, peer := range m.view.Members {
		if peer.ID != m.cfg.Self.ID {
			m.effect.Ask(peer)
		}
	}
}
