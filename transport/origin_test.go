package transport

import (
	"strings"
	"testing"
)

func TestOriginsAreComparedExactly(t *testing.T) {
	list := []string{"https://app.example", "http://dev.example:8080"}
	below := []string{"https://*.app.example", "http://*.dev.example:8080"}
	for _, c := range []struct {
		name    string
		origins []string
		origin  string
		allowed bool
	}{
		{"listed", list, "https://app.example", true},
		{"listed with the scheme's own port", list, "https://app.example:443", true},
		{"listed with a port", list, "http://dev.example:8080", true},
		{"other scheme", list, "http://app.example", false},
		{"other port", list, "https://app.example:8443", false},
		{"port missing", list, "http://dev.example", false},
		{"subdomain", list, "https://x.app.example", false},
		{"longer name", list, "https://app.example.evil.example", false},
		{"prefix of a name", list, "https://evilapp.example", false},
		{"name in the user part", list, "https://app.example@evil.example", false},
		{"own host, but not listed", list, "http://{host}", false},
		{"loopback, but not listed", list, "http://localhost:3000", false},
		{"null", list, "null", false},
		{"empty", list, "", true},
		{"rubbish", list, "://", false},
		{"path", list, "https://app.example/", false},
		{"below", below, "https://x.app.example", true},
		{"far below", below, "https://x.y.app.example", true},
		{"below with a port", below, "http://x.dev.example:8080", true},
		{"the host that others are below", below, "https://app.example", false},
		{"a name that ends like the host", below, "https://evilapp.example", false},
		{"below, longer name", below, "https://x.app.example.evil.example", false},
		{"below, other scheme", below, "http://x.app.example", false},
		{"below, other port", below, "https://x.app.example:8443", false},
		{"below, port missing", below, "http://x.dev.example", false},
		{"below, nothing before the dot", below, "https://.app.example", false},
		{"a star as the page's name", below, "https://*.app.example", false},
		{"own host by default", nil, "http://{host}", true},
		{"own host behind TLS by default", nil, "https://{host}", true},
		{"own name with another port by default", nil, "http://other.example:1", false},
		{"loopback name by default", nil, "http://localhost:3000", true},
		{"loopback address by default", nil, "http://127.0.0.1:3000", true},
		{"loopback IPv6 address by default", nil, "http://[::1]:3000", true},
		{"name that begins like loopback by default", nil, "http://localhost.evil.example", false},
		{"other by default", nil, "https://app.example", false},
		{"null by default", nil, "null", false},
		{"anything if all are allowed", []string{"*"}, "https://evil.example", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, Config{Origins: c.origins})
			var header []string
			if c.origin != "" {
				header = []string{"Origin", strings.ReplaceAll(c.origin, "{host}", strings.TrimPrefix(s.base, "http://"))}
			}
			r := s.must("GET", s.url("transport=polling"), "", header...)
			if allowed := r.status == 200; allowed != c.allowed {
				t.Errorf("polling answered %d %s", r.status, r.body)
			}
			if !c.allowed && (r.status != 403 || r.body != `{"code":4,"message":"origin not allowed"}` || r.header.Get("Access-Control-Allow-Origin") != "") {
				t.Errorf("polling refused with %d %s %v", r.status, r.body, r.header)
			}
			ws, status, _ := s.tryWebSocket("transport=websocket", header...)
			if (ws != nil) != c.allowed || !c.allowed && status != 403 {
				t.Errorf("WebSocket answered %d", status)
			}
		})
	}
}

func TestOriginIsCheckedForEveryRequestOfASession(t *testing.T) {
	s := serve(t, Config{})
	p := s.enter()
	for _, method := range []string{"GET", "POST"} {
		if r := p.must(method, p.at(), "42[\"a\"]", "Origin", "https://evil.example"); r.status != 403 {
			t.Errorf("%s answered %d", method, r.status)
		}
	}
	if _, status, _ := s.tryWebSocket("transport=websocket&sid="+p.sid, "Origin", "https://evil.example"); status != 403 {
		t.Errorf("WebSocket answered %d", status)
	}
	p.wantPost(`42["a"]`, 200)
	p.wantGet(200, `42["a"]`)
}

// TestCookiesCountOnlyFromTrustedPages is what keeps a page from using the
// cookies of its visitor: browsers add them to every WebSocket.
func TestCookiesCountOnlyFromTrustedPages(t *testing.T) {
	list := []string{"https://app.example", "https://*.app.example"}
	for _, c := range []struct {
		name    string
		origins []string
		host    string
		header  []string
		status  int
		cookie  bool
	}{
		{"own page", nil, "live.example", []string{"Origin", "https://live.example"}, 200, true},
		{"listed page", list, "live.example", []string{"Origin", "https://app.example"}, 200, true},
		{"page below a listed host", list, "live.example", []string{"Origin", "https://x.app.example"}, 200, true},
		{"loopback page, server there too", nil, "127.0.0.1:8080", []string{"Origin", "http://localhost:3000"}, 200, true},
		{"loopback page, server elsewhere", nil, "live.example", []string{"Origin", "http://localhost:3000"}, 200, false},
		{"any page", []string{"*"}, "live.example", []string{"Origin", "https://evil.example"}, 200, false},
		{"own page, where any may", []string{"*"}, "live.example", []string{"Origin", "https://live.example"}, 200, false},
		{"foreign page", nil, "live.example", []string{"Origin", "https://evil.example"}, 403, false},
		{"no origin, own page", nil, "live.example", []string{"Sec-Fetch-Site", "same-origin"}, 200, true},
		{"no origin, the address bar", nil, "live.example", []string{"Sec-Fetch-Site", "none"}, 200, false},
		{"no origin, foreign image", nil, "live.example", []string{"Sec-Fetch-Site", "cross-site"}, 403, false},
		{"no origin, neighbour's image", list, "live.example", []string{"Sec-Fetch-Site", "same-site"}, 403, false},
		{"no origin, a program", nil, "live.example", nil, 200, false},
		{"a program that names an origin", nil, "live.example", []string{"Origin", "http://live.example"}, 200, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, Config{Origins: c.origins})
			header := append([]string{"Host", c.host, "Cookie", "session=secret", "Authorization", "Bearer t"}, c.header...)
			for _, transport := range []string{"polling", "websocket"} {
				var status int
				if transport == "polling" {
					status = s.must("GET", s.url("transport=polling"), "", header...).status
				} else if _, got, _ := s.tryWebSocket("transport=websocket", header...); got == 101 {
					status = 200
				} else {
					status = got
				}
				if status != c.status {
					t.Fatalf("%s answered %d, want %d", transport, status, c.status)
				}
				if status != 200 {
					continue
				}
				seen := s.gate.last(t).handshake.Header
				if got := seen.Get("Cookie") != ""; got != c.cookie {
					t.Errorf("the runtime sees the cookie of %s: %v, want %v", transport, got, c.cookie)
				}
				if seen.Get("Authorization") == "" {
					t.Errorf("the runtime does not see the token of %s", transport)
				}
			}
		})
	}
}
