package jwtauth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// JWKS is where an issuer publishes its keys. They are fetched when they are
// first needed, again when a token comes after Every has passed, and, at most
// once a minute, when a token names a key that is not among them. A set that
// was fetched replaces the one before: what the issuer has withdrawn is not
// used any more. When fetching fails, the keys that are there are used for
// KeepFor, and then none.
//
// A fetch takes at most 3 s and 1 MiB, follows no redirect and waits for
// nothing else: the token that causes it waits, others only if they need a key
// that is not there.
type JWKS struct {
	URL string // https

	// LoopbackHTTP also allows http to an address of this machine.
	LoopbackHTTP bool
	// RootCAs are the authorities that the server's certificate must come
	// from. Nil means those of the system.
	RootCAs *x509.CertPool

	Every   time.Duration // zero means 15 min; 1 min to 24 h
	KeepFor time.Duration // after the last success. Zero means 24 h; Every to 168 h
}

const (
	fetchTimeout  = 3 * time.Second
	maxJWKS       = 1 << 20 // bytes
	refetchAfter  = time.Minute
	firstFetching = 5 * time.Second // between attempts while there is no key at all
)

// remote is the cache of one JWKS.
type remote struct {
	cfg    JWKS
	client *http.Client
	log    *slog.Logger
	now    func() time.Time

	mu      sync.Mutex // guards the following
	keys    keySet
	fetched time.Time     // the last success; zero: none yet
	tried   time.Time     // the last attempt
	running chan struct{} // closed when the attempt under way has ended; nil: there is none
}

func newRemote(c JWKS, log *slog.Logger, now func() time.Time) (*remote, error) {
	if c.Every == 0 {
		c.Every = 15 * time.Minute
	}
	if c.KeepFor == 0 {
		c.KeepFor = 24 * time.Hour
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	return &remote{cfg: c, log: log, now: now, client: &http.Client{
		Timeout:       fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			TLSClientConfig:        &tls.Config{RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12},
			DisableKeepAlives:      true, // one request in a quarter of an hour
			DisableCompression:     true,
			MaxResponseHeaderBytes: 64 << 10,
		},
	}}, nil
}

func (c *JWKS) check() error {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return errors.New("want a URL such as https://id.example.org/jwks.json, without user and fragment")
	}
	host := u.Hostname()
	loopback := host == "localhost" || net.ParseIP(host).IsLoopback()
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && loopback && c.LoopbackHTTP:
	default:
		return errors.New("want https: whoever can change keys on their way can be anybody")
	}
	if c.Every < time.Minute || c.Every > 24*time.Hour {
		return fmt.Errorf("the interval is %v: want 1m to 24h", c.Every)
	}
	if c.KeepFor < c.Every || c.KeepFor > 168*time.Hour {
		return fmt.Errorf("keys are kept for %v: want %v to 168h", c.KeepFor, c.Every)
	}
	return nil
}

// find returns the key for a token. The error is in the chain of errNoKeys if
// there are no keys, or the context's.
func (r *remote) find(ctx context.Context, m Method, id string) (Key, bool, error) {
	for attempt := 0; ; attempt++ {
		r.mu.Lock()
		now := r.now()
		usable := !r.fetched.IsZero() && now.Sub(r.fetched) < r.cfg.KeepFor
		var key Key
		found := false
		if usable {
			key, found = r.keys.find(m, id)
		}
		running := r.running
		pause := refetchAfter
		if !usable {
			pause = firstFetching
		}
		wanted := !found || now.Sub(r.fetched) >= r.cfg.Every
		lead := wanted && running == nil && attempt == 0 && (r.tried.IsZero() || now.Sub(r.tried) >= pause)
		if lead {
			r.begin(now)
		}
		r.mu.Unlock()
		switch {
		case lead:
			if err := r.fetch(ctx); err != nil {
				r.log.Warn("the keys of the token issuer cannot be fetched", "url", r.cfg.URL, "error", err)
			}
		case found:
			return key, true, nil
		case running != nil && attempt == 0:
			select {
			case <-running:
			case <-ctx.Done():
				return Key{}, false, ctx.Err()
			}
		case !usable:
			return Key{}, false, errNoKeys
		default:
			return Key{}, false, nil
		}
	}
}

// refresh fetches the keys, or waits for the fetch that is under way.
func (r *remote) refresh(ctx context.Context) error {
	r.mu.Lock()
	running := r.running
	if running == nil {
		r.begin(r.now())
	}
	r.mu.Unlock()
	if running == nil {
		return r.fetch(ctx)
	}
	select {
	case <-running:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin marks a fetch as under way. mu is held.
func (r *remote) begin(now time.Time) {
	r.tried = now
	r.running = make(chan struct{})
}

// fetch does what begin has announced. It does not end with ctx: others wait
// for it too.
func (r *remote) fetch(ctx context.Context) error {
	keys, err := r.download(context.WithoutCancel(ctx))
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.keys, r.fetched = keys, r.now()
	}
	close(r.running)
	r.running = nil
	return err
}

func (r *remote) download(ctx context.Context) (keySet, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.cfg.URL, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxJWKS+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxJWKS:
		return nil, fmt.Errorf("the answer has more than %d bytes", maxJWKS)
	}
	return ParseJWKS(body)
}
