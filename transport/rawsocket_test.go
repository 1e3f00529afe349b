package transport

import (
	"bufio"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// rawSocket is a WebSocket of which the test sees and makes every byte.
type rawSocket struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
	late bool // wait as long as it takes

	deflate    bool // frames may be compressed
	compressed bool // the last one was
}

// webSocket opens a WebSocket with this query.
func (s *server) webSocket(query string, header ...string) *rawSocket {
	s.t.Helper()
	ws, status, body := s.tryWebSocket(query, header...)
	if status != 101 {
		s.t.Fatalf("upgrade answered %d %q", status, body)
	}
	return ws
}

func (s *server) tryWebSocket(query string, header ...string) (ws *rawSocket, status int, body string) {
	s.t.Helper()
	conn, err := s.dial()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	host := strings.TrimPrefix(s.base, "http://")
	var lines strings.Builder
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			host = header[i+1]
			continue
		}
		fmt.Fprintf(&lines, "%s: %s\r\n", header[i], header[i+1])
	}
	var key [16]byte
	rand.Read(key[:])
	fmt.Fprintf(conn, "GET /socket.io/?EIO=4&%s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s\r\n", query, host, base64.StdEncoding.EncodeToString(key[:]), lines.String())
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodGet})
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		b, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		return nil, resp.StatusCode, string(b)
	}
	return &rawSocket{t: s.t, conn: conn, r: r}, 101, ""
}

// openWebSocket opens a session on a WebSocket.
func (s *server) openWebSocket() (*rawSocket, *echoConn) {
	s.t.Helper()
	ws := s.webSocket("transport=websocket")
	op, open := ws.read()
	var o struct{ SID string }
	if op != 1 || open[0] != '0' || json.Unmarshal([]byte(open[1:]), &o) != nil {
		s.t.Fatalf("the first frame is %d %q", op, open)
	}
	return ws, s.connOf(o.SID)
}

// enterWebSocket opens a session on a WebSocket that has joined "/".
func (s *server) enterWebSocket() (*rawSocket, *echoConn) {
	s.t.Helper()
	ws, c := s.openWebSocket()
	ws.text("40")
	ws.want(`40{"sid":"m/"}`)
	return ws, c
}

// frame sends one masked frame with this first byte.
func (ws *rawSocket) frame(first byte, payload string) {
	ws.t.Helper()
	ws.bytes(maskedFrame(first, []byte(payload)))
}

func maskedFrame(first byte, payload []byte) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	key := [4]byte{1, 2, 3, 4}
	b = append(b, key[:]...)
	for i, c := range payload {
		b = append(b, c^key[i%4])
	}
	return b
}

func (ws *rawSocket) text(s string) { ws.t.Helper(); ws.frame(0x81, s) }

func (ws *rawSocket) bytes(b []byte) {
	ws.t.Helper()
	_ = ws.conn.SetWriteDeadline(time.Now().Add(patience))
	if _, err := ws.conn.Write(b); err != nil {
		ws.t.Fatal(err)
	}
}

// tryRead reads one unfragmented frame.
func (ws *rawSocket) tryRead() (op byte, payload string, err error) {
	_ = ws.conn.SetReadDeadline(time.Now().Add(patience))
	if ws.late {
		_ = ws.conn.SetReadDeadline(time.Time{})
	}
	var head [2]byte
	if _, err := io.ReadFull(ws.r, head[:]); err != nil {
		return 0, "", err
	}
	ws.compressed = ws.deflate && head[0]&compressedBit != 0
	if ws.compressed {
		head[0] &^= compressedBit
	}
	if head[0]&0x80 == 0 || head[0]&0x70 != 0 || head[1]&0x80 != 0 {
		return 0, "", fmt.Errorf("server sent the frame header %x", head)
	}
	n := uint64(head[1])
	var ext [8]byte
	switch n {
	case 126:
		if _, err := io.ReadFull(ws.r, ext[:2]); err != nil {
			return 0, "", err
		}
		n = uint64(binary.BigEndian.Uint16(ext[:2]))
	case 127:
		if _, err := io.ReadFull(ws.r, ext[:]); err != nil {
			return 0, "", err
		}
		n = binary.BigEndian.Uint64(ext[:])
	}
	b := make([]byte, n)
	_, err = io.ReadFull(ws.r, b)
	return head[0] & 0xf, string(b), err
}

func (ws *rawSocket) read() (op byte, payload string) {
	ws.t.Helper()
	op, payload, err := ws.tryRead()
	if err != nil {
		ws.t.Fatal(err)
	}
	return op, payload
}

// want checks that the next frame is this text.
func (ws *rawSocket) want(text string) {
	ws.t.Helper()
	if op, got := ws.read(); op != 1 || got != text {
		ws.t.Fatalf("got frame %d %q, want text %q", op, got, text)
	}
}

// wantClose checks that the server closes with this code (0: a close frame
// without one, -1: no close frame), after other frames if there are any.
func (ws *rawSocket) wantClose(code int) {
	ws.t.Helper()
	got := -1
	for {
		op, payload, err := ws.tryRead()
		if err != nil {
			if n := net.Error(nil); errors.As(err, &n) && n.Timeout() {
				ws.t.Fatalf("the server did not close")
			}
			break
		}
		if op == 8 {
			got = 0
			if len(payload) >= 2 {
				got = int(binary.BigEndian.Uint16([]byte(payload)))
			}
			_ = ws.conn.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = ws.conn.Write(maskedFrame(0x88, []byte(payload))) // it may have closed
		}
	}
	if got != code {
		ws.t.Errorf("closed with %d, want %d", got, code)
	}
}

// wantEcho checks that the session is alive.
func (ws *rawSocket) wantEcho(text string) {
	ws.t.Helper()
	ws.text(`42["echo","` + text + `"]`)
	ws.want(`42["echo","` + text + `"]`)
}

// wantLate is want without a limit of time, for tests with a clock of their own.
func (ws *rawSocket) wantLate(text string) {
	ws.t.Helper()
	ws.late = true
	defer func() { ws.late = false }()
	ws.want(text)
}

// wantCloseLate is wantClose without a limit of time.
func (ws *rawSocket) wantCloseLate(code int) {
	ws.t.Helper()
	ws.late = true
	defer func() { ws.late = false }()
	ws.wantClose(code)
}
