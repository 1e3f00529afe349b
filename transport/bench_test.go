package transport

import (
	"bufio"
	"io"
	"net"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// BenchmarkEcho is one event there and back over a WebSocket.
func BenchmarkEcho(b *testing.B) {
	s := serve(b, Config{})
	s.gate.receive(func(c *echoConn, p *actors.Packet) bool {
		if p.Type == actors.PacketEvent {
			c.send(p)
		}
		return p.Type == actors.PacketEvent
	})
	ws, _ := s.enterWebSocket()
	const text = `42/board/q3,["cursor",{"x":1,"y":2}]`
	frame := maskedFrame(0x81, []byte(text))
	back := make([]byte, 2+len(text))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ws.conn.Write(frame); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(ws.r, back); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBroadcast is one packet for a hundred sockets, encoded once; an
// iteration is one delivery. The clients' ends are read by as many goroutines of
// the same process.
func BenchmarkBroadcast(b *testing.B) {
	const members = 100
	s := serve(b, Config{})
	for range members {
		ws, _ := s.enterWebSocket()
		go func() { _, _ = io.Copy(io.Discard, ws.conn) }() // ends with the connection
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if n%members != 0 {
			continue
		}
		p := packet(`["cursor",{"x":1,"y":2}]`)
		for _, c := range s.gate.conns {
			if err := c.socket.Push(p); err != nil {
				b.Fatal(err)
			}
			c.socket.Flush()
		}
	}
}

// BenchmarkIdleSocket reports what an idle WebSocket that has joined a namespace
// costs, in heap and stack, with the client's end of the TCP connection.
func BenchmarkIdleSocket(b *testing.B) {
	const sockets = 1000
	for b.Loop() {
		h, err := New(bareGate{}, Config{CloseTimeout: time.Millisecond})
		if err != nil {
			b.Fatal(err)
		}
		web := httptest.NewServer(h)
		s := &server{t: b, handler: h, dial: func() (net.Conn, error) { return net.Dial("tcp", web.Listener.Addr().String()) }}
		before := memory()
		for range sockets {
			joinBare(b, s)
		}
		b.ReportMetric(float64(memory()-before)/sockets, "B/socket")
		s.close()
		web.Close()
	}
}

// bareGate is a runtime that keeps next to nothing.
type bareGate struct{}

type bareConn struct{ socket actors.Socket }

func (bareGate) Accept(s actors.Socket, _ *actors.Handshake) (actors.Connection, error) {
	return bareConn{s}, nil
}

func (c bareConn) Receive(p *actors.Packet) {
	_ = c.socket.Push(&actors.Packet{Type: actors.PacketConnect, Namespace: p.Namespace, Data: []byte(`{"sid":"x"}`)})
	c.socket.Flush()
}

func (bareConn) Closed(actors.LeaveReason) {}

// joinBare opens a WebSocket and joins a namespace, and keeps nothing but the
// connection.
func joinBare(b *testing.B, s *server) {
	conn := s.sendBytes("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n" +
		"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n")
	if _, err := conn.Write(maskedFrame(0x81, []byte("40/board/q3,"))); err != nil {
		b.Fatal(err)
	}
	waitFor(b, conn, `40/board/q3,{"sid":"x"}`)
}

// waitFor reads until text has come.
func waitFor(b *testing.B, conn net.Conn, text string) {
	r := bufio.NewReader(conn)
	for seen := ""; len(seen) < len(text) || seen[len(seen)-len(text):] != text; {
		c, err := r.ReadByte()
		if err != nil {
			b.Fatal(err)
		}
		seen += string(rune(c))
	}
}

// memory is what is in use after a collection.
func memory() int64 {
	for range 3 {
		debug.FreeOSMemory()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
