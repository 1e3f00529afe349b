package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"time"
)

// errEdgeClosed ends the requests that are forwarded when Handler.Close is
// called.
var errEdgeClosed = errors.New("transport: the handler is closing")

// Forwarded is the handler for the requests that other nodes send with
// Config.Elsewhere. It is for a listener that only nodes can reach: it does not
// ask for the origin, which the node that the client reached has judged, and it
// knows the sessions of this handler only. Its server wants the same limits as
// the one for clients.
func (h *Handler) Forwarded() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, ok := h.file(r.URL.Path); !ok || name != "" {
			http.NotFound(w, r)
			return
		}
		h.limitBody(w, r)
		if !h.enter() {
			h.refuse(w, r, RefusedDraining, "")
			return
		}
		defer h.leave()
		h.serveOwn(w, r, r.URL.Query().Get("sid"))
	})
}

// forward sends a request to the node that has its session, and answers with
// what that answers. It blocks as long as that does. A client that goes away is
// gone for that node at once; a node that goes away ends the request.
func (h *Handler) forward(w http.ResponseWriter, r *http.Request, to http.RoundTripper) {
	h.count.forwarded.Add(1)
	if r.ContentLength > int64(h.cfg.MaxPayload) {
		h.refuse(w, r, RefusedTooLarge, "")
		return
	}
	if isUpgrade(r) {
		h.tunnel(w, r, to)
		return
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer context.AfterFunc(h.closed, func() { cancel(errEdgeClosed) })()
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = http.MaxBytesReader(w, r.Body, int64(h.cfg.MaxPayload))
	}
	proxy := httputil.ReverseProxy{
		Transport: to,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = "http", "node", p.In.Host
		},
		ModifyResponse: func(*http.Response) error {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(h.cfg.WriteTimeout)) // not every server has deadlines
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if context.Cause(ctx) != nil {
				err = context.Cause(ctx)
			}
			h.refuseForwarded(w, r, err)
		},
		ErrorLog: log.New(slogWriter{h.cfg.Logger}, "", 0),
	}
	proxy.ServeHTTP(w, r.WithContext(ctx))
}

// refuseForwarded answers a request that the other node did not.
func (h *Handler) refuseForwarded(w http.ResponseWriter, r *http.Request, err error) {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		h.refuse(w, r, RefusedTooLarge, "")
	case errors.Is(err, errEdgeClosed):
		h.refuse(w, r, RefusedDraining, "")
	default:
		h.cfg.Logger.Debug("a session's node did not answer", "err", err)
		h.refuse(w, r, RefusedOwner, "")
	}
}

// slogWriter takes what ReverseProxy has to say, at level debug.
type slogWriter struct{ log *slog.Logger }

func (l slogWriter) Write(p []byte) (int, error) {
	l.log.Debug("forwarding", "says", string(bytes.TrimSpace(p)))
	return len(p), nil
}

// tunnel carries a WebSocket to the node that has its session, for its life.
func (h *Handler) tunnel(w http.ResponseWriter, r *http.Request, to http.RoundTripper) {
	// The WebSocket outlives the request, and so does the connection behind it.
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(r.Context()))
	gone := context.AfterFunc(r.Context(), func() { cancel(r.Context().Err()) })
	closed := context.AfterFunc(h.closed, func() { cancel(errEdgeClosed) })
	out := r.Clone(ctx)
	out.URL.Scheme, out.URL.Host, out.RequestURI = "http", "node", ""
	out.Body, out.ContentLength = nil, 0
	out.Header.Set("Connection", "Upgrade")
	answer, err := to.RoundTrip(out)
	gone()
	closed()
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		cancel(nil)
		h.refuseForwarded(w, r, err)
		return
	}
	back, ok := answer.Body.(io.ReadWriteCloser)
	if answer.StatusCode != http.StatusSwitchingProtocols || !ok {
		defer cancel(nil)
		defer answer.Body.Close()
		for _, key := range []string{"Content-Type", "Retry-After", "Cache-Control"} {
			if v := answer.Header.Get(key); v != "" {
				w.Header().Set(key, v)
			}
		}
		w.Header().Set("Connection", "close")
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, io.LimitReader(answer.Body, maxRefusal)) // nobody is left to tell
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		cancel(nil)
		back.Close()
		h.refuse(w, r, RefusedRequest, "")
		return
	}
	early, _ := buffered.Peek(buffered.Reader.Buffered())
	h.join(&tunnel{h: h, client: conn, back: back, end: func() { cancel(nil) }}, answer, bytes.Clone(early))
}

// maxRefusal is how much of the body of another node's refusal is passed on.
const maxRefusal = 4 << 10
