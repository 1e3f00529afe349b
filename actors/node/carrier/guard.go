package carrier

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// guard stands between gRPC and the remote, which trusts whoever reaches it: it
// would hand any message to any actor, stop actors, and panic at an index that
// is out of range or a call it does not know.
type guard struct{ log *slog.Logger }

// bytesValue is the only type of message that is let in.
const bytesValue = "google.protobuf.BytesValue"

// stream lets streams of the remote in, message by message, and keeps a panic
// to the stream it came from.
func (g *guard) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
	defer func() {
		if v := recover(); v != nil {
			g.log.Error("a node link failed", "panic", fmt.Sprint(v))
			err = status.Error(codes.Internal, "the stream failed")
		}
	}()
	return handle(srv, &guardedStream{ss, g})
}

// unary lets nothing in.
func (g *guard) unary(_ context.Context, _ any, info *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
	g.log.Warn("a call on the node listener was refused", "method", info.FullMethod)
	return nil, status.Error(codes.PermissionDenied, "nothing is called here")
}

type guardedStream struct {
	grpc.ServerStream
	guard *guard
}

// RecvMsg implements grpc.ServerStream.
func (s *guardedStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	if err := check(m); err != nil {
		s.guard.log.Warn("a message on the node listener was refused", "err", err)
		return status.Error(codes.InvalidArgument, err.Error())
	}
	return nil
}

// check returns what is wrong with a message that comes in.
func check(m any) error {
	msg, ok := m.(*remote.RemoteMessage)
	if !ok {
		return fmt.Errorf("a %T", m)
	}
	switch t := msg.MessageType.(type) {
	case *remote.RemoteMessage_ConnectRequest:
		if t.ConnectRequest.GetServerConnection() == nil {
			return fmt.Errorf("a client, not a node")
		}
		return nil
	case *remote.RemoteMessage_MessageBatch:
		return checkBatch(t.MessageBatch)
	}
	return fmt.Errorf("a %T", msg.MessageType)
}

func checkBatch(b *remote.MessageBatch) error {
	for _, name := range b.GetTypeNames() {
		if name != bytesValue {
			return fmt.Errorf("a message of type %.64q", name)
		}
	}
	for _, target := range b.GetTargets() {
		if target != links {
			return fmt.Errorf("a message for %.64q", target)
		}
	}
	for _, e := range b.GetEnvelopes() {
		switch {
		case e == nil:
			return fmt.Errorf("an empty envelope")
		case e.Target < 0 || int(e.Target) >= len(b.Targets), e.TypeId < 0 || int(e.TypeId) >= len(b.TypeNames):
			return fmt.Errorf("an index out of range")
		case e.Sender != 0, e.SenderRequestId != 0, e.TargetRequestId != 0, e.SerializerId != 0, e.MessageHeader != nil:
			return fmt.Errorf("an envelope that links do not send")
		}
	}
	return nil
}
