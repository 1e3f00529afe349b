package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"
)

// Balancer hands every single request to the next server in turn, also those
// of one connection or one session: the rudest plain balancer there is. A
// server that does not listen is passed over. WebSockets are passed through.
type Balancer struct {
	proxy  httputil.ReverseProxy
	server http.Server
	url    string
	done   chan struct{} // closed when the server has ended

	next     atomic.Uint64
	mu       sync.RWMutex // guards backends
	backends []string     // host:port
}

// StartBalancer listens on address and serves until Close.
func StartBalancer(address string, backends ...string) (*Balancer, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("balancer: %w", err)
	}
	b := &Balancer{url: "http://" + l.Addr().String(), done: make(chan struct{}), backends: backends}
	b.proxy = httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", "backend", r.In.Host
		},
		Transport:     (*turns)(b),
		FlushInterval: -1,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "balancer: "+err.Error(), http.StatusBadGateway)
		},
	}
	b.server.Handler = &b.proxy
	go func() { // Close waits for it
		defer close(b.done)
		_ = b.server.Serve(l)
	}()
	return b, nil
}

// URL is where clients connect.
func (b *Balancer) URL() string { return b.url }

// Set replaces the servers.
func (b *Balancer) Set(backends ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.backends = backends
}

// Close ends the balancer and cuts what goes through it.
func (b *Balancer) Close() error {
	err := b.server.Close()
	<-b.done
	backendTransport.CloseIdleConnections()
	return err
}

// turns implements http.RoundTripper.
type turns Balancer

// backendTransport keeps connections, because thousands who poll would use up
// the ports of the machine. Over one that was used before Go would repeat a GET
// by itself, unless it has a body: a poll that was under way when its server
// died must fail, or what it carried is lost without a word.
var backendTransport = &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 1024, IdleConnTimeout: 5 * time.Second}

func (t *turns) RoundTrip(r *http.Request) (*http.Response, error) {
	t.mu.RLock()
	backends := t.backends
	t.mu.RUnlock()
	var body []byte // an attempt that fails closes the body
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	err := errors.New("balancer: no server")
	first := t.next.Add(1)
	for i := range uint64(len(backends)) {
		out := r.Clone(r.Context())
		out.Body = io.NopCloser(bytes.NewReader(body)) // empty ones too: not to be repeated
		out.URL.Host = backends[(first+i)%uint64(len(backends))]
		var resp *http.Response
		if resp, err = backendTransport.RoundTrip(out); err == nil {
			return resp, nil
		}
		var dial *net.OpError
		if !errors.As(err, &dial) || dial.Op != "dial" {
			return nil, err // it may have been handled
		}
	}
	return nil, err
}
