package transport

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// scripted answers the events of testdata/js that an echo is not enough for.
func scripted(c *echoConn, p *actors.Packet) bool {
	var args []json.RawMessage
	if p.Data != nil {
		_ = json.Unmarshal(p.Data, &args) // only arrays matter
	}
	switch {
	case p.Type == actors.PacketAck:
		c.send(&actors.Packet{
			Type: actors.PacketEvent, Namespace: p.Namespace,
			Data: append([]byte(`["answered",`), p.Data[1:]...), Attachments: p.Attachments,
		})
	case p.Type != actors.PacketEvent:
		return false
	case string(args[0]) == `"mute"`:
	case string(args[0]) == `"asked"`:
		c.send(&actors.Packet{
			Type: actors.PacketEvent, Namespace: p.Namespace, ID: 3, HasID: true,
			Data: []byte(`["question",` + string(args[1]) + `]`),
		})
	case string(args[0]) == `"kick"`:
		c.send(&actors.Packet{Type: actors.PacketDisconnect, Namespace: p.Namespace})
	default:
		return false
	}
	return true
}

func TestStockJavaScriptClientTalksEveryWay(t *testing.T) {
	for _, how := range []string{"websocket", "polling", "upgrade"} {
		for _, parser := range []string{"json", "msgpack"} {
			t.Run(how+" "+parser, func(t *testing.T) {
				s := serve(t, Config{})
				s.gate.receive(scripted)
				testenv.RunNode(t, "testdata/js/talk.mjs", s.base, how, parser)
				if n := s.handler.Stats(); n.Closed[actors.ReasonProtocolError] != 0 {
					t.Errorf("the client was told that it broke the protocol: %+v", n)
				}
			})
		}
	}
}

func TestStockJavaScriptClientOutlivesItsServer(t *testing.T) {
	for _, how := range []string{"websocket", "polling", "upgrade"} {
		t.Run(how, func(t *testing.T) {
			restart := make(chan struct{}, 1)
			gate := &echoGate{received: func(_ *echoConn, p *actors.Packet) bool {
				if string(p.Data) != `["restart"]` {
					return false
				}
				restart <- struct{}{}
				return true
			}}
			address, stop := serveAt(t, gate, "127.0.0.1:0")
			wait := testenv.StartNode(t, "testdata/js/restart.mjs", "http://"+address, how)
			select {
			case <-restart:
			case <-time.After(patience):
				t.Fatal("the client did not ask for a restart")
			}
			stop()
			_, stop = serveAt(t, gate, address)
			defer stop()
			if err := wait(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// serveAt starts a whole server, handler and listener, and stops it in the
// order that the package comment gives.
func serveAt(t *testing.T, gate actors.Gate, address string) (at string, stop func()) {
	t.Helper()
	h, err := New(gate, Config{CloseTimeout: 100 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: h.Mount(nil)}
	served := make(chan struct{})
	go func() { // waited for by stop
		defer close(served)
		_ = web.Serve(listener) // ends with Shutdown
	}()
	return listener.Addr().String(), func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := h.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := web.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		<-served
	}
}
