package corpus

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
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long the next byte may take where no timeout of the server
// is waited for.
const patience = 40 * time.Second

// client is one raw connection that runs a script.
type client struct {
	t      *testing.T
	host   string
	tokens map[string]func() string // by what stands for them: see doc.go

	conn  net.Conn
	in    *bufio.Reader
	sid   string
	wrote time.Time
	last  *http.Response
}

func (c *client) run(s script) {
	defer func() {
		if c.conn != nil {
			c.conn.Close()
		}
	}()
	for _, st := range s.steps {
		if err := c.step(st); err != nil {
			c.t.Errorf("%s:%d: %s: %v", s.file, st.line, st.verb, err)
			return
		}
	}
}

var many = regexp.MustCompile(`\{(.)\*(\d+)\}`)

// fill puts in what a text leaves open.
func (c *client) fill(s string) string {
	s = many.ReplaceAllStringFunc(s, func(m string) string {
		part := many.FindStringSubmatch(m)
		n, err := strconv.Atoi(part[2])
		if err != nil {
			panic(err)
		}
		return strings.Repeat(part[1], n)
	})
	for name, token := range c.tokens {
		if strings.Contains(s, name) {
			s = strings.ReplaceAll(s, name, token())
		}
	}
	return strings.NewReplacer("{host}", c.host, "{sid}", c.sid).Replace(s)
}

// step runs one step.
func (c *client) step(s step) error {
	open := s.args
	s.args = nil
	for _, arg := range open {
		s.args = append(s.args, c.fill(arg))
	}
	switch s.verb {
	case "tcp":
		return c.dial()
	case "send":
		return c.write(strings.Join(s.args, ""))
	case "repeat":
		return c.write(strings.Repeat(s.arg(1), s.number(0, 10)))
	case "request":
		return c.request(s.arg(0), s.args[1:], "")
	case "post":
		return c.request("POST /socket.io/?EIO=4&transport=polling&sid="+s.arg(0), append(s.args[2:], fmt.Sprintf("Content-Length: %d", len(s.arg(1)))), s.arg(1))
	case "get":
		return c.request("GET /socket.io/?EIO=4&transport=polling&sid="+s.arg(0), nil, "")
	case "poll":
		return c.poll()
	case "ws":
		return c.webSocket(s.args)
	case "enter":
		return c.enter(s.arg(0), s.arg(1))
	case "text":
		return c.write(string(frame(0x81, s.arg(0))))
	case "frame":
		return c.write(string(frame(byte(s.number(0, 16)), s.arg(1))))
	case "frames":
		var all strings.Builder
		for n := range s.number(0, 10) {
			all.Write(frame(byte(s.number(1, 16)), strings.ReplaceAll(s.arg(2), "{n}", strconv.Itoa(n))))
		}
		return c.write(all.String())
	case "fin":
		return c.conn.(*net.TCPConn).CloseWrite()
	case "reset":
		return errors.Join(c.conn.(*net.TCPConn).SetLinger(0), c.conn.Close())
	case "status":
		return c.status(s.number(0, 10), s.args[1:])
	case "header":
		if got := c.last.Header.Get(s.arg(0)); got != s.arg(1) {
			return fmt.Errorf("%q", got)
		}
		return nil
	case "want", "until":
		return c.want(s.arg(0), s.verb == "until")
	case "close":
		return c.closed(s.number(0, 10))
	case "eof":
		return c.eof(s.args)
	}
	return errors.New("there is no such step")
}

func (c *client) dial() error {
	if c.conn != nil {
		c.conn.Close()
	}
	var err error
	if c.conn, err = net.Dial("tcp", c.host); err == nil {
		c.in, c.wrote = bufio.NewReader(c.conn), time.Now()
	}
	return err
}

// write writes what it can: the server may have closed the connection before
// everything was sent, which is for the next step to find out.
func (c *client) write(s string) error {
	_ = c.conn.SetWriteDeadline(time.Now().Add(patience))
	_, err := io.WriteString(c.conn, s)
	c.wrote = time.Now()
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	return err
}

func (c *client) request(line string, header []string, body string) error {
	if err := c.dial(); err != nil {
		return err
	}
	return c.write(line + " HTTP/1.1\r\nHost: " + c.host + "\r\n" + strings.Join(append(header, "\r\n"), "\r\n") + body)
}

func (c *client) status(code int, body []string) error {
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	c.last = resp
	text, err := io.ReadAll(resp.Body)
	if err != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		return err
	}
	if resp.StatusCode != code || len(body) > 0 && !matches(body[0], string(text)) {
		return fmt.Errorf("%d %q", resp.StatusCode, text)
	}
	return nil
}

func matches(want, got string) bool {
	if begin, open := strings.CutSuffix(want, "…"); open {
		return strings.HasPrefix(got, begin)
	}
	return want == got
}

func (c *client) poll() error {
	if err := c.request("GET /socket.io/?EIO=4&transport=polling", nil, ""); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return c.open(string(text))
}

// open reads the open packet of a session.
func (c *client) open(packet string) error {
	var o struct{ SID string }
	if !strings.HasPrefix(packet, "0") || json.Unmarshal([]byte(packet[1:]), &o) != nil {
		return fmt.Errorf("the session opens with %q", packet)
	}
	c.sid = o.SID
	return nil
}

func (c *client) webSocket(args []string) error {
	query := "EIO=4&transport=websocket"
	if len(args) > 0 && args[0] != "" {
		query = args[0]
	}
	var key [16]byte
	rand.Read(key[:])
	header := []string{
		"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: " + base64.StdEncoding.EncodeToString(key[:]),
	}
	if len(args) > 1 {
		header = append(header, args[1:]...)
	}
	if err := c.request("GET /socket.io/?"+query, header, ""); err != nil {
		return err
	}
	if err := c.status(101, nil); err != nil {
		return err
	}
	if strings.Contains(query, "sid=") {
		return nil // an upgrade, which begins with a probe
	}
	op, text, err := c.message()
	if err != nil || op != 1 {
		return fmt.Errorf("frame %d %q: %v", op, text, err)
	}
	return c.open(text)
}

// enter enters a room and waits until it has.
func (c *client) enter(room, auth string) error {
	if auth == "" {
		auth = c.fill(`{"token":"{token}"}`)
	}
	if err := c.write(string(frame(0x81, "40"+room+","+auth))); err != nil {
		return err
	}
	return c.want("40"+room+`,{"sid":…`, true)
}

func frame(first byte, payload string) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	key := [4]byte{9, 8, 7, 6}
	b = append(b, key[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i%4])
	}
	return b
}

// message reads one frame that is no ping of either protocol.
func (c *client) message() (op byte, text string, err error) {
	for {
		_ = c.conn.SetReadDeadline(time.Now().Add(patience))
		var head [2]byte
		if _, err := io.ReadFull(c.in, head[:]); err != nil {
			return 0, "", err
		}
		size := uint64(head[1] & 0x7f)
		if size >= 126 {
			ext := make([]byte, map[uint64]int{126: 2, 127: 8}[size])
			if _, err := io.ReadFull(c.in, ext); err != nil {
				return 0, "", err
			}
			size = 0
			for _, b := range ext {
				size = size<<8 | uint64(b)
			}
		}
		if head[0]&0xf0 != 0x80 || size > 16<<20 {
			return 0, "", fmt.Errorf("the server sends the frame %x of %d bytes", head[0], size)
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(c.in, body); err != nil {
			return 0, "", err
		}
		if op = head[0] & 15; op != 9 && op != 10 && (op != 1 || string(body) != "2") {
			return op, string(body), nil
		}
	}
}

func (c *client) want(text string, others bool) error {
	var passed []string
	for {
		op, got, err := c.message()
		switch {
		case err != nil:
			return fmt.Errorf("%w after %.2000q", err, passed)
		case op == 1 && matches(text, got):
			return nil
		case op == 8 || !others || strings.HasPrefix(got, "44") && !strings.HasPrefix(text, "44"):
			return fmt.Errorf("frame %d %q", op, got)
		}
		passed = append(passed, got)
	}
}

func (c *client) closed(code int) error {
	for {
		op, text, err := c.message()
		if err != nil {
			return err
		}
		if op != 8 {
			continue
		}
		if len(text) < 2 || int(binary.BigEndian.Uint16([]byte(text))) != code {
			return fmt.Errorf("close frame %q", text)
		}
		return nil
	}
}

// eof reads until the connection is closed.
func (c *client) eof(args []string) error {
	_ = c.conn.SetReadDeadline(time.Now().Add(patience + 30*time.Second))
	_, err := io.Copy(io.Discard, c.in)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return errors.New("the connection is still open")
	}
	if len(args) < 2 {
		return nil
	}
	low, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	high, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	if took := time.Since(c.wrote); took < low || took > high {
		return fmt.Errorf("after %v", took)
	}
	return nil
}
