package transport

import (
	"net/http"
	"strings"
	"testing"
)

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
