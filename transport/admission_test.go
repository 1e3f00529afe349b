package transport

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestHandshakesBeyondTheConnectRateAreTurnedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := serveInMemory(t, Config{ConnectRate: 10})
		defer end()
		connect := func() int { return s.must("GET", s.url("transport=polling"), "").status }
		for i := range 20 {
			if status := connect(); status != 200 {
				t.Fatalf("handshake %d of a node that has rested answered %d", i, status)
			}
		}
		r := s.must("GET", s.url("transport=polling"), "")
		if r.status != 503 || r.header.Get("Retry-After") != "1" || r.body != `{"code":4,"message":"too many connect at this moment, try again"}` {
			t.Errorf("one more answered %d %v %s", r.status, r.header, r.body)
		}
		if _, status, _ := s.tryWebSocket("transport=websocket"); status != 503 {
			t.Errorf("a WebSocket more answered %d", status)
		}
		pass(100 * time.Millisecond)
		if a, b := connect(), connect(); a != 200 || b != 503 {
			t.Errorf("a tenth of a second later: %d and %d, want one more", a, b)
		}
		pass(time.Hour)
		for i := range 20 {
			if status := connect(); status != 200 {
				t.Fatalf("handshake %d after an hour answered %d", i, status)
			}
		}
		if n := s.handler.Stats().Refused[RefusedRate]; n != 3 || connect() != 503 {
			t.Errorf("counted %d", n)
		}
	})
}

func TestAnAddressHasItsShareOfTheSessions(t *testing.T) {
	s := serve(t, Config{MaxPerAddress: 2, TrustedProxies: []string{"127.0.0.0/8"}})
	from := func(address string) (reply, *pollingSession) {
		r := s.must("GET", s.url("transport=polling"), "", XForwardedFor, address)
		if r.status != 200 {
			return r, nil
		}
		return r, &pollingSession{s, s.gate.last(t).socket.SID(), s.gate.last(t)}
	}
	_, first := from("203.0.113.5")
	from("203.0.113.5")
	r, _ := from("203.0.113.5")
	if r.status != 429 || r.header.Get("Retry-After") != "1" || r.body != `{"code":4,"message":"too many connections from this address"}` {
		t.Errorf("the third of an address answered %d %v %s", r.status, r.header, r.body)
	}
	if _, status, _ := s.tryWebSocket("transport=websocket", XForwardedFor, "203.0.113.5"); status != 429 {
		t.Errorf("its WebSocket answered %d", status)
	}
	if r, other := from("203.0.113.6"); other == nil || other.conn.handshake.Address != "203.0.113.6" {
		t.Errorf("another address answered %d", r.status)
	}
	first.wantPost("1", 200)
	first.wantGet(200, "6") // until then the session is there
	if r, again := from("203.0.113.5"); again == nil {
		t.Errorf("after one has left: %d", r.status)
	}
	for i := range 2 {
		from(fmt.Sprintf("2001:db8:1:2::%d", i))
	}
	if r, _ := from("2001:db8:1:2:ffff::1"); r.status != 429 {
		t.Errorf("a third of an IPv6 network answered %d", r.status)
	}
	if _, next := from("2001:db8:1:3::1"); next == nil {
		t.Error("the next network is refused")
	}
	if n := s.handler.Stats().Refused[RefusedAddress]; n != 3 {
		t.Errorf("counted %d", n)
	}
	s.gate.refusal = errGate
	for range 3 {
		if r, _ := from("198.51.100.1"); r.status != 503 {
			t.Errorf("a handshake that the runtime refuses counts: %d", r.status)
		}
	}
}
