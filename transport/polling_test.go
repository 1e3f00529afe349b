package transport

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
)

func TestGETHangsUntilThereIsSomething(t *testing.T) {
	s := serve(t, Config{})
	p := s.enter()
	get := p.goGet()
	if err := p.conn.socket.Push(packet(`["a"]`)); err != nil {
		t.Fatal(err)
	}
	select {
	case r := <-get:
		t.Fatalf("answered %q before it was flushed", r.body)
	default:
	}
	p.conn.push(t, `["b"]`)
	p.conn.socket.Flush()
	wantReply(t, get, 200, "42[\"a\"]\x1e42[\"b\"]")
}

func TestGETCarriesAllThatWaitsUpToAMegabyte(t *testing.T) {
	s := serve(t, Config{Outbox: Limits{Bytes: 4 << 20}})
	p := s.enter()
	data := `["a","` + strings.Repeat("x", 400_000) + `"]`
	for range 3 {
		if err := p.conn.socket.Push(packet(data)); err != nil {
			t.Fatal(err)
		}
	}
	p.wantGet(200, "42"+data+"\x1e42"+data)
	p.wantGet(200, "42"+data)
}

func TestSecondConcurrentGETClosesTheSession(t *testing.T) {
	s := serve(t, Config{})
	p := s.enter()
	first := p.goGet()
	if r := p.get(); r.status != 400 {
		t.Errorf("the second GET was answered %d %q", r.status, r.body)
	}
	wantReply(t, first, 200, "1")
	p.conn.wantClosed(t, actors.ReasonProtocolError)
	p.wantUnknown()
}

func TestSecondConcurrentPOSTClosesTheSession(t *testing.T) {
	s := serve(t, Config{})
	p := s.enter()
	body, feed := io.Pipe()
	first := make(chan reply, 1)
	go func() {
		defer feed.Close()
		r, err := http.NewRequest(http.MethodPost, p.at(), body)
		if err != nil {
			panic(err)
		}
		resp, err := s.client.Do(r)
		if err != nil {
			first <- reply{}
			return
		}
		resp.Body.Close()
		first <- reply{status: resp.StatusCode}
	}()
	if _, err := feed.Write([]byte("4")); err != nil {
		t.Fatal(err)
	}
	session := s.handler.session(p.sid)
	eventually(t, "POST under way", func() bool {
		session.mu.Lock()
		defer session.mu.Unlock()
		return session.post != nil
	})
	if r := p.must("POST", p.at(), "3"); r.status != 400 {
		t.Errorf("the second POST was answered %d", r.status)
	}
	p.conn.wantClosed(t, actors.ReasonProtocolError)
	if r := <-first; r.status == 200 {
		t.Error("the first POST succeeded")
	}
	p.wantUnknown()
}

func TestAbortedGETClosesTheSession(t *testing.T) {
	s := serve(t, Config{})
	p := s.enter()
	ws := s.sendBytes("GET /socket.io/?EIO=4&transport=polling&sid=" + p.sid + " HTTP/1.1\r\nHost: x\r\n\r\n")
	session := s.handler.session(p.sid)
	eventually(t, "GET that waits", func() bool {
		session.mu.Lock()
		defer session.mu.Unlock()
		return session.get != nil
	})
	ws.Close()
	p.conn.wantClosed(t, actors.ReasonTransportClosed)
	p.wantUnknown()
}

func TestAbortedPOSTClosesTheSession(t *testing.T) {
	s := serve(t, Config{})
	p := s.enter()
	conn := s.sendBytes("POST /socket.io/?EIO=4&transport=polling&sid=" + p.sid + " HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n42[")
	session := s.handler.session(p.sid)
	eventually(t, "POST under way", func() bool {
		session.mu.Lock()
		defer session.mu.Unlock()
		return session.post != nil
	})
	conn.Close()
	p.conn.wantClosed(t, actors.ReasonTransportClosed)
	p.wantUnknown()
}

func TestMalformedPOSTClosesTheSession(t *testing.T) {
	s := serve(t, Config{MaxPayload: 1000})
	for _, c := range []struct{ name, body string }{
		{"unknown packet type", "abc"},
		{"empty", ""},
		{"open", `0{"sid":"x"}`},
		{"ping", "2"},
		{"upgrade", "5"},
		{"bad base64", "bAQ"},
		{"not UTF-8", "42[\"a\xff\"]"},
		{"Socket.IO type", "49"},
		{"JSON", `42["a"`},
		{"no event name", `42[]`},
		{"reserved event name", `42["disconnect"]`},
		{"binary without a packet", "40/b,\x1ebAQID"},
		{"text instead of an attachment", "451-[\"a\",{\"_placeholder\":true,\"num\":0}]\x1e42[\"a\"]"},
		{"too many attachments", `4511-["a"]`},
		{"attachment used twice", `451-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]`},
		{"attachment not used", `451-["a"]`},
		{"deep JSON", `42["a",` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := s.enter()
			if r := p.must("POST", p.at(), c.body); r.status != 400 {
				t.Errorf("answered %d %q", r.status, r.body)
			}
			p.conn.wantClosed(t, actors.ReasonProtocolError)
			p.wantUnknown()
		})
	}
}

func TestPacketsBeforeAMalformedOneAreHandled(t *testing.T) {
	s := serve(t, Config{})
	p := s.poll()
	get := p.goGet()
	if r := p.must("POST", p.at(), "40\x1e9"); r.status != 400 {
		t.Errorf("answered %d", r.status)
	}
	wantReply(t, get, 200, `40{"sid":"m/"}`)
	p.conn.wantClosed(t, actors.ReasonProtocolError)
}

func TestOctetStreamIsRefused(t *testing.T) {
	s := serve(t, Config{})
	p := s.enter()
	if r := p.must("POST", p.at(), "42[\"a\"]", "Content-Type", "application/octet-stream"); r.status != 400 {
		t.Errorf("answered %d", r.status)
	}
	p.conn.wantClosed(t, actors.ReasonProtocolError)
}

func TestCompressedPOSTIsRefused(t *testing.T) {
	s := serve(t, Config{})
	p := s.enter()
	if r := p.must("POST", p.at(), "42[\"a\"]", "Content-Encoding", "gzip"); r.status != 400 {
		t.Errorf("answered %d", r.status)
	}
	if !p.conn.isOpen() {
		t.Error("the session ended")
	}
}

func TestPOSTAboveMaxPayloadIsAnswered413(t *testing.T) {
	s := serve(t, Config{MaxPayload: 100})
	p := s.enter()
	p.wantPost(`42["a","`+strings.Repeat("x", 90)+`"]`, 200)
	for name, length := range map[string]bool{"announced": true, "found while reading": false} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequest(http.MethodPost, p.at(), strings.NewReader(`42["a","`+strings.Repeat("x", 91)+`"]`))
			if err != nil {
				t.Fatal(err)
			}
			if !length {
				r.ContentLength = -1
			}
			resp, err := s.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusRequestEntityTooLarge {
				t.Errorf("answered %d", resp.StatusCode)
			}
		})
	}
	if !p.conn.isOpen() {
		t.Error("the session ended")
	}
}

func TestClientThatClosesIsAnswered6(t *testing.T) {
	s := serve(t, Config{})
	t.Run("with a GET waiting", func(t *testing.T) {
		p := s.enter()
		get := p.goGet()
		p.wantPost("1", 200)
		wantReply(t, get, 200, "6")
		p.conn.wantClosed(t, actors.ReasonTransportClosed)
		p.wantUnknown()
	})
	t.Run("before its GET came", func(t *testing.T) {
		p := s.enter()
		p.wantPost("1", 200)
		p.conn.wantClosed(t, actors.ReasonTransportClosed)
		p.wantPostRefused()
		p.wantGet(200, "6")
		p.wantUnknown()
	})
}

func (p *pollingSession) wantPostRefused() {
	p.t.Helper()
	if r := p.must("POST", p.at(), "3"); r.status != 400 || r.body != `{"code":1,"message":"Session ID unknown"}` {
		p.t.Errorf("POST answered %d %q", r.status, r.body)
	}
}

// TestSocketClosedByTheRuntimeTellsThePollingClient, never in one response with
// what waited: stock clients would have that twice. See farewellLocked.
func TestSocketClosedByTheRuntimeTellsThePollingClient(t *testing.T) {
	s := serve(t, Config{})
	t.Run("with a GET waiting", func(t *testing.T) {
		p := s.enter()
		get := p.goGet()
		p.conn.push(t, `["last"]`)
		p.conn.socket.Close(actors.ReasonShutdown)
		wantReply(t, get, 200, "42[\"last\"]")
		p.conn.wantClosed(t, actors.ReasonShutdown)
		p.wantGet(200, "1")
		p.wantUnknown()
	})
	t.Run("between two polls", func(t *testing.T) {
		p := s.enter()
		p.conn.push(t, `["last"]`)
		p.conn.socket.Close(actors.ReasonShutdown)
		p.conn.wantClosed(t, actors.ReasonShutdown)
		p.wantPostRefused()
		p.wantGet(200, "42[\"last\"]")
		p.wantGet(200, "1")
		p.wantUnknown()
	})
}

func TestGETIsCompressedFromOneKilobyteIfWanted(t *testing.T) {
	s := serve(t, Config{})
	for _, c := range []struct {
		name, accept string
		size         int
		compressed   bool
	}{
		{"wanted", "deflate, gzip;q=0.5", 2000, true},
		{"anything", "*", 2000, true},
		{"short", "gzip", 900, false},
		{"not wanted", "", 2000, false},
		{"refused", "gzip;q=0", 2000, false},
		{"other", "br", 2000, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := s.enter()
			want := `42["a","` + strings.Repeat("x", c.size) + `"]`
			p.wantPost(want, 200)
			r := p.must("GET", p.at(), "", "Accept-Encoding", c.accept)
			if got := r.header.Get("Content-Encoding") == "gzip"; got != c.compressed {
				t.Fatalf("compressed: %v", got)
			}
			if c.compressed {
				zip, err := gzip.NewReader(strings.NewReader(r.body))
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(zip)
				if err != nil {
					t.Fatal(err)
				}
				r.body = string(b)
			}
			if r.body != want {
				t.Errorf("got %q", r.body)
			}
		})
	}
}
