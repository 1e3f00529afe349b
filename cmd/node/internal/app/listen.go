package app

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"

	"github.com/parlor-rooms/parlor/cmd/node/internal/config"
	"github.com/parlor-rooms/parlor/cmd/node/internal/tlsfiles"
)

// listening is a listener that a server accepts from.
type listening struct {
	net.Listener
	done chan struct{} // closed when Serve has returned
}

// accept opens a listener and lets srv serve it. Whatever ends that, except
// stop, is reported through failed.
func (s *server) accept(srv *http.Server, address string, failed func(error)) (*listening, error) {
	inner, err := s.listen("tcp", address)
	if err != nil {
		return nil, err
	}
	l := &listening{bounded{inner}, make(chan struct{})}
	go func() { // stop waits for it
		defer close(l.done)
		serve := srv.Serve
		if srv.TLSConfig != nil {
			serve = func(l net.Listener) error { return srv.ServeTLS(l, "", "") }
		}
		if err := serve(l); !errors.Is(err, net.ErrClosed) && !errors.Is(err, http.ErrServerClosed) {
			failed(err)
		}
	}()
	return l, nil
}

// tls is the configuration of a listener, nil without certificate.
func (s *server) tls(c config.TLS) (*tls.Config, error) {
	if c.Cert == "" {
		return nil, nil
	}
	return tlsfiles.Files{Cert: c.Cert, Key: c.Key, ClientCA: c.ClientCA}.Server(s.logger("tls"))
}

// address is the URL of a server that listens at addr. What it shows is asked
// of the configuration: net/http sets up the server's own TLSConfig while it
// begins to serve.
func address(c config.TLS, addr net.Addr) string {
	if addr == nil {
		return ""
	}
	if c.Cert != "" {
		return "https://" + addr.String() + "/"
	}
	return "http://" + addr.String() + "/"
}

// stop accepts nobody any more and returns when the accepting goroutine has
// ended. Requests and connections go on.
func (l *listening) stop() error {
	err := l.Close()
	<-l.done
	if errors.Is(err, net.ErrClosed) {
		return nil // by the server, which has reported why
	}
	return err
}

// shutdown waits for the requests of srv until ctx ends, and cuts off the rest.
func shutdown(ctx context.Context, srv *http.Server, s *callers) error {
	s.closeSilent()
	err := srv.Shutdown(ctx)
	if err != nil {
		_ = srv.Close()
	}
	return err
}
