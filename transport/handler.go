package transport

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/internal/engineio"
	"github.com/parlor-rooms/parlor/transport/internal/outbox"
	"github.com/parlor-rooms/parlor/transport/internal/socketio"
)

// Handler serves Socket.IO connections and hands their packets to a
// [actors.Gate]. It is an http.Handler for everything under Config.Path and
// answers 404 elsewhere; [Handler.Mount] puts it beside other routes.
type Handler struct {
	// Set by New, read-only afterwards.
	gate    actors.Gate
	cfg     Config
	pool    *outbox.Pool
	limits  socketio.Limits
	start   time.Time
	killed  context.Context // done once Close has run out of patience
	kill    context.CancelFunc
	tracing *tracing
	meter   metric.Registration // nil if nothing is published
	done    context.Context     // done from the start, for what must not wait
	closed  context.Context     // done once Close was called
	shut    context.CancelFunc

	count     counters
	relief    atomic.Uint32 // a Relief
	gzip      compressor
	deflaters deflaters
	scratch   scratchPool

	mu         sync.Mutex // leaf lock; guards the following
	admitted   admission
	sessions   map[string]*session
	sockets    map[*webSocket]struct{} // whose reader has not ended
	tunnels    map[*tunnel]struct{}    // of which a direction has not ended
	active     int                     // requests being served
	closing    bool                    // Close was called: no session is opened
	dispersing bool                    // Disperse was called: no session is opened
	idle       chan struct{}           // closed when closing and nothing is left; nil before Close
}

// New returns a handler that gives every connection it accepts to gate. It
// starts nothing; an error names the field of cfg that makes no sense.
func New(gate actors.Gate, cfg Config) (*Handler, error) {
	if gate == nil {
		return nil, errors.New("transport: no gate to hand connections to: a *node.Node is one")
	}
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	pool, err := outbox.NewPool(outbox.Config{
		Limits:       outbox.Limits{Frames: cfg.Outbox.Packets, Bytes: cfg.Outbox.Bytes},
		WriteTimeout: cfg.WriteTimeout,
	})
	if err != nil {
		return nil, err
	}
	killed, kill := context.WithCancel(context.Background())
	closed, shut := context.WithCancel(context.Background())
	done, now := context.WithCancel(context.Background())
	now()
	h := &Handler{
		gate:      gate,
		cfg:       cfg,
		pool:      pool,
		limits:    socketio.Limits{Attachments: cfg.MaxAttachments, TotalBytes: cfg.MaxPayload},
		start:     time.Now(),
		killed:    killed,
		kill:      kill,
		done:      done,
		closed:    closed,
		shut:      shut,
		count:     newCounters(),
		deflaters: newDeflaters(),
		admitted:  newAdmission(cfg.ConnectRate, cfg.MaxPerAddress),
		sessions:  make(map[string]*session),
		sockets:   make(map[*webSocket]struct{}),
		tunnels:   make(map[*tunnel]struct{}),
	}
	h.tracing = newTracing(&h.cfg)
	if cfg.Meter != nil {
		if h.meter, err = h.observe(cfg.Meter); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// Mount returns a handler that serves everything under Config.Path itself and
// gives the rest to next. A nil next answers 404.
func (h *Handler) Mount(next http.Handler) http.Handler {
	if next == nil {
		next = http.NotFoundHandler()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := h.file(r.URL.Path); ok {
			h.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// file is what of a request's path lies under Config.Path: empty for Socket.IO
// itself. The final slash of Config.Path may be missing then.
func (h *Handler) file(path string) (name string, ok bool) {
	if path+"/" == h.cfg.Path {
		return "", true
	}
	return strings.CutPrefix(path, h.cfg.Path)
}

// ServeHTTP serves one request of Socket.IO or for a file of the client. A
// polling GET blocks until there is something to answer. A WebSocket is taken
// over: ServeHTTP returns and the connection lives on.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := h.file(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	h.limitBody(w, r)
	if name != "" {
		if !h.serveClient(w, r, name) {
			http.NotFound(w, r)
		}
		return
	}
	if !h.enter() {
		h.refuse(w, r, RefusedDraining, "")
		return
	}
	defer h.leave()
	h.serve(w, r)
}

// limitBody bounds the time that the body of a request may take, also where
// nobody reads it: the server does then, to go on with what comes behind it.
func (h *Handler) limitBody(w http.ResponseWriter, r *http.Request) {
	if r.Body != nil && r.Body != http.NoBody {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.cfg.BodyTimeout)) // not every server has deadlines
	}
}

// serve decides what an Engine.IO request is. The order of the checks is that
// of upstream, so that a request with two faults is answered as upstream does;
// the origin comes first, because nothing else concerns a foreign page.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request) {
	from := h.cfg.provenance(r)
	if !from.allowed {
		h.refuse(w, r, RefusedOrigin, "origin not allowed")
		return
	}
	if isPreflight(r) {
		h.servePreflight(w, r)
		return
	}
	if !isUpgrade(r) {
		h.cfg.corsHeaders(w.Header(), r)
	}
	query := r.URL.Query()
	name := query.Get("transport")
	sid := query.Get("sid")
	span := h.tracing.request(r, requestName(r, sid), name)
	defer end(span)
	switch {
	case !h.cfg.offers(name):
		h.refuse(w, r, RefusedTransport, "")
	case sid != "":
		h.serveSession(w, r, sid)
	case r.Method != http.MethodGet:
		h.refuse(w, r, RefusedMethod, "")
	case isUpgrade(r) != (name == WebSocket):
		h.refuse(w, r, RefusedRequest, "")
	case query.Has(paramJSONP):
		h.refuse(w, r, RefusedRequest, "")
	case query.Get(paramVersion) != version:
		h.refuse(w, r, RefusedVersion, "")
	default:
		h.handshake(w, r, query, from)
	}
}

// serveSession serves a request that names a session, here or elsewhere.
func (h *Handler) serveSession(w http.ResponseWriter, r *http.Request, sid string) {
	if h.cfg.Elsewhere != nil && h.session(sid) == nil && validSID(sid) {
		if to := h.cfg.Elsewhere(sid); to != nil {
			h.forward(w, r, to)
			return
		}
	}
	h.serveOwn(w, r, sid)
}

// serveOwn serves a request that names a session of this handler.
func (h *Handler) serveOwn(w http.ResponseWriter, r *http.Request, sid string) {
	s := h.session(sid)
	if s == nil {
		h.refuse(w, r, RefusedSID, "")
		return
	}
	query := r.URL.Query()
	if query.Get(paramVersion) != version || query.Has(paramJSONP) || isUpgrade(r) != (query.Get("transport") == WebSocket) {
		h.refuse(w, r, RefusedRequest, "")
		return
	}
	// The timer may be late, and a client that measures must not see that.
	s.tick()
	switch {
	case isUpgrade(r):
		s.serveUpgrade(w, r)
	case r.Method == http.MethodGet:
		s.servePollGET(w, r)
	case r.Method == http.MethodPost:
		s.servePollPOST(w, r)
	default:
		h.refuse(w, r, RefusedMethod, "")
	}
}

// now is the time of the handler's deadlines.
func (h *Handler) now() instant { return time.Since(h.start) }

// open is the Open packet for a session that begins on a transport.
func (h *Handler) open(sid, transport string) engineio.Packet {
	var upgrades []string
	if transport == Polling && h.cfg.offers(WebSocket) {
		upgrades = []string{WebSocket}
	}
	return engineio.Handshake{
		SID:          sid,
		Upgrades:     upgrades,
		PingInterval: h.cfg.PingInterval,
		PingTimeout:  h.cfg.PingTimeout,
		MaxPayload:   h.cfg.MaxPayload,
	}.Packet()
}
