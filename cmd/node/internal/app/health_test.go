package app

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAdminListenerTakesTheHealthPathsFromClients(t *testing.T) {
	r := start(t, "--admin-listen=127.0.0.1:0")
	admin := "http://" + r.Admin.String()
	for path, want := range map[string]string{"/healthz": "ok\n", "/startupz": "started\n", "/readyz": "ready\n"} {
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
	if got := ask("/startupz"); got != 503 {
		t.Errorf("before it has started: %d, want 503", got)
	}
	h.started.Store(true)
	for _, ready := range []bool{false, true, false} {
		h.ready.Store(ready)
		if got := ask("/startupz"); got != 200 {
			t.Errorf("started, and ready is %v: %d, want 200", ready, got)
		}
		want := map[bool]int{false: 503, true: 200}[ready]
		if got := ask("/readyz"); got != want {
			t.Errorf("ready %v: %d, want %d", ready, got, want)
		}
		if got := ask("/healthz"); got != 200 {
			t.Errorf("alive while ready is %v: %d, want 200", ready, got)
		}
	}
}
