package connection

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/bucket"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

func joinedIn(room actors.RoomRef, m actors.MemberID) *wire.Joined {
	return &wire.Joined{Room: room, Asked: m, Member: m}
}

func limited(l Limits) func(*Config) { return func(c *Config) { c.Limits = &l } }

// lines is how many lines of the log begin with prefix.
func lines(log []string, prefix string) int {
	n := 0
	for _, line := range log {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

const (
	tooManyAck = `push 3 /b/1 [{"error":{"code":"rate_limited","message":"too many messages; this one was not handled"}}]`
	tooMany    = `push 2 /b/1 ["exception",{"status":"error","code":"rate_limited","message":"too many messages; this one was not handled","event":"e"}]`
)

func TestMessagesBeyondTheRateAreRefusedAndThenTheTransportIsClosed(t *testing.T) {
	f := open(limited(Limits{
		Messages: bucket.Rate{PerSecond: 10, Burst: 20}, Excess: bucket.Rate{PerSecond: 1, Burst: 5},
	}))
	f.connect(ns) // the first of the twenty
	f.joined("m1", "m1")
	for i := range 19 {
		f.event(ns, i)
	}
	if log := f.take(); lines(log, "event b/1") != 19 {
		t.Fatalf("%q", log)
	}
	f.event(ns, 19)
	f.expect(t, "limited 0", tooMany, "release 1")
	f.renew(ns, `["e"]`, true)
	f.expect(t, "limited 0", tooManyAck, "release 1")
	f.advance(time.Second)
	for i := range 10 { // the rate
		f.event(ns, i)
	}
	if log := f.take(); lines(log, "event b/1") != 10 {
		t.Fatalf("%q", log)
	}
	for range 3 { // of the two above, one is forgiven
		f.event(ns, 0)
	}
	f.Packet(packet(actors.PacketAck, ns, `[]`)) // cannot be refused, and counts
	if log := f.take(); lines(log, "close") != 0 || lines(log, "limited 0") != 3 || lines(log, "ack b/1") != 1 {
		t.Fatalf("%q", log)
	}
	f.event(ns, 0)
	f.expect(t, "limited 1", "close rate_limited", "release 1")
	f.event(ns, 0)
	f.expect(t, "release 1")
	f.Closed(actors.ReasonRateLimited)
	f.expect(t, "leave b/1 m1 rate_limited")
}

func TestBytesBeyondTheRateAreRefused(t *testing.T) {
	f := open(limited(Limits{Bytes: bucket.Rate{PerSecond: 1000, Burst: 2000}, Excess: bucket.Rate{PerSecond: 1, Burst: 5}}))
	f.connect(ns)
	f.joined("m1", "m1")
	f.take()
	big := packet(actors.PacketEvent, ns, `["e",1]`)
	big.Attachments = [][]byte{make([]byte, 10_000)} // larger than a burst passes, and is waited for
	f.Packet(big)
	f.event(ns, 1)
	f.expect(t, `event b/1 m1 #1 ["e",1]`, "release 1", "limited 0", tooMany, "release 1")
	f.advance(8 * time.Second)
	f.event(ns, 2)
	f.expect(t, "limited 0", tooMany, "release 1")
	f.advance(time.Second)
	f.event(ns, 3)
	f.expect(t, `event b/1 m1 #2 ["e",3]`, "release 1")
}

func TestAClientThatIsNotInYetHearsNothingOfLimits(t *testing.T) {
	f := open(limited(Limits{Messages: bucket.Rate{PerSecond: 1, Burst: 2}, Excess: bucket.Rate{PerSecond: 1, Burst: 5}}))
	f.connect(ns)
	f.event(ns, 1)
	f.take()
	f.event(ns, 2)
	f.expect(t, "limited 0", "release 1")
	f.joined("m1", "m1")
	f.expect(t, `event b/1 m1 #1 ["e",1]`)
}

func TestTooManyCONNECTsAreRefused(t *testing.T) {
	f := open(limited(Limits{Joins: bucket.Rate{PerSecond: 1, Burst: 3}}))
	for range 3 {
		f.connect(ns)
		f.joined("m1", "m1")
		f.disconnect(ns)
		f.refused("m2")
		f.refused("m3")
	}
	f.take()
	f.connect(ns)
	f.expect(t, "limited 2", `push 4 /b/1 {"message":"too many namespaces in too short a time","data":{"code":"rate_limited"}}`, "release 1")
	f.advance(time.Second)
	f.connect(ns)
	if log := f.take(); lines(log, "join b/1") != 1 {
		t.Errorf("%q", log)
	}
}

// Stock clients do not come back after CONNECT_ERROR, and do after their
// transport was closed.
func TestANodeThatIsBusyIsAskedAgain(t *testing.T) {
	h := &house{}
	f := open(h.in)
	h.closed = true
	f.connect(ns)
	f.expect(t, "limited 3", "close overloaded", "release 1")

	h.closed = false
	f = open(h.in)
	f.connect(ns)
	f.joined("m1", "m1")
	f.take()
	h.closed = true
	f.connect("/b/2") // it is somewhere already
	f.expect(t, "limited 3", `push 4 /b/2 {"message":"too many clients enter at once; try again","data":{"code":"overloaded"}}`, "release 1")
}

func TestAConnectionIsCountedOnceForItsUser(t *testing.T) {
	h := &house{most: 1}
	f := open(authenticates, h.in)
	f.enter(1, who("u", "t", time.Hour))
	f.enter(2, who("u", "t", time.Hour))
	other := open(authenticates, h.in)
	other.connect(ns)
	other.take()
	other.Authenticated("m1", who("u", "t", time.Hour), nil)
	other.expect(t, "limited 4", `push 4 /b/1 {"message":"this user has too many connections","data":{"code":"too_large"}}`)
	other.connect(ns)
	other.Authenticated("m2", actors.Identity{}, nil) // nobody in particular
	f.disconnect("/b/1")
	if h.users["u"] != 1 {
		t.Errorf("%d connections are counted for a user that is still in a room", h.users["u"])
	}
	f.disconnect("/b/2")
	if h.users["u"] != 0 {
		t.Errorf("%d connections are counted for a user that has left", h.users["u"])
	}
	f.enter(5, who("u", "t", time.Hour))
	f.Authenticated("m3", who("u", "t", time.Hour), nil)
	f.Closed(actors.ReasonTransportClosed)
	if h.users["u"] != 0 {
		t.Errorf("%d connections are counted for a user that is gone", h.users["u"])
	}
}

func TestAConnectionThatIsNowhereInsideIsClosed(t *testing.T) {
	outside := limited(Limits{OutsideFor: 10 * time.Second})
	for name, c := range map[string]struct {
		do    func(*fixture)
		after time.Duration // the start; 0: never
	}{
		"nothing is asked for": {func(*fixture) {}, 10 * time.Second},
		"a room":               {func(f *fixture) { f.enter(1, actors.Identity{}) }, 0},
		"a gateway":            {func(f *fixture) { f.connect(gateway); f.Authenticated("m1", actors.Identity{}, nil) }, 0},
		"the room takes long":  {func(f *fixture) { f.connect(ns); f.Authenticated("m1", actors.Identity{}, nil) }, 0},
		"no answer":            {func(f *fixture) { f.connect(ns) }, 20 * time.Second},
		"refused": {func(f *fixture) {
			f.advance(5 * time.Second)
			f.connect(ns)
			f.Authenticated("m1", actors.Identity{}, full)
		}, 10 * time.Second},
		"refused at the end": {func(f *fixture) {
			f.connect(ns)
			f.advance(15 * time.Second)
			f.Authenticated("m1", actors.Identity{}, full)
		}, 20 * time.Second},
		"left": {func(f *fixture) { f.enter(1, actors.Identity{}); f.advance(5 * time.Second); f.disconnect(ns) }, 15 * time.Second},
		"left one of two": {func(f *fixture) {
			f.enter(1, actors.Identity{})
			f.enter(2, actors.Identity{})
			f.disconnect(ns)
		}, 0},
		"back in time": {func(f *fixture) {
			f.enter(1, actors.Identity{})
			f.disconnect(ns)
			f.advance(9 * time.Second)
			f.connect("/b/2")
			f.Authenticated("m2", actors.Identity{}, nil)
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := open(authenticates, outside)
			c.do(f)
			f.take()
			var after time.Duration
			for range 120 {
				f.advance(time.Second)
				if log := f.take(); lines(log, "close connect_timeout") == 1 {
					after = f.now.Sub(start)
				} else if len(log) > 0 {
					t.Fatal(fmt.Sprint(log))
				}
			}
			if after != c.after {
				t.Errorf("closed after %v, want %v", after, c.after)
			}
		})
	}
}
