package transport

import (
	"net/netip"
)

// admission decides which handshakes are taken. It is plain: time comes in, and
// the handler's lock guards it.
type admission struct {
	rate       float64 // handshakes per second
	perAddress int     // sessions; zero means no limit

	tokens float64                // handshakes that may come at once
	at     instant                // when tokens was right
	open   map[netip.Prefix]int32 // sessions by address
}

// connectBurst is for how many seconds handshakes that did not come may be made
// up for at once: a node that has rested takes a page's worth of clients without
// refusing one.
const connectBurst = 2

func newAdmission(rate, perAddress int) admission {
	return admission{
		rate: float64(rate), perAddress: perAddress,
		tokens: float64(rate * connectBurst), open: make(map[netip.Prefix]int32),
	}
}

// admit takes one more session from an address, or says why not. A handshake
// that is refused for its address costs others nothing.
func (a *admission) admit(now instant, from netip.Prefix) Refusal {
	if a.perAddress > 0 && int(a.open[from]) >= a.perAddress {
		return RefusedAddress
	}
	a.tokens = min(a.tokens+a.rate*(now-a.at).Seconds(), a.rate*connectBurst)
	a.at = now
	if a.tokens < 1 {
		return RefusedRate
	}
	a.tokens--
	a.open[from]++
	return ""
}

// forget is the end of a session that was admitted.
func (a *admission) forget(from netip.Prefix) {
	if a.open[from]--; a.open[from] <= 0 {
		delete(a.open, from)
	}
}
