//go:build !race

// The race detector allocates on its own account.

package transport

import (
	"io"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
)

// Of the four, one is the bytes of the packet, which the runtime keeps, two are
// the packet in the codec's words and in the runtime's, and one is gorilla's
// reader of the message.
func TestInboundEventAllocatesAtMostFourTimes(t *testing.T) {
	s := serve(t, Config{})
	received := make(chan struct{}, 1)
	s.gate.receive(func(_ *echoConn, p *actors.Packet) bool {
		if p.Type == actors.PacketEvent {
			received <- struct{}{}
		}
		return p.Type == actors.PacketEvent
	})
	ws, _ := s.enterWebSocket()
	frame := maskedFrame(0x81, []byte(`42/board/q3,["cursor",{"x":1,"y":2}]`))
	allocs := testing.AllocsPerRun(1000, func() {
		if _, err := ws.conn.Write(frame); err != nil {
			t.Fatal(err)
		}
		<-received
	})
	if allocs > 4 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestBroadcastAllocatesNothingPerSocket(t *testing.T) {
	s := serve(t, Config{})
	ws, conn := s.enterWebSocket()
	p := packet(`["cursor",{"x":1,"y":2}]`)
	conn.send(p)
	_, text := ws.read()
	frame := make([]byte, 2+len(text))
	allocs := testing.AllocsPerRun(1000, func() {
		if err := conn.socket.Push(p); err != nil {
			t.Fatal(err)
		}
		conn.socket.Flush()
		if _, err := io.ReadFull(ws.r, frame); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}
