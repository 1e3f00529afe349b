package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/transport/transporttest"
)

// TestWhoHasGoneEntersNoRoom keeps a client beyond its end and lets it join.
func TestWhoHasGoneEntersNoRoom(t *testing.T) {
	type client = actors.Client[struct{}]
	g := actors.NewGateway[struct{}]("/end", actors.GatewayConfig{})
	came, went := make(chan *client, 1), make(chan []string, 1)
	g.OnConnect(func(ctx context.Context, c *client) error {
		came <- c
		return c.Join(ctx, "before")
	})
	g.OnDisconnect(func(ctx context.Context, c *client, _ actors.LeaveReason) {
		if err := c.Join(ctx, "last"); err != nil { // it may, and is taken out again
			t.Error(err)
		}
		went <- c.Rooms()[1:]
	})
	s := serve(t, node.Config{Gateways: []actors.GatewayBehavior{g}})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := transporttest.Dial(ctx, s.URL, transporttest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Abort()
	ns, err := c.Connect(ctx, "/end", nil)
	if err != nil {
		t.Fatal(err)
	}
	kept := <-came
	if err := ns.Disconnect(); err != nil {
		t.Fatal(err)
	}
	if rooms := <-went; len(rooms) != 2 {
		t.Errorf("in the hook it was in %v", rooms)
	}
	untilTrue(t, "the end of the client", func() bool { return s.Node.Stats().Clients == 0 })
	if err := kept.Join(ctx, "after"); actors.AsError(err) == nil || actors.AsError(err).Code != actors.CodeNotFound {
		t.Errorf("Join = %v", err)
	}
	for _, room := range []string{"before", "last", "after"} {
		untilTrue(t, "nobody in "+room, func() bool {
			members, err := g.To(room).Members(ctx)
			return err == nil && len(members) == 0
		})
	}
	if kept.Context().Err() == nil {
		t.Error("its context goes on")
	}
	if _, err := kept.Ask(ctx, time.Second, "x"); actors.AsError(err).Code != actors.CodeNotFound {
		t.Errorf("Ask = %v", err)
	}
}
