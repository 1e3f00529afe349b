package transport

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// The transports a client may open a session with.
const (
	Polling   = "polling"
	WebSocket = "websocket"
)

// Config says how a [Handler] behaves. The zero value is useful and is what a
// stock client expects; [New] checks it once and keeps a copy. A negative
// duration or number is an error.
type Config struct {
	// Path is where the handler lives, ending in a slash (one is added). Zero
	// means "/socket.io/", the default of stock clients.
	Path string

	// PingInterval is how long after a pong the next ping is sent; a session
	// dies PingTimeout after a ping that had no pong. Zero means 25 s and 20 s.
	// Clients are told both in whole milliseconds.
	PingInterval time.Duration
	PingTimeout  time.Duration

	// UpgradeTimeout is how long a WebSocket that probes an open session has to
	// finish the upgrade. Zero means 10 s.
	UpgradeTimeout time.Duration

	// ConnectTimeout is how long a session may live before the client has sent
	// its first CONNECT, which a stock client does at once unless its auth
	// function takes time. Zero means 10 s.
	ConnectTimeout time.Duration

	// AdmitTimeout is how long a session may then take until a CONNECT reply was
	// pushed to it, whatever it is refused meanwhile. Zero means 45 s.
	AdmitTimeout time.Duration

	// AttachmentTimeout is how long a binary packet may wait for the rest of
	// its attachments. Zero means 10 s.
	AttachmentTimeout time.Duration

	// BodyTimeout is how long a client may take to send the body of one POST.
	// Zero means 15 s.
	BodyTimeout time.Duration

	// WriteTimeout is how long a client may take nothing of what waits for it
	// before its session ends with transport_error. Zero means 10 s.
	WriteTimeout time.Duration

	// CloseTimeout bounds what happens after a session was closed: writing what
	// still waits, the close frame and the client's answer to it, or the one GET
	// that a polling client has yet to send, or the end of its upgrade. Zero
	// means 3 s.
	CloseTimeout time.Duration

	// MaxPayload is the longest WebSocket message, the longest POST and the
	// longest Socket.IO packet with all its attachments that a client may send,
	// in bytes. Clients split their POSTs by it. Zero means 1,000,000.
	MaxPayload int

	// MaxAttachments is how many binary attachments one packet may have, up to
	// 64. Zero means 10.
	MaxAttachments int

	// ConnectRate is how many handshakes are taken per second; after a rest, those
	// of two seconds at once. One more is answered 503. Zero means 500; the most
	// is 1,000,000, which is no limit in practice.
	ConnectRate int

	// MaxPerAddress is how many sessions one client address may have open, an
	// IPv6 network of 64 bits counting as one address. One more is answered 429.
	// Zero means no limit, because behind a proxy that is not in TrustedProxies
	// all clients have one address.
	MaxPerAddress int

	// TrustedProxies are the addresses and networks, as 10.0.0.0/8, of proxies
	// in front of the handler. What they say in ForwardedHeader is believed, and
	// what anybody else says is not. Empty means none.
	TrustedProxies []string

	// ForwardedHeader is where they say it: XForwardedFor or Forwarded. Proxies
	// that set one leave the other as the client sent it. Empty means
	// XForwardedFor.
	ForwardedHeader string

	// Outbox bounds what waits for one slow client.
	Outbox Limits

	// Deflate lets WebSockets agree to permessage-deflate (RFC 7692), without
	// taking over a context in either direction. Messages from 1 KiB on are then
	// compressed, once for all that are sent the same, with as many compressors
	// of some 650 KB as there are processors; MaxPayload bounds what clients send
	// after decompression. It costs processor time for every packet, and secrets
	// beside what an attacker chooses may be guessed from lengths. False means
	// off.
	Deflate bool

	// Transports are the ones offered: Polling, WebSocket or both. Empty means
	// both. With both, a polling session may be upgraded.
	Transports []string

	// Cookie names a cookie that carries the session id, for load balancers
	// that route by one; "io" is usual. It is set by the answer to the
	// handshake, for "/", HttpOnly and SameSite=Lax, and is never read here.
	// Empty means none.
	Cookie string

	// Origins are the web origins whose pages may connect, for polling and
	// WebSocket alike, as scheme://host[:port] in lower case;
	// scheme://*.host[:port] stands for every host below that one, but not for
	// the host itself. Empty means the handler's own origin and pages served
	// from a loopback host. The single entry "*" allows every origin; it cannot
	// be used with Cookie.
	//
	// The Cookie header reaches the runtime only from pages that are trusted
	// with it: of the handler's own origin, of a listed one, and of a loopback
	// host if that is where the request went. A request that names no origin is
	// served without it, unless the browser says that it came from this very
	// origin: no page caused it, or none that could read the answer. What comes
	// from another site without naming an origin is refused.
	Origins []string

	// HandshakeHeaders may add headers to the answer to a handshake. It runs on
	// the request's goroutine before the session exists and must not keep
	// either argument. Nil adds none.
	HandshakeHeaders func(header http.Header, r *http.Request)

	// NoClient leaves out the client bundle, which is otherwise served as
	// socket.io.js, socket.io.min.js, socket.io.esm.min.js,
	// socket.io.msgpack.min.js and their source maps under Path.
	NoClient bool

	// NewSID returns the id of a new session: 1 to 128 of [A-Za-z0-9._~-],
	// never the same twice and not to be guessed. Nil means 128 random bits in
	// base64url. Any goroutine may call it.
	NewSID func() string

	// Elsewhere finds the node of a session that this handler does not have, by
	// the id that its NewSID gave it. What it returns sends a request to that
	// node's Forwarded handler, whatever host the request's URL has, and gives
	// back its answer, with a body that is an io.ReadWriteCloser if that is 101;
	// it fails soon after the node has. Nil, from it or for it, means that nobody
	// has the session. It does not block; any goroutine may call it. A
	// [Forwarder] has it.
	Elsewhere func(sid string) http.RoundTripper

	// Logger takes one line for each session that ended in an unusual way; it is
	// never given a whole session id, a header or a payload. Nil means
	// slog.Default().
	Logger *slog.Logger

	// Meter publishes what Stats counts, until Handler.Close. Nil means that
	// nobody does. docs/operations.md lists the metrics.
	Meter metric.Meter

	// Tracer makes a span of a request: a handshake, a poll, a POST, an
	// upgrade. Nil means that none is made. What happens to packets is traced
	// by the runtime.
	Tracer trace.Tracer
	// SampleRatio is which part of the requests is traced, 0 to 1.
	SampleRatio float64
	// TrustTraceparent lets whoever sends a traceparent header decide.
	// Otherwise it is linked where the lot falls on the request.
	TrustTraceparent bool

	below   []origin       // the hosts of patterns in Origins
	trusted []netip.Prefix // TrustedProxies
}

// Limits bounds what may wait for one socket that does not keep up. A socket
// over a limit is closed with actors.ReasonTooSlow.
type Limits struct {
	// Bytes is how much may wait, counting payloads that are shared with other
	// sockets. Zero means 1 MiB. One packet larger than that is still taken
	// when nothing waits.
	Bytes int

	// Packets is how many packets may wait. Zero means 1,024.
	Packets int
}

// complete returns c with its zero fields filled, or an error that names the
// field which makes no sense.
func (c Config) complete() (Config, error) {
	if c.Path == "" {
		c.Path = "/socket.io/"
	}
	if !strings.HasPrefix(c.Path, "/") {
		return c, fmt.Errorf("transport: Path %q does not begin with a slash", c.Path)
	}
	if !strings.HasSuffix(c.Path, "/") {
		c.Path += "/"
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		zero  time.Duration
	}{
		{"PingInterval", &c.PingInterval, 25 * time.Second},
		{"PingTimeout", &c.PingTimeout, 20 * time.Second},
		{"UpgradeTimeout", &c.UpgradeTimeout, 10 * time.Second},
		{"ConnectTimeout", &c.ConnectTimeout, 10 * time.Second},
		{"AdmitTimeout", &c.AdmitTimeout, 45 * time.Second},
		{"AttachmentTimeout", &c.AttachmentTimeout, 10 * time.Second},
		{"BodyTimeout", &c.BodyTimeout, 15 * time.Second},
		{"WriteTimeout", &c.WriteTimeout, 10 * time.Second},
		{"CloseTimeout", &c.CloseTimeout, 3 * time.Second},
	} {
		if *d.value < 0 || *d.value > 24*time.Hour || *d.value > 0 && *d.value < time.Millisecond {
			return c, fmt.Errorf("transport: %s is %v, not between 1 ms and 24 h", d.name, *d.value)
		}
		if *d.value == 0 {
			*d.value = d.zero
		}
	}
	for _, n := range []struct {
		name      string
		value     *int
		zero, max int
	}{
		{"MaxPayload", &c.MaxPayload, 1_000_000, 1 << 30},
		{"MaxAttachments", &c.MaxAttachments, 10, 64},
		{"ConnectRate", &c.ConnectRate, 500, 1_000_000},
		{"MaxPerAddress", &c.MaxPerAddress, 0, 1 << 30},
		{"Outbox.Bytes", &c.Outbox.Bytes, 1 << 20, 1 << 30},
		{"Outbox.Packets", &c.Outbox.Packets, 1024, 1 << 16},
	} {
		if *n.value < 0 || *n.value > n.max {
			return c, fmt.Errorf("transport: %s is %d, not between 0 and %d", n.name, *n.value, n.max)
		}
		if *n.value == 0 {
			*n.value = n.zero
		}
	}
	if !(c.SampleRatio >= 0 && c.SampleRatio <= 1) {
		return c, fmt.Errorf("transport: SampleRatio is %v, not between 0 and 1", c.SampleRatio)
	}
	if err := c.completeNames(); err != nil {
		return c, err
	}
	if c.NewSID == nil {
		c.NewSID = newSID
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}

// completeNames is complete for everything that is a name.
func (c *Config) completeNames() error {
	if len(c.Transports) == 0 {
		c.Transports = []string{Polling, WebSocket}
	}
	c.Transports = slices.Clone(c.Transports)
	for _, t := range c.Transports {
		if t != Polling && t != WebSocket {
			return fmt.Errorf("transport: unknown transport %q", t)
		}
	}
	if c.Cookie != "" {
		if err := (&http.Cookie{Name: c.Cookie, Value: "x"}).Valid(); err != nil {
			return fmt.Errorf("transport: Cookie: %w", err)
		}
	}
	if err := c.completeProxies(); err != nil {
		return err
	}
	return c.completeOrigins()
}

// offers reports whether sessions may use the transport.
func (c *Config) offers(transport string) bool {
	return slices.Contains(c.Transports, transport)
}

func newSID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// validSID reports whether a session id is of the documented form.
func validSID(s string) bool {
	if len(s) == 0 || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '.', c == '_', c == '~', c == '-':
		default:
			return false
		}
	}
	return true
}
