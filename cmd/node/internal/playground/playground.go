// Package playground is the page at / that shows what a room is: open it twice
// and see members, cursors, messages and round trips live. It is a stock
// Socket.IO client and plain files, without a build step and without anything
// from another host.
package playground

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"time"

	"github.com/parlor-rooms/parlor/cmd/node/internal/relay"
)

// Kind is the name of the kind of room the page enters.
const Kind = "playground"

//go:embed static
var static embed.FS

// policy lets the page load what this server serves, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// types are the content types by file extension: those of the machine may be
// missing or wrong.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml",
}

// Rooms configures the rooms of the page.
func Rooms() relay.Config {
	return relay.Config{
		Events: map[string]relay.Event{
			"chat":    {History: 50, MaxBytes: 4096},
			"react":   {Volatile: true, MaxBytes: 256},
			"cursor":  {Keep: true, Volatile: true, MaxBytes: 128},
			"typing":  {Keep: true, MaxBytes: 16},
			"latency": {Keep: true, Volatile: true, MaxBytes: 32},
			"me":      {Keep: true, MaxBytes: 256}, // name and colour, once they were changed
		},
		Create:       "anyone", // the page makes its rooms up
		Profile:      []string{"name", "color"},
		MaxMembers:   200,
		SyncEvery:    33 * time.Millisecond,
		ResumeWithin: 30 * time.Second,
		IdleAfter:    10 * time.Minute,
	}
}

// file is one answer, ready to be sent.
type file struct {
	kind, etag string
	body       []byte
}

// Handler serves the page at / and its files below /playground/. socketPath is
// where the Socket.IO endpoint is, ending in a slash.
func Handler(socketPath string) (http.Handler, error) {
	names, err := fs.ReadDir(static, "static")
	if err != nil {
		return nil, fmt.Errorf("playground: %w", err)
	}
	mux := http.NewServeMux()
	for _, n := range names {
		body, err := static.ReadFile("static/" + n.Name())
		if err != nil {
			return nil, fmt.Errorf("playground: %w", err)
		}
		at := "GET /playground/" + n.Name()
		if n.Name() == "index.html" {
			at = "GET /{$}"
			if body, err = page(body, socketPath); err != nil {
				return nil, fmt.Errorf("playground: %w", err)
			}
		}
		sum := sha256.Sum256(body)
		mux.Handle(at, &file{
			kind: types[path.Ext(n.Name())],
			etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`,
			body: body,
		})
	}
	return mux, nil
}

// page fills in index.html.
func page(text []byte, socketPath string) ([]byte, error) {
	t, err := template.New("index.html").Parse(string(text))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, struct{ Path string }{socketPath})
	return b.Bytes(), err
}

// ServeHTTP implements http.Handler.
func (f *file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache") // to be asked for again, and answered 304 by the ETag
	h.Set("ETag", f.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}
