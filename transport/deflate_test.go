package transport

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

func TestStockClientTalksCompressed(t *testing.T) {
	for _, how := range []string{"websocket", "upgrade"} {
		for _, parser := range []string{"json", "msgpack"} {
			for _, threshold := range []string{"0", "1024"} {
				t.Run(how+" "+parser+" from "+threshold, func(t *testing.T) {
					s := serve(t, Config{Deflate: true})
					testenv.RunNode(t, "testdata/js/deflate.mjs", s.base, how, parser, threshold)
					if n := s.handler.Stats(); n.Closed[actors.ReasonProtocolError] != 0 {
						t.Errorf("the client was told that it broke the protocol: %+v", n)
					}
				})
			}
		}
	}
}

func TestDeflateIsAgreedToOnlyWhereItIsOnAndCanBeDone(t *testing.T) {
	for offer, want := range map[string]bool{
		"permessage-deflate":                                                    true,
		"permessage-deflate; client_max_window_bits":                            true,
		"permessage-deflate; client_max_window_bits=10":                         true,
		"permessage-deflate; server_no_context_takeover":                        true,
		"x-other, permessage-deflate":                                           true,
		"permessage-deflate; server_max_window_bits=10":                         false,
		"permessage-deflate; server_max_window_bits=10, permessage-deflate":     true,
		"permessage-deflate; client_max_window_bits; client_max_window_bits=10": false,
		"permessage-deflate; unknown":                                           false,
		"x-webkit-deflate-frame":                                                false,
		"":                                                                      false,
	} {
		if got := offersDeflate(http.Header{"Sec-Websocket-Extensions": {offer}}); got != want {
			t.Errorf("%q can be agreed to: %v", offer, got)
		}
	}
	for _, on := range []bool{true, false} {
		s := serve(t, Config{Deflate: on})
		ws := s.webSocket("transport=websocket", "Sec-WebSocket-Extensions", "permessage-deflate")
		if op, _ := ws.read(); op != 1 {
			t.Errorf("the first frame has the opcode %d", op)
		}
		ws.text("40")
		ws.read()
		ws.frame(0xc1, deflated(`42["a"]`))
		if on {
			ws.want(`42["a"]`)
		} else {
			ws.wantClose(1002)
		}
	}
}

// deflated is a message as a client compresses it.
func deflated(text string) string {
	var b bytes.Buffer
	zip, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		panic(err)
	}
	_, _ = zip.Write([]byte(text))
	_ = zip.Flush()
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

// enterDeflated opens a session that has agreed to permessage-deflate.
func (s *server) enterDeflated() (*rawSocket, *echoConn) {
	s.t.Helper()
	ws := s.webSocket("transport=websocket", "Sec-WebSocket-Extensions", "permessage-deflate")
	ws.deflate = true
	ws.read()
	c := s.gate.last(s.t)
	ws.text("40")
	ws.want(`40{"sid":"m/"}`)
	return ws, c
}

func TestMalformedCompressionIsClosed(t *testing.T) {
	bomb := deflated(`42["a","` + strings.Repeat("x", 10_000_000) + `"]`)
	if len(bomb) > 100_000 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	s := serve(t, Config{Deflate: true, MaxPayload: 100_000})
	undisturbed := s.bystander()
	nothing := strings.Repeat("\x00\x00\x00\xff\xff", 1000) // empty blocks
	for _, c := range []struct {
		name  string
		abuse func(*rawSocket)
		code  int
	}{
		{"bomb", func(ws *rawSocket) { ws.frame(0xc1, bomb) }, 1009},
		{"one byte too much", func(ws *rawSocket) { ws.frame(0xc1, deflated("4"+strings.Repeat("x", 100_000))) }, 1009},
		{"no deflate at all", func(ws *rawSocket) { ws.frame(0xc1, "\xff\xff\xff\xff") }, 1002},
		{"text that is not UTF-8", func(ws *rawSocket) { ws.frame(0xc1, deflated("42[\"\xff\"]")) }, 1007},
		{"malformed packet", func(ws *rawSocket) { ws.frame(0xc1, deflated("47")) }, 1002},
		{"mark on a continuation", func(ws *rawSocket) { ws.frame(0x41, deflated("4")); ws.frame(0xc0, "") }, 1002},
		{"endless nothing", func(ws *rawSocket) {
			ws.frame(0x41, "")
			for range 50 {
				_, _ = ws.conn.Write(maskedFrame(0x00, []byte(nothing))) // it may be closed already
			}
		}, 1002},
		{"endless fragments", func(ws *rawSocket) {
			ws.frame(0x41, "")
			ws.bytes(bytes.Repeat(maskedFrame(0x00, nil), 20_000))
		}, 1002},
	} {
		t.Run(c.name, func(t *testing.T) {
			ws, conn := s.enterDeflated()
			ws.t = t
			c.abuse(ws)
			ws.wantClose(c.code)
			conn.wantClosed(t, actors.ReasonProtocolError)
			undisturbed()
		})
	}
	ws, _ := s.enterDeflated()
	ws.frame(0x41, deflated(`42["a","x"]`)[:3])
	ws.frame(0x80, deflated(`42["a","x"]`)[3:])
	ws.want(`42["a","x"]`)
}

// inflated reads a message that may be compressed.
func (ws *rawSocket) inflated() string {
	ws.t.Helper()
	_, payload := ws.read()
	if !ws.compressed {
		return payload
	}
	b, err := io.ReadAll(flate.NewReader(strings.NewReader(payload + "\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
	if err != nil {
		ws.t.Fatal(err)
	}
	return string(b)
}

func TestABroadcastIsCompressedOnceForAllWhoAgreed(t *testing.T) {
	s := serve(t, Config{Deflate: true})
	one, first := s.enterDeflated()
	two, second := s.enterDeflated()
	plain, third := s.enterWebSocket()
	p := packet(`["a","` + strings.Repeat("x", 10_000) + `"]`)
	for _, c := range []*echoConn{first, second, third} {
		if err := c.socket.Push(p); err != nil {
			t.Fatal(err)
		}
		c.socket.Flush()
	}
	want := "42" + string(p.Data)
	for i, ws := range []*rawSocket{one, two, plain} {
		if got := ws.inflated(); got != want {
			t.Errorf("socket %d got %.40q", i, got)
		}
	}
	f := p.Encoded(slotJSONWebSocket, jsonFrame).(*encodedFrame)
	if small := f.small.Load(); small == nil || small.size > 1000 || f.deflated(s.handler.deflaters) != small {
		t.Error("it is compressed again for each socket")
	}
	if n := s.handler.Stats(); n.BytesOut > 11_000+2*1000 {
		t.Errorf("%d bytes were sent", n.BytesOut)
	}

	noise := make([]byte, 5000)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(random.IntN(256))
	}
	p = &actors.Packet{Type: actors.PacketEvent, Namespace: "/", Data: []byte(`["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`), Attachments: [][]byte{noise, {}}}
	if err := first.socket.Push(p); err != nil {
		t.Fatal(err)
	}
	first.socket.Flush()
	if got := one.inflated(); got != "452-"+string(p.Data) {
		t.Errorf("got %.60q", got)
	}
	if got := one.inflated(); got != string(noise) {
		t.Error("what cannot be compressed is not sent as it is")
	}
	if got := one.inflated(); got != "" {
		t.Errorf("an empty attachment is %q", got)
	}
}

func TestCompressingDoesNotWait(t *testing.T) {
	s := serve(t, Config{Deflate: true})
	for range cap(s.handler.deflaters.idle) {
		<-s.handler.deflaters.idle // all are at work
	}
	ws, c := s.enterDeflated()
	p := packet(`["a","` + strings.Repeat("x", 10_000) + `"]`)
	if err := c.socket.Push(p); err != nil {
		t.Fatal(err)
	}
	c.socket.Flush()
	ws.want("42" + string(p.Data))
	s.handler.deflaters.idle <- nil
	if err := c.socket.Push(p); err != nil {
		t.Fatal(err)
	}
	c.socket.Flush()
	if got := ws.inflated(); got != "42"+string(p.Data) {
		t.Errorf("got %.40q", got)
	}
	if p.Encoded(slotJSONWebSocket, jsonFrame).(*encodedFrame).small.Load() == nil {
		t.Error("it is never compressed")
	}
}
