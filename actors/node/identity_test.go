package node_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
)

// badge is a token of these tests: JSON that says everything.
type badge struct {
	User   string         `json:"user"`
	ID     string         `json:"id"`
	Issued time.Time      `json:"issued"`
	Until  time.Time      `json:"until"`
	Rooms  *actors.Grants `json:"rooms,omitempty"`
}

// auth is the CONNECT payload, and the argument of auth:renew.
func (b badge) auth() string {
	token, err := json.Marshal(b)
	if err != nil {
		panic(err)
	}
	auth, _ := json.Marshal(map[string]string{"token": string(token)})
	return string(auth)
}

type badges struct{}

func (badges) Authenticate(_ context.Context, r *actors.AuthRequest) (actors.Identity, error) {
	var b badge
	if err := json.Unmarshal([]byte(r.Token), &b); err != nil {
		return actors.Identity{}, err
	}
	return actors.Identity{Subject: b.User, TokenID: b.ID, Issued: b.Issued, Expires: b.Until, Grants: b.Rooms}, nil
}

func grants(t *testing.T, list ...actors.Grant) *actors.Grants {
	t.Helper()
	g, err := actors.NewGrants(list...)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// door is a room and a gateway that write down who leaves and why.
type door struct {
	mu   sync.Mutex // guards left
	left []string
}

func (d *door) note(where, user string, why actors.LeaveReason) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left = append(d.left, fmt.Sprintf("%s %s %s", where, user, why))
}

func (d *door) saw(line string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Contains(d.left, line)
}

type hallway struct{ door *door }

func (h *hallway) Left(_ *actors.Turn, m actors.Member, why actors.LeaveReason) {
	h.door.note("room", m.UserID, why)
}

// Say answers with what the member may do.
func (h *hallway) Say(t *actors.Turn, _ struct{}) bool {
	return t.Member().Permit.May(actors.OpModerate)
}

func (d *door) serve(t *testing.T, limits node.Limits) *node.Node {
	t.Helper()
	k := actors.NewKind("hall", func() *hallway { return &hallway{d} }, actors.KindConfig{})
	actors.OnAck(k, "say", func(h *hallway, t *actors.Turn, in struct{}) (bool, error) { return h.Say(t, in), nil })
	actors.OnAny(k, func(_ *hallway, t *actors.Turn, event string, _ actors.Args) (any, error) {
		return []any{event, t.Member().ID, t.Member().UserID, t.Member().Identity.TokenID}, nil
	})
	actors.OnAck(k, "shout", func(h *hallway, t *actors.Turn, in struct{}) (bool, error) { return h.Say(t, in), nil })
	type client = actors.Client[struct{}]
	g := actors.NewGateway[struct{}]("/gate", actors.GatewayConfig{})
	g.OnDisconnect(func(_ context.Context, c *client, why actors.LeaveReason) { d.note("gate", c.Identity().Subject, why) })
	actors.Handle(g, "say", func(_ context.Context, c *client, _ struct{}) (bool, error) {
		return c.Permit().May(actors.OpModerate), nil
	})
	actors.Handle(g, "join", func(ctx context.Context, c *client, room string) (any, error) { return nil, c.Join(ctx, room) })
	g.HandleAny(func(_ context.Context, c *client, event string, _ actors.Args) (any, error) {
		return []any{event, c.ID(), c.Identity().Subject, c.Identity().TokenID}, nil
	})
	return start(t, node.Config{
		Kinds: []actors.Behavior{k}, Gateways: []actors.GatewayBehavior{g}, Authenticator: badges{}, Limits: limits,
	})
}

var bothPlaces = []string{"/hall/1", "/gate"}

func TestRevokedClientsLeaveAtOnceAndStayOut(t *testing.T) {
	for name, r := range map[string]actors.Revocation{
		"a subject": {Subject: "ada"},
		"a token":   {TokenID: "t-ada"},
	} {
		t.Run(name, func(t *testing.T) {
			d := new(door)
			n := d.serve(t, node.Limits{})
			old := badge{User: "ada", ID: "t-ada", Issued: time.Now().Add(-time.Minute)}
			ada, bob := connect(t, n), connect(t, n)
			for _, where := range bothPlaces {
				ada.enter(where, old.auth())
				bob.enter(where, badge{User: "bob", ID: "t-bob"}.auth())
			}
			if err := n.Revoke(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			for _, where := range bothPlaces {
				ada.await(actors.PacketEvent, where, `["auth:ended",{"code":"revoked"}]`)
				ada.await(actors.PacketDisconnect, where, "")
			}
			until(t, "they are told", func() bool { return d.saw("room ada revoked") && d.saw("gate ada revoked") })
			until(t, "the transport closes", func() bool { return ada.reason() == actors.ReasonRevoked })

			again := connect(t, n)
			for _, where := range bothPlaces {
				again.send(actors.PacketConnect, where, old.auth())
				again.await(actors.PacketConnectError, where, `"code":"revoked"`)
			}
			young := badge{User: "ada", ID: "t-2", Issued: time.Now().Add(time.Second)}
			again.enter("/hall/1", young.auth())
			bob.send(actors.PacketEvent, "/hall/1", `["say"]`, 1)
			bob.await(actors.PacketAck, "/hall/1", "")
			if bob.reason() != "" {
				t.Errorf("somebody else was closed: %s", bob.reason())
			}
		})
	}
}

func TestARevocationHasToSayWhatItVoids(t *testing.T) {
	n := new(door).serve(t, node.Limits{})
	for _, r := range []actors.Revocation{
		{}, {Subject: "a", TokenID: "b"}, {TokenID: "a", Before: time.Now()}, {Subject: string(make([]byte, 600))},
	} {
		if err := n.Revoke(t.Context(), r); err == nil {
			t.Errorf("%+v was accepted", r)
		}
	}
}

func TestAnExpiredCredentialEndsOneNamespaceOrTheConnection(t *testing.T) {
	d := new(door)
	n := d.serve(t, node.Limits{})
	p := connect(t, n)
	brief := badge{User: "ada", Until: time.Now().Add(400 * time.Millisecond)}
	p.enter("/hall/1", brief.auth())
	p.enter("/gate", brief.auth())
	p.enter("/hall/2", badge{User: "ada", Until: time.Now().Add(2 * time.Second)}.auth())
	for _, where := range bothPlaces {
		p.await(actors.PacketEvent, where, `"auth:expiring"`)
		p.await(actors.PacketDisconnect, where, "")
		p.await(actors.PacketEvent, where, `["auth:ended",{"code":"token_expired"}]`)
	}
	until(t, "they are told", func() bool { return d.saw("room ada expired") && d.saw("gate ada expired") })
	if p.reason() != "" {
		t.Errorf("the connection was closed although a namespace was left: %s", p.reason())
	}
	until(t, "the last one closes the transport", func() bool { return p.reason() == actors.ReasonExpired })
	if len(p.find(actors.PacketDisconnect, "/hall/2", "")) != 0 {
		t.Error("DISCONNECT keeps a stock client from coming back with a fresh token")
	}
}

func TestARenewedCredentialIsWhatCounts(t *testing.T) {
	n := new(door).serve(t, node.Limits{})
	p := connect(t, n)
	all := []actors.Op{actors.OpJoin, actors.OpCreate, actors.OpPublish, actors.OpModerate}
	small := badge{User: "ada", Until: time.Now().Add(time.Hour), Rooms: grants(t,
		actors.Grant{Pattern: "hall/*", Ops: []actors.Op{actors.OpJoin, actors.OpCreate, actors.OpPublishEvent("say")}},
		actors.Grant{Pattern: "/gate", Ops: []actors.Op{actors.OpJoin, actors.OpPublishEvent("say")}})}
	large := small
	large.Until = small.Until.Add(time.Hour)
	large.Rooms = grants(t, actors.Grant{Pattern: "hall/*", Ops: all}, actors.Grant{Pattern: "/gate", Ops: all})
	for i, where := range bothPlaces {
		id := uint64(10 * i)
		p.enter(where, small.auth())
		p.send(actors.PacketEvent, where, `["say"]`, id+1)
		p.await(actors.PacketAck, where, "[false]")
		p.send(actors.PacketEvent, where, `["auth:renew",`+large.auth()+`]`, id+2)
		p.await(actors.PacketAck, where, fmt.Sprintf(`[{"expires":%d}]`, large.Until.UnixMilli()))
		p.send(actors.PacketEvent, where, `["say"]`, id+3)
		p.await(actors.PacketAck, where, "[true]")
	}
}

func TestEventsAndRoomsThatAreNotGrantedAreForbidden(t *testing.T) {
	n := new(door).serve(t, node.Limits{})
	p := connect(t, n)
	b := badge{User: "ada", Rooms: grants(t,
		actors.Grant{Pattern: "hall/*", Ops: []actors.Op{actors.OpJoin, actors.OpCreate, actors.OpPublishEvent("say")}},
		actors.Grant{Pattern: "/gate", Ops: []actors.Op{actors.OpJoin, actors.OpPublishEvent("join")}},
		actors.Grant{Pattern: "/gate,open-*", Ops: []actors.Op{actors.OpJoin}})}
	const forbidden = `[{"error":{"code":"forbidden"`
	for _, where := range bothPlaces {
		p.enter(where, b.auth())
	}
	p.send(actors.PacketEvent, "/hall/1", `["shout"]`, 1)
	p.await(actors.PacketAck, "/hall/1", forbidden)
	p.send(actors.PacketEvent, "/hall/1", `["shout"]`)
	p.await(actors.PacketEvent, "/hall/1", `["exception",{"status":"error","code":"forbidden"`)
	p.send(actors.PacketEvent, "/gate", `["say"]`, 2)
	p.await(actors.PacketAck, "/gate", forbidden)
	p.send(actors.PacketEvent, "/gate", `["join","closed"]`, 3)
	until(t, "the other room is forbidden", func() bool { return len(p.find(actors.PacketAck, "/gate", forbidden)) == 2 })
	p.send(actors.PacketEvent, "/gate", `["join","open-1"]`, 4)
	p.await(actors.PacketAck, "/gate", "[]")
}

func TestAGatewaysSessionIsGivenBackToItsSubjectOnly(t *testing.T) {
	g := actors.NewGateway[struct{}]("/gate", actors.GatewayConfig{RecoverWithin: time.Minute})
	n := start(t, node.Config{Gateways: []actors.GatewayBehavior{g}, Authenticator: badges{}})
	var session struct{ SID, PID string }
	first := connect(t, n)
	first.enter("/gate", badge{User: "ada"}.auth())
	if err := json.Unmarshal(first.await(actors.PacketConnect, "/gate", "pid").Data, &session); err != nil {
		t.Fatal(err)
	}
	first.Close(actors.ReasonTransportClosed)
	for _, c := range []struct {
		user string
		back bool
	}{{"eve", false}, {"", false}, {"ada", true}} {
		auth := badge{User: c.user}.auth()
		sid := connect(t, n).enter("/gate", fmt.Sprintf(`%s,"pid":%q}`, auth[:len(auth)-1], session.PID))
		if (sid == session.SID) != c.back {
			t.Errorf("%q was given the session: %v", c.user, sid == session.SID)
		}
	}
}

// Who sent an event, and under which id, is what the runtime says: no payload,
// metadata or CONNECT payload takes its place.
func TestNothingAClientSendsSaysWhoItIs(t *testing.T) {
	n := new(door).serve(t, node.Limits{})
	p := connect(t, n)
	auth := badge{User: "eve", ID: "t-eve"}.auth()
	forged := auth[:len(auth)-1] + `,"user":"root","sub":"root","sid":"x","id":"x","identity":{"Subject":"root"}}`
	for i, where := range bothPlaces {
		sid := p.enter(where, forged)
		for j, args := range []string{
			`{"from":"x","user":"root","at":1,"seq":1}`,
			`1,{"from":"x","user":"root","at":1,"seq":1}`,
			`1,{"$parlor":{"cid":"1","user":"root","subject":"root"}}`,
		} {
			id := uint64(10*i + j)
			p.send(actors.PacketEvent, where, `["who",`+args+`]`, id)
			until(t, "it is answered", func() bool { return len(p.find(actors.PacketAck, where, "")) == j+1 })
			if got, want := string(p.find(actors.PacketAck, where, "")[j].Data), fmt.Sprintf(`[["who",%q,"eve","t-eve"]]`, sid); got != want {
				t.Errorf("%s: %s is answered %s, want %s", where, args, got, want)
			}
		}
	}
}
