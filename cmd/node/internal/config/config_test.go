package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/cmd/node/internal/relay"
	"github.com/parlor-rooms/parlor/cmd/node/internal/settings"
)

const lobby = `
kinds:
  lobby:
    events:
      chat: {history: 50, max_bytes: 4096}
      react: {volatile: true}
      cursor: {keep: true, volatile: true}
      typing: {keep: true}
    profile: [name, color]
    max_members: 100
    sync_every: 33ms
    resume_within: 30s
`

// load reads a configuration from a file of that text and the environment.
func load(t *testing.T, file string, env ...string) (*settings.Loaded[Config], error) {
	t.Helper()
	schema, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("parlor.yaml", []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return schema.Load(settings.Sources{File: "parlor.yaml", Env: env})
}

func TestDefaultsAreUsefulAndValid(t *testing.T) {
	l, err := load(t, "")
	if err != nil {
		t.Fatal(err)
	}
	c := l.Value
	if c.Listen != "127.0.0.1:8080" || c.Admin.Listen != "" || c.Playground != "auto" || c.StopWithin != 10*time.Second ||
		c.Transport.PingInterval != 25*time.Second || c.Transport.MaxPayload != 1_000_000 || len(c.Transport.Transports) != 2 {
		t.Errorf("defaults are %+v", c)
	}
}

func TestRelayRoomsAreConfigured(t *testing.T) {
	l, err := load(t, lobby)
	if err != nil {
		t.Fatal(err)
	}
	k := l.Value.Kinds["lobby"]
	for name, want := range map[string]relay.Event{
		"chat":   {History: 50, MaxBytes: 4096},
		"react":  {Volatile: true, MaxBytes: 16384},
		"cursor": {Keep: true, Volatile: true, MaxBytes: 16384},
		"typing": {Keep: true, MaxBytes: 16384},
	} {
		if k.Events[name] != want {
			t.Errorf("%s is %+v, want %+v", name, k.Events[name], want)
		}
	}
	if strings.Join(k.Profile, " ") != "name color" || k.MaxMembers != 100 || k.SyncEvery != 33*time.Millisecond ||
		k.ResumeWithin != 30*time.Second || k.IdleAfter != 30*time.Second {
		t.Errorf("lobby is %+v", k)
	}
	if err := relay.New("lobby", k).Err(); err != nil {
		t.Error(err)
	}
}

func TestLimitsAreConfigured(t *testing.T) {
	l, err := load(t, "limits: {messages: 20/s, bytes: off, joins: 0.5/s, bad_credentials: 5/s burst 100, user_connections: 0}")
	if err != nil {
		t.Fatal(err)
	}
	want := node.DefaultLimits(100)
	want.OutsideFor = 0 // is the transport's
	want.Messages = node.Rate{PerSecond: 20, Burst: 20}
	want.Bytes = node.Rate{PerSecond: -1}
	want.Joins = node.Rate{PerSecond: 0.5, Burst: 1}
	want.BadCredentials = node.Rate{PerSecond: 5, Burst: 100}
	want.UserConnections = -1
	if got := l.Value.Limits.Node(); got != want {
		t.Errorf("limits are\n%+v, want\n%+v", got, want)
	}
}

func TestLimitsOfLinksAreConfigured(t *testing.T) {
	for linger, want := range map[string]time.Duration{"3ms": 3 * time.Millisecond, "0s": -1} {
		l, err := load(t, "cluster: {links: {window: 2000000, queue: 3000000, volatile: 70000, message: 4000000, resend_after: 20ms, give_up_after: 2s, linger: "+linger+"}}")
		if err != nil {
			t.Fatal(err)
		}
		want := node.LinkLimits{
			Window: 2e6, Queue: 3e6, Volatile: 7e4, Message: 4e6, ResendAfter: 20 * time.Millisecond, GiveUpAfter: 2 * time.Second, Linger: want,
		}
		if got := l.Value.Cluster.Links.Node(); got != want {
			t.Errorf("limits are\n%+v, want\n%+v", got, want)
		}
	}
}

func TestMistakesAreRefused(t *testing.T) {
	for _, test := range []struct{ name, file, want string }{
		{"address without port", "listen: localhost", `parlor.yaml:1:9: listen: "localhost": want HOST:PORT, with a port from 0 to 65535`},
		{"port too large", "listen: :65536", `parlor.yaml:1:9: listen: ":65536": want HOST:PORT, with a port from 0 to 65535`},
		{"port by name", "listen: :http", `parlor.yaml:1:9: listen: ":http": want HOST:PORT, with a port from 0 to 65535`},
		{"no address", "listen: ''", `parlor.yaml:1:9: listen: want HOST:PORT, with a port from 0 to 65535`},
		{"admin address", "admin: {listen: x}", `parlor.yaml:1:17: admin.listen: "x": want HOST:PORT, with a port from 0 to 65535, or nothing`},
		{"short token", "admin: {token: hunter2}", `parlor.yaml:1:16: admin.token: "[redacted]": want at least 16 characters`},
		{"certificate without key", "tls: {cert: a.pem}", `parlor.yaml:1:1: tls.key: want the file with the key of the certificate`},
		{"key without certificate", "admin: {tls: {key: a.pem}}", `parlor.yaml:1:9: admin.tls.cert: want the file with the certificate of the key`},
		{"client authorities alone", "tls: {client_ca: a.pem}", `parlor.yaml:1:18: tls.client_ca: "a.pem": want a certificate of the server as well`},
		{"playground", "playground: maybe", `parlor.yaml:1:13: playground: "maybe": want auto, on or off`},
		{"stop_within", "stop_within: 0s", `parlor.yaml:1:14: stop_within: "0s": want a duration such as 33ms or 1m30s, 1s to 10m`},
		{"log level", "log: {level: trace}", `parlor.yaml:1:14: log.level: "trace": want debug, info, warn or error`},
		{"log format", "log: {format: xml}", `parlor.yaml:1:15: log.format: "xml": want text or json`},
		{"path without slash", "transport: {path: socket.io}", `parlor.yaml:1:19: transport.path: "socket.io": want a path such as /socket.io/`},
		{"path of everything", "transport: {path: /}", `parlor.yaml:1:19: transport.path: "/": want a path such as /socket.io/`},
		{"path with a query", "transport: {path: '/a?b'}", `parlor.yaml:1:19: transport.path: "/a?b": want a path such as /socket.io/`},
		{"unknown transport", "transport: {transports: [webtransport]}", `parlor.yaml:1:25: transport.transports: want a list of polling, websocket, not "webtransport"`},
		{"no transport", "transport: {transports: []}", `parlor.yaml:1:25: transport.transports: want polling, websocket or both`},
		{"ping_interval", "transport: {ping_interval: 1ms}", `parlor.yaml:1:28: transport.ping_interval: "1ms": want a duration such as 33ms or 1m30s, 100ms to 1h`},
		{"ping_timeout", "transport: {ping_timeout: 2h}", `parlor.yaml:1:27: transport.ping_timeout: "2h": want a duration such as 33ms or 1m30s, 100ms to 1h`},
		{"connect_timeout", "transport: {connect_timeout: soon}", `parlor.yaml:1:30: transport.connect_timeout: "soon": want a duration such as 33ms or 1m30s, 1s to 1h`},
		{"trusted proxy", "transport: {trusted_proxies: [proxy.example]}", `parlor.yaml:1:30: transport.trusted_proxies: "proxy.example": want addresses or networks such as 10.0.0.0/8`},
		{"forwarded header", "transport: {forwarded_header: X-Real-IP}", `parlor.yaml:1:31: transport.forwarded_header: "X-Real-IP": want X-Forwarded-For or Forwarded`},
		{"max_payload", "transport: {max_payload: 1MB}", `parlor.yaml:1:26: transport.max_payload: "1MB": want a whole number, 1024 to 1000000000`},
		{"rate without a unit", "limits: {joins: 10}", `parlor.yaml:1:17: limits.joins: "10": want a rate such as 100/s or 100/s burst 200, more than 0 and a burst of 1 or more, or off`},
		{"no rate", "limits: {joins: 0/s}", `parlor.yaml:1:17: limits.joins: "0/s": want a rate such as 100/s or 100/s burst 200, more than 0 and a burst of 1 or more, or off`},
		{"small burst", "limits: {bytes: 10/s burst 0.5}", `parlor.yaml:1:17: limits.bytes: "10/s burst 0.5": want a rate such as 100/s or 100/s burst 200, more than 0 and a burst of 1 or more, or off`},
		{"rate and more", "limits: {bytes: 10/second}", `parlor.yaml:1:17: limits.bytes: "10/second": want a rate such as 100/s or 100/s burst 200, more than 0 and a burst of 1 or more, or off`},
		{"outbox.bytes", "transport: {outbox: {bytes: 0}}", `parlor.yaml:1:29: transport.outbox.bytes: "0": want a whole number, 4096 to 1073741824`},
		{"outbox.packets", "transport: {outbox: {packets: 99999}}", `parlor.yaml:1:31: transport.outbox.packets: "99999": want a whole number, 16 to 65536`},
		{"star and more", "transport: {origins: ['*', 'https://a']}", `parlor.yaml:1:22: transport.origins: "*,https://a": want * alone, or origins without it`},
		{"origin with a path", "transport: {origins: [https://a/]}", `parlor.yaml:1:22: transport.origins: "https://a/": want origins such as https://example.org or https://*.example.org: lower case, no path, and no port that is the scheme's own`},
		{"cookie", "transport: {cookie: 'a b'}", `parlor.yaml:1:21: transport.cookie: "a b": want the name of a cookie`},
		{"cookie for every origin", "transport: {cookie: io, origins: '*'}", `parlor.yaml:1:21: transport.cookie: "io": want no cookie where origins is *`},
		{"kind name", "kinds: {Lobby: }", `parlor.yaml:1:9: kinds.Lobby: want the name of a kind: [a-z][a-z0-9-]{0,31}`},
		{"seats", "kinds: {lobby: {max_members: 0}}", `parlor.yaml:1:30: kinds.lobby.max_members: "0": want a whole number, 1 to 100000`},
		{"sync_every", "kinds: {lobby: {sync_every: 33}}", `parlor.yaml:1:29: kinds.lobby.sync_every: "33": want a duration such as 33ms or 1m30s, 0s to 1m`},
		{"resume_within", "kinds: {lobby: {resume_within: 25h}}", `parlor.yaml:1:32: kinds.lobby.resume_within: "25h": want a duration such as 33ms or 1m30s, 0s to 24h`},
		{"idle_after", "kinds: {lobby: {idle_after: 0s}}", `parlor.yaml:1:29: kinds.lobby.idle_after: "0s": want a duration such as 33ms or 1m30s, 1s to 1000h`},
		{"history", "kinds: {lobby: {events: {chat: {history: 1001}}}}", `parlor.yaml:1:42: kinds.lobby.events.chat.history: "1001": want a whole number, 0 to 1000`},
		{"max_bytes", "kinds: {lobby: {events: {chat: {max_bytes: -1}}}}", `parlor.yaml:1:44: kinds.lobby.events.chat.max_bytes: "-1": want a whole number, 1 to 1000000`},
		{"history of a kept event", "kinds: {lobby: {events: {chat: {keep: true, history: 1}}}}", `parlor.yaml:1:54: kinds.lobby.events.chat.history: "1": want 0 where keep is true: a newcomer gets kept values anyway`},
		{"reserved event", "kinds: {lobby: {events: {'auth:x': }}}", `parlor.yaml:1:26: kinds.lobby.events."auth:x": this event name is reserved`},
		{"profile", "kinds: {lobby: {profile: [pid]}}", `parlor.yaml:1:26: kinds.lobby.profile: "pid": the key pid of the CONNECT payload is not the room's`},
		{"open to the world", "listen: :8080", `parlor.yaml:1:9: listen: ":8080": others can reach this address and may do everything: want tokens (section auth), a loopback address such as 127.0.0.1:8080, or auth.anonymous: allow (PARLOR_AUTH_ANONYMOUS=allow) if that is what is meant`},
		{"keys without an issuer", "auth: {key_file: k, audience: a}", `parlor.yaml:1:1: auth.issuer: want the issuer of the tokens that the keys are for`},
		{"keys without an audience", "auth: {key_file: k, issuer: i}", `parlor.yaml:1:1: auth.audience: want the audience of the tokens that the keys are for: the name by which the issuer knows this server`},
		{"an issuer without keys", "auth: {issuer: i}", `parlor.yaml:1:16: auth.issuer: "i": want key, key_file, keys or jwks as well: tokens cannot be checked without`},
		{"nobody", "auth: {anonymous: refuse}", `parlor.yaml:1:19: auth.anonymous: "refuse": want key, key_file, keys or jwks as well: nobody could enter`},
		{"two keys", "auth: {key: s, key_file: k, issuer: i, audience: a}", `parlor.yaml:1:26: auth.key_file: "k": want key or key_file, not both`},
		{"method", "auth: {method: none}", `parlor.yaml:1:16: auth.method: "none": want HS256, HS384, HS512, RS256, ES256 or EdDSA`},
		{"jwks over http", "auth: {jwks: 'http://a/', issuer: i, audience: a}", `parlor.yaml:1:14: auth.jwks: "http://a/": want https://…: whoever can change keys on their way can be anybody`},
		{"authorities of nothing", "auth: {jwks_ca: f}", `parlor.yaml:1:17: auth.jwks_ca: "f": want jwks as well`},
		{"half a key", "auth: {issuer: i, audience: a, keys: {k1: {file: f}}}", `parlor.yaml:1:39: auth.keys.k1: want a kid, and both method and file`},
		{"leeway", "auth: {leeway: 31s}", `parlor.yaml:1:16: auth.leeway: "31s": want a duration such as 33ms or 1m30s, 0s to 30s`},
		{"max_lifetime", "auth: {max_lifetime: 25h}", `parlor.yaml:1:22: auth.max_lifetime: "25h": want a duration such as 33ms or 1m30s, 1m to 24h`},
		{"guests that are not let in", "auth: {key_file: k, issuer: i, audience: a, guests: {lobby/*: [join]}}", `parlor.yaml:1:53: auth.guests: want anonymous: allow as well, for there are no guests otherwise`},
		{"guests that fly", "auth: {guests: {lobby/*: [fly]}}", `parlor.yaml:1:16: auth.guests: grant 0: operation "fly": want create, join, publish, publish:EVENT, presence, history or moderate`},
		{"link window", "cluster: {links: {window: 1024}}", `parlor.yaml:1:27: cluster.links.window: "1024": want a whole number, 1048576 to 1073741824`},
		{"link queue below the window", "cluster: {links: {queue: 4194304}}", `parlor.yaml:1:26: cluster.links.queue: "4194304": want as much as cluster.links.window, or more`},
		{"a link that gives up first", "cluster: {links: {resend_after: 2s, give_up_after: 1s}}", `parlor.yaml:1:33: cluster.links.resend_after: "2s": want less than cluster.links.give_up_after`},
		{"misspelt", "kinds: {lobby: {evnets: {}}}", `parlor.yaml:1:17: kinds.lobby.evnets: unknown key, did you mean events?`},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, err := load(t, test.file)
			if err == nil {
				t.Fatalf("accepted: %+v", l.Value)
			}
			if err.Error() != test.want {
				t.Errorf("\n got %s\nwant %s", err, test.want)
			}
		})
	}
}

func TestOrigins(t *testing.T) {
	for origin, want := range map[string]bool{
		"https://example.org": true, "http://localhost:3000": true, "http://[::1]:80": false, "http://[::1]:81": true,
		"https://example.org:443": false, "https://Example.org": false, "example.org": false, "https://": false,
		"https://example.org/x": false, "https://*.example.org": true, "https://*.example": false, "https://*example.org": false,
		"https://*.*.example.org": false, "https://*.example.org:8443": true, "https://*.example.org:443": false, "https://a@b": false, "https://b:": false, "null": false, "https://:1": false,
	} {
		if validOrigin(origin) != want {
			t.Errorf("%s is valid: %v", origin, !want)
		}
	}
}

func TestTokenIsRedactedWhenPrinted(t *testing.T) {
	l, err := load(t, lobby, "PARLOR_ADMIN_TOKEN=correct-horse-battery")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := l.Print(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "horse") || !strings.Contains(b.String(), "token: '[redacted]'") {
		t.Errorf("printed\n%s", b.String())
	}
}

func TestEverySettingHasAFlagButSecrets(t *testing.T) {
	schema, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	schema.Flags(fs)
	for name, want := range map[string]bool{"listen": true, "admin-listen": true, "transport-outbox-bytes": true, "kinds": true, "admin-token": false, "auth-keys": true, "auth-key": false} {
		if (fs.Lookup(name) != nil) != want {
			t.Errorf("--%s is there: %v", name, !want)
		}
	}
}

func TestConfigurationFilesInTheRepositoryAreValid(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	schema, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if _, err := schema.Load(settings.Sources{File: file}); err != nil {
			t.Errorf("%v", err)
		}
	}
}

func TestWhoMayComeInWithoutAToken(t *testing.T) {
	const tokens = "issuer: i, audience: a, key_file: k"
	for _, c := range []struct {
		file string
		want bool
	}{
		{"listen: 127.0.0.1:1", true},
		{"listen: localhost:1", true},
		{"listen: '[::1]:1'", true},
		{"{listen: ':1', auth: {anonymous: allow}}", true},
		{"{listen: ':1', auth: {" + tokens + "}}", false},
		{"{listen: '127.0.0.1:1', auth: {" + tokens + "}}", false},
		{"{listen: ':1', auth: {anonymous: allow, " + tokens + "}}", true},
		{"{listen: ':1', auth: {anonymous: refuse, " + tokens + "}}", false},
	} {
		l, err := load(t, c.file)
		if err != nil || l.Value.Auth.LetsAnonymousIn() != c.want {
			t.Errorf("%s: %v, want %v", c.file, err, c.want)
		}
	}
	for _, host := range []string{"", "0.0.0.0", "[::]", "192.168.1.5", "example.org", "127.0.0.1.example.org"} {
		if _, err := load(t, "listen: '"+host+":1'"); err == nil {
			t.Errorf("%q serves everybody without a word", host)
		}
	}
}
