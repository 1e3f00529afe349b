package app

import (
	"time"

	"github.com/parlor-rooms/parlor/transport"
)

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
		Cookie:          t.Cookie,
		Origins:         t.Origins,
		Logger:          s.logger("transport"),
		Meter:           s.telemetry.Meter(),
	}
}
