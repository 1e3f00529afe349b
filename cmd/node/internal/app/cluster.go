package app

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync/atomic"

	goredis "github.com/redis/go-redis/v9"

	"github.com/parlor-rooms/parlor/actors/cluster"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/actors/node/carrier"
	"github.com/parlor-rooms/parlor/cmd/node/internal/certs"
	"github.com/parlor-rooms/parlor/transport"
)

// Statuses of the process. StatusExpelled says that the other nodes count this
// one as gone: whoever supervises the process is to start it again.
const (
	statusFailed   = 1
	StatusExpelled = 3
)

// Status is what the process ends with for an error of Main.Run.
func Status(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, node.ErrExpelled):
		return StatusExpelled
	}
	return statusFailed
}

// many is what a server has that is one of several.
type many struct {
	redis     goredis.UniversalClient // of the cluster; the store has its own
	tls       *tls.Config             // nil on one machine
	cluster   *cluster.Cluster
	carrier   *carrier.Carrier
	forwarder atomic.Pointer[transport.Forwarder] // once there is a transport
	forwarded atomic.Pointer[http.Handler]        // its handler for other nodes
}

// gone ends what is under way to a node that is not alive any more.
func (m *many) gone(node string) {
	if f := m.forwarder.Load(); f != nil {
		f.Lost(node)
	}
}

// clustered reports whether the server is one of several.
func (s *server) clustered() bool { return s.cfg.Redis != "" }

// clusterPart serves the other nodes over HTTP and prepares the membership,
// which the node begins and ends. It stops after the node: a node that cannot
// be reached counts as dead.
func (s *server) clusterPart() part {
	var l *listening
	var web *http.Server
	var quiet *callers
	return part{
		name: "cluster",
		start: func(failed func(error)) error {
			c, err := s.cfg.Redis.Config(s.cfg.RedisPassword.Reveal())
			if err != nil {
				return err
			}
			if s.cfg.Cluster.Certs != "" {
				if s.many.tls, err = certs.Load(s.cfg.Cluster.Certs); err != nil {
					return err
				}
			}
			s.many.carrier, err = carrier.New(carrier.Config{
				Listen: string(s.cfg.Cluster.Listen), Advertise: s.cfg.Cluster.Advertise, TLS: s.many.tls, Logger: s.logger("cluster"),
			})
			if err != nil {
				return err
			}
			mux := http.NewServeMux()
			web, quiet = s.httpServer(mux)
			web.TLSConfig = s.many.tls
			if l, err = s.accept(web, string(s.cfg.Cluster.Web), failed); err != nil {
				return err
			}
			s.many.redis = goredis.NewUniversalClient(&goredis.UniversalOptions{
				Addrs: c.Addresses, IsClusterMode: c.Cluster, DB: c.Database, Username: c.Username, Password: c.Password, TLSConfig: c.TLS,
				MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
			})
			s.many.cluster, err = cluster.New(cluster.Config{
				Redis: s.many.redis, Prefix: c.Prefix, Store: s.store, Web: s.advertised(l.Addr()), TLS: s.many.tls,
				NoRooms: s.cfg.Cluster.Role == "gateway", Lease: s.cfg.Cluster.Lease, Unclaimed: s.cfg.Cluster.StartUnclaimed, Gone: s.many.gone, Logger: s.logger("cluster"),
			})
			if err != nil {
				return errors.Join(err, l.stop(), s.many.redis.Close())
			}
			mux.Handle("/parlor/cluster/", s.many.cluster.Handler())
			mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
				if h := s.many.forwarded.Load(); h != nil {
					(*h).ServeHTTP(w, r)
					return
				}
				say(w, http.StatusServiceUnavailable, "starting")
			})
			return nil
		},
		stop: func(limit context.Context) error {
			if f := s.many.forwarder.Load(); f != nil {
				f.Close()
			}
			if err := l.stop(); err != nil {
				return err
			}
			return errors.Join(shutdown(limit, web, quiet), s.many.redis.Close())
		},
	}
}

// drainPart hands the rooms of the server to others, and then its clients, a few
// at a time. Those of other servers notice a pause at most.
func (s *server) drainPart() part {
	return part{
		name:  "rooms",
		start: func(func(error)) error { return nil },
		stop: func(limit context.Context) error {
			if err := s.node.Drain(limit); err != nil {
				s.log.Warn("rooms end here that should have moved", "error", err) // members come back to them elsewhere
			}
			if err := s.transport.Disperse(limit, s.cfg.Cluster.Disperse); err != nil {
				s.log.Warn("clients are sent away all at once", "error", err)
			}
			return nil
		},
	}
}

// advertised is how other nodes reach what listens at an address.
func (s *server) advertised(at net.Addr) string {
	if s.cfg.Cluster.Advertise == "" {
		return at.String()
	}
	_, port, _ := net.SplitHostPort(at.String())
	return net.JoinHostPort(s.cfg.Cluster.Advertise, port)
}
