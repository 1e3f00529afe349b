package node

import (
	"errors"
	"fmt"
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
	// member is anonymous; refused with CodeRateLimited. Zero means 2 per
	// second and 50 at once.
	UserCreations Rate

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
		UserConnections: -1, OutsideFor: -1,
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
	rate("Messages", &l.Messages, Rate{100, 200})
	rate("Bytes", &l.Bytes, Rate{256 << 10, 1 << 20})
	rate("Excess", &l.Excess, Rate{10, 200})
	rate("Joins", &l.Joins, Rate{10, float64(namespaces)})
	rate("NodeJoins", &l.NodeJoins, Rate{5_000, 10_000})
	rate("Creations", &l.Creations, Rate{200, 2_000})
	rate("UserCreations", &l.UserCreations, Rate{2, 50})
	if l.UserConnections == 0 {
		l.UserConnections = 32
	}
	if l.OutsideFor == 0 {
		l.OutsideFor = 10 * time.Second
	}
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

	creations, userCreations atomic.Uint64 // refused

	mu    sync.Mutex // guards the following
	joins bucket.Bucket
	users map[string]int // connections of a subject

	rooms     bucket.Bucket // that begin
	beginners map[string]*bucket.Bucket
	tidied    time.Time // when beginners were last looked through
}

func newHouse(l Limits) *house {
	return &house{limits: l, connection: l.connection(), users: make(map[string]int), beginners: make(map[string]*bucket.Bucket)}
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
		who = "address " + j.Address
	}
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tidy(now)
	b := h.beginners[who]
	if b == nil {
		b = new(bucket.Bucket)
		h.beginners[who] = b
	}
	if !b.Take(bucket.Rate(h.limits.UserCreations), now, 1) {
		h.userCreations.Add(1)
		return actors.Errorf(actors.CodeRateLimited, "too many rooms in too short a time")
	}
	if !h.rooms.Take(bucket.Rate(h.limits.Creations), now, 1) {
		h.creations.Add(1)
		return actors.Errorf(actors.CodeOverloaded, "too many rooms begin at once; try again")
	}
	return nil
}

// tidy forgets who has begun nothing for a while. mu is held.
func (h *house) tidy(now time.Time) {
	if now.Sub(h.tidied) < 10*time.Second {
		return
	}
	h.tidied = now
	for who, b := range h.beginners {
		if r := bucket.Rate(h.limits.UserCreations); r.Unlimited() || b.Full(r, now) {
			delete(h.beginners, who)
		}
	}
}
