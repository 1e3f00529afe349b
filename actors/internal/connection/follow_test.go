package connection

import (
	"slices"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

func follows(c *Config) { c.Follows = true }

// inside returns a connection whose client m1 is in the room, and what it asks
// for is kept in joins.
func inside(t *testing.T, data string) *fixture {
	t.Helper()
	f := open(follows)
	f.Packet(packet(actors.PacketConnect, ns, data))
	f.Joined(&wire.Joined{Room: room, Asked: "m1", Member: "m1", Epoch: 5, PID: "pid1"})
	f.log = nil
	return f
}

// join is the latest join that was sent.
func (f *fixture) join() *wire.Join { return f.spaces[ns].stay.join }

func wantLog(t *testing.T, f *fixture, want ...string) {
	t.Helper()
	if !slices.Equal(f.log, want) {
		t.Errorf("did\n  %s\nwant\n  %s", strings.Join(f.log, "\n  "), strings.Join(want, "\n  "))
	}
	f.log = nil
}

func TestAClientIsTakenToWhereItsRoomHasGone(t *testing.T) {
	f := inside(t, "")
	for n := range 3 {
		f.event(ns, n)
	}
	f.Credit(&wire.Credit{Room: room, Member: "m1", Link: 1, Epoch: 5})
	f.log = nil
	f.moved()
	wantLog(t, f, "relocate b/1", "seek b/1 m1")
	f.event(ns, 3) // meanwhile
	f.Sought(room, "m1", "o9", true)
	wantLog(t, f, "release 1", "join b/1 m2")
	if j := f.join(); j.PID != "pid1" || j.Offset != "o9" || *j.Again != (wire.Again{Member: "m1", Link: 4}) {
		t.Errorf("joined with %+v, again %+v", j, j.Again)
	}
	f.Joined(&wire.Joined{Room: room, Asked: "m2", Member: "m1", Epoch: 6, PID: "pid1", Link: 2})
	wantLog(t, f, `event b/1 m1 #3 ["e",2]`, `event b/1 m1 #4 ["e",3]`)
	f.event(ns, 4)
	wantLog(t, f, `event b/1 m1 #5 ["e",4]`, "release 1")
}

func TestASeatThatDoesNotKnowIsSentWhatNoOtherWas(t *testing.T) {
	f := inside(t, "")
	f.event(ns, 0)
	f.moved()
	f.event(ns, 1)
	f.Sought(room, "m1", "", true)
	f.event(ns, 2)
	link := f.join().Again.Link
	f.log = nil
	f.Joined(&wire.Joined{Room: room, Asked: "m2", Member: "m9", Epoch: 6, Link: link - 1})
	wantLog(t, f, `event b/1 m9 #2 ["e",1]`, `event b/1 m9 #3 ["e",2]`)
}

func TestWhatAnEarlierActivationSaysDoesNotCount(t *testing.T) {
	f := inside(t, "")
	f.event(ns, 0)
	f.moved()
	f.Sought(room, "m1", "", true)
	f.Joined(&wire.Joined{Room: room, Asked: "m2", Member: "m1", Epoch: 6})
	f.log = nil
	f.Gone(&wire.Gone{Room: room, Member: "m1", Epoch: 5})
	f.Credit(&wire.Credit{Room: room, Member: "m1", Link: 1, Epoch: 5})
	f.Moved(&wire.Moved{Room: room, Member: "m2"}) // of a join that was answered
	if f.Namespaces() != 1 || len(f.spaces[ns].stay.follows.events) != 1 {
		t.Error("an activation that is over was heard")
	}
	f.Gone(&wire.Gone{Room: room, Member: "m1", Epoch: 6})
	if f.Namespaces() != 0 {
		t.Error("the activation that counts was not heard")
	}
}

func TestAClientThatCannotGoOnComesBack(t *testing.T) {
	for _, end := range []func(*fixture){
		func(f *fixture) { f.refused("m2") },
		func(f *fixture) { f.Unreachable(room, actors.Errorf(actors.CodeUnavailable, "no")) },
	} {
		f := inside(t, "")
		f.moved()
		f.Sought(room, "m1", "", true)
		f.log = nil
		end(f)
		if !slices.Contains(f.log, "close shutdown") || slices.ContainsFunc(f.log, func(s string) bool { return strings.HasPrefix(s, "push") }) {
			t.Errorf("a refusal after admission: %v", f.log)
		}
	}
}

func TestAClientWithoutItsConnectAnswerGetsOne(t *testing.T) {
	f := inside(t, "")
	f.moved()
	f.Sought(room, "m1", "", false)
	if j := f.join(); j.Again != nil || j.PID != "pid1" {
		t.Errorf("joined again with %+v", j)
	}
}

func TestWhoCameBackWithAnOffsetTakesASecondAnswer(t *testing.T) {
	f := inside(t, `{"pid":"p","offset":"o1"}`)
	f.moved()
	f.Sought(room, "m1", "o2", true)
	if j := f.join(); !j.Again.Restart {
		t.Errorf("joined again with %+v", j.Again)
	}
}

func TestWhoLeavesWhileItsRoomMovesIsLeftOnce(t *testing.T) {
	f := inside(t, "")
	f.moved()
	f.log = nil
	f.disconnect(ns)
	f.Sought(room, "m1", "", true)
	wantLog(t, f, "leave b/1 m1 client_left", "release 1")

	f = inside(t, "")
	f.moved()
	f.Sought(room, "m1", "", true)
	f.log = nil
	f.Closed(actors.ReasonTransportClosed)
	wantLog(t, f, "leave b/1 m2 transport_closed")
}

func TestWithoutFollowingNothingIsKept(t *testing.T) {
	f := open()
	f.connect(ns)
	f.joined("m1", "m1")
	f.event(ns, 0)
	if f.spaces[ns].stay.follows != nil {
		t.Error("events are kept where rooms do not move")
	}
	f.log = nil
	f.moved()
	wantLog(t, f, "relocate b/1", "close shutdown")
}
