package e2e

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/transport/transporttest"
)

// TestNoEventIsHandledBeforeTheConnectHookHasEnded sends events right behind
// the CONNECT, as no stock client does, while the hook is held.
func TestNoEventIsHandledBeforeTheConnectHookHasEnded(t *testing.T) {
	for name, tt := range map[string]struct {
		hook error
		want []string
	}{
		"let in":  {nil, []string{"hook", "hook ends", "first", "second", "gone"}},
		"refused": {errors.New("no"), []string{"hook", "hook ends"}},
	} {
		t.Run(name, func(t *testing.T) {
			type client = actors.Client[struct{}]
			var mu sync.Mutex
			var log []string
			note := func(what string) {
				mu.Lock()
				defer mu.Unlock()
				log = append(log, what)
			}
			hold := make(chan struct{})
			g := actors.NewGateway[struct{}]("/held", actors.GatewayConfig{})
			g.OnConnect(func(context.Context, *client) error {
				note("hook")
				<-hold
				note("hook ends")
				return tt.hook
			})
			g.OnDisconnect(func(context.Context, *client, actors.LeaveReason) { note("gone") })
			g.HandleAny(func(_ context.Context, _ *client, event string, _ actors.Args) (any, error) {
				note(event)
				return nil, nil
			})
			s := serve(t, node.Config{Gateways: []actors.GatewayBehavior{g}})
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			c, err := transporttest.Dial(ctx, s.URL, transporttest.Options{Skip: func([]byte) bool { return true }})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Abort()
			for _, packet := range []string{`40/held,`, `42/held,["first"]`, `42/held,["second"]`, `41/held,`} {
				if err := c.WriteText(packet); err != nil {
					t.Fatal(err)
				}
			}
			untilTrue(t, "the hook runs", func() bool { mu.Lock(); defer mu.Unlock(); return len(log) > 0 })
			if n := s.Node.Stats().Clients; n != 1 {
				t.Errorf("%d clients", n)
			}
			close(hold)
			untilTrue(t, "the end", func() bool { return s.Node.Stats().Clients == 0 })
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(log, tt.want) {
				t.Errorf("ran %q, want %q", log, tt.want)
			}
		})
	}
}

// TestPanickingHooksAreContained panics in each hook: the client is refused,
// or gone all the same, and the node goes on.
func TestPanickingHooksAreContained(t *testing.T) {
	type client = actors.Client[struct{}]
	g := actors.NewGateway[struct{}]("/panic", actors.GatewayConfig{})
	g.OnConnect(func(ctx context.Context, c *client) error {
		if c.Auth() != nil {
			panic("connect")
		}
		return c.Join(ctx, "x")
	})
	g.OnDisconnect(func(context.Context, *client, actors.LeaveReason) { panic("disconnect") })
	s := serve(t, node.Config{Gateways: []actors.GatewayBehavior{g}})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := transporttest.Dial(ctx, s.URL, transporttest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Abort()
	var refused *transporttest.ConnectError
	if _, err := c.Connect(ctx, "/panic", map[string]int{"a": 1}); !errors.As(err, &refused) || refused.Code() != "internal" {
		t.Errorf("Connect = %v", err)
	}
	ns, err := c.Connect(ctx, "/panic", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := ns.Disconnect(); err != nil {
		t.Fatal(err)
	}
	untilTrue(t, "the end", func() bool { return s.Node.Stats().Clients == 0 })
	untilTrue(t, "an empty room", func() bool {
		members, err := g.To("x").Members(ctx)
		return err == nil && len(members) == 0
	})
}
