package app

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/cmd/node/internal/settings"
	"github.com/parlor-rooms/parlor/cmd/node/telemetry"
)

func TestAdminListenerTakesTheHealthPathsFromClients(t *testing.T) {
	r := start(t, "--admin-listen=127.0.0.1:0")
	admin := "http://" + r.Admin.String()
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ready\n"} {
		if status, body := get(t, admin+path); status != 200 || body != want {
			t.Errorf("%s is answered %d %q to operators", path, status, body)
		}
		if status, _ := get(t, r.url+path); status != 404 {
			t.Errorf("%s is answered %d to clients, want 404", path, status)
		}
	}
	if status, body := get(t, admin+"/debug/pprof/goroutine?debug=1"); status != 200 || !strings.Contains(body, "goroutine profile") {
		t.Errorf("profiles are answered %d", status)
	}
	if status, body := get(t, admin+"/metrics"); status != 200 || !strings.Contains(body, "\nparlor_rooms 0\n") || !strings.Contains(body, "parlor_transport_sessions{") {
		t.Errorf("metrics are answered %d %s", status, body)
	}
	if status, _ := get(t, admin+"/"); status != 404 {
		t.Errorf("the playground is served to operators: %d", status)
	}
}

func TestReadyOnlyBetweenStartAndStop(t *testing.T) {
	var h health
	mux := http.NewServeMux()
	h.mount(mux)
	ask := func(path string) int {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code
	}
	for _, ready := range []bool{false, true, false} {
		h.ready.Store(ready)
		want := map[bool]int{false: 503, true: 200}[ready]
		if got := ask("/readyz"); got != want {
			t.Errorf("ready %v: %d, want %d", ready, got, want)
		}
		if got := ask("/healthz"); got != 200 {
			t.Errorf("alive while ready is %v: %d, want 200", ready, got)
		}
	}
}

func TestProfilesAreForOperatorsOnly(t *testing.T) {
	const token = settings.Secret("correct-horse-battery")
	for _, test := range []struct {
		name          string
		token         settings.Secret
		local, header string
		want          int
	}{
		{"no token, loopback", "", "127.0.0.1", "", 200},
		{"no token, IPv6 loopback", "", "::1", "", 200},
		{"no token, another address", "", "192.0.2.1", "", 403},
		{"no token, address not known", "", "", "", 403},
		{"token shown", token, "192.0.2.1", "Bearer correct-horse-battery", 200},
		{"token not shown", token, "127.0.0.1", "", 401},
		{"wrong token", token, "127.0.0.1", "Bearer correct-horse-batterx", 401},
		{"token begins right", token, "127.0.0.1", "Bearer correct", 401},
		{"another scheme", token, "127.0.0.1", "Basic correct-horse-battery", 401},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/debug/pprof/cmdline", nil)
			if test.local != "" {
				r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.ParseIP(test.local)}))
			}
			if test.header != "" {
				r.Header.Set("Authorization", test.header)
			}
			w := httptest.NewRecorder()
			tel, err := telemetry.Start(t.Context(), telemetry.Config{})
			if err != nil {
				t.Fatal(err)
			}
			s := &server{telemetry: tel}
			s.cfg.Admin.Token = test.token
			s.adminHandler().ServeHTTP(w, r)
			if w.Code != test.want {
				t.Errorf("answered %d, want %d", w.Code, test.want)
			}
		})
	}
}
