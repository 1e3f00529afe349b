package app

import (
	"time"

	"github.com/parlor-rooms/parlor/transport"
)

// newTransport makes the handler. That of one of several servers takes requests
// for sessions of the others, and they take those for its own.
func (s *server) newTransport() (*transport.Handler, error) {
	cfg := s.transportConfig()
	if !s.clustered() {
		return transport.New(s.node, cfg)
	}
	f, err := transport.NewForwarder(transport.ForwarderConfig{Self: s.node.ID(), Address: s.many.cluster.Web, TLS: s.many.tls})
	if err != nil {
		return nil, err
	}
	cfg.NewSID, cfg.Elsewhere = f.NewSID, f.Elsewhere
	t, err := transport.New(s.node, cfg)
	if err != nil {
		return nil, err
	}
	own := t.Forwarded()
	s.many.forwarder.Store(f)
	s.many.forwarded.Store(&own)
	return t, nil
}

// transportConfig is what the section transport says, in the handler's words.
func (s *server) transportConfig() transport.Config {
	t := s.cfg.Transport
	return transport.Config{
		Path:            t.Path,
		PingInterval:    t.PingInterval,
		PingTimeout:     t.PingTimeout,
		ConnectTimeout:  t.ConnectTimeout,
		AdmitTimeout:    t.AdmitTimeout,
		ConnectRate:     t.ConnectRate,
		MaxPerAddress:   t.MaxPerAddress,
		TrustedProxies:  t.TrustedProxies,
		ForwardedHeader: t.ForwardedBy,
		CloseTimeout:    min(3*time.Second, s.cfg.StopWithin/2),
		MaxPayload:      t.MaxPayload,
		Outbox:          transport.Limits{Bytes: t.Outbox.Bytes, Packets: t.Outbox.Packets},
		Transports:      t.Transports,
		Deflate:         t.Deflate,
		Cookie:          t.Cookie,
		Origins:         t.Origins,
		Logger:          s.logger("transport"),
		Meter:           s.telemetry.Meter(),

		Tracer:           s.telemetry.Tracer(),
		SampleRatio:      s.telemetry.SampleRatio(),
		TrustTraceparent: s.cfg.Telemetry.TrustTraceparent,
	}
}
