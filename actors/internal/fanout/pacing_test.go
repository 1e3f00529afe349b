package fanout

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// bigState is entries of 100 bytes, two of which fill a part of 200.
func bigState(n int) []actors.Change {
	var entries []actors.Change
	for i := range n {
		entries = append(entries, set(notes, fmt.Sprint("k", i), `"`+strings.Repeat("x", 90)+`"`))
	}
	return entries
}

func smallParts() Limits {
	return Limits{Part: 200, Gather: 1, Backlog: 4, BacklogBytes: 100}
}

// kinds names the packets a client got: answer, part0, …, last, patch, and
// events by their own names.
func kinds(s *fakeSocket) []string {
	var out []string
	for _, text := range s.texts() {
		switch {
		case strings.HasPrefix(text, "0{"):
			text = "answer"
		case strings.Contains(text, `"last":true`):
			text = "last"
		case strings.HasPrefix(text, `2["room:state"`):
			text = "part"
		case strings.HasPrefix(text, `2["room:patch"`):
			text = "patch"
		case strings.HasPrefix(text, `2["`):
			text = text[3 : 3+strings.Index(text[3:], `"`)]
		}
		out = append(out, text)
	}
	return out
}

func wantKinds(t *testing.T, s *fakeSocket, want ...string) {
	t.Helper()
	if got := kinds(s); !slices.Equal(got, want) {
		t.Errorf("the client got %v, want %v", got, want)
	}
}

// stalledAdmit admits ada into a room with a state of three parts while its
// socket takes only what it is told to.
func stalledAdmit(s *shard) *fakeSocket {
	ada := s.socket(1)
	ada.stalled = true
	s.deliver(wire.Mirror{Version: 1, Offset: "o1", Fields: boardFields, Entries: bigState(5)}, admit("ada", 1))
	return ada
}

func TestAStateIsSentAsFastAsTheSocketTakesIt(t *testing.T) {
	s := newShard(smallParts())
	ada := stalledAdmit(s)
	for i, want := range []string{"answer", "part", "part", "last"} {
		if len(ada.waiting) != 1 {
			t.Fatalf("step %d: %d packets wait in the socket, want 1", i, len(ada.waiting))
		}
		ada.take(1)
		s.settle()
		wantKinds(t, ada, want)
	}
	if ada.Lagging() {
		t.Error("more came after the last part")
	}
}

func TestWhileAStateIsOnItsWay(t *testing.T) {
	tests := []struct {
		name  string
		items []wire.Item
		want  []string // after the state
	}{
		{"reliable events wait behind it", []wire.Item{event("a"), wire.Reply{Member: "ada", ID: 1, Data: actors.Raw{JSON: []byte(`[]`)}}, event("b")},
			[]string{"a", `31[]`, "b"}},
		{"volatile ones are dropped", []wire.Item{volatileEvent("v"), event("a"), volatileEvent("w")}, []string{"a"}},
		{"patches become one, before the events", []wire.Item{syncTo(2, set(title, "", `1`)), event("a"), syncTo(3, set(title, "", `2`)), event("b")},
			[]string{"patch", "a", "b"}},
		{"DISCONNECT waits for all of it", []wire.Item{syncTo(2, set(title, "", `1`)), event("a"), wire.Remove{Member: "ada", Disconnect: true}, event("b")},
			[]string{"patch", "a", "1"}},
		{"also if the room ends", []wire.Item{event("a"), wire.Remove{Member: "ada", Disconnect: true}, wire.End{}},
			[]string{"a", "1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newShard(smallParts())
			ada := stalledAdmit(s)
			ada.take(1)
			s.settle()
			for _, item := range tt.items {
				s.deliver(item)
			}
			s.finish(ada)
			wantKinds(t, ada, append([]string{"answer", "part", "part", "last"}, tt.want...)...)
		})
	}
}

// finish lets the socket take everything.
func (s *shard) finish(sock *fakeSocket) {
	sock.resume()
	s.settle()
}

func TestASmallRoomIsEnteredWithOneWrite(t *testing.T) {
	s := newShard(Limits{})
	ada := s.socket(1)
	s.deliver(mirrorOf(1, set(notes, "n", `1`)), admit("ada", 1), event("e"))
	if ada.flushes != 1 {
		t.Errorf("%d flushes, want 1", ada.flushes)
	}
	wantKinds(t, ada, "answer", "last", "e")
}

func TestTheBacklogIsBounded(t *testing.T) {
	tests := []struct {
		name string
		emit func(i int) wire.Emit
		fit  int
	}{
		{"in packets", func(i int) wire.Emit { return event(fmt.Sprint(i)) }, 4},
		{"in bytes", func(i int) wire.Emit { return event(strings.Repeat("x", 45)) }, 2},
		{"but one packet of any size fits", func(i int) wire.Emit { return event(strings.Repeat("x", 1000)) }, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newShard(smallParts())
			ada, bob := stalledAdmit(s), s.socket(2)
			s.deliver(admit("bob", 2))
			for i := range tt.fit {
				s.deliver(tt.emit(i))
			}
			if ada.closed != "" {
				t.Fatalf("closed for %q after %d events", ada.closed, tt.fit)
			}
			s.deliver(tt.emit(tt.fit), event("more"))
			if ada.closed != actors.ReasonTooSlow || s.Stats().TooSlow != 1 {
				t.Errorf("closed for %q and %d sockets counted, want too_slow and 1", ada.closed, s.Stats().TooSlow)
			}
			if bob.closed != "" || len(bob.got) != 4+tt.fit+2 {
				t.Errorf("its neighbour got %d packets and was closed for %q", len(bob.got), bob.closed)
			}
			if mem := s.rooms[board].byID["ada"]; mem.busy() {
				t.Error("the member still holds packets")
			}
		})
	}
}

func TestReplayedEventsDoNotMakeTheBacklogLarger(t *testing.T) {
	s := newShard(smallParts())
	ada := s.socket(1)
	ada.stalled = true
	a := admit("ada", 1)
	a.Resumed, a.Since = true, 1
	for range 10 {
		a.Replay = append(a.Replay, event(strings.Repeat("x", 100)))
	}
	s.deliver(mirrorOf(1), a)
	for range 6 {
		ada.take(1)
		s.settle()
	}
	s.deliver(event(strings.Repeat("x", 45)), event(strings.Repeat("x", 45)))
	if ada.closed != "" {
		t.Fatalf("closed for %q with a backlog that fits", ada.closed)
	}
	s.deliver(event("x"))
	if ada.closed != actors.ReasonTooSlow {
		t.Errorf("closed for %q with a backlog that does not fit", ada.closed)
	}
}

func TestAResumedMemberGetsWhatItMissed(t *testing.T) {
	back := func(since uint64, replay ...wire.Emit) wire.Admit {
		a := admit("ada", 1)
		a.Resumed, a.Since, a.Replay = true, since, replay
		return a
	}
	missed := []wire.Emit{event("e1"), event("e2")}
	tests := []struct {
		name  string
		admit wire.Admit
		want  []string
	}{
		{"nothing", back(3), nil},
		{"events", back(3, missed...), []string{`2["e1"]`, `2["e2"]`}},
		{"a patch with the offset", back(2), []string{`2["room:patch",{"v":3,"set":{"title":3}},"o3"]`}},
		{"a patch, whose offset the events have", back(2, missed...),
			[]string{`2["room:patch",{"v":3,"set":{"title":3}}]`, `2["e1"]`, `2["e2"]`}},
		{"a state, the patch being forgotten", back(0),
			[]string{`2["room:state",{"v":3,"part":0,"last":true,"fields":{"notes":{},"title":3,"hand":{}}},"o3"]`}},
		{"a state, whose offset the events have", back(0, missed...),
			[]string{`2["room:state",{"v":3,"part":0,"last":true,"fields":{"notes":{},"title":3,"hand":{}}}]`, `2["e1"]`, `2["e2"]`}},
		{"a state, its version being none of ours", back(9),
			[]string{`2["room:state",{"v":3,"part":0,"last":true,"fields":{"notes":{},"title":3,"hand":{}}},"o3"]`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newShard(Limits{})
			ada := s.socket(1)
			s.deliver(wire.Mirror{Version: 1, Offset: "o1", Fields: boardFields, Entries: []actors.Change{set(title, "", `1`)}})
			s.deliver(wire.Sync{Version: 2, Offset: "o2", Changes: []actors.Change{set(title, "", `2`)}})
			s.deliver(wire.Sync{Version: 3, Offset: "o3", Changes: []actors.Change{set(title, "", `3`)}})
			s.deliver(tt.admit)
			wantTexts(t, ada, append([]string{`0{"sid":"ada"}`}, tt.want...)...)
		})
	}
}

// Missed events are the room's to bound, and none of the backlog.
func TestALongReplayIsPacedAndNotTooMuch(t *testing.T) {
	s := newShard(smallParts())
	ada := s.socket(1)
	ada.stalled, ada.limit = true, 2
	a := admit("ada", 1)
	a.Resumed, a.Since = true, 1
	want := []string{"answer"}
	for i := range 100 {
		a.Replay = append(a.Replay, event(fmt.Sprint("e", i)))
		want = append(want, fmt.Sprint("e", i))
	}
	s.deliver(mirrorOf(1), a)
	for i := range 50 {
		ada.take(len(ada.waiting))
		s.settle()
		if i == 10 {
			s.deliver(event("live"))
			s.deliver(syncTo(2, set(title, "", `1`)))
			want = slices.Insert(want, len(ada.got)+len(ada.waiting), "patch")
		}
	}
	s.finish(ada)
	wantKinds(t, ada, append(want, "live")...)
}

// A patch larger than the outbox's limit is taken by an idle socket, and then
// the next event is one too many, though nobody is slow.
func TestAHugePatchDoesNotMakeAReaderTooSlow(t *testing.T) {
	for _, who := range []string{"everybody", "one member"} {
		t.Run(who, func(t *testing.T) {
			s := newShard(Limits{})
			ada := s.socket(1)
			s.deliver(mirrorOf(1), admit("ada", 1))
			ada.stalled, ada.bytes = true, 1<<20
			huge := `"` + strings.Repeat("x", 2<<20) + `"`
			change := set(title, "", huge)
			if who == "one member" {
				change = set(hand, "ada", huge)
			}
			s.deliver(syncTo(2, change, set(notes, "n", `1`)), event("a"), volatileEvent("v"))
			s.deliver(syncTo(3, set(notes, "n", `2`)), event("b"))
			s.finish(ada)
			want := []string{"answer", "last", "patch", "patch", "a", "b"}
			if who == "one member" {
				want = slices.Insert(want, 2, "patch")
			}
			wantKinds(t, ada, want...)
			if ada.closed != "" {
				t.Errorf("closed for %q", ada.closed)
			}
		})
	}
}

func TestALongStateDoesNotHoldUpOtherRooms(t *testing.T) {
	s := newShard(smallParts())
	ada := s.socket(1)
	lobby := actors.RoomRef{Kind: "lobby", ID: "1"}
	inLobby := func(items ...wire.Item) {
		s.Deliver(&wire.Deliver{Room: lobby, Namespace: lobby.Namespace(), Items: items})
		s.settle()
	}
	inLobby(mirrorOf(1), admit("ada", 1))
	ada.stalled = true
	s.deliver(mirrorOf(1, bigState(100)...), admit("ada", 1))
	inLobby(syncTo(2, set(title, "", `1`)))
	ada.texts()
	for range 4 {
		ada.take(len(ada.waiting))
		s.settle()
	}
	if got := kinds(ada); !slices.Contains(got, "patch") {
		t.Errorf("the client got %v: the patch of the other room waits for the state", got)
	}
}

// What a member is sent on leaving may come from a state that is not there any
// more when its socket takes it.
func TestOnLeavingTheStateStaysThatOfTheMoment(t *testing.T) {
	state := func(v int, fields string) string {
		return fmt.Sprintf(`2["room:state",{"v":%d,"part":0,"last":true,"fields":{%s,"hand":{}}}]`, v, fields)
	}
	tests := []struct {
		name  string
		items []wire.Item
		want  []string // after the answer and the first part of the state at version 1
	}{
		{"the state begun is out of reach", []wire.Item{
			syncTo(2, del(notes, "k0")), syncTo(3, del(notes, "k1")), syncTo(4, del(notes, "k2")),
			syncTo(5, del(notes, "k3"), del(notes, "k4")), syncTo(6, set(title, "", `6`))},
			[]string{state(6, `"notes":{},"title":6`), `2["a"]`, `1`}},
		{"another mirror came, of the same version", []wire.Item{mirrorOf(1, set(notes, "new", `1`))},
			[]string{state(1, `"notes":{"new":1}`), `2["a"]`, `1`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			limits := smallParts()
			limits.Removed = 1
			s := newShard(limits)
			ada := stalledAdmit(s)
			ada.take(1)
			s.settle()
			s.deliver(event("a"))
			for _, item := range tt.items {
				s.deliver(item)
			}
			s.deliver(wire.Remove{Member: "ada", Disconnect: true})
			s.epoch++
			s.deliver(mirrorOf(9, set(notes, "later", `1`)))
			s.settle()
			s.finish(ada)
			ada.got = ada.got[2:]
			wantTexts(t, ada, tt.want...)
		})
	}
}

func TestOnLeavingTheStateOfAnotherMirrorIsNotLeftOut(t *testing.T) {
	s := newShard(smallParts())
	ada := s.socket(1)
	ada.stalled = true
	a := admit("ada", 1)
	a.Resumed, a.Since, a.Replay = true, 1, []wire.Emit{event("a"), event("b")}
	s.deliver(mirrorOf(1, set(notes, "old", `1`)), a)
	s.deliver(mirrorOf(1, set(notes, "new", `1`)), wire.Remove{Member: "ada", Disconnect: true})
	s.finish(ada)
	wantTexts(t, ada, `0{"sid":"ada"}`,
		`2["room:state",{"v":1,"part":0,"last":true,"fields":{"notes":{"new":1},"hand":{}}}]`, `2["a"]`, `2["b"]`, `1`)
}

func TestAMemberIsServedWithinTheBatchInWhichItsSocketDrained(t *testing.T) {
	for _, pushed := range []bool{false, true} {
		t.Run(fmt.Sprint("pushed to in the same batch ", pushed), func(t *testing.T) {
			s := newShard(Limits{})
			ada := s.socket(1)
			s.deliver(mirrorOf(1), admit("ada", 1))
			ada.stalled = true
			s.deliver(event("a"))
			s.deliver(syncTo(2, set(title, "", `2`)))
			ada.resume()
			s.asStale(1)
			if pushed {
				lobby := actors.RoomRef{Kind: "lobby", ID: "1"}
				s.Deliver(&wire.Deliver{Room: lobby, Namespace: lobby.Namespace(), Items: []wire.Item{admit("ada", 1)}})
			}
			s.Drained(s.posted[0])
			s.Flush()
			ada.texts()
			if mem := s.rooms[board].byID["ada"]; mem.behind() {
				t.Error("it waits although its socket does not lag")
			}
		})
	}
}

// asStale makes the machine believe, until the next flush, that a socket lags.
func (s *shard) asStale(conn uint64) {
	c := s.conns[conn]
	s.touch(c)
	c.asked, c.lag = true, true
}

// A volatile event must not overtake the state it may refer to, though the
// socket was ready when the batch began.
func TestAVolatileEventIsDroppedIfTheStateBeforeItDoesNotFit(t *testing.T) {
	s := newShard(Limits{Gather: 1})
	ada := s.socket(1)
	s.deliver(mirrorOf(1), admit("ada", 1))
	ada.stalled = true
	s.deliver(event("a"))
	s.deliver(syncTo(2, set(title, "", `2`)))
	ada.resume()
	ada.stalled = true
	lobby := actors.RoomRef{Kind: "lobby", ID: "1"}
	s.Deliver(&wire.Deliver{Room: lobby, Namespace: lobby.Namespace(), Items: []wire.Item{admit("ada", 1)}})
	s.deliver(volatileEvent("v"))
	s.finish(ada)
	wantKinds(t, ada, "answer", "last", "a", "answer", "patch")
}

func TestOnLeavingNothingIsHeldForASocketThatIsGone(t *testing.T) {
	ends := map[string]func(*shard, *fakeSocket){
		"the socket fails": func(s *shard, sock *fakeSocket) {
			sock.closed = actors.ReasonTransportError
			other := actors.RoomRef{Kind: "lobby", ID: "1"}
			s.Deliver(&wire.Deliver{Room: other, Namespace: other.Namespace(), Items: []wire.Item{admit("ada", 1), wire.Remove{Member: "ada"}}})
		},
		"its client enters again": func(s *shard, sock *fakeSocket) {
			s.deliver(admit("ada2", 1), wire.Remove{Member: "ada2"})
		},
		"all is sent": func(s *shard, sock *fakeSocket) { s.finish(sock) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			s := newShard(smallParts())
			ada := stalledAdmit(s)
			s.deliver(event("a"), wire.Remove{Member: "ada", Disconnect: true})
			if st := s.Stats(); st.Members != 0 || len(s.conns) != 1 {
				t.Fatalf("%d members and %d connections, want 0 and 1", st.Members, len(s.conns))
			}
			end(s, ada)
			if len(s.conns) != 0 {
				t.Error("its connection is still known")
			}
		})
	}
}

// Members who enter one after the other share a state, followed by a patch;
// otherwise n members who announce themselves cost n² entries.
func TestAStateIsNotEncodedForEachOfACrowd(t *testing.T) {
	const crowd = 400
	s := newShard(Limits{Part: 1 << 20})
	fields := []actors.FieldSpec{{Name: "members", Synced: true}}
	s.deliver(wire.Mirror{Version: 1, Fields: fields})
	encoded := 0
	var last *state
	for i := range uint64(crowd) {
		id := fmt.Sprint("m", i)
		s.socket(i)
		s.deliver(syncTo(i+2, set(0, id, `1`)), admit(id, i))
		if whole := s.rooms[board].mirror.whole; whole != last {
			encoded, last = encoded+1, whole
		}
	}
	if encoded > crowd/10 {
		t.Errorf("the state was encoded %d times for %d members", encoded, crowd)
	}
	got := s.socket(crowd - 1).texts()
	if n := len(got); n > 3 || n == 3 && len(got[2]) > len(got[1])/2 {
		t.Errorf("the last one got %d packets, a patch of %d bytes on a state of %d", n, len(got[2]), len(got[1]))
	}
}
