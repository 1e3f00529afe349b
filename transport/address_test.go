package transport

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestAClientIsWhereTheLastProxyThatIsTrustedSaysItIs(t *testing.T) {
	trusted := []string{"10.0.0.0/8", "192.0.2.7", "fd00::/8"}
	for _, c := range []struct {
		name    string
		trusted []string
		header  string // ForwardedHeader
		remote  string
		send    http.Header
		want    string
	}{
		{"no proxy", nil, "", "203.0.113.5:4711", nil, "203.0.113.5"},
		{"no proxy is trusted", nil, "", "10.0.0.1:1", http.Header{"X-Forwarded-For": {"203.0.113.5"}}, "10.0.0.1"},
		{"one proxy", trusted, "", "10.0.0.1:1", http.Header{"X-Forwarded-For": {"203.0.113.5"}}, "203.0.113.5"},
		{"a proxy named by its address", trusted, "", "192.0.2.7:1", http.Header{"X-Forwarded-For": {"203.0.113.5"}}, "203.0.113.5"},
		{"its neighbour", trusted, "", "192.0.2.8:1", http.Header{"X-Forwarded-For": {"203.0.113.5"}}, "192.0.2.8"},
		{"two proxies", trusted, "", "10.0.0.1:1", http.Header{"X-Forwarded-For": {"203.0.113.5, 10.9.9.9"}}, "203.0.113.5"},
		{"in two lines", trusted, "", "10.0.0.1:1", http.Header{"X-Forwarded-For": {"203.0.113.5", "10.9.9.9"}}, "203.0.113.5"},
		{"a client that says who it is", trusted, "", "10.0.0.1:1", http.Header{"X-Forwarded-For": {"198.51.100.1, 203.0.113.5"}}, "203.0.113.5"},
		{"a client that says it is a proxy", trusted, "", "10.0.0.1:1", http.Header{"X-Forwarded-For": {"198.51.100.1, 10.1.1.1, 203.0.113.5"}}, "203.0.113.5"},
		{"nothing but proxies", trusted, "", "10.0.0.1:1", http.Header{"X-Forwarded-For": {"10.0.0.3, 10.0.0.2"}}, "10.0.0.3"},
		{"a proxy that says nothing", trusted, "", "10.0.0.1:1", nil, "10.0.0.1"},
		{"rubbish", trusted, "", "10.0.0.1:1", http.Header{"X-Forwarded-For": {"203.0.113.5, unknown"}}, "10.0.0.1"},
		{"with a port", trusted, "", "10.0.0.1:1", http.Header{"X-Forwarded-For": {"203.0.113.5:80"}}, "203.0.113.5"},
		{"IPv6", trusted, "", "[fd00::1]:1", http.Header{"X-Forwarded-For": {"2001:db8::5"}}, "2001:db8::5"},
		{"IPv6 with a port", trusted, "", "[fd00::1]:1", http.Header{"X-Forwarded-For": {"[2001:db8::5]:80"}}, "2001:db8::5"},
		{"IPv4 in IPv6", trusted, "", "[::ffff:10.0.0.1]:1", http.Header{"X-Forwarded-For": {"::ffff:203.0.113.5"}}, "203.0.113.5"},
		{"the other header", trusted, "", "10.0.0.1:1", http.Header{"Forwarded": {"for=203.0.113.5"}}, "10.0.0.1"},
		{"Forwarded", trusted, Forwarded, "10.0.0.1:1", http.Header{"Forwarded": {`for=198.51.100.1, proto=https;For="203.0.113.5:80";by=10.0.0.9`}}, "203.0.113.5"},
		{"Forwarded, IPv6", trusted, Forwarded, "10.0.0.1:1", http.Header{"Forwarded": {`for="[2001:db8::5]:80"`}}, "2001:db8::5"},
		{"Forwarded, hidden", trusted, Forwarded, "10.0.0.1:1", http.Header{"Forwarded": {`for=_secret`}}, "10.0.0.1"},
		{"Forwarded, and the other header", trusted, Forwarded, "10.0.0.1:1", http.Header{"X-Forwarded-For": {"203.0.113.5"}}, "10.0.0.1"},
		{"not an address", trusted, "", "@", nil, "invalid IP"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := Config{TrustedProxies: c.trusted, ForwardedHeader: c.header}.complete()
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr, r.Header = c.remote, c.send
			if got := cfg.clientAddress(r).String(); got != c.want {
				t.Errorf("the client is %s, want %s", got, c.want)
			}
		})
	}
}
