package connection

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

func TestEventsThatComeEarlyReachTheRoomInOrderUnderTheMembersID(t *testing.T) {
	f := open(authenticates)
	f.connect(ns)
	f.event(ns, 1)
	f.Authenticated("m1", actors.Identity{Subject: "u"}, nil)
	f.event(ns, 2)
	f.take()
	f.joined("m1", "old")
	f.event(ns, 3)
	f.expect(t, `event b/1 old #1 ["e",1]`, `event b/1 old #2 ["e",2]`, `event b/1 old #3 ["e",3]`, "release 1")
}

func TestAStayThatIsRefusedTakesItsEarlyEventsWithIt(t *testing.T) {
	for name, refuse := range map[string]func(*fixture){
		"room":        func(f *fixture) { f.Authenticated("m1", actors.Identity{}, nil); f.refused("m1") },
		"unreachable": func(f *fixture) { f.Authenticated("m1", actors.Identity{}, nil); f.Unreachable(room, full) },
		"identity":    func(f *fixture) { f.Authenticated("m1", actors.Identity{}, full) },
	} {
		t.Run(name, func(t *testing.T) {
			f := open(authenticates)
			f.connect(ns)
			for i := range windowPerStay + 3 {
				f.event(ns, i)
			}
			f.take()
			refuse(f)
			if f.released != windowPerStay+3+1 {
				t.Errorf("%d of %d packets were released", f.released, windowPerStay+3+1)
			}
			if log := f.take(); !slices.Contains(log, refusal) {
				t.Errorf("the client was told %q", log)
			}
			if f.Namespaces() != 0 {
				t.Errorf("%d namespaces are left", f.Namespaces())
			}
		})
	}
}

var full = actors.Errorf(actors.CodeRoomFull, "no seat is left")

func TestARefusalShowsNothingThatIsNotForClients(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"plain":           {errors.New("dial 10.0.0.1: refused"), `{"message":"not authorized","data":{"code":"unauthorized"}}`},
		"known":           {fmt.Errorf("jwt: %w", actors.Errorf(actors.CodeTokenExpired, "expired")), `{"message":"expired","data":{"code":"token_expired"}}`},
		"detail":          {&actors.Error{Code: "banned", Message: "<b>", Data: map[string]int{"days": 3}}, `{"message":"<b>","data":{"code":"banned","detail":{"days":3}}}`},
		"detail panics":   {&actors.Error{Code: "banned", Message: "b", Data: explosive{}}, `{"message":"b","data":{"code":"banned"}}`},
		"detail is a ch":  {&actors.Error{Code: "banned", Message: "b", Data: make(chan int)}, `{"message":"b","data":{"code":"banned"}}`},
		"code is invalid": {&actors.Error{Code: "No Such", Message: "b"}, `{"message":"not authorized","data":{"code":"unauthorized"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			f := open(authenticates)
			f.connect(ns)
			f.take()
			f.Authenticated("m1", actors.Identity{}, c.err)
			f.expect(t, "push 4 /b/1 "+c.want)
		})
	}
}

type explosive struct{}

func (explosive) MarshalJSON() ([]byte, error) { panic("no") }

func TestNobodyServesIsSaidAtOnce(t *testing.T) {
	f := open()
	for _, c := range []struct{ namespace, code string }{{"/", "unknown_namespace"}, {"/b/", "bad_room"}, {"/b/a b", "bad_room"}} {
		f.connect(c.namespace)
		if got := f.take(); len(got) != 2 || got[1] != "release 1" {
			t.Errorf("%s: %q", c.namespace, got)
		}
		f.event(c.namespace, 1) // sent before the refusal was read
		f.expect(t, "release 1")
	}
}

// A room that has retired answers Moved; the join goes to the next activation.
func TestMovedWhileJoiningSendsTheJoinAgainOnce(t *testing.T) {
	f := open()
	f.connect(ns)
	f.event(ns, 1)
	f.take()
	f.moved()
	f.expect(t, "relocate b/1", "join b/1 m1")
	f.joined("m1", "m1")
	f.expect(t, `event b/1 m1 #1 ["e",1]`)
	f.joined("m1", "m1") // a second answer changes nothing
	f.expect(t)
}

func TestMovedClosesAClientThatThinksItIsInside(t *testing.T) {
	f := open()
	f.connect(ns)
	f.joined("m1", "m1")
	f.take()
	f.moved()
	f.expect(t, "relocate b/1", "close shutdown")
	f.moved()
	f.expect(t, "relocate b/1") // once
	f.Closed(actors.ReasonShutdown)
	f.expect(t, "leave b/1 m1 shutdown")
}

// The client leaves while the room decides, and comes back: until the first
// question is answered there is no second one, whatever the answer is.
func TestOneQuestionPerNamespaceIsOpenAtATime(t *testing.T) {
	for name, answer := range map[string]func(*fixture){
		"joined":      func(f *fixture) { f.joined("m1", "m1") },
		"resumed":     func(f *fixture) { f.joined("m1", "old") },
		"refused":     func(f *fixture) { f.refused("m1") },
		"moved":       func(f *fixture) { f.moved() },
		"unreachable": func(f *fixture) { f.Unreachable(room, full) },
	} {
		t.Run(name, func(t *testing.T) {
			f := open()
			f.connect(ns)
			f.disconnect(ns)
			f.connect(ns)
			f.event(ns, 1)
			f.disconnect(ns)
			f.connect(ns)
			f.event(ns, 2)
			f.expect(t, "join b/1 m1", "release 1", "leave b/1 m1 client_left", "release 1", "release 1", "release 1", "release 1", "release 1", "release 1")
			if f.Namespaces() != 1 {
				t.Errorf("%d namespaces", f.Namespaces())
			}
			answer(f)
			log := f.take()
			if len(log) == 0 || log[len(log)-1] != "join b/1 m3" {
				t.Fatalf("got %q", log)
			}
			answer(f) // again, late: it is not the answer to m3, unless it names nobody
			if name == "joined" || name == "resumed" || name == "refused" {
				f.expect(t)
				f.joined("m3", "m3")
				f.expect(t, `event b/1 m3 #1 ["e",2]`)
			}
		})
	}
}

// A stock client that gives up before the answer says nothing, and may ask
// again (React does so twice on every page).
func TestAConnectBeforeTheAnswerReplacesTheOneBefore(t *testing.T) {
	f := open()
	f.connect(ns)
	f.event(ns, 1)
	f.connect(ns)
	f.connect(ns)
	f.expect(t, "join b/1 m1", "release 1", "release 1", "leave b/1 m1 client_left", "release 1", "release 1")
	f.joined("m1", "m1")
	f.expect(t, "join b/1 m3")
	f.joined("m3", "m3")
	f.event(ns, 2)
	f.expect(t, `event b/1 m3 #1 ["e",2]`, "release 1")
}

// After a CONNECT answer, whosever it was, CONNECT_ERROR would leave a stock
// client connected for ever.
func TestAClientThatMayBelieveItIsConnectedIsNotRefused(t *testing.T) {
	for name, then := range map[string]func(*fixture){
		"refused": func(f *fixture) { f.joined("m1", "m1"); f.Authenticated("m2", actors.Identity{}, nil); f.refused("m2") },
		"unreachable": func(f *fixture) {
			f.joined("m1", "m1")
			f.Authenticated("m2", actors.Identity{}, nil)
			f.Unreachable(room, full)
		},
		"identity": func(f *fixture) { f.joined("m1", "m1"); f.Authenticated("m2", actors.Identity{}, full) },
		"at once":  func(f *fixture) { f.disconnect(ns); f.Packet(packet(actors.PacketConnect, ns, `[]`)) },
	} {
		t.Run(name, func(t *testing.T) {
			f := open(authenticates)
			f.connect(ns)
			f.Authenticated("m1", actors.Identity{}, nil)
			f.disconnect(ns)
			f.connect(ns)
			then(f)
			log := f.take()
			if count(log, "push") != 0 || count(log, "close shutdown") != 1 {
				t.Errorf("got %q", log)
			}
		})
	}
	f := open() // whoever was refused, or never answered, is not confused
	f.connect(ns)
	f.disconnect(ns)
	f.connect(ns)
	f.refused("m1")
	f.take()
	f.refused("m2")
	f.expect(t, refusal, "relocate b/1")
}

func TestOneAuthenticationPerNamespaceIsUnderWayAtATime(t *testing.T) {
	f := open(authenticates)
	for range 10 {
		f.connect(ns)
		f.disconnect(ns)
	}
	f.connect(ns)
	log := f.take()
	if n := count(log, "authenticate"); n != 1 || count(log, "leave") != 0 {
		t.Fatalf("%d authentications: %q", n, log)
	}
	f.Authenticated("m1", actors.Identity{}, errors.New("too late"))
	f.expect(t, `authenticate /b/1 m11 "" `)
	f.Authenticated("m1", actors.Identity{}, nil)
	f.expect(t)
	f.Authenticated("m11", actors.Identity{}, nil)
	f.expect(t, "join b/1 m11")
}

func count(log []string, prefix string) (n int) {
	for _, line := range log {
		if len(line) >= len(prefix) && line[:len(prefix)] == prefix {
			n++
		}
	}
	return n
}

func TestANamespaceCanBeEnteredAgainAfterEveryEnd(t *testing.T) {
	f := open()
	ends := []func(asked actors.MemberID){
		func(actors.MemberID) { f.disconnect(ns) },
		func(asked actors.MemberID) { f.gone(asked) },
		func(asked actors.MemberID) { f.gone(asked); f.disconnect(ns) },
		func(asked actors.MemberID) { f.gone(asked); f.event(ns, 1); f.event(ns, 2) },
	}
	for i := range 12 {
		f.connect(ns)
		id := actors.MemberID(fmt.Sprintf("m%d", i+1))
		f.joined(id, id)
		f.event(ns, 0)
		f.take()
		ends[i%len(ends)](id)
		f.take()
		f.credit(id, 1)
		f.gone(id)
		f.joined(id, id)
		f.refused(id)
		f.expect(t, "relocate b/1", "relocate b/1") // late answers change nothing
	}
	if f.Namespaces() != 0 {
		t.Errorf("%d namespaces are left", f.Namespaces())
	}
}

// The server has left once; that does not excuse what the client does after
// it has come back and left by itself.
func TestWhatWasLateIsForgottenWithTheNextStay(t *testing.T) {
	f := open()
	f.connect(ns)
	f.joined("m1", "m1")
	f.gone("m1")
	f.connect(ns)
	f.joined("m2", "m2")
	f.disconnect(ns)
	f.take()
	f.event(ns, 1)
	f.expect(t, violation, "release 1")
}

func TestWhatARoomSaysOfAnEarlierStayIsNotTakenForThisOne(t *testing.T) {
	f := open()
	f.connect(ns)
	f.joined("m1", "m1")
	f.disconnect(ns)
	f.connect(ns)
	f.joined("m2", "m2")
	for i := range windowPerStay + 1 {
		f.event(ns, i)
	}
	f.take()
	f.credit("m1", 8)
	f.gone("m1")
	f.refused("m1")
	f.joined("m1", "m1")
	f.expect(t)
	f.credit("m2", 8)
	f.expect(t, "release 1")
}

// The address of a room is needed for as long as something is on its way there.
func TestARoomsAddressIsForgottenWhenNothingIsGoingOnWithIt(t *testing.T) {
	f := open()
	f.connect(ns)
	f.joined("m1", "m1")
	f.disconnect(ns)
	f.connect(ns)
	f.take()
	f.gone("m1") // of the stay before
	f.expect(t)
	f.moved()
	f.expect(t, "relocate b/1", "join b/1 m2")
	f.joined("m2", "m2")
	f.gone("m2")
	f.expect(t, "relocate b/1")
}

func TestMaxNamespacesCountsWhatTheClientHolds(t *testing.T) {
	f := open()
	at := func(i int) string { return fmt.Sprintf("/b/%d", i) }
	for i := range 10 { // rooms that ended do not count
		f.connect(at(i))
		id := actors.MemberID(fmt.Sprintf("m%d", i+1))
		ref := actors.RoomRef{Kind: "b", ID: fmt.Sprint(i)}
		f.Joined(&wire.Joined{Room: ref, Asked: id, Member: id})
		f.Gone(&wire.Gone{Room: ref, Member: id})
	}
	for i := range 4 {
		f.connect(at(100 + i))
	}
	f.take()
	f.connect("/b/x")
	f.expect(t, `push 4 /b/x {"message":"a connection may hold 4 namespaces","data":{"code":"too_large"}}`, "release 1")
	f.disconnect(at(100)) // its join is not answered yet: it counts
	f.take()
	f.connect("/b/x")
	if log := f.take(); count(log, "push 4") != 1 {
		t.Errorf("got %q", log)
	}
	f.connect(at(100)) // the same one may come back
	f.expect(t, "release 1")
	if len(f.late.names) > 4 {
		t.Errorf("remembers %d namespaces that ended", len(f.late.names))
	}
}

func TestClosedTellsEveryRoomOnceInTheOrderOfJoining(t *testing.T) {
	f := open(func(c *Config) { c.MaxNamespaces = 100 })
	for _, namespace := range []string{"/b/3", gateway, "/b/1", "/b/2"} {
		f.connect(namespace)
	}
	want := []string{"leave b/3 m1 ping_timeout", "client left /g ping_timeout", "leave b/2 old ping_timeout"}
	for i := 5; i < 30; i++ {
		f.connect(fmt.Sprintf("/b/%d", 1000-i))
		want = append(want, fmt.Sprintf("leave b/%d m%d ping_timeout", 1000-i, i))
	}
	f.Joined(&wire.Joined{Room: actors.RoomRef{Kind: "b", ID: "2"}, Asked: "m4", Member: "old"})
	f.disconnect("/b/1")
	f.take()
	f.Closed(actors.ReasonPingTimeout)
	f.expect(t, want...)
	f.Closed(actors.ReasonTransportClosed)
	f.joined("m3", "m3")
	f.Authenticated("m1", actors.Identity{}, nil)
	f.expect(t)
	f.connect(ns)
	f.expect(t, "release 1")
}

func TestNothingBeginsOnceTheTransportIsClosing(t *testing.T) {
	f := open()
	f.connect(ns)
	f.disconnect(ns)
	f.connect(ns)
	f.event("/b/9", 1)
	f.take()
	f.joined("m1", "m1")
	f.expect(t)
	f.Closed(actors.ReasonProtocolError)
	f.expect(t)

	f = open(authenticates)
	f.connect(ns)
	f.disconnect(ns)
	f.connect(ns)
	f.connect("/b/2")
	f.event("/b/9", 1)
	f.take()
	f.Authenticated("m1", actors.Identity{}, nil)
	f.Authenticated("m3", actors.Identity{}, nil)
	f.connect("/b/4")
	f.expect(t, "release 1")
	f.Closed(actors.ReasonProtocolError)
	f.expect(t)
}
