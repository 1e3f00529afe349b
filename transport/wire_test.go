package transport

import (
	"bufio"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
)

func TestHandshakeAnswersWithExactlyTheKeysOfUpstream(t *testing.T) {
	s := serve(t, Config{NewSID: func() string { return "S" }})
	r := s.must("GET", s.url("transport=polling"), "")
	const polling = `0{"sid":"S","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`
	if r.status != 200 || r.body != polling {
		t.Errorf("polling: %d %s", r.status, r.body)
	}
	if got := r.header.Get("Content-Type"); got != "text/plain; charset=UTF-8" {
		t.Errorf("content type %q", got)
	}
	if got := r.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("cache control %q", got)
	}
	s.handler.session("S").kill()

	const websocket = `0{"sid":"S","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`
	s.webSocket("transport=websocket").want(websocket)
}

func TestHandshakeOffersNoUpgradeWithoutWebSocket(t *testing.T) {
	s := serve(t, Config{Transports: []string{Polling}})
	if r := s.must("GET", s.url("transport=polling"), ""); !strings.Contains(r.body, `"upgrades":[]`) {
		t.Errorf("answered %s", r.body)
	}
	if _, status, body := s.tryWebSocket("transport=websocket"); status != 400 || body != "Transport unknown" {
		t.Errorf("a WebSocket was answered %d %q", status, body)
	}
}

func TestRequestsThatMakeNoSenseAreRefusedAsUpstreamDoes(t *testing.T) {
	s := serve(t, Config{})
	p := s.poll()
	base := s.base + "/socket.io/"
	for _, c := range []struct {
		name, method, url string
		status            int
		body              string
	}{
		{"no transport", "GET", base + "?EIO=4", 400, `{"code":0,"message":"Transport unknown"}`},
		{"unknown transport", "GET", base + "?EIO=4&transport=carrier", 400, `{"code":0,"message":"Transport unknown"}`},
		{"unknown session", "GET", base + "?EIO=4&transport=polling&sid=nobody", 400, `{"code":1,"message":"Session ID unknown"}`},
		{"unknown session, POST", "POST", base + "?EIO=4&transport=polling&sid=nobody", 400, `{"code":1,"message":"Session ID unknown"}`},
		{"session with a strange id", "GET", base + "?EIO=4&transport=polling&sid=__proto__", 400, `{"code":1,"message":"Session ID unknown"}`},
		{"POST without session", "POST", base + "?EIO=4&transport=polling", 400, `{"code":2,"message":"Bad handshake method"}`},
		{"PUT without session", "PUT", base + "?EIO=4&transport=polling", 400, `{"code":2,"message":"Bad handshake method"}`},
		{"OPTIONS that is no preflight", "OPTIONS", base + "?EIO=4&transport=polling", 400, `{"code":2,"message":"Bad handshake method"}`},
		{"PUT with session", "PUT", p.at(), 400, `{"code":2,"message":"Bad handshake method"}`},
		{"websocket without upgrade", "GET", base + "?EIO=4&transport=websocket", 400, `{"code":3,"message":"Bad request"}`},
		{"websocket without upgrade, with session", "GET", base + "?EIO=4&transport=websocket&sid=" + p.sid, 400, `{"code":3,"message":"Bad request"}`},
		{"JSONP", "GET", base + "?EIO=4&transport=polling&j=0", 400, `{"code":3,"message":"Bad request"}`},
		{"other version with session", "GET", base + "?EIO=3&transport=polling&sid=" + p.sid, 400, `{"code":3,"message":"Bad request"}`},
		{"no version", "GET", base + "?transport=polling", 400, `{"code":5,"message":"Unsupported protocol version"}`},
		{"version 3", "GET", base + "?EIO=3&transport=polling", 400, `{"code":5,"message":"Unsupported protocol version"}`},
		{"version in words", "GET", base + "?EIO=abc&transport=polling", 400, `{"code":5,"message":"Unsupported protocol version"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := s.must(c.method, c.url, "")
			if r.status != c.status || r.body != c.body {
				t.Errorf("answered %d %s, want %d %s", r.status, r.body, c.status, c.body)
			}
			if got := r.header.Get("Content-Type"); got != "application/json" {
				t.Errorf("content type %q", got)
			}
		})
	}
	if r := s.must("HEAD", base+"?EIO=4&transport=polling", ""); r.status != 400 {
		t.Errorf("HEAD answered %d", r.status)
	}
	p.wantPost("40", 200)
	p.wantGet(200, `40{"sid":"m/"}`) // none of these did anything to the session
}

func TestRefusedWebSocketIsToldWhyInPlainText(t *testing.T) {
	s := serve(t, Config{})
	for _, c := range []struct {
		name, query string
		header      []string
		status      int
		body        string
	}{
		{"unknown transport", "transport=carrier", nil, 400, "Transport unknown"},
		{"unknown session", "transport=websocket&sid=nobody", nil, 400, "Session ID unknown"},
		{"polling", "transport=polling", nil, 400, "Bad request"},
		{"version 3", "EIO=3&transport=websocket&x=", nil, 0, ""},
		{"foreign origin", "transport=websocket", []string{"Origin", "https://evil.example"}, 403, "origin not allowed"},
	} {
		if c.status == 0 {
			continue // the query of tryWebSocket begins with the version
		}
		t.Run(c.name, func(t *testing.T) {
			if _, status, body := s.tryWebSocket(c.query, c.header...); status != c.status || body != c.body {
				t.Errorf("answered %d %q, want %d %q", status, body, c.status, c.body)
			}
		})
	}
}

func TestRuntimeRefusesHandshakes(t *testing.T) {
	s := serve(t, Config{})
	for _, c := range []struct {
		name    string
		err     error
		status  int
		body    string
		upgrade int
	}{
		{"forbidden", actors.Errorf(actors.CodeForbidden, "not you"), 403, `{"code":4,"message":"not you"}`, 400},
		{"overloaded", actors.Errorf(actors.CodeOverloaded, "full"), 503, `{"code":4,"message":"full"}`, 503},
		{"other error", errors.New("secret"), 503, `{"code":4,"message":"internal error"}`, 503},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.gate.refusal = c.err
			r := s.must("GET", s.url("transport=polling"), "")
			if r.status != c.status || r.body != c.body {
				t.Errorf("polling answered %d %s, want %d %s", r.status, r.body, c.status, c.body)
			}
			if (r.status == 503) != (r.header.Get("Retry-After") != "") {
				t.Errorf("status %d with Retry-After %q", r.status, r.header.Get("Retry-After"))
			}
			if _, status, _ := s.tryWebSocket("transport=websocket"); status != c.upgrade {
				t.Errorf("WebSocket answered %d, want %d", status, c.upgrade)
			}
		})
	}
}

// errGate is a refusal of the runtime that is no fault of the client's.
var errGate = actors.Errorf(actors.CodeOverloaded, "the node takes no more connections")

func TestRuntimeIsToldOfTheRequest(t *testing.T) {
	s := serve(t, Config{})
	s.must("GET", s.url("transport=polling&t=x1&b64=1&room=q3&room=q4"), "", "Authorization", "Bearer x", "Cookie", "a=b", "Sec-Fetch-Site", "same-origin")
	h := s.gate.last(t).handshake
	if h.Address != "127.0.0.1" || h.Secure || h.Path != "/socket.io/" || h.Time.IsZero() {
		t.Errorf("told %+v", h)
	}
	if h.Header.Get("Authorization") != "Bearer x" || h.Header.Get("Cookie") != "a=b" {
		t.Errorf("header %v", h.Header)
	}
	if want := (url.Values{"room": {"q3", "q4"}}).Encode(); h.Query.Encode() != want {
		t.Errorf("query %q, want %q", h.Query.Encode(), want)
	}
}

func TestPollingCarriesPacketsBothWays(t *testing.T) {
	s := serve(t, Config{})
	for _, c := range []struct{ name, post, get string }{
		{"event", `42["a",1]`, `42["a",1]`},
		{"several in one POST", "42[\"a\",1]\x1e42[\"b\",2]", "42[\"a\",1]\x1e42[\"b\",2]"},
		{"binary", "451-[\"a\",{\"_placeholder\":true,\"num\":0}]\x1ebAQIDBA==", "451-[\"a\",{\"_placeholder\":true,\"num\":0}]\x1ebAQIDBA=="},
		{"acknowledgement", `4217["a",1,"x"]`, `4317[1,"x"]`},
		{"other namespace", "40/b,{\"token\":1}", `40/b,{"sid":"m/b"}`},
		{"refused namespace", "40/refused,", `44/refused,{"message":"no seat is left","data":{"code":"room_full"}}`},
		{"user JSON as it stands", `42["a",1.50, {"b" : 1e400,"a":"\ud800<>"}]`, `42["a",1.50, {"b" : 1e400,"a":"\ud800<>"}]`},
		{"noop", "6\x1e42[\"a\"]", `42["a"]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := s.enter()
			p.wantPost(c.post, 200)
			p.wantGet(200, c.get)
		})
	}
}

func TestWebSocketCarriesPacketsBothWays(t *testing.T) {
	s := serve(t, Config{})
	ws, _ := s.enterWebSocket()
	ws.wantEcho("hello")
	ws.text(`451-["a",{"_placeholder":true,"num":0}]`)
	ws.frame(0x82, "\x01\x02\x03")
	ws.want(`451-["a",{"_placeholder":true,"num":0}]`)
	if op, data := ws.read(); op != 2 || data != "\x01\x02\x03" {
		t.Errorf("the attachment is frame %d %q", op, data)
	}
	ws.text(`451-["a",{"_placeholder":true,"num":0}]`)
	ws.text("bAQIDBA==") // base64 is taken over WebSocket too
	ws.want(`451-["a",{"_placeholder":true,"num":0}]`)
	if op, data := ws.read(); op != 2 || data != "\x01\x02\x03\x04" {
		t.Errorf("the attachment is frame %d %q", op, data)
	}
	ws.text(`421["a"]`)
	ws.want(`431[]`)
	long := strings.Repeat("x", 70_000)
	ws.wantEcho(long)
	ws.frame(0x01, `42["ec`)
	ws.frame(0x00, ``)
	ws.frame(0x89, "ping")
	ws.frame(0x80, `ho","in fragments"]`)
	if op, data := ws.read(); op != 10 || data != "ping" {
		t.Errorf("a ping was answered with frame %d %q", op, data)
	}
	ws.want(`42["echo","in fragments"]`)
}

func TestClientNeedNotWaitForTheAnswerToItsHandshake(t *testing.T) {
	s := serve(t, Config{})
	for range 20 {
		conn := s.sendBytes("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n" +
			string(maskedFrame(0x81, []byte("40"))) + string(maskedFrame(0x81, []byte(`42["early"]`))))
		r := bufio.NewReader(conn)
		resp, err := http.ReadResponse(r, nil)
		if err != nil || resp.StatusCode != http.StatusSwitchingProtocols || resp.Body.Close() != nil {
			t.Fatalf("answered %v, %v", resp, err)
		}
		ws := &rawSocket{t: t, conn: conn, r: r}
		ws.read()
		ws.want(`40{"sid":"m/"}`)
		ws.want(`42["early"]`)
	}
}

func TestMsgpackIsRecognisedByTheFirstMessage(t *testing.T) {
	const (
		connect = "\x83\xa4type\x00\xa3nsp\xa1/\xa4data\xc0"
		event   = "\x83\xa4type\x02\xa4data\x92\xa1a\xc4\x01\x07\xa3nsp\xa1/"
	)
	s := serve(t, Config{})
	ws, _ := s.openWebSocket()
	ws.frame(0x82, "\x82\xa4type\x00\xa3nsp\xa1/")
	op, data := ws.read()
	if op != 2 || !strings.Contains(data, "sid") {
		t.Fatalf("connected with frame %d %q", op, data)
	}
	ws.frame(0x82, event)
	op, data = ws.read()
	if op != 2 || !strings.Contains(data, "\xa1a\xc4\x01\x07") {
		t.Errorf("echoed as frame %d %q", op, data)
	}
	ws.text("42[\"a\"]")
	ws.wantClose(1002)
}

func TestCookieCarriesTheSession(t *testing.T) {
	s := serve(t, Config{Cookie: "io", HandshakeHeaders: func(h http.Header, r *http.Request) {
		h.Set("X-Seen", r.URL.Query().Get("transport"))
	}})
	r := s.must("GET", s.url("transport=polling"), "")
	var open struct{ SID string }
	if err := json.Unmarshal([]byte(r.body[1:]), &open); err != nil {
		t.Fatal(err)
	}
	if got, want := r.header.Get("Set-Cookie"), "io="+open.SID+"; Path=/; HttpOnly; SameSite=Lax"; got != want {
		t.Errorf("cookie %q, want %q", got, want)
	}
	if got := r.header.Get("X-Seen"); got != "polling" {
		t.Errorf("header of the hook is %q", got)
	}
	p := &pollingSession{s, open.SID, s.connOf(open.SID)}
	p.wantPost("40", 200)
	if r := p.get(); r.header.Get("Set-Cookie") != "" || r.header.Get("X-Seen") != "" {
		t.Errorf("a later GET has the headers of the handshake: %v", r.header)
	}
}

func TestSessionIDsAreUnguessableAndURLSafe(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		sid := newSID()
		if len(sid) != 22 || !validSID(sid) || seen[sid] {
			t.Fatalf("sid %q", sid)
		}
		seen[sid] = true
	}
}
