package transporttest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/parlor-rooms/parlor/transport/internal/engineio"
)

// pollLink is long-polling: one GET that waits, and one POST at a time.
type pollLink struct {
	client *Client
	http   *http.Client
	base   url.URL
	life   context.Context // ends with the client

	mu sync.Mutex // held during a POST
}

// dialPolling opens a polling session, and upgrades it if that is wanted.
func (c *Client) dialPolling(ctx, life context.Context, base *url.URL) error {
	l := &pollLink{client: c, base: *base, life: life, http: &http.Client{Transport: &http.Transport{
		DialContext:         c.options.Dial,
		TLSClientConfig:     c.tls(),
		DisableCompression:  true,
		MaxIdleConnsPerHost: 2,
	}}}
	c.link = l
	body, err := l.do(ctx, http.MethodGet, "")
	if err != nil {
		l.cut(false)
		return err
	}
	first, rest, more := bytes.Cut(body, []byte{engineio.Separator})
	p, err := engineio.DecodeText(first)
	if err == nil && p.Type != engineio.Open {
		err = fmt.Errorf("the server began with %v", p.Type)
	}
	if err == nil {
		c.handshake, err = engineio.ParseHandshake(p.Data)
	}
	if err == nil && more {
		err = l.payload(rest, c.take)
	}
	if err == nil && c.options.Transport == Upgrade {
		err = c.upgrade(ctx, l)
	}
	if err != nil {
		l.cut(false)
	}
	return err
}

func (c *Client) tls() *tls.Config { return c.options.TLS.Clone() }

// upgrade moves from polling to a WebSocket as stock clients do: probe while a
// GET waits, let that GET come back, and take over.
func (c *Client) upgrade(ctx context.Context, l *pollLink) error {
	polling, stop := context.WithCancel(ctx)
	defer stop()
	type answer struct {
		body []byte
		err  error
	}
	polled := make(chan answer, 1)
	go func() { // waited for below
		body, err := l.do(polling, http.MethodGet, "")
		polled <- answer{body, err}
	}()
	ws, err := c.probe(ctx, l)
	if err != nil {
		stop()
		<-polled
		return err
	}
	last := <-polled
	if err = last.err; err == nil {
		err = l.payload(last.body, c.take)
	}
	if err == nil {
		err = ws.write(message{data: []byte{'0' + byte(engineio.Upgrade)}})
	}
	if err != nil {
		ws.cut(false)
		return err
	}
	_ = ws.conn.SetDeadline(time.Time{}) // a closed connection shows soon enough
	l.http.CloseIdleConnections()
	c.link = ws
	return nil
}

// probe opens a WebSocket for the session and tries it.
func (c *Client) probe(ctx context.Context, l *pollLink) (*wsLink, error) {
	ws, err := c.openWebSocket(ctx, &l.base)
	if err != nil {
		return nil, err
	}
	err = ws.write(message{data: []byte("2probe")})
	var p engineio.Packet
	if err == nil {
		p, err = ws.packet()
	}
	if err == nil && (p.Type != engineio.Pong || string(p.Data) != "probe") {
		err = fmt.Errorf("the probe was answered with %v", p.Type)
	}
	if err != nil {
		ws.cut(false)
		return nil, err
	}
	return ws, nil
}

func (l *pollLink) do(ctx context.Context, method, body string) ([]byte, error) {
	u := l.base
	u.RawQuery = l.client.query("polling")
	var reader io.Reader
	if method == http.MethodPost {
		reader = bytes.NewReader([]byte(body))
	}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), reader)
	if err != nil {
		return nil, err
	}
	if h := l.client.options.Header; h != nil {
		r.Header = h.Clone()
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	resp, err := l.http.Do(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, statusError(resp)
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

func (l *pollLink) write(messages ...message) error {
	var body []byte
	for i, m := range messages {
		if i > 0 {
			body = append(body, engineio.Separator)
		}
		if m.binary {
			body = engineio.AppendText(body, engineio.DecodeBinary(m.data))
		} else {
			body = append(body, m.data...)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	answer, err := l.do(l.life, http.MethodPost, string(body))
	if err == nil && string(answer) != "ok" {
		err = fmt.Errorf("a POST was answered %q", answer)
	}
	return err
}

func (l *pollLink) receive(take func(engineio.Packet) error) error {
	for {
		body, err := l.do(l.life, http.MethodGet, "")
		if err != nil {
			return err
		}
		if err := l.payload(body, take); err != nil {
			return err
		}
	}
}

func (l *pollLink) payload(body []byte, take func(engineio.Packet) error) error {
	packets, err := engineio.DecodePayload(nil, body, engineio.Limits{Packets: 1 << 20, Bytes: l.client.options.MaxMessage})
	for _, p := range packets {
		if err := take(p); err != nil {
			return err
		}
	}
	return err
}

// close tells the server, which lets the GET go.
func (l *pollLink) close() error {
	err := l.write(message{data: []byte{'0' + byte(engineio.Close)}})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (l *pollLink) cut(bool) { l.http.CloseIdleConnections() }
