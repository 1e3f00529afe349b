package connection

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/rawjson"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// warnBefore is how long before its identity expires a client is told so.
const warnBefore = 30 * time.Second

// Events of docs/protocol.md section 8.
const (
	renewEvent    = "auth:renew"
	expiringEvent = "auth:expiring"
	endedEvent    = "auth:ended"
)

// judge returns why somebody may not enter a namespace, or nil. What the
// authenticator says is told to the client if it is an *Error.
func (m *Machine) judge(now time.Time, namespace string, id actors.Identity, err error) *actors.Error {
	switch e := actors.AsError(err); {
	case e != nil && e.Code == actors.CodeInternal:
		return actors.Errorf(actors.CodeUnauthorized, "not authorized")
	case e != nil:
		return e
	case expired(id, now):
		return actors.Errorf(actors.CodeTokenExpired, "the credential has expired")
	case m.cfg.House.Revoked(id):
		return actors.Errorf(actors.CodeRevoked, "the credential was revoked")
	case !id.In(namespace).May(actors.OpJoin):
		return actors.Errorf(actors.CodeForbidden, "the credential does not allow to enter")
	}
	return nil
}

func expired(id actors.Identity, now time.Time) bool {
	return !id.Expires.IsZero() && !now.Before(id.Expires)
}

// inside lists the stays that are in their room or gateway and were not sent
// away, in the order the client asked for them.
func (m *Machine) inside() []*stay {
	var list []*stay
	for _, sp := range m.spaces {
		if s := sp.stay; s != nil && s.state == joined && s.ending == "" {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b *stay) int { return cmp.Compare(a.serial, b.serial) })
	return list
}

// entered begins what had to wait until the client was in.
func (m *Machine) entered(s *stay) {
	switch {
	case m.cfg.Authenticates && m.cfg.House.Revoked(s.join.Identity): // meanwhile
		m.sendAway([]*stay{s}, actors.ReasonRevoked)
	case s.renewal != nil:
		m.ask(s)
	}
}

// Wake does what is due at now: it warns, sends away whose identity has
// expired, and closes a connection that is nowhere inside for too long.
func (m *Machine) Wake(now time.Time) {
	if m.closed || m.closing {
		return
	}
	var over []*stay
	for _, s := range m.inside() {
		switch expires := s.join.Identity.Expires; {
		case expired(s.join.Identity, now):
			over = append(over, s)
		case !s.warned && !expires.IsZero() && !now.Before(expires.Add(-warnBefore)):
			s.warned = true
			m.emit(s.namespace, expiringEvent, map[string]int64{"expires": expires.UnixMilli()})
		}
	}
	m.sendAway(over, actors.ReasonExpired)
	m.closeIfOutside(now)
}

// NextWake returns when Wake has something to do, which may be in the past;
// the zero Time if nothing is due.
func (m *Machine) NextWake() time.Time {
	var next time.Time
	if m.closed || m.closing {
		return next
	}
	earlier := func(at time.Time) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if m.outside.ask {
		earlier(m.cfg.Opened) // at once
	} else if at := m.outside.until(m.cfg.Limits.OutsideFor); !at.IsZero() {
		earlier(at)
	}
	for _, sp := range m.spaces {
		s := sp.stay
		if s == nil || s.state != joined || s.ending != "" || s.join.Identity.Expires.IsZero() {
			continue
		}
		if s.warned {
			earlier(s.join.Identity.Expires)
		} else {
			earlier(s.join.Identity.Expires.Add(-warnBefore))
		}
	}
	return next
}

// Recheck sends away whoever has been revoked.
func (m *Machine) Recheck() {
	if m.closed || m.closing || !m.cfg.Authenticates {
		return
	}
	var over []*stay
	for _, s := range m.inside() {
		if m.cfg.House.Revoked(s.join.Identity) {
			over = append(over, s)
		}
	}
	m.sendAway(over, actors.ReasonRevoked)
}

// sendAway ends stays. DISCONNECT comes from the room or gateway, behind
// everything it has sent. If the client is nowhere else, one whose credential
// has expired has its transport closed instead: a stock client then comes back
// by itself, with the credential that its auth function returns. One that was
// revoked is not to come back: stock clients close by themselves after the last
// DISCONNECT, others are closed soon after; to close at once would overtake
// DISCONNECT in a client that polls.
func (m *Machine) sendAway(gone []*stay, why actors.LeaveReason) {
	if len(gone) == 0 {
		return
	}
	code := actors.CodeTokenExpired
	if why == actors.ReasonRevoked {
		code = actors.CodeRevoked
	}
	last := m.others(gone) == 0
	for _, s := range gone {
		m.emit(s.namespace, endedEvent, map[string]actors.Code{"code": code})
		if !last || why == actors.ReasonRevoked {
			m.sendOff(s, why)
		}
	}
	switch {
	case !last:
	case why == actors.ReasonRevoked:
		m.outside.ask, m.outside.sent = true, true
	default:
		m.close(why)
	}
}

// others counts the namespaces that the client is in, or waits for, besides
// these.
func (m *Machine) others(gone []*stay) int {
	n := 0
	for _, sp := range m.spaces {
		if s := sp.stay; s != nil && s.ending == "" && !slices.Contains(gone, s) {
			n++
		}
	}
	return n
}

// sendOff ends one stay. A room says when the client is out; a gateway's
// client is when it was told.
func (m *Machine) sendOff(s *stay, why actors.LeaveReason) {
	m.tellLeft(s, why)
	s.ending = why
	m.letIn(s)
	m.uncount(s)
	if s.gateway {
		m.end(s.namespace, m.spaces[s.namespace])
	}
}

// renewal is an auth:renew: the token that is being looked at, and how to
// answer.
type renewal struct {
	token string
	id    uint64
	hasID bool
}

// renew takes an auth:renew. It is looked at beside the connection; until then
// the identity is what it was.
func (m *Machine) renew(s *stay, p *actors.Packet) {
	switch {
	case s.state != joined && s.state != joining:
		return // it was let in by nobody yet
	case s.renewal != nil:
		m.respond(p, renewEvent, actors.Raw{}, actors.Errorf(actors.CodeConflict, "another renewal is under way"))
		return
	}
	token, err := readRenewal(p.Data)
	if err != nil {
		m.respond(p, renewEvent, actors.Raw{}, err)
		return
	}
	s.renewal = &renewal{token: token, id: p.ID, hasID: p.HasID}
	if s.state == joined {
		m.ask(s)
	}
}

func (m *Machine) ask(s *stay) {
	m.effect.Authenticate(s.join.Member, actors.Trace{}, &actors.AuthRequest{
		Handshake: m.cfg.Handshake, Namespace: s.namespace, Token: s.renewal.token, Auth: s.join.Auth,
	})
	s.renewal.token = ""
}

// readRenewal returns the token of an auth:renew.
func readRenewal(data []byte) (string, *actors.Error) {
	_, args, err := rawjson.SplitEvent(data)
	if err == nil {
		args, _ = wire.CutMetadata(args)
	}
	if err != nil || len(args) != 1 {
		return "", actors.Errorf(actors.CodeBadPayload, "want one argument, {token}")
	}
	auth, err := readAuth(args[0])
	if err != nil || auth.Token == "" {
		return "", actors.Errorf(actors.CodeBadPayload, "want one argument, {token}, the token a string")
	}
	return auth.Token, nil
}

// renewed brings back what the token of an auth:renew says. Only the same
// subject may go on: everything that was decided by it stands.
func (m *Machine) renewed(now time.Time, s *stay, id actors.Identity, err error) {
	r := s.renewal
	s.renewal = nil
	if s.ending != "" {
		return
	}
	p := &actors.Packet{Namespace: s.namespace, ID: r.id, HasID: r.hasID}
	e := m.judge(now, s.namespace, id, err)
	if e == nil && id.Subject != s.join.Identity.Subject {
		e = actors.Errorf(actors.CodeForbidden, "the credential is somebody else's")
	}
	if e != nil {
		m.respond(p, renewEvent, actors.Raw{}, e)
		return
	}
	join := *s.join // the room may still read the other
	join.Identity = id
	s.join, s.warned = &join, false
	if s.gateway {
		m.effect.ClientRenewed(s.namespace, id)
	} else {
		m.effect.ToRoom(join.Room, &wire.Renew{Room: join.Room, Conn: m.cfg.Ref, Member: s.member, Identity: id})
	}
	until := make(map[string]int64, 1)
	if !id.Expires.IsZero() {
		until["expires"] = id.Expires.UnixMilli()
	}
	ack, _ := actors.EncodeArgs(nil, until)
	m.respond(p, renewEvent, ack, nil)
}

// names reports whether an EVENT payload has this name, spelled without
// escapes.
func names(payload []byte, event string) bool {
	const space = " \t\r\n"
	b := bytes.TrimLeft(payload, space)
	if len(b) == 0 || b[0] != '[' {
		return false
	}
	b = bytes.TrimLeft(b[1:], space)
	return len(b) > len(event)+1 && b[0] == '"' && string(b[1:1+len(event)]) == event && b[1+len(event)] == '"'
}

// emit sends the client an event of the connection's own.
func (m *Machine) emit(namespace, event string, arg any) {
	raw, _ := actors.EncodeArgs(&event, arg)
	m.effect.Push(&actors.Packet{Type: actors.PacketEvent, Namespace: namespace, Data: raw.JSON})
}

// respond answers an event that the connection takes itself.
func (m *Machine) respond(p *actors.Packet, event string, ack actors.Raw, err *actors.Error) {
	answer := &actors.Packet{Type: actors.PacketAck, Namespace: p.Namespace, ID: p.ID, HasID: true, Data: ack.JSON}
	switch {
	case err != nil && p.HasID:
		answer.Data = wire.ErrorAck(err).JSON
	case err != nil:
		answer.Type, answer.HasID, answer.Data = actors.PacketEvent, false, wire.Exception(err, event).JSON
	case !p.HasID:
		return
	}
	m.effect.Push(answer)
}
