package app

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/parlor-rooms/parlor/cmd/node/internal/config"
)

// callers are the connections of an HTTP server that have not become WebSockets.
type callers struct {
	// Set before the server starts, read-only afterwards.
	perAddress int            // connections of one address; zero means no limit
	exempt     []netip.Prefix // proxies, which call for many

	crowded atomic.Uint64 // connections closed because of perAddress

	mu     sync.Mutex // guards the following
	silent map[net.Conn]struct{}
	open   map[netip.Prefix]int
}

func newCallers() *callers {
	return &callers{silent: make(map[net.Conn]struct{}), open: make(map[netip.Prefix]int)}
}

// perSession is how many connections a session may need at a time: a stock client
// has a GET that waits and a POST.
const perSession = 2

// spareCalls is for pages, and for sessions that are over.
const spareCalls = 16

// limit takes the limits of the configuration, which was checked.
func (s *callers) limit(t config.Transport) {
	if t.MaxPerAddress > 0 {
		s.perAddress = perSession*t.MaxPerAddress + spareCalls
	}
	for _, text := range t.TrustedProxies {
		if a, err := netip.ParseAddr(text); err == nil {
			text = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()).String()
		}
		if p, err := netip.ParsePrefix(text); err == nil {
			s.exempt = append(s.exempt, p.Masked())
		}
	}
}

// note is a ConnState hook. A connection of an address that has too many is
// closed before it is read from.
func (s *callers) note(c net.Conn, state http.ConnState) {
	from := addressOf(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.silent[c] = struct{}{}
		s.open[from]++
		if s.perAddress > 0 && s.open[from] > s.perAddress && !s.exempts(from.Addr()) {
			s.crowded.Add(1)
			_ = c.Close() // the server notices, and so does the client
		}
	case http.StateHijacked, http.StateClosed:
		delete(s.silent, c)
		if s.open[from]--; s.open[from] <= 0 {
			delete(s.open, from)
		}
	default:
		delete(s.silent, c)
	}
}

func (s *callers) exempts(a netip.Addr) bool {
	for _, p := range s.exempt {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// addressOf is the address that a connection counts for: of IPv6 the network of
// 64 bits, which a host has to itself.
func addressOf(c net.Conn) netip.Prefix {
	ap, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Prefix{}
	}
	a := ap.Addr().Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// closeSilent closes the connections that have not sent anything yet. Browsers
// open some in advance, and Shutdown would wait five seconds for each.
func (s *callers) closeSilent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.silent {
		_ = c.Close()
	}
}
