package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/bucket"
	conn "github.com/parlor-rooms/parlor/actors/internal/connection"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// Rate is how much passes: Burst at once, and PerSecond in the long run. The
// zero value means the default that is named; a negative PerSecond means that
// nothing is limited. A Burst of zero beside a PerSecond means one second's.
type Rate struct{ PerSecond, Burst float64 }

// Limits bound what clients may do. What is refused is counted in Stats;
// docs/limits.md says what a client sees. The zero value is useful; a game
// that sends more says so here.
type Limits struct {
	// Messages are packets of one connection: an event beyond is refused with
	// CodeRateLimited. Zero means 100 per second and 200 at once.
	Messages Rate
	// Bytes are those of the packets, attachments included; a packet that is
	// larger than a burst passes, and is waited for. Zero means 256 KiB per
	// second and 1 MiB at once.
	Bytes Rate
	// Excess is how many packets beyond Messages and Bytes one connection may
	// send before its transport is closed with ReasonRateLimited. Zero means
	// 10 per second and 200 at once.
	Excess Rate
	// Joins are CONNECTs of one connection; one more is refused with
	// CodeRateLimited. Zero means 10 per second and MaxNamespaces at once, so
	// that a client that reconnects finds its way back into all of its rooms.
	Joins Rate

	// NodeJoins are CONNECTs of all connections. Beyond it a client that is in
	// no namespace has its transport closed with ReasonOverloaded, after which
	// a stock client comes again; others are refused with CodeOverloaded. Zero
	// means 5,000 per second and 10,000 at once.
	NodeJoins Rate

	// Creations are rooms of all kinds that begin, for a member, with nothing
	// and nobody in them; a join that would be one more is refused with
	// CodeOverloaded. Zero means 200 per second and 2,000 at once.
	Creations Rate
	// UserCreations are the same of one user, or of one address where the
	// member is anonymous; refused with CodeRateLimited. An IPv6 address stands
	// for its /64. Zero means 2 per second and 50 at once.
	UserCreations Rate

	// BadCredentials are those of one address, or of one /64, that the
	// Authenticator refused. Beyond it every CONNECT and auth:renew from there
	// is refused with CodeRateLimited, and the Authenticator is not asked.
	// Credentials that were good once and have expired are not counted, nor is
	// an Authenticator that is unavailable. Zero means no limit: behind a proxy
	// that does not say for whom it speaks, all clients have one address.
	BadCredentials Rate

	// UserConnections is how many connections of one user the node holds; a
	// CONNECT on one more is refused with CodeTooLarge. Anonymous clients are
	// not counted. Zero means 32; negative, any number.
	UserConnections int

	// OutsideFor is how long a connection may be in no room and no gateway
	// before it is closed with ReasonConnectTimeout; twice as long while the
	// Authenticator is at work. Zero means 10 s; negative, for ever.
	OutsideFor time.Duration
}

// NoLimits limits nothing. Rooms still have seats, and mailboxes an end.
func NoLimits() Limits {
	off := Rate{PerSecond: -1}
	return Limits{
		Messages: off, Bytes: off, Excess: off, Joins: off, NodeJoins: off, Creations: off, UserCreations: off,
		BadCredentials: off, UserConnections: -1, OutsideFor: -1,
	}
}

// DefaultLimits are what the zero value means, in a node of which a connection
// may be in so many namespaces.
func DefaultLimits(namespaces int) Limits {
	return Limits{
		Messages: Rate{100, 200}, Bytes: Rate{256 << 10, 1 << 20}, Excess: Rate{10, 200}, Joins: Rate{10, float64(namespaces)},
		NodeJoins: Rate{5_000, 10_000}, Creations: Rate{200, 2_000}, UserCreations: Rate{2, 50}, BadCredentials: Rate{PerSecond: -1},
		UserConnections: 32, OutsideFor: 10 * time.Second,
	}
}

func (l *Limits) complete(namespaces int) error {
	var errs []error
	rate := func(name string, r *Rate, std Rate) {
		switch {
		case *r == Rate{}:
			*r = std
		case r.Burst < 0 || r.Burst > 0 && r.Burst < 1 || r.PerSecond == 0:
			errs = append(errs, fmt.Errorf("%s is %v: want a rate per second, and a burst of 0, or of 1 or more", name, *r))
		case r.Burst == 0:
			r.Burst = max(r.PerSecond, 1)
		}
	}
	std := DefaultLimits(namespaces)
	rate("Messages", &l.Messages, std.Messages)
	rate("Bytes", &l.Bytes, std.Bytes)
	rate("Excess", &l.Excess, std.Excess)
	rate("Joins", &l.Joins, std.Joins)
	rate("NodeJoins", &l.NodeJoins, std.NodeJoins)
	rate("Creations", &l.Creations, std.Creations)
	rate("UserCreations", &l.UserCreations, std.UserCreations)
	rate("BadCredentials", &l.BadCredentials, std.BadCredentials)
	l.UserConnections = cmp.Or(l.UserConnections, std.UserConnections)
	l.OutsideFor = cmp.Or(l.OutsideFor, std.OutsideFor)
	return errors.Join(errs...)
}

// connection is what one connection is held to.
func (l *Limits) connection() *conn.Limits {
	return &conn.Limits{
		Messages: bucket.Rate(l.Messages), Bytes: bucket.Rate(l.Bytes), Excess: bucket.Rate(l.Excess),
		Joins: bucket.Rate(l.Joins), OutsideFor: l.OutsideFor,
	}
}

// house is what the connections of a node have in common. It implements
// connection.House.
type house struct {
	limits     Limits
	connection *conn.Limits
	revoked    revocations
	met        [conn.LimitCount]atomic.Uint64 // by limit

	creations, userCreations, badCredentials atomic.Uint64 // refused

	mu    sync.Mutex // guards the following
	joins bucket.Bucket
	users map[string]int // connections of a subject

	rooms     bucket.Bucket // that begin
	beginners buckets
	suspects  buckets // addresses whose credentials were refused
}

func newHouse(l Limits) *house {
	return &house{
		limits: l, connection: l.connection(), users: make(map[string]int),
		beginners: buckets{rate: bucket.Rate(l.UserCreations)}, suspects: buckets{rate: bucket.Rate(l.BadCredentials)},
	}
}

// limits are those of package connection by their names.
var limits = map[conn.Limit]Limited{
	conn.LimitMessages: LimitedEvents, conn.LimitExcess: LimitedExcess, conn.LimitJoins: LimitedJoins,
	conn.LimitNode: LimitedNodeJoins, conn.LimitUser: LimitedUserConnections, conn.LimitOutside: LimitedOutside,
}

func (h *house) limited() map[Limited]uint64 {
	counts := make(map[Limited]uint64, len(limits))
	for limit, name := range limits {
		counts[name] = h.met[limit].Load()
	}
	counts[LimitedCreations] = h.creations.Load()
	counts[LimitedUserCreations] = h.userCreations.Load()
	counts[LimitedBadCredentials] = h.badCredentials.Load()
	return counts
}

// Join implements connection.House.
func (h *house) Join(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.joins.Take(bucket.Rate(h.limits.NodeJoins), now, 1)
}

// Count implements connection.House.
func (h *house) Count(subject string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if most := h.limits.UserConnections; most > 0 && h.users[subject] >= most {
		return false
	}
	h.users[subject]++
	return true
}

// Uncount implements connection.House.
func (h *house) Uncount(subject string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.users[subject]--; h.users[subject] <= 0 {
		delete(h.users, subject)
	}
}

// begin takes a room that begins with a join out of what may begin per second.
// It is room.Config.Begin.
func (h *house) begin(j *wire.Join) *actors.Error {
	who := "user " + j.Identity.Subject
	if j.Identity.Subject == "" {
		who = "address " + network(j.Address)
	}
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.beginners.take(who, now) {
		h.userCreations.Add(1)
		return actors.Errorf(actors.CodeRateLimited, "too many rooms in too short a time")
	}
	if !h.rooms.Take(bucket.Rate(h.limits.Creations), now, 1) {
		h.creations.Add(1)
		return actors.Errorf(actors.CodeOverloaded, "too many rooms begin at once; try again")
	}
	return nil
}

// mayAuthenticate refuses those at an address that showed too many bad
// credentials.
func (h *house) mayAuthenticate(address string) *actors.Error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.suspects.has(network(address), time.Now()) {
		return nil
	}
	h.badCredentials.Add(1)
	return actors.Errorf(actors.CodeRateLimited, "too many bad credentials from this address; try later")
}

// refusedCredentials notes what the Authenticator said to someone at an address.
func (h *house) refusedCredentials(address string, why error) {
	if coded := (*actors.Error)(nil); errors.As(why, &coded) && (coded.Code == actors.CodeTokenExpired || coded.Code == actors.CodeUnavailable) {
		return
	}
	if errors.Is(why, context.DeadlineExceeded) || errors.Is(why, context.Canceled) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.suspects.take(network(address), time.Now())
}

// network is what limits by address are counted by: one IPv4 address, or the
// /64 of an IPv6 address, all of which one host can have.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Unmap().Is4() {
		return address
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}

// buckets are those of one Rate, by whom they are held against. Those that are
// full are forgotten. The zero value with a rate is useful.
type buckets struct {
	rate   bucket.Rate
	of     map[string]*bucket.Bucket
	tidied time.Time // when of was last looked through
}

func (b *buckets) take(who string, now time.Time) bool {
	if b.rate.Unlimited() {
		return true
	}
	b.tidy(now)
	one := b.of[who]
	if one == nil {
		if b.of == nil {
			b.of = make(map[string]*bucket.Bucket)
		}
		one = new(bucket.Bucket)
		b.of[who] = one
	}
	return one.Take(b.rate, now, 1)
}

// has reports whether take would succeed.
func (b *buckets) has(who string, now time.Time) bool {
	one := b.of[who]
	return one == nil || one.Has(b.rate, now)
}

func (b *buckets) tidy(now time.Time) {
	if now.Sub(b.tidied) < 10*time.Second {
		return
	}
	b.tidied = now
	for who, one := range b.of {
		if one.Full(b.rate, now) {
			delete(b.of, who)
		}
	}
}
