package engineio

import (
	"errors"
	"reflect"
	"testing"
	"time"
)

func TestOpenPacketHasExactlyTheKeysOfUpstream(t *testing.T) {
	h := Handshake{
		SID:          "n1.AAA<&>",
		Upgrades:     []string{"websocket"},
		PingInterval: 25 * time.Second,
		PingTimeout:  20 * time.Second,
		MaxPayload:   1_000_000,
	}
	const want = `0{"sid":"n1.AAA<&>","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`
	if got := string(AppendText(nil, h.Packet())); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	back, err := ParseHandshake(h.Packet().Data)
	if err != nil || !reflect.DeepEqual(back, h) {
		t.Errorf("parsed %+v, %v", back, err)
	}
}

func TestHandshakeWithoutUpgradesSaysEmptyArray(t *testing.T) {
	const want = `{"sid":"x","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":10}`
	h := Handshake{SID: "x", PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond, MaxPayload: 10}
	if got := string(h.Packet().Data); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMalformedHandshakeIsRefused(t *testing.T) {
	for _, data := range []string{
		``, `[]`, `{}`, `{"sid":""}`, `{"sid":1}`, `{"sid":"x","upgrades":"websocket"}`,
		`{"sid":"x","pingInterval":-1}`, `{"sid":"x","pingTimeout":9223372036854775807}`,
		`{"sid":"x","maxPayload":-1}`, `{"sid":"x"`,
	} {
		if h, err := ParseHandshake([]byte(data)); !errors.Is(err, ErrHandshake) {
			t.Errorf("%s parsed as %+v, %v", data, h, err)
		}
	}
}

func TestRefusalsAnswerAsUpstream(t *testing.T) {
	for _, c := range []struct {
		r      Refusal
		text   string
		body   string
		status int
	}{
		{TransportUnknown, "", `{"code":0,"message":"Transport unknown"}`, 400},
		{SessionIDUnknown, "", `{"code":1,"message":"Session ID unknown"}`, 400},
		{BadHandshakeMethod, "", `{"code":2,"message":"Bad handshake method"}`, 400},
		{BadRequest, "", `{"code":3,"message":"Bad request"}`, 400},
		{Forbidden, "", `{"code":4,"message":"Forbidden"}`, 403},
		{Forbidden, `no "guests" <here>`, `{"code":4,"message":"no \"guests\" <here>"}`, 403},
		{UnsupportedProtocolVersion, "", `{"code":5,"message":"Unsupported protocol version"}`, 400},
	} {
		if got := string(c.r.Body(c.text)); got != c.body {
			t.Errorf("body of %d is %s, want %s", c.r, got, c.body)
		}
		if got := c.r.Status(); got != c.status {
			t.Errorf("status of %d is %d, want %d", c.r, got, c.status)
		}
	}
}
