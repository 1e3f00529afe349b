package app

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/cmd/node/internal/settings"
	"github.com/parlor-rooms/parlor/transport/transporttest"
)

func TestOperationsAreForOperatorsOnly(t *testing.T) {
	const token = settings.Secret("correct-horse-battery")
	shown := http.Header{"Authorization": {"Bearer correct-horse-battery"}}
	for _, test := range []struct {
		name        string
		token       settings.Secret
		local, host string
		header      http.Header
		want        int
	}{
		{"no token, loopback", "", "127.0.0.1", "127.0.0.1:9090", nil, 200},
		{"no token, loopback by name", "", "127.0.0.1", "localhost:9090", nil, 200},
		{"no token, IPv6 loopback", "", "::1", "[::1]:9090", nil, 200},
		{"no token, loopback by the name of a page", "", "127.0.0.1", "evil.example:9090", nil, 403},
		{"no token, another address", "", "192.0.2.1", "192.0.2.1:9090", nil, 403},
		{"no token, another address that is called loopback", "", "192.0.2.1", "127.0.0.1", nil, 403},
		{"no token, address not known", "", "", "127.0.0.1", nil, 403},
		{"token shown", token, "192.0.2.1", "admin.example", shown, 200},
		{"token not shown", token, "127.0.0.1", "127.0.0.1", nil, 401},
		{"wrong token", token, "127.0.0.1", "127.0.0.1", http.Header{"Authorization": {"Bearer correct-horse-batterx"}}, 401},
		{"token begins right", token, "127.0.0.1", "127.0.0.1", http.Header{"Authorization": {"Bearer correct"}}, 401},
		{"another scheme", token, "127.0.0.1", "127.0.0.1", http.Header{"Authorization": {"Basic correct-horse-battery"}}, 401},
		{"a page", "", "127.0.0.1", "127.0.0.1", http.Header{"Origin": {"http://127.0.0.1:3000"}}, 403},
		{"a page with the token", token, "192.0.2.1", "admin.example", http.Header{"Origin": {"https://admin.example"}, "Authorization": shown["Authorization"]}, 403},
		{"an image of a page", "", "127.0.0.1", "127.0.0.1", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"the address bar", "", "127.0.0.1", "127.0.0.1", http.Header{"Sec-Fetch-Site": {"none"}}, 200},
		{"a link of the profiles", "", "127.0.0.1", "127.0.0.1", http.Header{"Sec-Fetch-Site": {"same-origin"}}, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/drain", nil)
			if test.local != "" {
				r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.ParseIP(test.local)}))
			}
			r.Host = test.host
			if test.header != nil {
				r.Header = test.header
			}
			w := httptest.NewRecorder()
			guarded(test.token, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
			if w.Code != test.want {
				t.Errorf("answered %d, want %d", w.Code, test.want)
			}
			if w.Header().Get("Access-Control-Allow-Origin") != "" {
				t.Error("pages may read it")
			}
		})
	}
}

// operations are all that is not for clients.
var operations = []string{"/metrics", "/stats", "/check", "/logs/levels", "/drain", "/revoke", "/debug/pprof/", "/debug/pprof/cmdline"}

func TestOperationsAreNotServedToClients(t *testing.T) {
	for _, args := range [][]string{nil, {"--admin-listen=127.0.0.1:0"}} {
		r := start(t, append(args, "--playground=off")...)
		for _, path := range operations {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				if status := ask(t, method, r.url+path); status != 404 {
					t.Errorf("%s %s is answered %d to clients", method, path, status)
				}
			}
		}
	}
}

// ask sends a request and returns the status of the answer.
func ask(t *testing.T, method, url string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestOperationsThatChangeWantPOST(t *testing.T) {
	r := start(t, "--admin-listen=127.0.0.1:0")
	for _, path := range []string{"/drain", "/revoke"} {
		if status := ask(t, http.MethodGet, "http://"+r.Admin.String()+path); status != 405 {
			t.Errorf("GET %s is answered %d", path, status)
		}
	}
}

func TestStatsAreAnsweredAsJSON(t *testing.T) {
	r := start(t, "--admin-listen=127.0.0.1:0")
	enter(t, dial(t, r, transporttest.Options{}), "/playground/x", nil)
	_, body := get(t, "http://"+r.Admin.String()+"/stats")
	var stats struct {
		Node      struct{ Connections, Rooms int }
		Transport struct {
			WebSocket int
			Refused   map[string]int
		}
	}
	if err := json.Unmarshal([]byte(body), &stats); err != nil || stats.Node.Connections != 1 || stats.Node.Rooms != 1 || stats.Transport.WebSocket != 1 || len(stats.Transport.Refused) == 0 {
		t.Errorf("%v in %s", err, body)
	}
}

func TestDrainStopsTheServerInOrder(t *testing.T) {
	r := start(t, "--admin-listen=127.0.0.1:0", "--log-level=error")
	c := dial(t, r, transporttest.Options{})
	enter(t, c, "/playground/x", nil)
	if status := ask(t, http.MethodPost, "http://"+r.Admin.String()+"/drain"); status != 202 {
		t.Errorf("answered %d", status)
	}
	select {
	case err := <-r.done:
		if err != nil {
			t.Errorf("it stopped with %v", err)
		}
		r.done <- err
	case <-time.After(patience):
		t.Fatal("it did not stop")
	}
	<-c.Done()
	if log := r.log.String(); !strings.Contains(log, "component=audit action=drain") || !strings.Contains(log, `as="this machine" status=202`) {
		t.Errorf("nobody knows who did it:\n%s", log)
	}
}

func TestRevokedClientsLeave(t *testing.T) {
	r := start(t, "--admin-listen=127.0.0.1:0")
	admin := "http://" + r.Admin.String() + "/revoke"
	for query, want := range map[string]int{
		"?subject=ada": 200, "?subject=ada&before=2027-01-31T12:00:00Z": 200, "?token_id=t1&until=2027-01-31T12:00:00Z": 200,
		"": 400, "?subject=ada&token_id=t1": 400, "?subject=ada&before=yesterday": 400,
	} {
		if status := ask(t, http.MethodPost, admin+query); status != want {
			t.Errorf("%s is answered %d, want %d", query, status, want)
		}
	}
	if !strings.Contains(r.log.String(), `action=revoke query="subject=ada"`) {
		t.Errorf("not in the log:\n%s", r.log)
	}
}
