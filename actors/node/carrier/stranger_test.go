package carrier

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// TestAStrangerOnTheNodePortCanDoNothing comes with bytes at random, with
// valid gRPC without a certificate and with one of another authority, and, as a
// peer that has gone bad, with everything that brings an unguarded remote down.
func TestAStrangerOnTheNodePortCanDoNothing(t *testing.T) {
	theirs := t.TempDir()
	authority("theirs").issue(theirs)
	p := startPeer(t, ours)
	p.alive(t)

	t.Run("bytes at random", func(t *testing.T) {
		for range 50 {
			conn, err := net.Dial("tcp", p.at.Address)
			if err != nil {
				t.Fatal(err)
			}
			garbage := make([]byte, 4096)
			rand.Read(garbage)
			_, _ = conn.Write(garbage)
			_ = conn.Close()
		}
		p.alive(t)
	})

	other := load(ours)
	other.Certificates = load(theirs).Certificates
	none := load(ours)
	none.Certificates = nil
	for name, creds := range map[string]credentials.TransportCredentials{
		"plaintext": insecure.NewCredentials(), "no certificate": credentials.NewTLS(none), "another authority's": credentials.NewTLS(other),
	} {
		t.Run(name, func(t *testing.T) {
			conn, ctx := call(t, p, creds)
			_, err := remote.NewRemotingClient(conn).ListProcesses(ctx, &remote.ListProcessesRequest{})
			if status.Code(err) != codes.Unavailable {
				t.Errorf("a call ends with %v", err)
			}
			p.alive(t)
		})
	}

	good := credentials.NewTLS(load(ours))
	t.Run("calls", func(t *testing.T) {
		conn, ctx := call(t, p, good)
		client := remote.NewRemotingClient(conn)
		if _, err := client.ListProcesses(ctx, &remote.ListProcessesRequest{}); status.Code(err) != codes.PermissionDenied {
			t.Errorf("ListProcesses ends with %v", err)
		}
		if _, err := client.GetProcessDiagnostics(ctx, &remote.GetProcessDiagnosticsRequest{}); status.Code(err) != codes.PermissionDenied {
			t.Errorf("GetProcessDiagnostics ends with %v", err)
		}
		p.alive(t)
	})

	stop, err := proto.Marshal(&actor.PoisonPill{})
	if err != nil {
		t.Fatal(err)
	}
	for name, batch := range map[string]*remote.MessageBatch{
		"a target out of range":    {TypeNames: []string{bytesValue}, Targets: []string{links}, Envelopes: []*remote.MessageEnvelope{{Target: 7}}},
		"a type out of range":      {TypeNames: []string{bytesValue}, Targets: []string{links}, Envelopes: []*remote.MessageEnvelope{{TypeId: -1}}},
		"a sender out of range":    {TypeNames: []string{bytesValue}, Targets: []string{links}, Envelopes: []*remote.MessageEnvelope{{Sender: 9}}},
		"poison for the links":     {TypeNames: []string{"actor.PoisonPill"}, Targets: []string{links}, Envelopes: []*remote.MessageEnvelope{{MessageData: stop}}},
		"a stop for the activator": {TypeNames: []string{"actor.Stop"}, Targets: []string{"activator"}, Envelopes: []*remote.MessageEnvelope{{}}},
		"another serializer":       {TypeNames: []string{bytesValue}, Targets: []string{links}, Envelopes: []*remote.MessageEnvelope{{SerializerId: 5}}},
		"another actor":            {TypeNames: []string{bytesValue}, Targets: []string{"eventstream"}, Envelopes: []*remote.MessageEnvelope{{}}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := send(t, p, good, &remote.RemoteMessage{MessageType: &remote.RemoteMessage_MessageBatch{MessageBatch: batch}}); status.Code(err) != codes.InvalidArgument {
				t.Errorf("the stream ends with %v", err)
			}
			p.alive(t)
		})
	}
	t.Run("nothing at all", func(t *testing.T) {
		if err := send(t, p, good, &remote.RemoteMessage{}); status.Code(err) != codes.InvalidArgument {
			t.Errorf("the stream ends with %v", err)
		}
	})
	t.Run("a client", func(t *testing.T) {
		connect := &remote.ConnectRequest{ConnectionType: &remote.ConnectRequest_ClientConnection{ClientConnection: &remote.ClientConnection{}}}
		if err := send(t, p, good, &remote.RemoteMessage{MessageType: &remote.RemoteMessage_ConnectRequest{ConnectRequest: connect}}); status.Code(err) != codes.InvalidArgument {
			t.Errorf("the stream ends with %v", err)
		}
	})
	t.Run("TLS 1.2", func(t *testing.T) {
		old := load(ours)
		old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
		conn, err := tls.Dial("tcp", p.at.Address, old)
		if err == nil {
			_ = conn.Close()
			t.Error("it is taken")
		}
	})
	p.alive(t)
	p.stop(t)
}

func call(t *testing.T, p *peer, creds credentials.TransportCredentials) (*grpc.ClientConn, context.Context) {
	t.Helper()
	conn, err := grpc.NewClient(p.at.Address, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	t.Cleanup(cancel)
	return conn, ctx
}

// send sends one message on a stream of its own and returns how that ends.
func send(t *testing.T, p *peer, creds credentials.TransportCredentials, m *remote.RemoteMessage) error {
	t.Helper()
	conn, ctx := call(t, p, creds)
	stream, err := remote.NewRemotingClient(conn).Receive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(m); err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	return err
}
