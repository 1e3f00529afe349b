package playground

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/cmd/node/internal/relay"
)

func newHandler(t *testing.T) http.Handler {
	t.Helper()
	h, err := Handler("/socket.io/")
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(h http.Handler, url string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, url, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestEveryFileIsServedWithItsTypePolicyAndTag(t *testing.T) {
	h := newHandler(t)
	names, err := fs.ReadDir(static, "static")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		url := "/playground/" + n.Name()
		if n.Name() == "index.html" {
			url = "/"
		}
		w := get(h, url)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") == "" || w.Header().Get("Content-Type") != types[path.Ext(n.Name())] {
			t.Errorf("%s: %d, type %q", url, w.Code, w.Header().Get("Content-Type"))
		}
		if got := w.Header().Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'none'") || strings.Contains(got, "unsafe") {
			t.Errorf("%s: policy %q", url, got)
		}
		tag := w.Header().Get("ETag")
		if again := get(h, url, "If-None-Match", tag); tag == "" || again.Code != http.StatusNotModified || again.Body.Len() != 0 {
			t.Errorf("%s: asked again with %s: %d and %d bytes, want 304 without a body", url, tag, again.Code, again.Body.Len())
		}
	}
}

func TestNothingElseIsServed(t *testing.T) {
	h := newHandler(t)
	for _, url := range []string{"/index.html", "/playground/", "/playground/index.html", "/playground/none.js", "/other"} {
		if w := get(h, url); w.Code != http.StatusNotFound {
			t.Errorf("%s is answered %d, want 404", url, w.Code)
		}
	}
}

func TestThePageKnowsWhereSocketIOIs(t *testing.T) {
	h, err := Handler(`/a"b/`)
	if err != nil {
		t.Fatal(err)
	}
	if body := get(h, "/").Body.String(); !strings.Contains(body, `data-path="/a&#34;b/"`) {
		t.Errorf("the page begins %.120s", body)
	}
}

// TestThePageNeedsNothingFromElsewhere holds what the policy would only show
// in a browser: no other host, nothing inline, and no file that is not there.
func TestThePageNeedsNothingFromElsewhere(t *testing.T) {
	h := newHandler(t)
	names, err := fs.ReadDir(static, "static")
	if err != nil {
		t.Fatal(err)
	}
	forbidden := regexp.MustCompile(`https?://|<script>|<style|\sstyle="|\son[a-z]+="|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(`)
	reference := regexp.MustCompile(`(?:src|href)="(/[^"#]*)|from "\./([^"]+)"|url\(([^)]+)\)`)
	for _, n := range names {
		b, err := static.ReadFile("static/" + n.Name())
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(b), "http://www.w3.org/2000/svg", "") // a name, not an address
		if m := forbidden.FindString(text); m != "" {
			t.Errorf("%s contains %s", n.Name(), m)
		}
		for _, m := range reference.FindAllStringSubmatch(text, -1) {
			url := m[1] + m[3]
			if m[2] != "" {
				url = "/playground/" + m[2]
			}
			if w := get(h, url); w.Code != http.StatusOK {
				t.Errorf("%s refers to %s, which is answered %d", n.Name(), url, w.Code)
			}
		}
	}
}

func TestTheRoomsOfThePageAreValid(t *testing.T) {
	c := Rooms()
	c.Check(func(want string, path ...string) { t.Error(fmt.Sprint(path), want) })
	k := relay.New(Kind, c)
	if err := k.Err(); err != nil {
		t.Fatal(err)
	}
	scripts, err := fs.Glob(static, "static/*.js")
	if err != nil {
		t.Fatal(err)
	}
	emits := regexp.MustCompile(`(?:socket|room)(?:\.volatile|\.timeout\([^)]*\))*\.emit(?:WithAck)?\("([^"]+)"`)
	found := 0
	for _, name := range scripts {
		b, err := static.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range emits.FindAllStringSubmatch(string(b), -1) {
			if found++; !k.HandlesEvent(m[1]) {
				t.Errorf("%s emits %s, which the room does not take", name, m[1])
			}
		}
	}
	if found < 6 {
		t.Errorf("only %d events were found in the scripts", found)
	}
}
