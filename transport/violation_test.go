package transport

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// TestViolationsAreCountedByWhatWasWrong has one example of each, but for those
// that another test counts.
func TestViolationsAreCountedByWhatWasWrong(t *testing.T) {
	s := serve(t, Config{MaxPayload: 10_000, AttachmentTimeout: 20 * time.Millisecond})
	polls := func(body string) func(*testing.T) {
		return func(t *testing.T) {
			p := s.enter()
			p.t = t
			p.wantPost(body, 400)
		}
	}
	for what, violate := range map[Violation]func(*testing.T){
		ViolatedSize: func(t *testing.T) {
			ws, _ := s.enterWebSocket()
			ws.t = t
			ws.text("4" + strings.Repeat("x", 10_000))
			ws.wantClose(1009)
		},
		ViolatedPackets:     polls("4" + strings.Repeat("\x1e4", 1000)),
		ViolatedText:        polls("42[\"\xff\"]"),
		ViolatedBase64:      polls(`451-["a",{"_placeholder":true,"num":0}]` + "\x1ebA?"),
		ViolatedDepth:       polls(`42["a",` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `]`),
		ViolatedName:        polls(`42["` + strings.Repeat("x", 129) + `"]`),
		ViolatedAttachments: polls(`4511-["a"]`),
		ViolatedPacket:      polls(`42{"a":1}`),
		ViolatedOrder: func(t *testing.T) {
			p := s.enter()
			get := p.goGet()
			if r := p.get(); r.status != 400 {
				t.Errorf("a second GET answered %d", r.status)
			}
			wantReply(t, get, 200, "1")
		},
		ViolatedFrame: func(t *testing.T) {
			ws, _ := s.enterWebSocket()
			ws.t = t
			ws.bytes([]byte{0x81, 1, '3'}) // not masked
			ws.wantClose(1002)
		},
		ViolatedLate: func(t *testing.T) {
			ws, _ := s.enterWebSocket()
			ws.t = t
			ws.text(`451-["a",{"_placeholder":true,"num":0}]`)
			ws.wantClose(1002)
		},
		ViolatedNode: func(t *testing.T) {
			ws, _ := s.enterWebSocket()
			ws.t = t
			ws.text("40") // a second CONNECT
			ws.wantClose(1002)
		},
	} {
		t.Run(string(what), func(t *testing.T) {
			before := s.handler.Stats()
			violate(t)
			eventually(t, "count", func() bool { return s.handler.Stats().Violated[what] == before.Violated[what]+1 })
			for other, n := range s.handler.Stats().Violated {
				if other != what && n != before.Violated[other] {
					t.Errorf("%s is counted too", other)
				}
			}
		})
	}
}

// TestBodyThatNobodyReadsHasToComeInTime has requests that are answered before
// their body is there. The server reads it then, to go on with what comes behind
// it.
func TestBodyThatNobodyReadsHasToComeInTime(t *testing.T) {
	s := serve(t, Config{BodyTimeout: 50 * time.Millisecond})
	for _, request := range []string{
		"POST /socket.io/?EIO=4&transport=polling HTTP/1.1",
		"GET /socket.io/?EIO=3&transport=polling HTTP/1.1",
		"POST /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1",
		"POST /socket.io/other.js HTTP/1.1",
	} {
		conn := s.sendBytes(request + "\r\nHost: x\r\nContent-Length: 100\r\n\r\nxx")
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4096)
		for {
			if _, err := conn.Read(b); err != nil {
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s: the connection is kept", request)
				}
				break
			}
		}
	}
}
