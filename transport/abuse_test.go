package transport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// What a client may do wrong on a WebSocket, and what it is told.
func TestMalformedWebSocketIsClosed(t *testing.T) {
	s := serve(t, Config{MaxPayload: 1000})
	undisturbed := s.bystander()
	placeholder := `451-["a",{"_placeholder":true,"num":0}]`
	for _, c := range []struct {
		name  string
		abuse func(*rawSocket)
		code  int
	}{
		{"reserved bit 1", func(ws *rawSocket) { ws.frame(0xc1, "4") }, 1002},
		{"reserved bit 2", func(ws *rawSocket) { ws.frame(0xa1, "4") }, 1002},
		{"reserved opcode", func(ws *rawSocket) { ws.frame(0x83, "4") }, 1002},
		{"reserved control opcode", func(ws *rawSocket) { ws.frame(0x8b, "4") }, 1002},
		{"unmasked frame", func(ws *rawSocket) { ws.bytes([]byte{0x81, 1, '3'}) }, 1002},
		{"continuation of nothing", func(ws *rawSocket) { ws.frame(0x80, "4") }, 1002},
		{"message inside a message", func(ws *rawSocket) { ws.frame(0x01, "4"); ws.frame(0x81, "4") }, 1002},
		{"fragmented ping", func(ws *rawSocket) { ws.frame(0x09, "x") }, 1002},
		{"long ping", func(ws *rawSocket) { ws.frame(0x89, strings.Repeat("x", 126)) }, 1002},
		{"close code that may not be sent", func(ws *rawSocket) { ws.frame(0x88, "\x03\xed") }, 1002},
		{"close text that is not UTF-8", func(ws *rawSocket) { ws.frame(0x88, "\x03\xe8\xff") }, 1002},
		{"text that is not UTF-8", func(ws *rawSocket) { ws.text("42[\"\xc3\x28\"]") }, 1007},
		{"surrogate in UTF-8", func(ws *rawSocket) { ws.text("42[\"\xed\xa0\x80\"]") }, 1007},
		{"UTF-8 cut at the end", func(ws *rawSocket) { ws.text("42[\"a\"]\xe2\x82") }, 1007},
		{"message too long", func(ws *rawSocket) { ws.text("4" + strings.Repeat("x", 1000)) }, 1009},
		{"long message announced", func(ws *rawSocket) { ws.bytes([]byte{0x81, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4}) }, 1009},
		{"length that does not fit", func(ws *rawSocket) {
			ws.bytes([]byte{0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4})
		}, 1009},
		{"message too long in fragments", func(ws *rawSocket) {
			ws.frame(0x01, "4")
			for range 10 {
				ws.frame(0x00, strings.Repeat("x", 100))
			}
		}, 1009},
		{"packet too long with its attachments", func(ws *rawSocket) {
			ws.text(`452-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`)
			ws.frame(0x82, strings.Repeat("x", 500))
			ws.frame(0x82, strings.Repeat("x", 500))
		}, 1009},
		{"endless fragments", func(ws *rawSocket) {
			ws.frame(0x01, "4")
			ws.bytes(bytes.Repeat(maskedFrame(0x00, nil), 20_000))
		}, 1002},
		{"endless pings inside a message", func(ws *rawSocket) {
			ws.frame(0x01, "4")
			ws.bytes(bytes.Repeat(maskedFrame(0x89, []byte("x")), controlFrames+1))
		}, 1002},
		{"endless noops", func(ws *rawSocket) { ws.bytes(bytes.Repeat(maskedFrame(0x81, []byte("6")), idlePackets+1)) }, 1002},
		{"endless pongs of Engine.IO", func(ws *rawSocket) { ws.bytes(bytes.Repeat(maskedFrame(0x81, []byte("3")), idlePackets+1)) }, 1002},
		{"endless pongs", func(ws *rawSocket) { ws.bytes(bytes.Repeat(maskedFrame(0x8a, nil), controlFrames+1)) }, 1002},
		{"endless pings", func(ws *rawSocket) { ws.bytes(bytes.Repeat(maskedFrame(0x89, []byte("x")), controlFrames+1)) }, 1002},
		{"empty text", func(ws *rawSocket) { ws.text("") }, 1002},
		{"unknown packet type", func(ws *rawSocket) { ws.text("7") }, 1002},
		{"open", func(ws *rawSocket) { ws.text(`0{"sid":"x"}`) }, 1002},
		{"ping", func(ws *rawSocket) { ws.text("2") }, 1002},
		{"probe", func(ws *rawSocket) { ws.text("2probe") }, 1002},
		{"upgrade", func(ws *rawSocket) { ws.text("5") }, 1002},
		{"unknown Socket.IO type", func(ws *rawSocket) { ws.text("47") }, 1002},
		{"Socket.IO packet without type", func(ws *rawSocket) { ws.text("4") }, 1002},
		{"malformed JSON", func(ws *rawSocket) { ws.text(`42["a",]`) }, 1002},
		{"JSON with something behind", func(ws *rawSocket) { ws.text(`42["a"]]`) }, 1002},
		{"event that is an object", func(ws *rawSocket) { ws.text(`42{"a":1}`) }, 1002},
		{"event without a name", func(ws *rawSocket) { ws.text(`42[{}]`) }, 1002},
		{"reserved event", func(ws *rawSocket) { ws.text(`42["connect"]`) }, 1002},
		{"too many digits in an id", func(ws *rawSocket) { ws.text(`4299999999999999999999["a"]`) }, 1002},
		{"deep JSON", func(ws *rawSocket) { ws.text(`42["a",` + strings.Repeat("[", 80) + strings.Repeat("]", 80) + `]`) }, 1002},
		{"CONNECT with an array", func(ws *rawSocket) { ws.text(`40/b,[]`) }, 1002},
		{"DISCONNECT with a payload", func(ws *rawSocket) { ws.text(`41{}`) }, 1002},
		{"no attachments announced", func(ws *rawSocket) { ws.text(`450-["a"]`) }, 1002},
		{"eleven attachments", func(ws *rawSocket) { ws.text(`4511-["a"]`) }, 1002},
		{"a billion attachments", func(ws *rawSocket) { ws.text(`451000000000-["a"]`) }, 1002},
		{"placeholder that points nowhere", func(ws *rawSocket) { ws.text(`451-["a",{"_placeholder":true,"num":1}]`) }, 1002},
		{"placeholder with a negative index", func(ws *rawSocket) { ws.text(`451-["a",{"_placeholder":true,"num":-1}]`) }, 1002},
		{"binary out of nowhere", func(ws *rawSocket) { ws.frame(0x82, "\x01") }, 1002},
		{"text instead of an attachment", func(ws *rawSocket) { ws.text(placeholder); ws.text(`42["a"]`) }, 1002},
		{"malformed base64", func(ws *rawSocket) { ws.text(placeholder); ws.text("bA") }, 1002},
		{"second CONNECT", func(ws *rawSocket) { ws.text("40") }, 1002},
		{"event for a namespace not joined", func(ws *rawSocket) { ws.text(`42/b,["a"]`) }, 1002},
	} {
		t.Run(c.name, func(t *testing.T) {
			ws, conn := s.enterWebSocket()
			ws.t = t
			c.abuse(ws)
			ws.wantClose(c.code)
			conn.wantClosed(t, actors.ReasonProtocolError)
			undisturbed()
		})
	}
}

func TestFragmentsOfAMessageAreBounded(t *testing.T) {
	s := serve(t, Config{})
	undisturbed := s.bystander()
	send := func(ws *rawSocket, n, size int) (text string) {
		text = `2["a","` + strings.Repeat("x", n*size) + `"]`
		ws.frame(0x01, "4"+text[:7])
		ws.bytes(bytes.Repeat(maskedFrame(0x00, []byte(strings.Repeat("x", size))), n))
		ws.frame(0x80, text[len(text)-2:])
		return "4" + text
	}
	ws, _ := s.enterWebSocket()
	for range 3 { // each message has its own
		ws.want(send(ws, 2_300, 1))
	}
	ws.want(send(ws, 970, 1024))
	ws, conn := s.enterWebSocket()
	send(ws, 10_000, 1)
	ws.wantClose(1002)
	conn.wantClosed(t, actors.ReasonProtocolError)
	undisturbed()
	if n := s.handler.Stats().Violated[ViolatedFlood]; n != 1 {
		t.Errorf("counted %d", n)
	}
}

// leave ends the client's side of the connection.
func (ws *rawSocket) leave(t *testing.T, reset bool) {
	t.Helper()
	conn := ws.conn.(*net.TCPConn)
	end := conn.CloseWrite
	if reset {
		if err := conn.SetLinger(0); err != nil {
			t.Fatal(err)
		}
		end = conn.Close
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
}

func TestClientThatLeavesEndsItsSession(t *testing.T) {
	s := serve(t, Config{})
	undisturbed := s.bystander()
	for _, c := range []struct {
		name  string
		leave func(*rawSocket)
		code  int
		why   actors.LeaveReason
	}{
		{"close frame", func(ws *rawSocket) { ws.frame(0x88, "\x03\xe9bye") }, 1001, actors.ReasonTransportClosed},
		{"close frame without a code", func(ws *rawSocket) { ws.frame(0x88, "") }, 1000, actors.ReasonTransportClosed},
		{"Engine.IO close", func(ws *rawSocket) { ws.text("1") }, 1000, actors.ReasonTransportClosed},
		{"end of stream", func(ws *rawSocket) { ws.leave(t, false) }, -1, actors.ReasonTransportClosed},
		{"end of stream in a frame", func(ws *rawSocket) {
			ws.bytes(maskedFrame(0x81, []byte("4xxxxxx"))[:9])
			ws.leave(t, false)
		}, -1, actors.ReasonTransportClosed},
		{"reset", func(ws *rawSocket) { ws.leave(t, true) }, -1, actors.ReasonTransportError},
	} {
		t.Run(c.name, func(t *testing.T) {
			ws, conn := s.enterWebSocket()
			ws.t = t
			c.leave(ws)
			ws.wantClose(c.code)
			conn.wantClosed(t, c.why)
			undisturbed()
		})
	}
}

func TestSocketClosedByTheRuntimeHasTheCodeOfItsReason(t *testing.T) {
	s := serve(t, Config{})
	for _, c := range []struct {
		why  actors.LeaveReason
		code int
	}{
		{actors.ReasonShutdown, 1012},
		{actors.ReasonNodeLost, 1012},
		{actors.ReasonKicked, 1008},
		{actors.ReasonExpired, 1008},
		{actors.ReasonRevoked, 1008},
		{actors.ReasonProtocolError, 1002},
		{actors.ReasonReplaced, 1000},
		{actors.ReasonRoomClosed, 1000},
		{actors.ReasonTooSlow, -1},
	} {
		t.Run(string(c.why), func(t *testing.T) {
			ws, conn := s.enterWebSocket()
			ws.t = t
			ws.text(`42["close","` + string(c.why) + `"]`)
			ws.wantClose(c.code)
			conn.wantClosed(t, c.why)
			if err := conn.socket.Push(packet(`["a"]`)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("push after the end: %v", err)
			}
			if got := s.handler.Stats().Closed[c.why]; got != 1 {
				t.Errorf("counted %d", got)
			}
		})
	}
}

func TestMalformedUpgradeRequestIsRefused(t *testing.T) {
	s := serve(t, Config{})
	undisturbed := s.bystander()
	const start = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
	for _, c := range []struct{ name, rest string }{
		{"no Connection header", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n"},
		{"no key", "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"},
		{"short key", "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQID\r\n"},
		{"other version", "Connection: Upgrade\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := s.sendBytes(start + c.rest + "\r\n")
			b, err := io.ReadAll(conn)
			if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 400 ") {
				t.Errorf("answered %q, %v", b, err)
			}
			undisturbed()
		})
	}
	if open := s.handler.Stats(); open.Polling != 0 || open.WebSocket != 1 {
		t.Errorf("%d polling and %d WebSocket sessions are left", open.Polling, open.WebSocket)
	}
}

// Whatever arrives, the session ends, nothing is left of it, and nobody else
// notices.
func TestRandomBytesHurtNobodyElse(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := serve(t, Config{MaxPayload: 10_000})
	undisturbed := s.bystander()
	before := runtime.NumGoroutine()
	corpus := []string{
		"40", `42["a"]`, `451-["a",{"_placeholder":true,"num":0}]`, "3", "2probe", "5", "1", "b", "bAQID", "6", "40/b,", `431["x"]`, "",
	}
	for range 300 {
		ws, conn := s.openWebSocket()
		for range 1 + random.IntN(6) {
			payload := []byte(corpus[random.IntN(len(corpus))])
			for range random.IntN(3) {
				payload = append(payload, byte(random.IntN(256)))
			}
			if len(payload) > 0 && random.IntN(3) == 0 {
				payload[random.IntN(len(payload))] ^= byte(1 << random.IntN(8))
			}
			first := byte(0x80 | 1 + random.IntN(2))
			if random.IntN(5) == 0 {
				first = byte(random.IntN(256))
			}
			_, _ = ws.conn.Write(maskedFrame(first, payload)) // may be closed already
		}
		ws.conn.Close()
		<-conn.gone
		undisturbed()
	}
	eventually(t, "end of all readers", func() bool { return runtime.NumGoroutine() <= before })
}

func TestRandomPOSTsHurtNobodyElse(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := serve(t, Config{MaxPayload: 10_000})
	undisturbed := s.bystander()
	for range 100 {
		p := s.poll()
		body := []byte("40\x1e42[\"a\"]\x1e451-[\"a\",{\"_placeholder\":true,\"num\":0}]\x1ebAQID")
		for range 1 + random.IntN(4) {
			body[random.IntN(len(body))] = byte(random.IntN(256))
		}
		r, err := s.do("POST", p.at(), string(body))
		if err != nil || r.status != 200 && r.status != 400 {
			t.Fatalf("%q answered %d, %v", body, r.status, err)
		}
		if (r.status == 200) != p.conn.isOpen() && !bytes.Contains(body, []byte("1")) {
			t.Errorf("%q answered %d, and the session is open: %v", body, r.status, p.conn.isOpen())
		}
		p.handler.mu.Lock()
		session := p.handler.sessions[p.sid]
		p.handler.mu.Unlock()
		if session != nil {
			session.kill()
		}
		undisturbed()
	}
}

// A stopped reader costs its session and a bounded amount of memory.
func TestStoppedReaderIsClosedAsTooSlow(t *testing.T) {
	s := serve(t, Config{Outbox: Limits{Packets: 200, Bytes: 1 << 20}})
	undisturbed := s.bystander()
	_, conn := s.enterWebSocket()
	data := packet(`["a","` + strings.Repeat("x", 10_000) + `"]`)
	var err error
	pushed := 0
	for ; err == nil && pushed < 10_000; pushed++ {
		err = conn.socket.Push(data)
		conn.socket.Flush()
	}
	if !errors.Is(err, actors.ErrTooSlow) {
		t.Fatalf("push %d: %v", pushed, err)
	}
	conn.wantClosed(t, actors.ReasonTooSlow)
	if err := conn.socket.Push(data); !errors.Is(err, net.ErrClosed) {
		t.Errorf("push after the end: %v", err)
	}
	n := s.handler.Stats()
	if n.Closed[actors.ReasonTooSlow] != 1 || n.Dropped[DroppedTooSlow] < 10 {
		t.Errorf("counted %+v", n)
	}
	undisturbed()
}

func TestPollingClientThatDoesNotPollIsClosedAsTooSlow(t *testing.T) {
	s := serve(t, Config{Outbox: Limits{Packets: 5}})
	p := s.enter()
	for range 5 {
		if err := p.conn.socket.Push(packet(`["a"]`)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.conn.socket.Push(packet(`["a"]`)); !errors.Is(err, actors.ErrTooSlow) {
		t.Errorf("push over the limit: %v", err)
	}
	p.conn.wantClosed(t, actors.ReasonTooSlow)
	p.wantUnknown()
	if n := s.handler.Stats(); n.Dropped[DroppedTooSlow] != 6 {
		t.Errorf("counted %d drops, want 6", n.Dropped[DroppedTooSlow])
	}
}

func TestVolatilePacketsAreDroppedWhileTheSocketLags(t *testing.T) {
	volatile := func(n int) *actors.Packet {
		p := packet(fmt.Sprintf(`["v",%d]`, n))
		p.Class = actors.Volatile
		return p
	}
	t.Run("polling", func(t *testing.T) {
		s := serve(t, Config{})
		p := s.enter()
		socket := p.conn.socket
		for i := range 2 {
			if err := socket.Push(volatile(i)); err != nil || socket.Lagging() {
				t.Errorf("push %d between two polls: %v, lagging %v", i, err, socket.Lagging())
			}
		}
		socket.Flush()
		if err := socket.Push(volatile(2)); !errors.Is(err, actors.ErrDropped) || !socket.Lagging() {
			t.Errorf("push behind what was flushed: %v, lagging %v", err, socket.Lagging())
		}
		drained := make(chan struct{})
		socket.WhenDrained(func() { close(drained) })
		p.wantGet(200, "42[\"v\",0]\x1e42[\"v\",1]")
		<-drained
		get := p.goGet()
		if err := socket.Push(volatile(3)); err != nil || socket.Lagging() {
			t.Errorf("with a GET waiting: %v, lagging %v", err, socket.Lagging())
		}
		socket.Flush()
		wantReply(t, get, 200, `42["v",3]`)
		if n := s.handler.Stats().Dropped[DroppedVolatile]; n != 1 {
			t.Errorf("counted %d", n)
		}
	})
	t.Run("WebSocket", func(t *testing.T) {
		s := serve(t, Config{})
		ws, conn := s.enterWebSocket()
		socket := conn.socket
		for i := range 5 {
			if err := socket.Push(volatile(i)); err != nil || socket.Lagging() {
				t.Fatalf("push %d of a socket that keeps up: %v, lagging %v", i, err, socket.Lagging())
			}
		}
		socket.Flush()
		for i := range 5 {
			ws.want(fmt.Sprintf(`42["v",%d]`, i))
		}
		big := packet(`["a","` + strings.Repeat("x", 50_000) + `"]`)
		n := conn.clog(t, big)
		if err := socket.Push(volatile(6)); !errors.Is(err, actors.ErrDropped) {
			t.Errorf("push to a socket that lags: %v", err)
		}
		drained := make(chan struct{})
		socket.WhenDrained(func() { close(drained) })
		for range n {
			ws.want("42" + string(big.Data))
		}
		<-drained
		if err := socket.Push(volatile(7)); err != nil {
			t.Errorf("push after it has caught up: %v", err)
		}
	})
}
