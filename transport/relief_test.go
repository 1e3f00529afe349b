package transport

import (
	"errors"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
)

func TestReliefRefusesAndSheds(t *testing.T) {
	s := serve(t, Config{})
	undisturbed := s.bystander()
	p := s.enter()
	volatile := packet(`["v"]`)
	volatile.Class = actors.Volatile

	s.handler.Relieve(ReliefRefuse)
	if r := s.must("GET", s.url("transport=polling"), ""); r.status != 503 || r.header.Get("Retry-After") == "" {
		t.Errorf("a handshake answered %d", r.status)
	}
	if _, status, _ := s.tryWebSocket("transport=websocket"); status != 503 {
		t.Errorf("a WebSocket answered %d", status)
	}
	if err := p.conn.socket.Push(volatile); err != nil {
		t.Errorf("volatile: %v", err)
	}
	p.wantPost(`42["a"]`, 200)
	p.wantGet(200, "42[\"v\"]\x1e42[\"a\"]")

	s.handler.Relieve(ReliefShed)
	if err := p.conn.socket.Push(volatile); !errors.Is(err, actors.ErrDropped) {
		t.Errorf("volatile: %v", err)
	}
	p.wantPost(`42["b"]`, 200)
	p.wantGet(200, `42["b"]`)
	undisturbed()

	s.handler.Relieve(ReliefNone)
	s.poll()
	if n := s.handler.Stats(); n.Refused[RefusedMemory] != 2 || n.Dropped[DroppedMemory] != 1 {
		t.Errorf("counted %+v", n)
	}
}

func TestTheSlowestAreThoseForWhomTheMostWaits(t *testing.T) {
	s := serve(t, Config{})
	undisturbed := s.bystander()
	ws, stopped := s.enterWebSocket()
	big := packet(`["a","` + strings.Repeat("x", 50_000) + `"]`)
	stopped.clog(t, big)
	most := s.enter()
	for range 20 {
		most.conn.push(t, string(big.Data))
	}
	least := s.enter()
	least.conn.push(t, `["a"]`)

	if n := s.handler.CloseSlowest(1); n != 1 {
		t.Errorf("closed %d", n)
	}
	most.conn.wantClosed(t, actors.ReasonTooSlow)
	if !stopped.isOpen() || !least.conn.isOpen() {
		t.Error("another one is closed")
	}
	if n := s.handler.CloseSlowest(100); n != 2 {
		t.Errorf("closed %d, want those for whom something waits", n)
	}
	stopped.wantClosed(t, actors.ReasonTooSlow)
	least.conn.wantClosed(t, actors.ReasonTooSlow)
	ws.conn.Close()
	undisturbed()
	if n := s.handler.Stats().Closed[actors.ReasonTooSlow]; n != 3 {
		t.Errorf("counted %d", n)
	}
}
