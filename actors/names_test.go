package actors_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
)

// The form of a room's namespace, docs/protocol.md section 1.
var roomForm = regexp.MustCompile(`^/([a-z][a-z0-9-]{0,31})/([A-Za-z0-9._~:@-]{1,128})$`)

func TestParseRoomTakesWellFormedNamesAsTheyStand(t *testing.T) {
	for name, c := range map[string]struct{ ns, kind, id string }{
		"plain":             {"/board/q3", "board", "q3"},
		"kind of one byte":  {"/b/q", "b", "q"},
		"kind of 32 bytes":  {"/" + strings.Repeat("k", 32) + "/q", strings.Repeat("k", 32), "q"},
		"digits and dashes": {"/b-2-/q", "b-2-", "q"},
		"id of 128 bytes":   {"/b/" + strings.Repeat("I", 128), "b", strings.Repeat("I", 128)},
		"every id sign":     {"/b/aZ0._~:@-", "b", "aZ0._~:@-"},
		"dots are no path":  {"/b/..", "b", ".."},
		"case is kept":      {"/b/Q3", "b", "Q3"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := actors.ParseRoom(c.ns)
			if err != nil || r.Kind != c.kind || r.ID != c.id {
				t.Fatalf("ParseRoom(%q) = %+v, %v", c.ns, r, err)
			}
			if r.Namespace() != c.ns || r.String() != c.ns[1:] || !r.Valid() {
				t.Errorf("%q does not come back: %q, %q, valid %v", c.ns, r.Namespace(), r.String(), r.Valid())
			}
		})
	}
}

func TestParseRoomRefusesWhatIsNotARoomWithBadRoom(t *testing.T) {
	for name, ns := range map[string]string{
		"empty":                  "",
		"the root":               "/",
		"two slashes":            "//",
		"a gateway":              "/chat",
		"no id":                  "/board/",
		"no kind":                "//q3",
		"no leading slash":       "board/q3",
		"a space in the id":      "/board/a b",
		"a slash in the id":      "/board/a/b",
		"a slash at the end":     "/board/q3/",
		"two slashes in front":   "//board/q3",
		"two slashes between":    "/board//q3",
		"a comma":                "/board/a,b",
		"a query":                "/board/q3?x=1",
		"percent encoding":       "/board/a%20b",
		"a fragment":             "/board/q3#x",
		"upper case kind":        "/Board/q3",
		"kind begins in a digit": "/2board/q3",
		"kind begins in a dash":  "/-board/q3",
		"underscore in the kind": "/b_d/q3",
		"kind of 33 bytes":       "/" + strings.Repeat("k", 33) + "/q",
		"id of 129 bytes":        "/b/" + strings.Repeat("i", 129),
		"a letter beyond ASCII":  "/board/é",
		"half a rune":            "/board/\xc3",
		"a zero byte":            "/board/a\x00",
		"a line feed":            "/board/a\n",
		"a space in front":       " /board/q3",
		"a backslash":            "/board\\q3",
	} {
		t.Run(name, func(t *testing.T) {
			r, err := actors.ParseRoom(ns)
			var e *actors.Error
			if !errors.As(err, &e) || e.Code != actors.CodeBadRoom {
				t.Fatalf("ParseRoom(%q) = %+v, %v, want bad_room", ns, r, err)
			}
			if r != (actors.RoomRef{}) {
				t.Errorf("a refused name still yields %+v", r)
			}
			if !strings.Contains(e.Message, "/kind/id") {
				t.Errorf("the message does not say the form: %q", e.Message)
			}
		})
	}
}

func FuzzParseRoomAgreesWithTheProtocol(f *testing.F) {
	for _, ns := range []string{"/board/q3", "/", "//q", "/b/", "/b/a/b", "/b/~", "/B/q", "/b/\xff"} {
		f.Add(ns)
	}
	f.Fuzz(func(t *testing.T, ns string) {
		r, err := actors.ParseRoom(ns)
		want := roomForm.FindStringSubmatch(ns)
		if (err == nil) != (want != nil) {
			t.Fatalf("ParseRoom(%q): %v, the form says %v", ns, err, want)
		}
		if err == nil && (r.Kind != want[1] || r.ID != want[2] || r.Namespace() != ns) {
			t.Fatalf("ParseRoom(%q) = %+v", ns, r)
		}
	})
}

func TestReservedEventsAreThoseOfTheProtocol(t *testing.T) {
	for _, name := range []string{
		"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener", "exception",
		"room:", "room:state", "auth:renew",
	} {
		if !actors.ReservedEvent(name) {
			t.Errorf("%q is not reserved", name)
		}
	}
	for _, name := range []string{"", "Connect", "connected", "error", "room", "rooms:x", "authx", "message", "exceptions"} {
		if actors.ReservedEvent(name) {
			t.Errorf("%q is reserved", name)
		}
	}
}
