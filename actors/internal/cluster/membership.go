package cluster

import (
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// MembershipConfig describes a node's part in its cluster.
type MembershipConfig struct {
	Self Member

	// TTL is how long a node that has fallen silent is still counted on. Zero
	// means 5 s. All nodes should have the same.
	TTL time.Duration
	// BeatEvery is the pause between heart-beats. Zero means TTL/6, which is
	// the most.
	BeatEvery time.Duration
	// BeatTimeout is within which the driver answers Effects.Beat. Zero means
	// TTL/5.
	BeatTimeout time.Duration
	// AskTimeout is within which the driver answers Effects.Ask. Zero means
	// TTL/10.
	AskTimeout time.Duration
	// Settle is how long fresh claims wait when the registry's data set is
	// young or was rolled back: long enough for a beat that times out and the
	// next one. Zero means BeatTimeout and BeatEvery, 1.8 s by default.
	Settle time.Duration

	Rand    *rand.Rand
	Log     *slog.Logger
	Effects MembershipEffects
}

func (c *MembershipConfig) complete() {
	set := func(v *time.Duration, std time.Duration) {
		if *v <= 0 {
			*v = std
		}
	}
	set(&c.TTL, 5*time.Second)
	set(&c.BeatEvery, c.TTL/6)
	c.BeatEvery = min(c.BeatEvery, c.TTL/6)
	set(&c.BeatTimeout, c.TTL/5)
	set(&c.AskTimeout, c.TTL/10)
	set(&c.Settle, c.BeatTimeout+c.BeatEvery)
}

// MembershipEffects is what a Membership wants done. The methods do not call
// back into it.
type MembershipEffects interface {
	// Beat sends a heart-beat, answered with Beaten or BeatFailed after
	// BeatTimeout at the latest. One is under way at a time.
	Beat(Beat)

	// Expire ends the lease of a node that is known to have ended. It may be
	// lost.
	Expire(id string)

	// Ask asks a peer when it last had an answer of the registry, answered
	// with Answered after AskTimeout at the latest. The peer's Heard is called.
	Ask(peer Member)

	// Publish replaces the view, including when its members are the same.
	Publish(*View)

	// Serve says until when this node may serve, unless it says so again.
	Serve(until time.Time)

	// Lost says that the others may count this node as gone. It must end its
	// process: it cannot come back under the same id. Called once; nothing
	// comes after it.
	Lost(why string)
}

// Membership is one node's part in the cluster, a machine.
//
// A node may serve while it has a lease. It holds one from when it sent the
// heart-beat that the registry answered, for TTL; the registry counts from
// later. When the registry is silent for everybody nobody can be counted out,
// so a node whose lease is about to lapse asks all its peers: if each of them
// either has no answer of the registry either, or has ended, it goes on for
// half a TTL and asks again. If one has an answer, or cannot be reached, this
// node may be the one that is cut off, and is Lost when its lease is over. The
// registry extends all leases when it is back (Beat.Gap), so that a node is
// never off the list while it serves (TestANodeThatServesIsOnTheList).
type Membership struct {
	cfg    MembershipConfig
	effect MembershipEffects

	over     bool // lost or left
	beating  bool
	failing  bool // the last beat was not answered
	overdue  bool // its time is over, and it is not lost for that
	again    bool // beat once more when the one under way is answered
	joined   bool
	sent     time.Time // when the beat under way was sent
	nextBeat time.Time
	answered time.Time // when the last beat that was answered was sent
	leaseEnd time.Time
	reprieve time.Time // end of what the peers grant

	view      *View
	departed  map[string]time.Time // nodes that must not come back, and when they left
	holdUntil time.Time            // nobody leaves the view before
	tick      uint64
	data      uint64
	inquiry   *inquiry
	nextAsk   time.Time
	excused   map[string]bool     // peers for whom the registry was silent, or that had ended, when the reprieve was granted
	refused   map[string]*refusal // peers at whose address nobody listens
	suspects  map[string]*suspect
	strangers map[string]time.Time // nodes that asked and are in no list that was seen, and until when they count
}

// rememberDeparted bounds the memory of nodes that left.
const rememberDeparted = time.Hour

// NewMembership returns the membership of a node that has not joined.
func NewMembership(cfg MembershipConfig) *Membership {
	cfg.complete()
	return &Membership{
		cfg: cfg, effect: cfg.Effects, view: &View{},
		departed: make(map[string]time.Time), excused: make(map[string]bool), refused: make(map[string]*refusal), suspects: make(map[string]*suspect), strangers: make(map[string]time.Time),
	}
}

// Start joins.
func (m *Membership) Start(now time.Time) { m.beat(now) }

// Drain tells the others that no room starts here any more.
func (m *Membership) Drain(now time.Time) {
	if !m.cfg.Self.Draining {
		m.cfg.Self.Draining = true
		m.beat(now)
	}
}

// Leave ends the membership of a node that has nothing left. The driver
// expires the lease.
func (m *Membership) Leave() { m.over = true }

// Over reports whether the membership has ended.
func (m *Membership) Over() bool { return m.over }

// Changed says that the list may have changed. Many changes at once are looked
// at together.
func (m *Membership) Changed(now time.Time) {
	if now.Sub(m.sent) > changedPause {
		m.beat(now)
	} else if at := m.sent.Add(changedPause); m.nextBeat.IsZero() || at.Before(m.nextBeat) {
		m.nextBeat = at
	}
}

const changedPause = 20 * time.Millisecond

// Refresh asks for a view that is as of now or later.
func (m *Membership) Refresh(now time.Time) { m.beat(now) }

// LastAnswer is when the last heart-beat was sent that was answered; zero if
// none was.
func (m *Membership) LastAnswer() time.Time { return m.answered }

func (m *Membership) beat(now time.Time) {
	if m.over {
		return
	}
	if m.beating {
		m.again = true
		return
	}
	m.beating, m.again, m.sent = true, false, now
	m.nextBeat = now.Add(m.jitter(m.cfg.BeatEvery))
	m.effect.Beat(Beat{
		Self: m.cfg.Self, TTL: m.cfg.TTL, Gap: m.cfg.BeatEvery * 8 / 5,
		Join: !m.joined, Seen: m.tick, Sure: m.joined && !m.failing,
	})
}

// jitter spreads what all nodes would do at the same moment, by a tenth.
func (m *Membership) jitter(d time.Duration) time.Duration {
	return d - d/20 + time.Duration(m.cfg.Rand.Int64N(int64(d/10)+1))
}

// Beaten is the registry's answer to the beat under way.
func (m *Membership) Beaten(now time.Time, roll Roll) {
	if m.lapsed(now) || !m.beating {
		return
	}
	m.beating = false
	if roll.Lost {
		m.lost("its lease was over")
		return
	}
	first := !m.joined
	m.joined, m.failing, m.overdue, m.answered = true, false, false, m.sent
	m.leaseEnd = m.sent.Add(m.cfg.TTL)
	m.inquiry, m.nextAsk = nil, time.Time{}
	clear(m.excused)
	m.serve()
	settled := m.view.Settled
	if roll.Age < m.cfg.Settle {
		settled = later(settled, now.Add(m.cfg.Settle-roll.Age))
	}
	if !first && roll.Data != m.data {
		m.cfg.Log.Warn("the registry has lost its latest changes")
		settled = later(settled, now.Add(m.cfg.Settle))
		m.holdUntil = now.Add(m.cfg.TTL) // until everybody has had time to register again
	}
	m.tick, m.data = max(m.tick, roll.Tick), roll.Data
	m.publish(now, &View{Members: m.merge(now, roll.Members), AsOf: m.sent, Settled: settled, Data: roll.Data})
	if first {
		m.hello()
	}
	if m.again {
		m.beat(now)
	}
}

// merge makes the list of a view from the registry's.
func (m *Membership) merge(now time.Time, roll []Member) []Member {
	members := make([]Member, 0, len(roll))
	for _, r := range roll {
		delete(m.strangers, r.ID)
		if _, gone := m.departed[r.ID]; gone {
			m.effect.Expire(r.ID) // the registry was rolled back to before it left
			continue
		}
		members = append(members, r)
	}
	next := &View{Members: members}
	slices.SortFunc(members, func(a, b Member) int { return strings.Compare(a.ID, b.ID) })
	for _, g := range m.view.Gone(next) {
		if now.Before(m.holdUntil) {
			members = append(members, g)
			continue
		}
		m.departed[g.ID] = now
		delete(m.suspects, g.ID)
		delete(m.refused, g.ID)
	}
	maps.DeleteFunc(m.departed, func(_ string, at time.Time) bool { return now.Sub(at) > rememberDeparted })
	slices.SortFunc(members, func(a, b Member) int { return strings.Compare(a.ID, b.ID) })
	return members
}

func (m *Membership) publish(now time.Time, v *View) {
	for _, g := range m.view.Gone(v) {
		m.cfg.Log.Info("node left", "node", g.ID, "address", g.Address)
	}
	for _, a := range v.Gone(m.view) {
		m.cfg.Log.Info("node joined", "node", a.ID, "address", a.Address)
	}
	v.Away = m.away(now)
	m.view = v
	m.effect.Publish(v)
}

// BeatFailed says that the beat under way was not answered in time, or with an
// error. It may have been counted.
func (m *Membership) BeatFailed(now time.Time, err error) {
	if m.lapsed(now) || !m.beating {
		return
	}
	m.beating, m.failing = false, true
	m.nextBeat = now.Add(m.jitter(m.cfg.BeatEvery / 2))
	if !m.view.Away && m.away(now) {
		m.cfg.Log.Warn("the registry does not answer", "err", err)
		v := *m.view
		m.publish(now, &v)
	}
	if m.again {
		m.beat(now)
	}
}

// away reports whether the registry has been silent for so long that this is
// no accident. It is longer than Beat.Gap by more than a beat, so that whoever
// is first to be answered again extends the leases of all who said so.
func (m *Membership) away(now time.Time) bool { return m.joined && now.Sub(m.answered) > m.awayAfter() }

func (m *Membership) awayAfter() time.Duration { return 3 * m.cfg.BeatEvery }

func (m *Membership) serve() { m.effect.Serve(m.until()) }

// until is the end of what this node was granted.
func (m *Membership) until() time.Time { return later(m.leaseEnd, m.reprieve) }

// lapsed ends a membership whose time is over, as it is for a process that was
// paused: the others may have counted it out, and neither a peer nor a registry
// that was rolled back need remember that. Only a node that knew of no other
// may ask the registry once more. It reports whether the membership is over.
func (m *Membership) lapsed(now time.Time) bool {
	m.overdue = m.joined && !now.Before(m.until())
	if m.overdue && !m.over && len(m.view.Members) > 1 {
		m.lost("its lease lapsed before it was renewed")
	}
	return m.over
}

func (m *Membership) lost(why string) {
	if m.over {
		return
	}
	m.over = true
	m.effect.Serve(time.Time{})
	m.effect.Lost(why)
}

// Wake does what is due.
func (m *Membership) Wake(now time.Time) {
	if m.lapsed(now) {
		return
	}
	if !m.nextBeat.IsZero() && !now.Before(m.nextBeat) {
		m.nextBeat = time.Time{}
		m.beat(now)
	}
	m.wakeInquiry(now)
	m.wakeSuspects(now)
}

// NextWake is when Wake is due.
func (m *Membership) NextWake() time.Time {
	if m.over {
		return time.Time{}
	}
	next := m.nextBeat
	consider := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if m.joined {
		consider(m.inquiryDue())
		if len(m.view.Members) > 1 {
			consider(m.until())
		}
	}
	for _, s := range m.suspects {
		consider(s.next)
	}
	return next
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
