package transport

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// The headers in which a proxy may say for whom it speaks.
const (
	XForwardedFor = "X-Forwarded-For" // a list of addresses, as most proxies send it
	Forwarded     = "Forwarded"       // RFC 7239
)

// completeProxies checks TrustedProxies and ForwardedHeader.
func (c *Config) completeProxies() error {
	for _, p := range c.TrustedProxies {
		prefix, err := netip.ParsePrefix(p)
		if addr, bad := netip.ParseAddr(p); bad == nil && addr.Zone() == "" {
			prefix, err = addr.Unmap().Prefix(addr.Unmap().BitLen())
		}
		if err != nil {
			return fmt.Errorf("transport: TrustedProxies: %q is not an address or a network such as 10.0.0.0/8", p)
		}
		c.trusted = append(c.trusted, prefix.Masked())
	}
	switch c.ForwardedHeader {
	case "":
		c.ForwardedHeader = XForwardedFor
	case XForwardedFor, Forwarded:
	default:
		return fmt.Errorf("transport: ForwardedHeader is %q, not %s or %s", c.ForwardedHeader, XForwardedFor, Forwarded)
	}
	return nil
}

func (c *Config) trusts(a netip.Addr) bool {
	for _, p := range c.trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// clientAddress is the address a request came from: of the last hop that is no
// trusted proxy. What lies before that hop is only its word. A hop that is not
// an address leaves the proxy that named it. It is zero for a listener without
// IP addresses.
func (c *Config) clientAddress(r *http.Request) netip.Addr {
	at := hostAddr(r.RemoteAddr)
	if !c.trusts(at) {
		return at
	}
	hops := strings.Split(strings.Join(r.Header.Values(c.ForwardedHeader), ","), ",")
	for i := len(hops) - 1; i >= 0 && c.trusts(at); i-- {
		hop := strings.TrimSpace(hops[i])
		if c.ForwardedHeader == Forwarded {
			hop = forwardedFor(hop)
		}
		next := hostAddr(hop)
		if !next.IsValid() {
			break
		}
		at = next
	}
	return at
}

// forwardedFor is the parameter "for" of an element of Forwarded.
func forwardedFor(element string) string {
	for pair := range strings.SplitSeq(element, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(name, "for") {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}

// hostAddr reads an address with or without port, in brackets or not.
func hostAddr(s string) netip.Addr {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

// network is what is counted as one address: an IPv6 host has 64 bits to itself.
func network(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address: all of those together
	}
	return p
}
