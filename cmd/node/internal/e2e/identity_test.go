package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// briefAuth takes tokens that say user/id/milliseconds.
type briefAuth struct{}

func (briefAuth) Authenticate(_ context.Context, r *actors.AuthRequest) (actors.Identity, error) {
	parts := strings.Split(r.Token, "/")
	if len(parts) != 3 {
		return actors.Identity{}, fmt.Errorf("%d parts", len(parts))
	}
	lasts, err := time.ParseDuration(parts[2] + "ms")
	now := time.Now()
	return actors.Identity{Subject: parts[0], TokenID: parts[1], Issued: now, Expires: now.Add(lasts)}, err
}

// TestStockClientsOutliveTheirCredentials lets credentials of stock clients
// expire, be renewed and be revoked, in a room and in a gateway.
func TestStockClientsOutliveTheirCredentials(t *testing.T) {
	for _, how := range transports {
		t.Run(how, func(t *testing.T) {
			var revoke atomic.Pointer[func(context.Context, string) error] // of the node, which wants the gateway first
			g := actors.NewGateway[struct{}]("/gate", actors.GatewayConfig{
				Match: func(namespace string) bool { return strings.HasPrefix(namespace, "/gate/") },
			})
			type client = actors.Client[struct{}]
			actors.Handle(g, "echo", func(_ context.Context, _ *client, in int) (int, error) { return in, nil })
			actors.Handle(g, "revoke", func(ctx context.Context, _ *client, token string) (string, error) {
				return "done", (*revoke.Load())(ctx, token)
			})
			s := serve(t, node.Config{
				Kinds: []actors.Behavior{labKind(actors.KindConfig{})}, Gateways: []actors.GatewayBehavior{g}, Authenticator: briefAuth{},
			})
			by := func(ctx context.Context, token string) error {
				return s.Node.Revoke(ctx, actors.Revocation{TokenID: token})
			}
			revoke.Store(&by)
			testenv.RunNode(t, "testdata/identity.mjs", s.URL, how)
		})
	}
}
