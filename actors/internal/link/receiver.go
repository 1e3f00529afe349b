package link

import "time"

// receiver is the incoming half of a lane.
type receiver struct {
	upTo    uint64 // the last frame that arrived in its place
	partial []byte // the message that frames up to there have begun
	gap     bool   // a later one has arrived

	got          uint64 // cost of the frames of the session that arrived
	consumed     uint64 // of it, what is off our hands
	acknowledged uint64 // of it, what the other end was told
}

// Receive takes a batch of the other end. It returns an error if the batch is
// not one, which leaves everything as it was, or if it breaks the protocol,
// which ends the session. A batch between other processes, or of an earlier
// session, is ignored.
func (m *Machine) Receive(now time.Time, bytes []byte) error {
	var r reader
	h, err := r.open(bytes)
	switch {
	case err != nil:
		return err
	case h.from != m.cfg.Peer || h.to != m.cfg.Self:
		return nil
	case h.session < m.session:
		m.ackAt = now // it does not know yet that its session is over
		return nil
	case h.session > m.session:
		m.enter(now, h.session, LossPeer)
	}
	for l := range m.out {
		if !m.out[l].acked(now, h.lanes[l].upTo, h.lanes[l].consumed, h.lanes[l].gap) {
			return m.fault(now, "acknowledges what was not sent")
		}
	}
	if h.ask {
		m.due(now)
	}
	for session := m.session; session == m.session; {
		lane, n, f, ok, err := r.next()
		if err != nil {
			return m.fault(now, "%v", err)
		}
		if !ok {
			return nil
		}
		if err := m.frame(now, lane, n, f); err != nil {
			return err
		}
	}
	return nil
}

// frame takes one frame. Only the one whose turn it is counts.
func (m *Machine) frame(now time.Time, lane Lane, n uint64, f frame) error {
	in := &m.in[lane]
	if m.due(now.Add(m.limits.AckAfter)); n != in.upTo+1 {
		m.stats.Doubled++
		in.gap = in.gap || n > in.upTo
		m.due(now)
		return nil
	}
	in.upTo = n
	in.got += uint64(f.cost())
	if len(in.partial)+len(f.payload) > m.limits.Message {
		return m.fault(now, "a message has more than %d bytes", m.limits.Message)
	}
	if f.more {
		in.partial = append(in.partial, f.payload...)
		m.Consumed(now, m.session, lane, f.cost())
		return nil
	}
	msg := f.payload
	if in.partial != nil {
		msg, in.partial = append(in.partial, msg...), nil
	}
	m.stats.Delivered++
	m.effect.Deliver(lane, msg, f.cost())
	return nil
}

// Consumed says that cost bytes of what was delivered in a session are off
// the hands of this node, so that the other end may send as many.
func (m *Machine) Consumed(now time.Time, session uint64, lane Lane, cost int) {
	if session != m.session {
		return
	}
	in := &m.in[lane]
	in.consumed = min(in.consumed+uint64(cost), in.got)
	m.due(now.Add(m.limits.AckAfter))
	if in.consumed-in.acknowledged > uint64(m.limits.Window/8) {
		m.due(now)
	}
}

// due makes an acknowledgement due at a time at the latest.
func (m *Machine) due(at time.Time) {
	if m.ackAt.IsZero() || at.Before(m.ackAt) {
		m.ackAt = at
	}
}
