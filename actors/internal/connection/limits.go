package connection

import (
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/bucket"
	"github.com/parlor-rooms/parlor/actors/internal/rawjson"
)

// Limits are what one connection may do. A zero limits nothing.
type Limits struct {
	Messages bucket.Rate // packets
	Bytes    bucket.Rate // of packets, attachments included
	Joins    bucket.Rate // CONNECTs

	// Excess is how many packets beyond Messages and Bytes are put up with:
	// one more closes the transport.
	Excess bucket.Rate

	// OutsideFor is how long the client may be in no room and no gateway
	// before its transport is closed.
	OutsideFor time.Duration
}

// Limit is a limit that a connection can meet.
type Limit uint8

// The limits.
const (
	LimitMessages Limit = iota // an event was refused: too many, or too much
	LimitExcess                // the transport was closed: too many were refused
	LimitJoins                 // a CONNECT was refused: too many of this connection
	LimitNode                  // the same: too many of all connections
	LimitUser                  // the same: too many connections of the user
	LimitOutside               // the transport was closed: it was in no namespace in time
	LimitCount                 // how many there are
)

// House is what the connections of a node have in common. Its methods do not
// block.
type House interface {
	// Join takes one CONNECT out of what the node takes per second.
	Join(now time.Time) bool
	// Count counts a connection among those of a user, unless that is one too
	// many.
	Count(subject string) bool
	// Uncount undoes Count.
	Uncount(subject string)
	// Revoked reports whether an identity was revoked.
	Revoked(id actors.Identity) bool
}

// rates are the buckets of Limits.
type rates struct{ messages, bytes, joins, excess bucket.Bucket }

// within reports whether a packet is within the connection's rates. It closes
// the transport of a client that goes on regardless.
func (m *Machine) within(now time.Time, p *actors.Packet) bool {
	size := len(p.Data)
	for _, a := range p.Attachments {
		size += len(a)
	}
	l := m.cfg.Limits
	messages := m.rates.messages.Take(l.Messages, now, 1)
	if messages && m.rates.bytes.Take(l.Bytes, now, float64(size)) {
		return true
	}
	if !m.rates.excess.Take(l.Excess, now, 1) {
		m.effect.Limited(LimitExcess)
		m.close(actors.ReasonRateLimited)
	}
	return false
}

// tooMuch refuses an event. A client that is not in yet hears nothing: the
// CONNECT answer comes first.
func (m *Machine) tooMuch(s *stay, p *actors.Packet) {
	m.effect.Limited(LimitMessages)
	if s.state != joined {
		return
	}
	name, _, _ := rawjson.SplitEvent(p.Data)
	m.respond(p, name, actors.Raw{}, actors.Errorf(actors.CodeRateLimited, "too many messages; this one was not handled"))
}

// mayConnect says in an *Error why a CONNECT is too many. What the node cannot
// take is asked for again: a client that is nowhere inside has its transport
// closed, because stock clients come back after that and not after
// CONNECT_ERROR.
func (m *Machine) mayConnect(now time.Time) error {
	if !m.rates.joins.Take(m.cfg.Limits.Joins, now, 1) {
		m.effect.Limited(LimitJoins)
		return actors.Errorf(actors.CodeRateLimited, "too many namespaces in too short a time")
	}
	if m.cfg.House.Join(now) {
		return nil
	}
	m.effect.Limited(LimitNode)
	if m.others(nil) == 0 {
		m.close(actors.ReasonOverloaded)
	}
	return actors.Errorf(actors.CodeOverloaded, "too many clients enter at once; try again")
}

// count counts the connection among those of the stay's user, once, however
// many namespaces it is in. It returns false if that is one too many.
func (m *Machine) count(s *stay) bool {
	subject := s.join.Identity.Subject
	if subject == "" || m.countedBy(subject) != nil {
		return true
	}
	s.counted = m.cfg.House.Count(subject)
	return s.counted
}

// uncount is told that a stay is over.
func (m *Machine) uncount(s *stay) {
	if !s.counted {
		return
	}
	s.counted = false
	subject := s.join.Identity.Subject
	for _, sp := range m.spaces {
		if o := sp.stay; o != nil && o != s && o.ending == "" && (o.state == joining || o.state == joined) && o.join.Identity.Subject == subject {
			o.counted = true
			return
		}
	}
	m.cfg.House.Uncount(subject)
}

// countedBy finds the stay by which the connection is counted for a user.
func (m *Machine) countedBy(subject string) *stay {
	for _, sp := range m.spaces {
		if s := sp.stay; s != nil && s.counted && s.join.Identity.Subject == subject {
			return s
		}
	}
	return nil
}

// outside is how long the client has been in no room and no gateway.
type outside struct {
	since  time.Time // zero if it is inside, as far as is known
	ask    bool      // a stay has ended: Wake finds out, and since when
	sent   bool      // it was revoked everywhere: only a goodbye is waited for
	longer bool      // it was being asked who the client is when its time was over
}

// until is when the transport is closed; the zero Time if it is not.
func (o *outside) until(limit time.Duration) time.Time {
	switch {
	case o.since.IsZero():
		return time.Time{}
	case o.sent:
		return o.since.Add(goodbye)
	case limit <= 0:
		return time.Time{}
	case o.longer:
		return o.since.Add(2 * limit)
	}
	return o.since.Add(limit)
}

// goodbye is how long a client that was revoked everywhere may take to close.
const goodbye = 2 * time.Second

// closeIfOutside closes the transport of a client that is in no room and no
// gateway for too long. One that is being asked who it is has twice the time.
func (m *Machine) closeIfOutside(now time.Time) {
	o, asked := &m.outside, false
	for _, sp := range m.spaces {
		s := sp.stay
		switch {
		case s == nil || s.ending != "":
		case s.state == joining || s.state == joined:
			*o = outside{}
			return
		default:
			asked = true
		}
	}
	if o.ask && o.since.IsZero() {
		o.since = now
	}
	o.ask = false
	at := o.until(m.cfg.Limits.OutsideFor)
	switch {
	case at.IsZero() || now.Before(at):
	case o.sent:
		m.close(actors.ReasonRevoked)
	case asked && !o.longer:
		o.longer = true
	default:
		m.effect.Limited(LimitOutside)
		m.close(actors.ReasonConnectTimeout)
	}
}

// openHouse lets everybody in.
type openHouse struct{}

func (openHouse) Join(time.Time) bool          { return true }
func (openHouse) Count(string) bool            { return true }
func (openHouse) Uncount(string)               {}
func (openHouse) Revoked(actors.Identity) bool { return false }
