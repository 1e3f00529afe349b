package node_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
)

// TestWhatLimitsRefuseIsToldAndCounted meets each limit once.
func TestWhatLimitsRefuseIsToldAndCounted(t *testing.T) {
	refused := func(p *peer, namespace string, code actors.Code) {
		p.await(actors.PacketConnectError, namespace, `"code":"`+string(code)+`"`)
	}
	closed := func(why actors.LeaveReason) func(*testing.T, *node.Node, *peer) {
		return func(t *testing.T, _ *node.Node, p *peer) {
			until(t, "the transport is closed", func() bool { return p.reason() == why })
		}
	}
	flood := func(p *peer) {
		p.enter("/hall/1", badge{User: "u"}.auth())
		for i := range uint64(10) {
			p.send(actors.PacketEvent, "/hall/1", `["say"]`, i)
		}
	}
	slow := node.Rate{PerSecond: 0.001, Burst: 2}
	for name, c := range map[string]struct {
		limits node.Limits
		do     func(*testing.T, *node.Node, *peer)
	}{
		"events": {node.Limits{Messages: slow}, func(_ *testing.T, _ *node.Node, p *peer) {
			flood(p)
			p.await(actors.PacketAck, "/hall/1", `"code":"rate_limited"`)
		}},
		"excess": {node.Limits{Messages: slow, Excess: slow}, func(t *testing.T, n *node.Node, p *peer) {
			flood(p)
			closed(actors.ReasonRateLimited)(t, n, p)
		}},
		"joins": {node.Limits{Joins: slow}, func(_ *testing.T, _ *node.Node, p *peer) {
			for i := range 3 {
				p.send(actors.PacketConnect, fmt.Sprint("/hall/", i), badge{User: "u"}.auth())
			}
			refused(p, "/hall/2", actors.CodeRateLimited)
		}},
		"node_joins": {node.Limits{NodeJoins: slow}, func(t *testing.T, n *node.Node, p *peer) {
			p.enter("/hall/1", badge{User: "u"}.auth())
			p.enter("/hall/2", badge{User: "u"}.auth())
			p.send(actors.PacketConnect, "/hall/3", badge{User: "u"}.auth())
			refused(p, "/hall/3", actors.CodeOverloaded)
			q := connect(t, n)
			q.send(actors.PacketConnect, "/hall/1", badge{User: "u"}.auth())
			closed(actors.ReasonOverloaded)(t, n, q)
		}},
		"user_connections": {node.Limits{UserConnections: 1}, func(t *testing.T, n *node.Node, p *peer) {
			p.enter("/hall/1", badge{User: "u"}.auth())
			q := connect(t, n)
			q.send(actors.PacketConnect, "/hall/1", badge{User: "u"}.auth())
			refused(q, "/hall/1", actors.CodeTooLarge)
			p.Close(actors.ReasonTransportClosed)
			until(t, "there is place again", func() bool { return n.Stats().Connections == 1 })
			q.enter("/gate", badge{User: "u"}.auth())
		}},
		"user_creations": {node.Limits{UserCreations: slow}, func(t *testing.T, n *node.Node, p *peer) {
			for i := range 2 {
				p.enter(fmt.Sprint("/hall/", i), badge{User: "u"}.auth())
			}
			p.send(actors.PacketConnect, "/hall/2", badge{User: "u"}.auth())
			refused(p, "/hall/2", actors.CodeRateLimited)
			connect(t, n).enter("/hall/1", badge{User: "u"}.auth()) // is there
			connect(t, n).enter("/hall/2", badge{User: "v"}.auth())
		}},
		"creations": {node.Limits{Creations: slow}, func(t *testing.T, n *node.Node, p *peer) {
			for i := range 2 {
				connect(t, n).enter(fmt.Sprint("/hall/", i), badge{User: fmt.Sprint(i)}.auth())
			}
			p.send(actors.PacketConnect, "/hall/2", badge{User: "u"}.auth())
			refused(p, "/hall/2", actors.CodeOverloaded)
		}},
		"bad_credentials": {node.Limits{BadCredentials: slow}, func(t *testing.T, n *node.Node, p *peer) {
			for range 2 {
				q := connect(t, n)
				q.send(actors.PacketConnect, "/hall/1", `{"token":"?"}`)
				refused(q, "/hall/1", actors.CodeUnauthorized)
			}
			p.send(actors.PacketConnect, "/hall/1", badge{User: "u"}.auth())
			refused(p, "/hall/1", actors.CodeRateLimited)
			connectFrom(t, n, "192.0.2.7").enter("/hall/1", badge{User: "u"}.auth())
		}},
		"outside": {node.Limits{OutsideFor: 20 * time.Millisecond}, closed(actors.ReasonConnectTimeout)},
	} {
		t.Run(name, func(t *testing.T) {
			n := new(door).serve(t, c.limits)
			c.do(t, n, connect(t, n))
			if n.Stats().Limited[node.Limited(name)] == 0 {
				t.Errorf("counted %v", n.Stats().Limited)
			}
		})
	}
}

func TestNoLimitsLimitsNothing(t *testing.T) {
	n := new(door).serve(t, node.NoLimits())
	p := connect(t, n)
	for i := range 40 {
		connect(t, n).enter("/hall/1", badge{User: "u"}.auth())
		p.enter(fmt.Sprint("/hall/", i), badge{User: "u"}.auth())
	}
	for i := range uint64(1000) {
		p.send(actors.PacketEvent, "/hall/1", `["say"]`, i)
	}
	until(t, "everything is answered", func() bool { return len(p.find(actors.PacketAck, "/hall/1", "[true]")) == 1000 })
}

func TestALimitThatIsNoneIsRefused(t *testing.T) {
	for _, l := range []node.Limits{{Messages: node.Rate{Burst: 5}}, {Joins: node.Rate{PerSecond: 1, Burst: -1}}} {
		if _, err := node.New(node.Config{Limits: l}); err == nil {
			t.Errorf("%+v was accepted", l)
		}
	}
}
