package transport

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/parlor-rooms/parlor/transport/transporttest/browsertest"
)

// victim is a site whose visitors are known by a cookie that their browser
// sends along from everywhere.
type victim struct {
	gate    *echoGate
	cookies atomic.Int64 // requests for Socket.IO that carried it
	url     string
}

// theVictim is where the browser finds it. Browsers keep cookies from pages of
// another site by themselves, but not from another origin of the same site: a
// neighbour that was broken into.
const theVictim, theForeigner = "live.site.example", "evil.site.example"

func serveVictim(t *testing.T, cfg Config) *victim {
	t.Helper()
	v := &victim{gate: &echoGate{}}
	cfg.Logger, cfg.CloseTimeout = slog.New(slog.DiscardHandler), time.Millisecond
	h, err := New(v.gate, cfg)
	if err != nil {
		t.Fatal(err)
	}
	socketIO := h.Mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "secret", Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteNoneMode})
		servePage(w, r)
	}))
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "" && r.URL.Path == "/socket.io/" {
			v.cookies.Add(1)
		}
		socketIO.ServeHTTP(w, r)
	}))
	web.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	web.TLS = &tls.Config{NextProtos: []string{"http/1.1"}} // a WebSocket needs it
	web.StartTLS()
	t.Cleanup(func() {
		_ = h.Close(context.Background())
		web.Close()
	})
	v.url = at(t, theVictim, web.URL)
	return v
}

// at is the address of a server under another name.
func at(t *testing.T, name, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return "https://" + name + ":" + u.Port()
}

func servePage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	_, _ = io.WriteString(w, "<!doctype html><title>a page</title>")
}

// attempts are the ways in which a page can make its browser talk to a server.
// Each answers whether the page got a session.
var attempts = map[string]string{
	"WebSocket": `new Promise((done) => {
		const ws = new WebSocket(%q.replace("https", "wss") + "/socket.io/?EIO=4&transport=websocket");
		ws.onmessage = () => done(true);
		ws.onclose = () => done(false);
	})`,
	"polling with credentials": `fetch(%q + "/socket.io/?EIO=4&transport=polling", { credentials: "include" })
		.then((r) => r.text()).then((t) => t.startsWith("0{"), () => false)`,
	"polling without credentials": `fetch(%q + "/socket.io/?EIO=4&transport=polling", { credentials: "omit" })
		.then((r) => r.text()).then((t) => t.startsWith("0{"), () => false)`,
	"image": `new Promise((done) => {
		const image = new Image();
		image.onload = () => done(true);
		image.onerror = () => done(false);
		image.src = %q + "/socket.io/?EIO=4&transport=polling";
	})`,
}

// TestAForeignPageCannotUseItsVisitorsCookies has a real browser with a cookie of
// the one origin, on a page of another.
func TestAForeignPageCannotUseItsVisitorsCookies(t *testing.T) {
	foreign := httptest.NewTLSServer(http.HandlerFunc(servePage))
	defer foreign.Close()
	foreign.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	foreignURL := at(t, theForeigner, foreign.URL)
	browse := browsertest.Open(browsertest.Start(t, map[string]any{
		"ignore-certificate-errors": true,
		"host-resolver-rules":       "MAP *.example 127.0.0.1", // finds every name on this machine
	}), t, "visitor", "about:blank", browsertest.View{Complains: true})
	for _, c := range []struct {
		name    string
		origins []string
		own     bool // the page is the victim's own

		sessions map[string]bool // attempts that get one
		known    bool            // the runtime sees the cookie in some handshake
	}{
		{"own page", nil, true, map[string]bool{"WebSocket": true, "polling with credentials": true, "polling without credentials": true}, true},
		{"foreign page", nil, false, nil, false},
		{"foreign page, others are listed", []string{"https://app.example"}, false, nil, false},
		{"foreign page, all are welcome", []string{"*"}, false, map[string]bool{"WebSocket": true, "polling without credentials": true}, false},
		{"foreign page that is listed", []string{foreignURL}, false, map[string]bool{"WebSocket": true, "polling with credentials": true, "polling without credentials": true}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := serveVictim(t, Config{Origins: c.origins})
			page := foreignURL
			if c.own {
				page = v.url
			}
			browse.Do(chromedp.Navigate(v.url)) // sets the cookie
			browse.Do(chromedp.Navigate(page))
			for name, script := range attempts {
				if got := browsertest.Eval[bool](browse, fmt.Sprintf(script, v.url)); got != c.sessions[name] {
					t.Errorf("%s: the page has a session: %v", name, got)
				}
			}
			if v.cookies.Load() == 0 {
				t.Error("the browser never sent the cookie: this shows nothing")
			}
			known := false
			v.gate.mu.Lock()
			defer v.gate.mu.Unlock()
			for _, conn := range v.gate.conns {
				known = known || conn.handshake.Header.Get("Cookie") != ""
			}
			if known != c.known {
				t.Errorf("the runtime knows the visitor by the cookie: %v", known)
			}
			if !c.own && c.sessions == nil && len(v.gate.conns) != 0 {
				t.Errorf("%d connections reached the runtime", len(v.gate.conns))
			}
		})
	}
}
