// Package loopback serves to tests: a node with its transport, in the test's own
// process, on a port of loopback.
package loopback

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/transport"
)

// Config describes a server. Its zero value is useful; nothing is logged unless
// Node.Logger is set, where the transport logs too.
type Config struct {
	Node      node.Config
	Transport transport.Config
	Address   string // host:port; empty: a free port
	// HeaderTimeout is within which a request's header has to come. Zero: no limit.
	HeaderTimeout time.Duration
}

// Server is a node that serves.
type Server struct {
	Node *node.Node
	URL  string // without a slash at its end
	// Stop closes the sessions, ends the node and then the connections. It
	// waits for all, and reports what fails to the test. It may be called again.
	Stop func()
}

// stopWithin is how long the sessions may take to end.
const stopWithin = 20 * time.Second

// Serve starts a server that stops when the test ends, at the latest. The test
// ends with Fatal if it cannot be started.
func Serve(t testing.TB, c Config) *Server {
	t.Helper()
	if c.Node.Logger == nil {
		c.Node.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Address == "" {
		c.Address = "127.0.0.1:0"
	}
	c.Transport.Logger = c.Node.Logger
	n, err := node.New(c.Node)
	if err != nil {
		t.Fatal(err)
	}
	h, err := transport.New(n, c.Transport)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", c.Address)
	if err != nil {
		t.Fatal(err)
	}
	web := &httptest.Server{Listener: l, Config: &http.Server{Handler: h, ReadHeaderTimeout: c.HeaderTimeout}}
	web.Start()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }() // Stop waits for it
	s := &Server{Node: n, URL: web.URL, Stop: sync.OnceFunc(func() {
		within, done := context.WithTimeout(context.Background(), stopWithin)
		defer done()
		if err := h.Close(within); err != nil {
			t.Errorf("transport: %v", err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("node: %v", err)
		}
		web.CloseClientConnections()
		web.Close()
	})}
	t.Cleanup(s.Stop)
	return s
}
