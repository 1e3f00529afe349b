package carrier

import (
	"context"
	"net"

	"google.golang.org/grpc/credentials"

	"github.com/parlor-rooms/parlor/actors/rawio"
)

// prompt are credentials whose connections are read and written by rawio. gRPC
// has no other place where both ends of a remote let their connections be
// changed. A node that sends every few milliseconds would otherwise keep the
// runtime's monitor awake.
type prompt struct {
	credentials.TransportCredentials
}

// ClientHandshake implements credentials.TransportCredentials.
func (p prompt) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return p.TransportCredentials.ClientHandshake(ctx, authority, rawio.New(conn))
}

// ServerHandshake implements credentials.TransportCredentials.
func (p prompt) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return p.TransportCredentials.ServerHandshake(rawio.New(conn))
}

// Clone implements credentials.TransportCredentials.
func (p prompt) Clone() credentials.TransportCredentials {
	return prompt{p.TransportCredentials.Clone()}
}
