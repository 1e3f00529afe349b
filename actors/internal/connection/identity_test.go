package connection

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// house lets in who is not listed.
type house struct {
	revoked map[string]bool // by token id
	most    int             // connections of a user; 0: any number
	users   map[string]int
	closed  bool
}

func (h *house) Join(time.Time) bool { return !h.closed }
func (h *house) Count(user string) bool {
	if h.most > 0 && h.users[user] >= h.most {
		return false
	}
	h.users[user]++
	return true
}
func (h *house) Uncount(user string)             { h.users[user]-- }
func (h *house) Revoked(id actors.Identity) bool { return h.revoked[id.TokenID] }

func (h *house) in(c *Config) {
	if h.users == nil {
		h.users, h.revoked = make(map[string]int), make(map[string]bool)
	}
	c.House = h
}

// who is somebody whose credential expires so long after the start.
func who(subject, token string, in time.Duration) actors.Identity {
	return actors.Identity{Subject: subject, TokenID: token, Expires: start.Add(in)}
}

// enter joins a room as m<n>.
func (f *fixture) enter(n int, id actors.Identity) {
	room := actors.RoomRef{Kind: "b", ID: fmt.Sprint(n)}
	m := actors.MemberID(fmt.Sprintf("m%d", n))
	f.connect(room.Namespace())
	f.Authenticated(m, id, nil)
	f.Joined(joinedIn(room, m))
}

func (f *fixture) renew(namespace, payload string, ack bool) {
	p := packet(actors.PacketEvent, namespace, payload)
	p.HasID = ack
	f.Packet(p)
}

const (
	expiring = `push 2 %s ["auth:expiring",{"expires":1700000060000}]`
	ended    = `push 2 %s ["auth:ended",{"code":"%s"}]`
)

func TestWhoseCredentialExpiresIsWarnedAndLeavesThatNamespaceOnly(t *testing.T) {
	f := open(authenticates)
	f.enter(1, who("u", "t", time.Minute))
	f.enter(2, who("u", "t", time.Hour))
	f.take()
	f.advance(29 * time.Second)
	f.expect(t)
	f.advance(time.Second)
	f.expect(t, fmt.Sprintf(expiring, "/b/1"))
	f.advance(29 * time.Second)
	f.expect(t)
	f.advance(time.Second)
	f.expect(t, fmt.Sprintf(ended, "/b/1", "token_expired"), "leave b/1 m1 expired")
	f.event("/b/1", 1) // it may not know yet
	f.expect(t, "release 1")
	f.gone("m1")
	f.expect(t, "relocate b/1")
	f.event("/b/1", 2)
	f.expect(t, "release 1")
	f.event("/b/2", 3)
	f.expect(t, `event b/2 m2 #1 ["e",3]`, "release 1")
	f.connect("/b/1") // with another token
	f.Authenticated("m3", who("u", "t2", time.Hour), nil)
	f.expect(t, `authenticate /b/1 m3 "" `, "release 1", "join b/1 m3")
}

func TestTheLastNamespaceThatExpiresClosesTheTransport(t *testing.T) {
	f := open(authenticates)
	f.enter(1, who("u", "t", time.Minute))
	f.enter(2, who("u", "t", time.Minute))
	f.advance(59 * time.Second)
	f.take()
	f.advance(time.Second)
	f.expect(t, fmt.Sprintf(ended, "/b/1", "token_expired"), fmt.Sprintf(ended, "/b/2", "token_expired"), "close expired")
	f.Closed(actors.ReasonExpired)
	f.expect(t, "leave b/1 m1 expired", "leave b/2 m2 expired")
	if at := f.NextWake(); !at.IsZero() {
		t.Errorf("woken at %v", at)
	}
}

func TestAGatewaysClientIsSentAwayToo(t *testing.T) {
	f := open(authenticates)
	f.connect(gateway)
	f.Authenticated("m1", who("u", "t", time.Minute), nil)
	f.enter(2, who("u", "t", time.Hour))
	f.advance(59 * time.Second)
	f.take()
	f.advance(time.Second)
	f.expect(t, fmt.Sprintf(ended, gateway, "token_expired"), "client left /g expired")
	f.event(gateway, 1)
	f.expect(t, "release 1")
	f.Closed(actors.ReasonTransportClosed)
	f.expect(t, "leave b/2 m2 transport_closed")
}

func TestARoomIsToldOnceThatAnExpiredMemberLeft(t *testing.T) {
	for name, after := range map[string]func(*fixture){
		"the client leaves":   func(f *fixture) { f.disconnect("/b/1") },
		"the transport fails": func(f *fixture) { f.Closed(actors.ReasonTransportError) },
		"the room says so":    func(f *fixture) { f.gone("m1") },
		"the room has moved":  func(f *fixture) { f.moved() },
	} {
		t.Run(name, func(t *testing.T) {
			f := open(authenticates)
			f.enter(1, who("u", "t", time.Minute))
			f.enter(2, who("u", "t", time.Hour))
			f.advance(time.Minute)
			after(f)
			f.Closed(actors.ReasonTransportClosed)
			told := 0
			for _, line := range f.take() {
				if len(line) > 12 && line[:12] == "leave b/1 m1" {
					told++
				}
			}
			if told != 1 {
				t.Errorf("told %d times", told)
			}
		})
	}
}

func TestARenewalTakesThePlaceOfWhatExpires(t *testing.T) {
	for name, c := range map[string]struct {
		ack  bool
		want []string
	}{
		"acknowledged": {true, []string{"renew b/1 m1 t2", `push 3 /b/1 [{"expires":1700003600000}]`}},
		"silent":       {false, []string{"renew b/1 m1 t2"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := open(authenticates)
			f.enter(1, who("u", "t", time.Minute))
			f.advance(45 * time.Second)
			f.take()
			f.renew("/b/1", `[ "auth:renew",{"token":"new"},{"$parlor":{"cid":"1"}}]`, c.ack)
			f.expect(t, `authenticate /b/1 m1 "new" `, "release 1")
			f.Authenticated("m1", who("u", "t2", time.Hour), nil)
			f.expect(t, c.want...)
			f.advance(time.Hour - 76*time.Second)
			f.expect(t)
			f.advance(time.Second)
			f.expect(t, `push 2 /b/1 ["auth:expiring",{"expires":1700003600000}]`)
		})
	}
}

func TestARenewalThatFailsChangesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		payload string
		id      actors.Identity
		err     error
		want    string
	}{
		"another subject":  {`["auth:renew",{"token":"x"}]`, who("v", "t2", time.Hour), nil, `{"code":"forbidden","message":"the credential is somebody else's"}`},
		"nobody":           {`["auth:renew",{"token":"x"}]`, actors.Identity{}, nil, `{"code":"forbidden","message":"the credential is somebody else's"}`},
		"expired":          {`["auth:renew",{"token":"x"}]`, who("u", "t2", time.Second), nil, `{"code":"token_expired","message":"the credential has expired"}`},
		"revoked":          {`["auth:renew",{"token":"x"}]`, who("u", "bad", time.Hour), nil, `{"code":"revoked","message":"the credential was revoked"}`},
		"not valid":        {`["auth:renew",{"token":"x"}]`, actors.Identity{}, errors.New("secret"), `{"code":"unauthorized","message":"not authorized"}`},
		"no token":         {`["auth:renew",{}]`, actors.Identity{}, nil, `{"code":"bad_payload","message":"want one argument, {token}, the token a string"}`},
		"a token of stone": {`["auth:renew",{"token":7}]`, actors.Identity{}, nil, `{"code":"bad_payload","message":"want one argument, {token}, the token a string"}`},
		"no argument":      {`["auth:renew"]`, actors.Identity{}, nil, `{"code":"bad_payload","message":"want one argument, {token}"}`},
	} {
		t.Run(name, func(t *testing.T) {
			h := &house{}
			f := open(authenticates, h.in)
			h.revoked["bad"] = true
			f.enter(1, who("u", "t", time.Minute))
			f.advance(45 * time.Second)
			f.renew("/b/1", c.payload, true)
			f.Authenticated("m1", c.id, c.err)
			log := f.take()
			if got, want := log[len(log)-1], `push 3 /b/1 [{"error":`+c.want+`}]`; got != want && log[len(log)-2] != want {
				t.Errorf("answered %q, want %s", log, want)
			}
			f.advance(15 * time.Second)
			f.expect(t, fmt.Sprintf(ended, "/b/1", "token_expired"), "close expired")
		})
	}
}

// Of one namespace at most one question is open at a time, a renewal included.
func TestARenewalUnderWayIsWaitedFor(t *testing.T) {
	f := open(authenticates)
	f.connect(ns)
	f.Authenticated("m1", who("u", "t", time.Minute), nil)
	f.take()
	f.renew(ns, `["auth:renew",{"token":"x"}]`, true) // the CONNECT answer was faster than the room's
	f.expect(t, "release 1")
	f.joined("m1", "m1")
	f.expect(t, `authenticate /b/1 m1 "x" `)
	f.renew(ns, `["auth:renew",{"token":"y"}]`, true)
	f.expect(t, `push 3 /b/1 [{"error":{"code":"conflict","message":"another renewal is under way"}}]`, "release 1")
	f.disconnect(ns)
	f.connect(ns)
	f.expect(t, "leave b/1 m1 client_left", "release 1", "release 1")
	f.Authenticated("m1", who("u", "t2", time.Hour), nil)
	f.expect(t, `authenticate /b/1 m2 "" `)
}

func TestWhoIsRevokedIsSentAwayAndKeptOut(t *testing.T) {
	h := &house{}
	f := open(authenticates, h.in)
	f.enter(1, who("u", "t", time.Hour))
	f.enter(2, who("u", "other", time.Hour))
	f.connect("/b/3")
	f.Authenticated("m3", who("u", "t", time.Hour), nil) // and the room has yet to answer
	f.take()
	h.revoked["t"] = true
	f.Recheck()
	f.expect(t, fmt.Sprintf(ended, "/b/1", "revoked"), "leave b/1 m1 revoked")
	third := actors.RoomRef{Kind: "b", ID: "3"}
	f.Joined(joinedIn(third, "m3"))
	f.expect(t, fmt.Sprintf(ended, "/b/3", "revoked"), "leave b/3 m3 revoked")
	f.gone("m1")
	f.take()
	f.connect("/b/1")
	f.Authenticated("m4", who("u", "t", time.Hour), nil)
	f.expect(t, `authenticate /b/1 m4 "" `, "release 1", `push 4 /b/1 {"message":"the credential was revoked","data":{"code":"revoked"}}`)
	h.revoked["other"] = true
	f.Recheck() // nowhere else: DISCONNECT, so that it does not come back, and then the transport
	f.expect(t, fmt.Sprintf(ended, "/b/2", "revoked"), "leave b/2 m2 revoked")
	f.advance(goodbye - time.Millisecond)
	f.expect(t)
	f.Gone(&wire.Gone{Room: actors.RoomRef{Kind: "b", ID: "2"}, Member: "m2"})
	f.advance(time.Millisecond)
	f.expect(t, "relocate b/2", "close revoked")
}

func TestWhoMayNotEnterIsToldWhy(t *testing.T) {
	grants := func(pattern string, op actors.Op) actors.Identity {
		g, err := actors.NewGrants(actors.Grant{Pattern: pattern, Ops: []actors.Op{op}})
		if err != nil {
			t.Fatal(err)
		}
		return actors.Identity{Subject: "u", Grants: g}
	}
	for name, c := range map[string]struct {
		namespace string
		id        actors.Identity
		want      string
	}{
		"expired":           {ns, who("u", "t", 0), `push 4 /b/1 {"message":"the credential has expired","data":{"code":"token_expired"}}`},
		"may join":          {ns, grants("b/*", actors.OpJoin), "join b/1 m1"},
		"another operation": {ns, grants("b/*", actors.OpPublish), `push 4 /b/1 {"message":"the credential does not allow to enter","data":{"code":"forbidden"}}`},
		"another room":      {ns, grants("b/2", actors.OpJoin), `push 4 /b/1 {"message":"the credential does not allow to enter","data":{"code":"forbidden"}}`},
		"a gateway":         {gateway, grants("/g", actors.OpJoin), "open /g m1"},
		"another gateway":   {gateway, grants("/h", actors.OpJoin), `push 4 /g {"message":"the credential does not allow to enter","data":{"code":"forbidden"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			f := open(authenticates)
			f.connect(c.namespace)
			f.take()
			f.Authenticated("m1", c.id, nil)
			f.expect(t, c.want)
		})
	}
}
