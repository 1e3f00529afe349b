// Package config is the configuration of the ready-made server: the one struct
// that flags, environment and file fill. See package settings for how.
package config

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/cmd/node/internal/relay"
	"github.com/parlor-rooms/parlor/cmd/node/internal/settings"
)

// Config is the whole configuration.
type Config struct {
	Listen        Address                 `key:"listen" default:"127.0.0.1:8080" doc:"Where clients connect. Port 0 takes any that is free."`
	Playground    string                  `key:"playground" default:"auto" oneof:"auto,on,off" doc:"Serve the playground page at / and its rooms, of the kind playground. auto does so while no kind is configured."`
	StopWithin    time.Duration           `key:"stop_within" default:"10s" min:"1s" max:"10m" doc:"How long each part of the server may take to stop."`
	Log           Log                     `key:"log" doc:"What the server writes to its standard error."`
	TLS           TLS                     `key:"tls" doc:"The certificate that clients are shown."`
	Admin         Admin                   `key:"admin" doc:"The listener for operators."`
	Auth          Auth                    `key:"auth" doc:"Who clients are: JSON Web Tokens, and whether one may do without."`
	Telemetry     Telemetry               `key:"telemetry" doc:"Traces and metrics."`
	Transport     Transport               `key:"transport" doc:"Socket.IO: how clients are connected."`
	Limits        Limits                  `key:"limits" doc:"What clients may do, and how large rooms are. Rates are N/s, N/s burst M, or off."`
	Store         string                  `key:"store" doc:"Directory in which rooms that last are kept, by this process alone. Empty means its memory, or Redis if that is set."`
	Redis         RedisURL                `key:"redis" doc:"redis://HOST:PORT of the Redis that makes several servers one, and keeps rooms that last. rediss:// is with TLS. Empty means that this server is alone."`
	RedisPassword settings.Secret         `key:"redis_password" doc:"Its password."`
	Cluster       Cluster                 `key:"cluster" doc:"How this server is one of several, if redis is set."`
	Kinds         map[string]relay.Config `key:"kinds" doc:"Relay rooms by kind: clients enter /KIND/ID."`
}

// Log is the section log.
type Log struct {
	Level  string `key:"level" default:"info" oneof:"debug,info,warn,error" doc:"The least level that is written."`
	Format string `key:"format" default:"text" oneof:"text,json" doc:"One line of text or one JSON object for each entry."`
}

// Telemetry is the section telemetry. Exporters are set up by the standard
// variables, OTEL_EXPORTER_OTLP_ENDPOINT and others.
type Telemetry struct {
	TrustTraceparent bool `key:"trust_traceparent" doc:"Let clients decide which of their packets are traced, by the trace context they send. Only for clients that are yours."`
}

// Admin is the section admin.
type Admin struct {
	Listen OptionalAddress `key:"listen" doc:"Where operators find /healthz, /startupz, /readyz, /metrics, /stats, /check, /logs/levels, /drain, /revoke and /debug/pprof/. Empty means nowhere; the first three are then served to clients."`
	Token  settings.Secret `key:"token" doc:"What a request must show as Authorization: Bearer TOKEN, but for /healthz, /startupz and /readyz. Empty means that a client certificate is enough and, without tls.client_ca, that only a loopback address serves it, to everybody."`
	TLS    TLS             `key:"tls" doc:"The certificate that operators are shown."`
}

// TLS is the section tls, and admin.tls.
type TLS struct {
	Cert     string `key:"cert" doc:"PEM file with the certificate and those between it and its authority. Replaced files are taken up within a second. Empty means no TLS."`
	Key      string `key:"key" doc:"PEM file with the private key of the certificate."`
	ClientCA string `key:"client_ca" doc:"PEM file with the authorities of which clients must show a certificate. Empty means that none is asked for."`
}

// Check implements settings.Checker.
func (t TLS) Check(bad func(want string, path ...string)) {
	switch {
	case (t.Cert == "") == (t.Key == ""):
	case t.Key == "":
		bad("want the file with the key of the certificate", "key")
	default:
		bad("want the file with the certificate of the key", "cert")
	}
	if t.ClientCA != "" && t.Cert == "" {
		bad("want a certificate of the server as well", "client_ca")
	}
}

// Transport is the section transport.
type Transport struct {
	Path           string        `key:"path" default:"/socket.io/" doc:"Path of the Socket.IO endpoint."`
	Transports     []string      `key:"transports" default:"polling,websocket" oneof:"polling,websocket" doc:"Transports that are offered."`
	PingInterval   time.Duration `key:"ping_interval" default:"25s" min:"100ms" max:"1h" doc:"How long after a pong the next ping is sent."`
	PingTimeout    time.Duration `key:"ping_timeout" default:"20s" min:"100ms" max:"1h" doc:"How long a client may take to answer a ping."`
	ConnectTimeout time.Duration `key:"connect_timeout" default:"10s" min:"1s" max:"1h" doc:"How long a connection may stay without asking to enter a room."`
	AdmitTimeout   time.Duration `key:"admit_timeout" default:"45s" min:"1s" max:"1h" doc:"How long it may then stay without being let into one."`
	ConnectRate    int           `key:"connect_rate" default:"500" min:"1" max:"1000000" doc:"Connections that are taken per second, those of two seconds at once after a rest. More are answered 503."`
	MaxConnections int           `key:"max_connections" default:"0" min:"0" max:"10000000" doc:"Connections at a time; more are answered 503. 0 means nine tenths of the files that the process may open, and at most 100000."`
	MaxPerAddress  int           `key:"max_per_address" default:"1000" min:"0" max:"10000000" doc:"Connections of one client address, or IPv6 network of 64 bits, at a time; more are answered 429. 0 means no limit."`
	TrustedProxies []string      `key:"trusted_proxies" doc:"Addresses and networks, as 10.0.0.0/8, of the proxies in front. Without them all clients have the address of the proxy."`
	ForwardedBy    string        `key:"forwarded_header" default:"X-Forwarded-For" oneof:"X-Forwarded-For,Forwarded" doc:"Header in which those proxies say for whom they speak."`
	MaxPayload     int           `key:"max_payload" default:"1000000" min:"1024" max:"1000000000" doc:"Longest message of a client, in bytes."`
	Origins        []string      `key:"origins" doc:"Web origins whose pages may connect, as https://example.org, or https://*.example.org for every host below it. Empty means this server's own and those of a loopback host; * means every origin."`
	Deflate        bool          `key:"deflate" default:"false" doc:"Let WebSockets agree to compress messages (permessage-deflate). It costs processor time for every packet."`
	Cookie         string        `key:"cookie" doc:"Name of a cookie with the session id, for load balancers. Empty means none."`
	Outbox         Outbox        `key:"outbox" doc:"What may wait for one client that reads slowly before its connection is closed."`
}

// Outbox is the section transport.outbox.
type Outbox struct {
	Bytes   int `key:"bytes" default:"1048576" min:"4096" max:"1073741824" doc:"Bytes that may wait."`
	Packets int `key:"packets" default:"1024" min:"16" max:"65536" doc:"Packets that may wait."`
}

// Schema returns the schema of Config; its variables begin with PARLOR_.
func Schema() (*settings.Schema[Config], error) { return settings.New[Config]("PARLOR") }

// Check implements settings.Checker.
func (c Config) Check(bad func(want string, path ...string)) {
	c.checkOpen(bad)
	if c.Store != "" && c.Redis != "" {
		bad("want no directory where redis is set: rooms that last are kept there", "store")
	}
	for kind := range c.Kinds {
		if !actors.ValidKindName(kind) {
			bad("want the name of a kind: [a-z][a-z0-9-]{0,31}", "kinds", kind)
		}
	}
}

// minToken keeps a token from being guessed.
const minToken = 16

// Check implements settings.Checker.
func (a Admin) Check(bad func(want string, path ...string)) {
	if a.Token != "" && len(a.Token) < minToken {
		bad("want at least 16 characters", "token")
	}
}

// Check implements settings.Checker.
func (t Transport) Check(bad func(want string, path ...string)) {
	if u, err := url.Parse(t.Path); err != nil || u.Path != t.Path || !strings.HasPrefix(t.Path, "/") || strings.Trim(t.Path, "/") == "" {
		bad("want a path such as /socket.io/", "path")
	}
	if len(t.Transports) == 0 {
		bad("want polling, websocket or both", "transports")
	}
	everywhere := slices.Contains(t.Origins, "*")
	if everywhere && len(t.Origins) > 1 {
		bad("want * alone, or origins without it", "origins")
	}
	for _, o := range t.Origins {
		if o != "*" && !validOrigin(o) {
			bad("want origins such as https://example.org or https://*.example.org: lower case, no path, and no port that is the scheme's own", "origins")
			break
		}
	}
	for _, p := range t.TrustedProxies {
		if _, err := netip.ParsePrefix(p); err != nil {
			if a, err := netip.ParseAddr(p); err != nil || a.Zone() != "" {
				bad("want addresses or networks such as 10.0.0.0/8", "trusted_proxies")
				break
			}
		}
	}
	if t.Cookie == "" {
		return
	}
	if (&http.Cookie{Name: t.Cookie, Value: "x"}).Valid() != nil {
		bad("want the name of a cookie", "cookie")
	}
	if everywhere {
		bad("want no cookie where origins is *", "cookie")
	}
}

// validOrigin reports whether s is an origin as a browser writes it, or stands
// for all hosts below one.
func validOrigin(s string) bool {
	if scheme, host, ok := strings.Cut(s, "://*."); ok {
		return strings.Contains(host, ".") && !strings.Contains(host, "*") && validOrigin(scheme+"://"+host)
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || strings.Contains(s, "*") || u.User != nil || u.Hostname() == "" || s != strings.ToLower(u.Scheme+"://"+u.Host) {
		return false
	}
	port := u.Port()
	own := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	return port == "" && !strings.HasSuffix(u.Host, ":") || port != "" && port != own
}
