package transport

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// anyOrigin in Config.Origins allows every web origin.
const anyOrigin = "*"

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
	if o.scheme == "" || !validHost(o.host) {
		return origin{}, false
	}
	if o.port == "" {
		o.port = schemePort(o.scheme)
	}
	return o, true
}

// validHost reports whether a browser may have written s: a name in its ASCII
// form, or an address.
func validHost(s string) bool {
	if s == "" || s[0] == '.' {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case c == '.', c == '-', c == '_', c == ':':
		default:
			return false
		}
	}
	return true
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

// below reports whether o is of a host somewhere below that of base, with the
// same scheme and port.
func (o origin) below(base origin) bool {
	return o.scheme == base.scheme && o.port == base.port && strings.HasSuffix(o.host, "."+base.host)
}

// parsePattern reads an entry of Config.Origins that stands for every host below
// one, as https://*.example.org. It returns the origin of the host itself, which
// the pattern does not allow.
func parsePattern(s string) (base origin, ok bool) {
	scheme, host, ok := strings.Cut(s, "://*.")
	if !ok {
		return origin{}, false
	}
	base, ok = parseOrigin(scheme + "://" + host)
	return base, ok && base.String() == scheme+"://"+host && strings.Contains(base.host, ".") && net.ParseIP(base.host) == nil
}

// completeOrigins checks Origins and takes its patterns apart.
func (c *Config) completeOrigins() error {
	c.Origins = slices.Clone(c.Origins)
	for _, o := range c.Origins {
		if o == anyOrigin {
			if len(c.Origins) > 1 {
				return errors.New(`transport: Origins: "*" stands alone`)
			}
			if c.Cookie != "" {
				return errors.New(`transport: Origins "*" cannot be used with a cookie`)
			}
			continue
		}
		if base, ok := parsePattern(o); ok {
			c.below = append(c.below, base)
			continue
		}
		if p, ok := parseOrigin(o); !ok || p.String() != o || strings.Contains(o, "*") {
			return fmt.Errorf("transport: origin %q is not scheme://host[:port] or scheme://*.host[:port] in lower case without the scheme's own port", o)
		}
	}
	return nil
}

// provenance is what a request says about the page that caused it.
type provenance struct {
	// allowed: it may be served.
	allowed bool

	// cookies: what a browser adds by itself may identify the user, because a
	// page that is trusted with it caused the request.
	cookies bool
}

// provenance judges a request by its origin. A browser names the origin of every
// WebSocket and of every POST, but not of a GET to the page's own server, nor of
// one that an image or a frame causes; Sec-Fetch-Site tells these apart:
// https://www.w3.org/TR/fetch-metadata/. A program names what it likes, so
// without an origin no cookie counts.
func (c *Config) provenance(r *http.Request) provenance {
	values := r.Header["Origin"]
	if len(values) == 0 {
		switch r.Header.Get("Sec-Fetch-Site") {
		case "same-origin":
			return provenance{allowed: true, cookies: true}
		case "", "none":
			return provenance{allowed: true}
		}
		return provenance{} // a page of another site that cannot read the answer
	}
	if slices.Contains(c.Origins, anyOrigin) {
		return provenance{allowed: true}
	}
	o, ok := parseOrigin(values[0])
	ok = ok && len(values) == 1
	if ok && len(c.Origins) == 0 {
		if o.sameHost(r.Host) {
			return provenance{allowed: true, cookies: true}
		}
		// A page on the user's own machine may be anybody's, but for the
		// developer whose server is there too.
		own, _ := parseOrigin(o.scheme + "://" + r.Host)
		return provenance{allowed: o.loopback(), cookies: o.loopback() && own.loopback()}
	}
	listed := ok && (slices.Contains(c.Origins, o.String()) || slices.ContainsFunc(c.below, o.below))
	return provenance{allowed: listed, cookies: listed}
}
