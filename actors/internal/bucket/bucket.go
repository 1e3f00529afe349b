// Package bucket is the token bucket of every rate limit of the runtime. It
// has no clock and no lock. golang.org/x/time/rate has both, is three times the
// size, and refuses for ever what is larger than a burst.
package bucket

import "time"

// Rate is how much passes: Burst at once, and PerSecond in the long run. A
// PerSecond of zero or less lets everything pass.
type Rate struct{ PerSecond, Burst float64 }

// Unlimited reports whether everything passes.
func (r Rate) Unlimited() bool { return r.PerSecond <= 0 }

// Bucket is one bucket of a Rate, which is given with every call because many
// buckets share it. The zero value is full.
type Bucket struct {
	used float64 // what is missing; more than a burst after something large
	at   time.Time
}

// Take takes n out and reports whether it passes. It passes whole as long as
// there is one in the bucket, so that what is larger than a burst passes too,
// and is then waited for. What does not pass takes nothing out.
func (b *Bucket) Take(r Rate, now time.Time, n float64) bool {
	if r.Unlimited() {
		return true
	}
	b.refill(r, now)
	if b.used+min(n, 1) > r.Burst {
		return false
	}
	b.used += n
	return true
}

// Has reports whether Take of one would pass at now.
func (b *Bucket) Has(r Rate, now time.Time) bool {
	if r.Unlimited() {
		return true
	}
	b.refill(r, now)
	return b.used+1 <= r.Burst
}

// Full reports whether nothing is missing at now: the bucket can be forgotten.
func (b *Bucket) Full(r Rate, now time.Time) bool {
	b.refill(r, now)
	return b.used == 0
}

func (b *Bucket) refill(r Rate, now time.Time) {
	if since := now.Sub(b.at); since > 0 {
		b.used = max(0, b.used-since.Seconds()*r.PerSecond)
		b.at = now
	}
}
