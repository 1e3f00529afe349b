package transport

import (
	"net/http"
	"strings"
	"testing"
)

func TestOriginsAreComparedExactly(t *testing.T) {
	list := []string{"https://app.example", "http://dev.example:8080"}
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

func TestBrowsersMayReadAnswersFromAllowedOrigins(t *testing.T) {
	for _, c := range []struct {
		name               string
		origins            []string
		allow, credentials string
	}{
		{"listed", []string{"https://app.example"}, "https://app.example", "true"},
		{"all", []string{"*"}, "*", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, Config{Origins: c.origins})
			check := func(what string, h http.Header) {
				t.Helper()
				if got := h.Get("Access-Control-Allow-Origin"); got != c.allow {
					t.Errorf("%s allows %q", what, got)
				}
				if got := h.Get("Access-Control-Allow-Credentials"); got != c.credentials {
					t.Errorf("%s has credentials %q", what, got)
				}
				if !strings.Contains(strings.Join(h.Values("Vary"), ","), "Origin") {
					t.Errorf("%s varies by %q", what, h.Values("Vary"))
				}
			}
			p := s.poll()
			p.wantPost("40", 200)
			check("GET", p.must("GET", p.at(), "", "Origin", "https://app.example").header)
			check("POST", p.must("POST", p.at(), "3", "Origin", "https://app.example").header)
			refusal := s.must("GET", s.url("transport=polling&sid=x"), "", "Origin", "https://app.example")
			check("refusal", refusal.header)
			preflight := s.must("OPTIONS", p.at(), "", "Origin", "https://app.example",
				"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,x-room")
			check("preflight", preflight.header)
			if preflight.status != 204 || preflight.header.Get("Access-Control-Allow-Methods") != "GET, POST" ||
				preflight.header.Get("Access-Control-Allow-Headers") != "content-type,x-room" {
				t.Errorf("preflight answered %d %v", preflight.status, preflight.header)
			}
		})
	}
}

func TestPreflightOfAForeignPageIsRefused(t *testing.T) {
	s := serve(t, Config{})
	r := s.must("OPTIONS", s.url("transport=polling"), "", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST")
	if r.status != 403 || r.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("answered %d %v", r.status, r.header)
	}
}
