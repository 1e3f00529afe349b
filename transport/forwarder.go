package transport

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// ForwarderConfig says how a [Forwarder] finds other nodes.
type ForwarderConfig struct {
	// Self is the id of this node, 1 to 64 of [A-Za-z0-9_-], that no other node
	// has and no earlier start of this one had.
	Self string

	// Address is where a node serves [Handler.Forwarded], as host:port; false
	// for one that is not alive. Any goroutine may call it; it does not block.
	Address func(node string) (string, bool)

	// TLS is how this node proves what it is and asks others to. Nil means no
	// TLS, for tests and for loopback.
	TLS *tls.Config

	// Dial opens a connection. Nil means net.Dialer with DialTimeout.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// DialTimeout is how long another node may take to accept a connection.
const DialTimeout = time.Second

// A Forwarder gives sessions ids that name their node, and sends requests for
// those of other nodes to them, by HTTP/1.1: a connection for each request under
// way, and one for each WebSocket for its life.
//
//	f, err := transport.NewForwarder(transport.ForwarderConfig{Self: id, Address: addresses, TLS: tls})
//	handler, err := transport.New(node, transport.Config{NewSID: f.NewSID, Elsewhere: f.Elsewhere})
//	go nodeServer.ServeTLS(listener, "", "") // Handler: handler.Forwarded()
//
// Methods may be called from any goroutine.
type Forwarder struct {
	cfg ForwarderConfig

	mu     sync.Mutex // guards the following
	peers  map[string]*forwardPeer
	closed bool
}

// forwardPeer is one other node. It is the RoundTripper for its sessions.
type forwardPeer struct {
	address string
	http    *http.Transport

	mu    sync.Mutex // guards the following
	conns map[*forwardConn]struct{}
	lost  bool
}

// NewForwarder checks cfg. It starts nothing.
func NewForwarder(cfg ForwarderConfig) (*Forwarder, error) {
	if cfg.Address == nil {
		return nil, errors.New("transport: a forwarder needs Address")
	}
	if len(cfg.Self) == 0 || len(cfg.Self) > 64 || strings.Contains(cfg.Self, ".") || !validSID(cfg.Self) {
		return nil, fmt.Errorf("transport: the node id %q is not 1 to 64 of [A-Za-z0-9_-]", cfg.Self)
	}
	if cfg.Dial == nil {
		// What the membership does not notice, such as a cable that was cut, TCP
		// does within some four seconds.
		cfg.Dial = (&net.Dialer{Timeout: DialTimeout, KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: time.Second, Interval: time.Second, Count: 3,
		}}).DialContext
	}
	return &Forwarder{cfg: cfg, peers: make(map[string]*forwardPeer)}, nil
}

// NewSID returns an id for a session of this node: its name, a dot and 128
// random bits. It is for Config.NewSID.
func (f *Forwarder) NewSID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return f.cfg.Self + "." + base64.RawURLEncoding.EncodeToString(b[:])
}

// Elsewhere is for Config.Elsewhere.
func (f *Forwarder) Elsewhere(sid string) http.RoundTripper {
	node, secret, ok := strings.Cut(sid, ".")
	if !ok || node == f.cfg.Self || len(secret) != 22 {
		return nil
	}
	address, alive := f.cfg.Address(node)
	if !alive {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	p := f.peers[node]
	if p == nil {
		p = f.newPeer(address)
		f.peers[node] = p
	}
	return p
}

func (f *Forwarder) newPeer(address string) *forwardPeer {
	p := &forwardPeer{address: address, conns: make(map[*forwardConn]struct{})}
	p.http = &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			c, err := f.cfg.Dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return p.track(c)
		},
		TLSClientConfig:     f.cfg.TLS,
		TLSHandshakeTimeout: DialTimeout,
		DisableCompression:  true, // it is passed on as it is
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     30 * time.Second, // before the other node's server closes it
		WriteBufferSize:     4 << 10,
		ReadBufferSize:      4 << 10,
	}
	return p
}

// RoundTrip implements http.RoundTripper.
func (p *forwardPeer) RoundTrip(r *http.Request) (*http.Response, error) {
	out := *r
	u := *r.URL
	u.Scheme, u.Host = "http", p.address
	if p.http.TLSClientConfig != nil {
		u.Scheme = "https"
	}
	out.URL = &u
	return p.http.RoundTrip(&out)
}

// Lost ends everything that is under way to a node that is not alive any more.
// Its id is never asked for again. It does not block.
func (f *Forwarder) Lost(node string) {
	f.mu.Lock()
	p := f.peers[node]
	delete(f.peers, node)
	f.mu.Unlock()
	if p != nil {
		p.close()
	}
}

// Close ends everything that is under way to any node.
func (f *Forwarder) Close() {
	f.mu.Lock()
	f.closed = true
	peers := f.peers
	f.peers = nil
	f.mu.Unlock()
	for _, p := range peers {
		p.close()
	}
}

// forwardConn is a connection to another node.
type forwardConn struct {
	net.Conn
	peer *forwardPeer
}

func (p *forwardPeer) track(c net.Conn) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lost {
		c.Close()
		return nil, net.ErrClosed
	}
	t := &forwardConn{c, p}
	p.conns[t] = struct{}{}
	return t, nil
}

// Close implements net.Conn.
func (c *forwardConn) Close() error {
	c.peer.mu.Lock()
	delete(c.peer.conns, c)
	c.peer.mu.Unlock()
	return c.Conn.Close()
}

func (p *forwardPeer) close() {
	p.mu.Lock()
	p.lost = true
	conns := p.conns
	p.conns = make(map[*forwardConn]struct{})
	p.mu.Unlock()
	for c := range conns {
		_ = c.Conn.Close() // whoever waits for it finds out
	}
	p.http.CloseIdleConnections()
}
