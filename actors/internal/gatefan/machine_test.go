package gatefan

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

func TestNothingPrecedesTheConnectAnswer(t *testing.T) {
	l := newLab(t)
	s := new(socket)
	l.sockets[1] = s
	volatile := one("a", "volatile")
	volatile.Volatile = true
	l.tell(wire.GateAttach{Client: "a", Conn: wire.ConnRef{ID: 1}}, wire.GateEnter{Client: "a", Room: "tea"})
	l.tell(one("a", "x"), room("tea", "y"), volatile, everyone("z"))
	l.expect(s)
	l.tell(wire.GateAccept{Client: "a"}, wire.GateAccept{Client: "a"}, one("a", "later"))
	l.expect(s, "CONNECT", "x", "y", "z", "later")
}

func TestRefusedClientIsSentTheRefusalOnly(t *testing.T) {
	l := newLab(t)
	s := new(socket)
	l.sockets[1] = s
	l.tell(wire.GateAttach{Client: "a", Conn: wire.ConnRef{ID: 1}}, one("a", "x"), wire.GateRefuse{Client: "a"}, one("a", "y"), everyone("z"))
	l.expect(s, "CONNECT_ERROR")
	if len(l.spaces) != 0 || l.Stats().Clients != 0 {
		t.Errorf("left behind: %v", l.spaces)
	}
}

func TestSlowConnectHookBoundsWhatWaits(t *testing.T) {
	l := newLab(t)
	s := new(socket)
	l.sockets[1] = s
	l.tell(wire.GateAttach{Client: "a", Conn: wire.ConnRef{ID: 1}})
	for range maxWaiting {
		l.tell(one("a", "x"))
	}
	if s.closed != "" {
		t.Fatal("closed early")
	}
	l.tell(one("a", "x"))
	if s.closed != actors.ReasonTooSlow || l.Stats().TooSlow != 1 {
		t.Errorf("closed %q, counted %d", s.closed, l.Stats().TooSlow)
	}
}

func TestExceptLeavesOutRoomsAndClients(t *testing.T) {
	for name, tt := range map[string]struct {
		except []string
		want   [3]int
	}{
		"nobody":       {nil, [3]int{1, 1, 1}},
		"a client":     {[]string{"a"}, [3]int{0, 1, 1}},
		"a room":       {[]string{"quiet"}, [3]int{1, 0, 0}},
		"both":         {[]string{"quiet", "a"}, [3]int{0, 0, 0}},
		"unknown ones": {[]string{"x", "y"}, [3]int{1, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, e := range []wire.GateEmit{room("tea", "x"), everyone("x")} {
				l := newLab(t)
				e.Except = tt.except
				var got [3]int
				for i, id := range []string{"a", "b", "c"} {
					l.open(id, uint64(i), "")
					l.tell(wire.GateEnter{Client: id, Room: "tea"})
				}
				l.tell(wire.GateEnter{Client: "b", Room: "quiet"}, wire.GateEnter{Client: "c", Room: "quiet"}, e)
				for i := range got {
					got[i] = len(l.sockets[uint64(i)].events()) - 1
				}
				if got != tt.want {
					t.Errorf("scope %d reached %v, want %v", e.Scope, got, tt.want)
				}
			}
		})
	}
}

func TestEventForSeveralRoomsComesOnceHoweverFarRoomsAreApart(t *testing.T) {
	l := newLab(t)
	s := l.open("a", 1, "")
	l.tell(wire.GateEnter{Client: "a", Room: "tea"}, wire.GateEnter{Client: "a", Room: "milk"})
	for _, name := range []string{"tea", "milk"} {
		for id := range uint64(windowIDs) {
			e := room(name, "x")
			e.EmitID = id + 1
			l.tell(e)
		}
	}
	if n := len(s.events()) - 1; n != windowIDs {
		t.Errorf("%d events, want %d", n, windowIDs)
	}
}

func TestRecentRemembersAWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r recent
		seen := make(map[uint64]bool)
		top := uint64(0)
		next := rapid.Uint64Range(1, 1<<40).Draw(t, "start")
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			id := next
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				id = next - min(next-1, rapid.Uint64Range(0, windowIDs-1).Draw(t, "back"))
			case 1:
				id = next + rapid.Uint64Range(1, 3*windowIDs).Draw(t, "leap")
			default:
				id++
			}
			next = max(next, id)
			tooOld := top >= id && top-id >= windowIDs
			if got := r.add(id); got != (seen[id] && !tooOld) {
				t.Fatalf("add(%d) = %v with top %d", id, got, top)
			}
			seen[id], top = true, max(top, id)
		}
	})
}

func TestAskedReportsWhomItReached(t *testing.T) {
	l := newLab(t)
	l.open("a", 1, "")
	l.open("b", 2, "")
	l.tell(wire.GateEnter{Client: "b", Room: "tea"})
	ask := room("tea", "x")
	ask.AskID = 1
	nobody := room("empty", "x")
	nobody.AskID = 2
	l.tell(ask, nobody)
	if got, ok := l.asked[1]; !ok || !slices.Equal(got, []string{"b"}) {
		t.Errorf("asked %v", l.asked)
	}
	if got, ok := l.asked[2]; !ok || len(got) != 0 {
		t.Errorf("asked %v", l.asked)
	}
	nowhere := nobody
	nowhere.AskID = 3
	l.Deliver(&wire.GateDeliver{Namespace: "/other", Items: []wire.GateItem{nowhere}})
	if _, ok := l.asked[3]; !ok {
		t.Error("a namespace without clients was not reported")
	}
}

func TestDetachLeavesNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		how    wire.GateDetach
		want   []string
		closed actors.LeaveReason
	}{
		"gone":         {wire.GateDetach{}, []string{"CONNECT"}, ""},
		"disconnected": {wire.GateDetach{Disconnect: true}, []string{"CONNECT", "DISCONNECT"}, ""},
		"closed":       {wire.GateDetach{Close: actors.ReasonKicked}, []string{"CONNECT"}, actors.ReasonKicked},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			s := l.open("a", 1, "")
			l.tell(wire.GateEnter{Client: "a", Room: "tea"})
			tt.how.Client = "a"
			l.tell(tt.how, tt.how, one("a", "x"), room("tea", "x"), wire.GateEnter{Client: "a", Room: "tea"})
			l.expect(s, tt.want...)
			if s.closed != tt.closed {
				t.Errorf("closed %q", s.closed)
			}
			if len(l.spaces) != 0 || l.Stats().Clients != 0 {
				t.Errorf("left behind: %+v", l.spaces)
			}
		})
	}
}

func TestLaggingSocketsMissVolatileEventsOnly(t *testing.T) {
	l := newLab(t)
	s := l.open("a", 1, "")
	s.lagging = true
	volatile := everyone("volatile")
	volatile.Volatile = true
	l.tell(volatile, everyone("reliable"))
	l.expect(s, "CONNECT", "reliable")
	if l.Stats().VolatileDropped != 1 {
		t.Errorf("counted %d", l.Stats().VolatileDropped)
	}
}

// TestRoomsKnowTheirClients enters, leaves and ends at random: an emit always
// reaches the members, each once.
func TestRoomsKnowTheirClients(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLab(t)
		in := map[string]map[string]bool{}
		conn := uint64(0)
		sockets := map[string]*socket{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			id := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "client")
			name := rapid.SampledFrom([]string{"tea", "milk"}).Draw(t, "room")
			if in[id] == nil {
				conn++
				sockets[id] = l.open(id, conn, "")
				in[id] = map[string]bool{}
			}
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0, 1:
				l.tell(wire.GateEnter{Client: id, Room: name})
				in[id][name] = true
			case 2:
				l.tell(wire.GateExit{Client: id, Room: name})
				delete(in[id], name)
			default:
				l.tell(wire.GateDetach{Client: id})
				delete(in, id)
				delete(sockets, id)
			}
			tag := fmt.Sprint("x", rapid.Uint32().Draw(t, "tag"))
			before := map[string]int{}
			for id, s := range sockets {
				before[id] = len(s.got)
			}
			l.tell(room(name, tag))
			for id, s := range sockets {
				if got := len(s.got) - before[id]; got != map[bool]int{true: 1}[in[id][name]] {
					t.Fatalf("%s in %v got %d events of %s", id, in[id], got, name)
				}
			}
		}
	})
}
