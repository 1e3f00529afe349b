package transporttest

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/parlor-rooms/parlor/transport/internal/engineio"
)

// closePatience is how long Close waits for the server's part of it.
const closePatience = 2 * time.Second

// CloseError is the close frame with which a server ended a WebSocket.
type CloseError struct {
	Code int // 1005 if the frame had none
	Text string
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("the server closed the WebSocket with %d %s", e.Code, e.Text)
}

// wsLink is a WebSocket without extensions: RFC 6455.
type wsLink struct {
	conn net.Conn
	max  int

	// Owned by the reader.
	r       *bufio.Reader
	payload []byte // of the message being read

	mu  sync.Mutex // guards the following, and writing to conn
	out []byte
}

// dialWebSocket opens a session on a WebSocket.
func (c *Client) dialWebSocket(ctx context.Context, base *url.URL) error {
	ws, err := c.openWebSocket(ctx, base)
	if err != nil {
		return err
	}
	p, err := ws.packet()
	if err == nil && p.Type != engineio.Open {
		err = fmt.Errorf("the server began with %v", p.Type)
	}
	if err == nil {
		c.handshake, err = engineio.ParseHandshake(p.Data)
	}
	if err != nil {
		ws.cut(false)
		return err
	}
	_ = ws.conn.SetDeadline(time.Time{}) // a closed connection shows soon enough
	c.link = ws
	return nil
}

// openWebSocket does the opening handshake. The deadline of ctx stays on the
// connection.
func (c *Client) openWebSocket(ctx context.Context, base *url.URL) (*wsLink, error) {
	conn, err := c.options.Dial(ctx, "tcp", hostPort(base))
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	if secure(base) {
		cfg := c.options.TLS.Clone()
		if cfg == nil {
			cfg = &tls.Config{}
		}
		if cfg.ServerName == "" {
			cfg.ServerName = base.Hostname()
		}
		conn = tls.Client(conn, cfg)
	}
	ws := &wsLink{conn: conn, max: c.options.MaxMessage, r: bufio.NewReaderSize(conn, c.options.ReadBuffer)}
	if err := c.shakeHands(ws, base); err != nil {
		conn.Close()
		return nil, err
	}
	return ws, nil
}

func (c *Client) shakeHands(ws *wsLink, base *url.URL) error {
	var key [16]byte
	rand.Read(key[:]) // never fails
	r := &http.Request{
		Method: http.MethodGet, URL: &url.URL{Path: base.Path, RawQuery: c.query("websocket")},
		Host: base.Host, ProtoMajor: 1, ProtoMinor: 1, Header: c.options.Header.Clone(),
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Sec-WebSocket-Key", base64.StdEncoding.EncodeToString(key[:]))
	if err := r.Write(ws.conn); err != nil {
		return err
	}
	resp, err := http.ReadResponse(ws.r, r)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return statusError(resp)
	}
	return nil
}

// StatusError is an HTTP answer that refuses.
type StatusError struct {
	Status int
	Body   string
}

func (e *StatusError) Error() string { return fmt.Sprintf("HTTP %d: %s", e.Status, e.Body) }

func statusError(resp *http.Response) error {
	defer resp.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // what there is of it
	return &StatusError{resp.StatusCode, string(b)}
}

func (ws *wsLink) write(messages ...message) error {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.out = ws.out[:0]
	for _, m := range messages {
		first := byte(0x81)
		if m.binary {
			first = 0x82
		}
		ws.out = appendFrame(ws.out, first, m.data)
	}
	return ws.flush()
}

func (ws *wsLink) frame(first byte, payload []byte) error {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.out = appendFrame(ws.out[:0], first, payload)
	return ws.flush()
}

// flush is called with mu held.
func (ws *wsLink) flush() error {
	_, err := ws.conn.Write(ws.out)
	if cap(ws.out) > 64<<10 {
		ws.out = nil
	}
	return err
}

// appendFrame appends a masked frame. The mask is not random: it protects
// proxies from browsers, and there is neither here.
func appendFrame(dst []byte, first byte, payload []byte) []byte {
	dst = append(dst, first)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(n))
	}
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	dst = append(dst, key[:]...)
	start := len(dst)
	dst = append(dst, payload...)
	for i := range payload {
		dst[start+i] ^= key[i&3]
	}
	return dst
}

func (ws *wsLink) receive(take func(engineio.Packet) error) error {
	for {
		p, err := ws.packet()
		if err == nil {
			err = take(p)
		}
		if err != nil {
			return err
		}
	}
}

// packet reads one Engine.IO packet, valid until the next call.
func (ws *wsLink) packet() (engineio.Packet, error) {
	ws.payload = ws.payload[:0]
	if cap(ws.payload) > 64<<10 {
		ws.payload = nil
	}
	var kind byte
	for {
		first, err := ws.readFrame()
		if err != nil {
			return engineio.Packet{}, err
		}
		if op := first & 0xf; op != 0 {
			kind = op
		}
		if first&0x80 != 0 {
			break
		}
	}
	if kind == 2 {
		return engineio.DecodeBinary(ws.payload), nil
	}
	return engineio.DecodeText(ws.payload)
}

// readFrame reads one frame of data, and handles the control frames before it.
func (ws *wsLink) readFrame() (first byte, err error) {
	for {
		head, err := ws.r.Peek(2)
		if err != nil {
			return 0, err
		}
		first, n := head[0], int(head[1])
		if first&0x70 != 0 || n >= 0x80 {
			return 0, fmt.Errorf("the server sent the frame header %x", head)
		}
		_, _ = ws.r.Discard(2) // was peeked
		if n, err = ws.length(n); err != nil {
			return 0, err
		}
		if first&0x08 != 0 {
			if err := ws.control(first, n); err != nil {
				return 0, err
			}
			continue
		}
		start := len(ws.payload)
		if start+n > ws.max {
			return 0, fmt.Errorf("a message of more than %d bytes", ws.max)
		}
		ws.payload = append(ws.payload, make([]byte, n)...)
		_, err = io.ReadFull(ws.r, ws.payload[start:])
		return first, err
	}
}

func (ws *wsLink) length(n int) (int, error) {
	var size int
	switch n {
	case 126:
		size = 2
	case 127:
		size = 8
	default:
		return n, nil
	}
	b, err := ws.r.Peek(size)
	if err != nil {
		return 0, err
	}
	n = 0
	for _, c := range b {
		n = n<<8 | int(c)
	}
	_, _ = ws.r.Discard(size) // was peeked
	if n < 0 {
		return 0, errors.New("a frame of more than 2^63 bytes")
	}
	return n, nil
}

func (ws *wsLink) control(first byte, n int) error {
	if n > 125 || first&0x80 == 0 {
		return errors.New("the server sent a malformed control frame")
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(ws.r, payload); err != nil {
		return err
	}
	switch first & 0xf {
	case 8:
		e := &CloseError{Code: 1005}
		if n >= 2 {
			e.Code, e.Text = int(binary.BigEndian.Uint16(payload)), string(payload[2:])
		}
		_ = ws.frame(0x88, payload) // the server may be gone
		return e
	case 9:
		return ws.frame(0x8a, payload)
	}
	return nil
}

// close sends a close frame and gives the server time to answer it.
func (ws *wsLink) close() error {
	_ = ws.conn.SetReadDeadline(time.Now().Add(closePatience))
	return ws.frame(0x88, []byte{0x03, 0xe8})
}

func (ws *wsLink) cut(reset bool) {
	if c, ok := ws.conn.(interface{ SetLinger(sec int) error }); ok && reset {
		_ = c.SetLinger(0) // fails only if it is closed already
	}
	_ = ws.conn.Close() // cut before, perhaps
}
