package transport

import (
	"bytes"
	"net/http"
	"time"

	"github.com/parlor-rooms/parlor/transport/internal/clientbundle"
)

// fileTimeout is how long a client may take to read a file of the bundle, of
// which the largest has some 200 KB.
const fileTimeout = time.Minute

// serveClient answers a request for a file of the client bundle. It reports
// false, and has done nothing, if there is no such file.
func (h *Handler) serveClient(w http.ResponseWriter, r *http.Request, name string) bool {
	if h.cfg.NoClient {
		return false
	}
	body, contentType, etag, ok := clientbundle.Lookup(name)
	if !ok {
		return false
	}
	header := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return true
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(fileTimeout)) // not every server has deadlines
	header.Set("Content-Type", contentType)
	header.Set("Etag", etag)
	header.Set("Cache-Control", "public, max-age=0")
	header.Set("X-Content-Type-Options", "nosniff")
	// A module script is fetched with CORS, and the file is public.
	header.Set("Access-Control-Allow-Origin", anyOrigin)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	return true
}
