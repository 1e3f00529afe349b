package transport

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// anyOrigin in Config.Origins allows every web origin.
const anyOrigin = "*"

// preflightAge is for how many seconds a browser may remember a preflight.
const preflightAge = "600"

// origin is a parsed web origin: RFC 6454, with an explicit port.
type origin struct {
	scheme string
	host   string // without port, lower case, IPv6 without brackets
	port   string
}

// parseOrigin reads an Origin header, or an entry of Config.Origins. The
// literal "null" (a sandboxed frame, a file) is no origin.
func parseOrigin(s string) (origin, bool) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return origin{}, false
	}
	o := origin{scheme: strings.ToLower(u.Scheme), host: strings.ToLower(u.Hostname()), port: u.Port()}
	if o.scheme == "" || o.host == "" {
		return origin{}, false
	}
	if o.port == "" {
		o.port = schemePort(o.scheme)
	}
	return o, true
}

// schemePort is the port that browsers leave out of an origin.
func schemePort(scheme string) string {
	switch scheme {
	case "http":
		return "80"
	case "https":
		return "443"
	}
	return ""
}

// String is the origin as a browser serialises it.
func (o origin) String() string {
	host := o.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if o.port != "" && o.port != schemePort(o.scheme) {
		host += ":" + o.port
	}
	return o.scheme + "://" + host
}

func (o origin) loopback() bool {
	if o.host == "localhost" || strings.HasSuffix(o.host, ".localhost") {
		return true
	}
	ip := net.ParseIP(o.host)
	return ip != nil && ip.IsLoopback()
}

// sameHost reports whether o is where a request with this Host header went.
// The scheme is not compared: TLS often ends in front of this process.
func (o origin) sameHost(host string) bool {
	own, ok := parseOrigin(o.scheme + "://" + host)
	return ok && own.host == o.host && own.port == o.port
}

// allowOrigin reports whether a request from the page it names may be served.
func (c *Config) allowOrigin(r *http.Request) bool {
	values := r.Header["Origin"]
	if len(values) == 0 {
		return true
	}
	if slices.Contains(c.Origins, anyOrigin) {
		return true
	}
	o, ok := parseOrigin(values[0])
	if !ok || len(values) > 1 {
		return false
	}
	if len(c.Origins) == 0 {
		return o.loopback() || o.sameHost(r.Host)
	}
	return slices.Contains(c.Origins, o.String())
}

// corsHeaders adds what a browser wants to see in the answer to a polling
// request from an allowed origin. Responses differ by origin even where there
// is none, so caches are always told.
func (c *Config) corsHeaders(h http.Header, r *http.Request) {
	h.Add("Vary", "Origin")
	from := r.Header.Get("Origin")
	if from == "" {
		return
	}
	if slices.Contains(c.Origins, anyOrigin) {
		h.Set("Access-Control-Allow-Origin", anyOrigin)
		return
	}
	h.Set("Access-Control-Allow-Origin", from)
	h.Set("Access-Control-Allow-Credentials", "true")
}

// isPreflight reports whether a browser asks for leave: https://fetch.spec.whatwg.org/#cors-preflight-request
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// servePreflight answers a preflight of an allowed origin.
func (h *Handler) servePreflight(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	h.cfg.corsHeaders(header, r)
	header.Add("Vary", "Access-Control-Request-Headers")
	header.Set("Access-Control-Allow-Methods", "GET, POST")
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		header.Set("Access-Control-Allow-Headers", asked)
	}
	header.Set("Access-Control-Max-Age", preflightAge)
	w.WriteHeader(http.StatusNoContent)
}
