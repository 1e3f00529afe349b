package transport

import (
	"strings"
	"testing"
	"time"
)

func TestConfigThatMakesNoSenseIsRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  Config
		says string
	}{
		{"path", Config{Path: "socket.io"}, "Path"},
		{"negative duration", Config{PingTimeout: -1}, "PingTimeout"},
		{"duration below the clients' resolution", Config{PingInterval: time.Microsecond}, "PingInterval"},
		{"long duration", Config{CloseTimeout: 25 * time.Hour}, "CloseTimeout"},
		{"negative payload", Config{MaxPayload: -1}, "MaxPayload"},
		{"many attachments", Config{MaxAttachments: 65}, "MaxAttachments"},
		{"large outbox", Config{Outbox: Limits{Packets: 1 << 20}}, "Outbox.Packets"},
		{"transport", Config{Transports: []string{"webtransport"}}, "webtransport"},
		{"negative rate", Config{ConnectRate: -1}, "ConnectRate"},
		{"proxy by name", Config{TrustedProxies: []string{"proxy.example"}}, "proxy.example"},
		{"proxy with a zone", Config{TrustedProxies: []string{"fe80::1%eth0"}}, "eth0"},
		{"header", Config{ForwardedHeader: "X-Real-IP"}, "X-Real-IP"},
		{"cookie", Config{Cookie: "a b"}, "Cookie"},
		{"origin with a path", Config{Origins: []string{"https://app.example/"}}, "app.example"},
		{"origin in upper case", Config{Origins: []string{"https://App.example"}}, "App.example"},
		{"origin with the scheme's own port", Config{Origins: []string{"https://app.example:443"}}, "app.example"},
		{"origin without a scheme", Config{Origins: []string{"app.example"}}, "app.example"},
		{"every subdomain of a top-level domain", Config{Origins: []string{"https://*.example"}}, "*.example"},
		{"star inside a name", Config{Origins: []string{"https://app*.example.org"}}, "app*"},
		{"two stars", Config{Origins: []string{"https://*.*.example.org"}}, "*.*"},
		{"subdomains of an address", Config{Origins: []string{"http://*.127.0.0.1"}}, "*.127"},
		{"all origins and another", Config{Origins: []string{"*", "https://app.example"}}, "alone"},
		{"all origins with a cookie", Config{Origins: []string{"*"}, Cookie: "io"}, "cookie"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := New(&echoGate{}, c.cfg)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one that names %s", err, c.says)
			}
		})
	}
}

func TestZeroConfigIsWhatStockClientsExpect(t *testing.T) {
	c, err := Config{}.complete()
	if err != nil {
		t.Fatal(err)
	}
	if c.Path != "/socket.io/" || c.PingInterval != 25*time.Second || c.PingTimeout != 20*time.Second ||
		c.UpgradeTimeout != 10*time.Second || c.ConnectTimeout != 10*time.Second || c.AdmitTimeout != 45*time.Second ||
		c.ConnectRate != 500 || c.MaxPerAddress != 0 || c.ForwardedHeader != XForwardedFor ||
		c.MaxPayload != 1_000_000 || c.MaxAttachments != 10 || len(c.Transports) != 2 {
		t.Errorf("%+v", c)
	}
}

func TestATransportWithoutARuntimeIsAMistake(t *testing.T) {
	if _, err := New(nil, Config{}); err == nil {
		t.Error("no error")
	}
}
