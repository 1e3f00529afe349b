package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/cmd/node/internal/config"
	"github.com/parlor-rooms/parlor/cmd/node/internal/governor"
	"github.com/parlor-rooms/parlor/cmd/node/internal/playground"
	"github.com/parlor-rooms/parlor/cmd/node/internal/relay"
	"github.com/parlor-rooms/parlor/cmd/node/telemetry"
	"github.com/parlor-rooms/parlor/transport"
)

// server holds what the parts of a running server share. Its fields are set by
// the parts as they start.
type server struct {
	cfg      config.Config
	logs     *telemetry.Log
	log      *slog.Logger // of the server itself
	version  string
	listen   func(network, address string) (net.Listener, error)
	health   health
	checking sync.Mutex         // held by the check that runs
	quit     context.CancelFunc // stops the server as a signal does
	extra    []actors.Behavior  // kinds that are not configured
	gateways []actors.GatewayBehavior

	telemetry *telemetry.Telemetry
	store     actors.Store // nil: of the node's own making
	many      many         // if it is one of several
	node      *node.Node
	transport *transport.Handler
	governor  *governor.Governor
	public    *http.Server
	callers   *callers // of public
	addresses Addresses
}

// serve runs the server until ctx ends.
func (m *Main) serve(ctx context.Context, cfg config.Config) error {
	logs, err := m.logs(cfg.Log)
	if err != nil {
		return err
	}
	s := &server{cfg: cfg, version: m.version(), logs: logs, listen: m.Listen, extra: m.Kinds, gateways: m.Gateways}
	s.log = s.logger("server")
	s.logs.SetLevel(auditPart, slog.LevelInfo)
	ctx, s.quit = context.WithCancel(ctx)
	defer s.quit()
	if s.listen == nil {
		s.listen = net.Listen
	}
	err = runParts(ctx, s.parts(), cfg.StopWithin, s.log, func() {
		s.log.Info("serving", "version", s.version, "url", address(s.cfg.TLS, s.addresses.Public), "kinds", s.kindNames())
		if m.Ready != nil {
			m.Ready(s.addresses)
		}
	})
	if err == nil {
		s.log.Info("stopped")
	}
	return err
}

func (m *Main) logs(c config.Log) (*telemetry.Log, error) {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // the configuration was checked
	return telemetry.NewLog(m.Stderr, c.Format, level)
}

// logger is the log of one part of the server, whose level may be changed by
// that name.
func (s *server) logger(part string) *slog.Logger {
	return s.logs.Logger().With(telemetry.PartKey, part)
}

// parts lists what the server is made of, in the order of starting. At the end
// the server says that it is not ready, hands its rooms and clients to others,
// accepts nobody, closes its sessions so that stock clients come back elsewhere,
// and lets its rooms end.
func (s *server) parts() []part {
	parts := []part{s.telemetryPart()}
	if s.cfg.Admin.Listen != "" {
		parts = append(parts, s.adminPart())
	}
	switch {
	case s.clustered():
		parts = append(parts, s.redisPart(), s.clusterPart())
	case s.cfg.Store != "":
		parts = append(parts, s.storePart())
	}
	parts = append(parts, s.nodePart(), s.sessionsPart(), s.memoryPart())
	if !s.clustered() || s.cfg.Cluster.Role != "rooms" {
		parts = append(parts, s.publicPart())
	}
	if s.clustered() {
		parts = append(parts, s.drainPart())
	}
	return append(parts, s.readyPart())
}

// kinds are the relay rooms of the configuration, and those of the playground
// if it is served.
func (s *server) kinds() (all map[string]relay.Config, withPlayground bool) {
	all = maps.Clone(s.cfg.Kinds)
	for name, kind := range all {
		if kind.Create == "auto" && s.cfg.Development() {
			kind.Create = "anyone"
			all[name] = kind
		}
	}
	if s.cfg.Playground == "off" || s.cfg.Playground == "auto" && len(all) > 0 {
		return all, false
	}
	if all == nil {
		all = make(map[string]relay.Config)
	}
	if _, configured := all[playground.Kind]; !configured {
		all[playground.Kind] = playground.Rooms()
	}
	return all, true
}

func (s *server) kindNames() string {
	all, _ := s.kinds()
	return strings.Join(slices.Sorted(maps.Keys(all)), " ")
}

// telemetryPart exports what the others tell, until they have all stopped.
func (s *server) telemetryPart() part {
	return part{
		name: "telemetry",
		start: func(func(error)) (err error) {
			s.telemetry, err = telemetry.Start(context.Background(), telemetry.Config{
				Version: s.version, Instance: rand.Text(), Logger: s.logger("telemetry"),
			})
			return err
		},
		stop: func(limit context.Context) error {
			if err := s.telemetry.Stop(limit); err != nil {
				s.log.Warn("not all telemetry was exported", "error", err) // the server has served
			}
			return nil
		},
	}
}

// nodePart runs the rooms.
func (s *server) nodePart() part {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1) // Run's result
	return part{
		name: "node",
		start: func(failed func(error)) error {
			var kinds []actors.Behavior
			all, _ := s.kinds()
			for _, name := range slices.Sorted(maps.Keys(all)) {
				kinds = append(kinds, relay.New(name, all[name]))
			}
			kinds = append(kinds, s.extra...)
			authenticator, err := s.authenticator()
			if err != nil {
				cancel()
				return err
			}
			c := node.Config{
				Kinds:          kinds,
				Gateways:       s.gateways,
				Authenticator:  authenticator,
				Limits:         s.cfg.Limits.Node(),
				MaxRoomBytes:   s.cfg.Limits.RoomBytes,
				MaxLoadBytes:   s.cfg.Limits.LoadBytes,
				Store:          s.store,
				MaxConnections: connections(s.cfg.Transport.MaxConnections, openFiles()),
				DrainTimeout:   s.cfg.StopWithin * 9 / 10, // the rest is for what follows
				Logger:         s.logger("node"),
				Meter:          s.telemetry.Meter(),

				Tracer:           s.telemetry.Tracer(),
				SampleRatio:      s.telemetry.SampleRatio(),
				TrustTraceparent: s.cfg.Telemetry.TrustTraceparent,
			}
			if s.clustered() {
				c.Cluster, c.Carrier, c.Links = s.many.cluster, s.many.carrier, s.cfg.Cluster.Links.Node()
			}
			s.node, err = node.New(c)
			if err != nil {
				cancel()
				return err
			}
			go func() { // stop waits for it
				err := s.node.Run(ctx)
				if ctx.Err() == nil {
					failed(fmt.Errorf("ended by itself: %w", err))
				}
				done <- err
			}()
			return nil
		},
		stop: func(limit context.Context) error {
			cancel()
			select {
			case err := <-done:
				return err
			case <-limit.Done():
				return limit.Err()
			}
		},
	}
}

// sessionsPart answers requests; nobody can send any yet.
func (s *server) sessionsPart() part {
	return part{
		name: "sessions",
		start: func(func(error)) error {
			var err error
			s.transport, err = s.newTransport()
			if err != nil {
				return err
			}
			routes, err := s.routes()
			if err != nil {
				return err
			}
			s.public, s.callers = s.httpServer(s.transport.Mount(timed(routes)))
			s.callers.limit(s.cfg.Transport)
			s.public.TLSConfig, err = s.tls(s.cfg.TLS)
			return err
		},
		stop: func(limit context.Context) error {
			// Shutdown knows nothing of WebSockets and would wait for every poll.
			if err := s.transport.Close(limit); err != nil {
				_ = s.public.Close()
				return err
			}
			return shutdown(limit, s.public, s.callers)
		},
	}
}

// routes are the paths beside Socket.IO.
func (s *server) routes() (*http.ServeMux, error) {
	mux := http.NewServeMux()
	if s.cfg.Admin.Listen == "" {
		s.health.mount(mux)
	}
	if _, ok := s.kinds(); !ok {
		return mux, nil
	}
	page, err := playground.Handler(strings.TrimSuffix(s.cfg.Transport.Path, "/") + "/")
	if err != nil {
		return nil, err
	}
	mux.Handle("/", page)
	return mux, nil
}

// publicPart lets clients in.
func (s *server) publicPart() part {
	var l *listening
	return part{
		name: "listener",
		start: func(failed func(error)) (err error) {
			if l, err = s.accept(s.public, string(s.cfg.Listen), failed); err == nil {
				s.addresses.Public = l.Addr()
			}
			return err
		},
		stop: func(context.Context) error { return l.stop() },
	}
}

// adminPart serves operators, from before the first client to after the last.
func (s *server) adminPart() part {
	var l *listening
	var admin *http.Server
	var theirs *callers
	return part{
		name: "admin listener",
		start: func(failed func(error)) (err error) {
			admin, theirs = s.httpServer(s.adminHandler())
			if admin.TLSConfig, err = s.tls(s.cfg.Admin.TLS); err != nil {
				return err
			}
			if l, err = s.accept(admin, string(s.cfg.Admin.Listen), failed); err == nil {
				s.addresses.Admin = l.Addr()
				s.log.Info("admin", "url", address(s.cfg.Admin.TLS, l.Addr()))
			}
			return err
		},
		stop: func(limit context.Context) error {
			if err := l.stop(); err != nil {
				return err
			}
			return shutdown(limit, admin, theirs)
		},
	}
}

// readyPart says that all the others have started.
func (s *server) readyPart() part {
	return part{
		name: "readiness",
		start: func(func(error)) error {
			s.health.started.Store(true)
			s.health.ready.Store(true)
			return nil
		},
		stop: func(context.Context) error { s.health.ready.Store(false); return nil },
	}
}

func (s *server) httpServer(h http.Handler) (*http.Server, *callers) {
	callers := newCallers()
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       75 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // what clients do wrong
		ConnState:         callers.note,
	}, callers
}
