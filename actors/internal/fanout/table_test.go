package fanout

import (
	"fmt"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

func TestEmitReachesWhomItNames(t *testing.T) {
	tests := []struct {
		name string
		emit wire.Emit
		want string // the members that got it
	}{
		{"everybody", wire.Emit{}, "a b c"},
		{"nobody", wire.Emit{To: []actors.MemberID{}}, ""},
		{"some", wire.Emit{To: []actors.MemberID{"c", "a"}}, "a c"},
		{"each once", wire.Emit{To: []actors.MemberID{"c", "c"}}, "c"},
		{"all but some", wire.Emit{Except: []actors.MemberID{"b", "x"}}, "a c"},
		{"some but one", wire.Emit{To: []actors.MemberID{"a", "b"}, Except: []actors.MemberID{"b"}}, "a"},
		{"one elsewhere", wire.Emit{To: []actors.MemberID{"x"}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newShard(Limits{})
			ids := []string{"a", "b", "c"}
			for i, id := range ids {
				s.socket(uint64(i))
				s.deliver(admit(id, uint64(i)))
				s.socket(uint64(i)).texts()
			}
			tt.emit.Data = actors.Raw{JSON: []byte(`["e"]`)}
			tt.emit.AckID, tt.emit.HasAck = 9, true
			s.deliver(tt.emit)
			got := ""
			for i, id := range ids {
				for _, text := range s.socket(uint64(i)).texts() {
					if text != `29["e"]` {
						t.Errorf("%s got %s", id, text)
					}
					got += id + " "
				}
			}
			if want := tt.want; got != want && got != want+" " {
				t.Errorf("sent to %q, want %q", got, want)
			}
		})
	}
}

func TestABroadcastIsOnePacketForAll(t *testing.T) {
	s := newShard(Limits{})
	s.deliver(mirrorOf(1))
	for i := range uint64(10) {
		s.socket(i)
		s.deliver(admit(fmt.Sprint("m", i), i))
		s.socket(i).got = nil
	}
	attachments := [][]byte{[]byte("bin")}
	s.deliver(syncTo(2, set(notes, "n", `1`)), wire.Emit{Data: actors.Raw{JSON: []byte(`["e"]`), Attachments: attachments}})
	first := s.socket(0).got
	if len(first) != 2 || string(first[1].Attachments[0]) != "bin" || first[1].Namespace != "/board/q3" {
		t.Fatalf("the first member got %v", first)
	}
	for i := range uint64(10) {
		for j, p := range s.socket(i).got {
			if p != first[j] {
				t.Errorf("member %d got a packet of its own: %s", i, text(p))
			}
		}
	}
}

// One write per socket and batch: whatever was pushed, by whichever room.
func TestEachSocketIsFlushedOncePerBatch(t *testing.T) {
	s := newShard(Limits{})
	ada, bob := s.socket(1), s.socket(2)
	s.deliverOnly(mirrorOf(1), admit("ada", 1), admit("bob", 2), event("e"), syncTo(2, set(notes, "n", `1`)), event("f"))
	lobby := actors.RoomRef{Kind: "lobby", ID: "1"}
	s.Deliver(&wire.Deliver{Room: lobby, Namespace: lobby.Namespace(), Items: []wire.Item{admit("ada", 1), event("g")}})
	if ada.flushes+bob.flushes != 0 {
		t.Errorf("%d flushes before Flush", ada.flushes+bob.flushes)
	}
	s.Flush()
	s.Flush()
	if ada.flushes != 1 || bob.flushes != 1 {
		t.Errorf("%d and %d flushes, want one each", ada.flushes, bob.flushes)
	}
	ada.stalled = true
	s.deliver(event("h"))
	s.deliver(syncTo(3, set(notes, "n", `2`)))
	if ada.flushes != 2 || bob.flushes != 3 {
		t.Errorf("%d and %d flushes, want 2 and 3: the lagging one was sent no patch", ada.flushes, bob.flushes)
	}
}

// What is not flushed counts against the outbox of a socket that keeps up, so
// a long batch is flushed in between.
func TestALongBatchDoesNotOverflowASocketThatKeepsUp(t *testing.T) {
	const gather = 8
	s := newShard(Limits{Gather: gather})
	ada := s.socket(1)
	ada.limit = 2 * gather
	s.deliver(admit("ada", 1))
	ada.texts()
	for range 10 * gather {
		s.deliverOnly(event("e"))
	}
	s.Flush()
	if n := len(ada.texts()); n != 10*gather {
		t.Errorf("%d events arrived, want %d", n, 10*gather)
	}
}

func TestOlderActivationsAreNotHeard(t *testing.T) {
	s := newShard(Limits{})
	ada := s.socket(1)
	s.epoch = 5
	s.deliver(admit("ada", 1))
	ada.texts()
	s.epoch = 4
	if c := s.deliver(event("stale")); c != nil {
		t.Errorf("a stale message was confirmed: %v", c)
	}
	s.epoch, s.adopts = 6, true
	s.deliver(event("next"))
	s.deliver(wire.Remove{Member: "ada"}, wire.End{})
	s.epoch = 5
	s.deliver(admit("ada", 1))
	s.epoch = 6
	s.deliver(admit("ada", 1))
	wantTexts(t, ada, `2["next"]`, `0{"sid":"ada"}`)
	if got := s.Stats().StaleEpochs; got != 2 {
		t.Errorf("%d stale messages counted, want 2", got)
	}
}

func TestEndedRoomsAreRememberedUpToALimit(t *testing.T) {
	s := newShard(Limits{Ended: 4})
	for i := range 100 {
		ref := actors.RoomRef{Kind: "board", ID: fmt.Sprint(i % 10)}
		s.Deliver(&wire.Deliver{Room: ref, Namespace: ref.Namespace(), Items: []wire.Item{mirrorOf(1), wire.End{}, wire.End{}}})
	}
	s.deliver(mirrorOf(1))
	if n := len(s.rooms); n > 5 {
		t.Errorf("%d rooms are remembered, want the open one and at most 4 that ended", n)
	}
	if got := s.Stats().Rooms; got != 1 {
		t.Errorf("Rooms is %d, want 1", got)
	}
}

func TestConfirmIsAnsweredWhenAsked(t *testing.T) {
	s := newShard(Limits{})
	got := s.deliver(event("e"))
	if want := (wire.Delivered{Room: board, Epoch: 1, Node: "n1"}); got == nil || *got != want {
		t.Errorf("confirmed with %v, want %v", got, want)
	}
	if got := s.Deliver(&wire.Deliver{Room: board, Epoch: 1}); got != nil {
		t.Errorf("confirmed without being asked: %v", got)
	}
}

func TestRemoveEndsAStay(t *testing.T) {
	tests := []struct {
		name   string
		remove wire.Remove
		want   []string
		closed actors.LeaveReason
	}{
		{"silently", wire.Remove{}, []string{`2["bye"]`}, ""},
		{"with DISCONNECT", wire.Remove{Disconnect: true}, []string{`2["bye"]`, `1`}, ""},
		{"closing the transport", wire.Remove{Close: actors.ReasonShutdown}, []string{`2["bye"]`}, actors.ReasonShutdown},
		{"with both", wire.Remove{Disconnect: true, Close: actors.ReasonRevoked}, []string{`2["bye"]`, `1`}, actors.ReasonRevoked},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newShard(Limits{})
			ada := s.socket(1)
			s.deliver(mirrorOf(1), admit("ada", 1))
			ada.texts()
			tt.remove.Member = "ada"
			s.deliver(event("bye"), tt.remove, event("late"))
			s.deliver(syncTo(2, set(notes, "n", `1`)), tt.remove)
			wantTexts(t, ada, tt.want...)
			if ada.closed != tt.closed {
				t.Errorf("the socket was closed for %q, want %q", ada.closed, tt.closed)
			}
			if st := s.Stats(); st.Members != 0 || st.UnknownMember != 1 || len(s.conns) != 0 {
				t.Errorf("%d members, %d unknown, %d connections, want 0, 1, 0", st.Members, st.UnknownMember, len(s.conns))
			}
		})
	}
}

func TestARemovedMemberIsNotResumedByItsSocket(t *testing.T) {
	s := newShard(Limits{})
	ada := s.socket(1)
	s.deliver(mirrorOf(1), admit("ada", 1))
	ada.stalled = true
	s.deliver(event("e"))
	s.deliver(syncTo(2, set(notes, "n", `1`)))
	s.deliver(wire.Remove{Member: "ada"})
	ada.texts()
	ada.resume()
	s.settle()
	wantTexts(t, ada, `2["e"]`)
}

func TestAdmittedAgainAMemberHasTheOtherSocket(t *testing.T) {
	s := newShard(Limits{})
	old, next := s.socket(1), s.socket(2)
	s.deliver(mirrorOf(1), admit("ada", 1), admit("bob", 3))
	old.stalled = true
	s.deliver(event("e"))
	s.deliver(syncTo(2, set(notes, "n", `1`)))
	s.deliver(admit("ada", 2))
	old.texts()
	old.resume()
	s.deliver(event("f"))
	wantTexts(t, old, `2["e"]`)
	wantTexts(t, next, `0{"sid":"ada"}`,
		`2["room:state",{"v":2,"part":0,"last":true,"fields":{"notes":{"n":1},"hand":{}}}]`, `2["f"]`)
	if st := s.Stats(); st.Members != 1 || len(s.conns) != 1 {
		t.Errorf("%d members on %d connections, want 1 on 1", st.Members, len(s.conns))
	}
}

func TestAConnectionThatIsGoneIsSkipped(t *testing.T) {
	s := newShard(Limits{})
	ada := s.socket(1)
	s.deliver(admit("ada", 1), admit("bob", 2))
	elsewhere := admit("cleo", 1)
	elsewhere.Conn.Node = "n2"
	s.deliver(elsewhere, event("e"))
	// Its member moved to a connection that is gone: the old one is not its.
	s.deliver(admit("ada", 3), event("f"))
	wantTexts(t, ada, `0{"sid":"ada"}`, `2["e"]`)
	if st := s.Stats(); st.UnknownSocket != 3 || st.Members != 0 {
		t.Errorf("%d unknown sockets and %d members, want 3 and 0", st.UnknownSocket, st.Members)
	}
}

func TestAClosedSocketIsLeftAloneUntilItsMemberIsRemoved(t *testing.T) {
	tests := []struct {
		name            string
		close           func(*fakeSocket)
		closed, tooSlow uint64
	}{
		{"closed", func(s *fakeSocket) { s.Close(actors.ReasonTransportClosed) }, 1, 0},
		{"too slow", func(s *fakeSocket) { s.stalled, s.limit = true, 1 }, 0, 1},
		{"refusing what it may not", func(s *fakeSocket) { s.broken = true }, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newShard(Limits{})
			ada := s.socket(1)
			s.deliver(mirrorOf(1), admit("ada", 1))
			tt.close(ada)
			for v := uint64(2); v < 9; v++ {
				s.deliver(event("e"), volatileEvent("v"), syncTo(v, set(notes, "n", `1`)))
			}
			st := s.Stats()
			if st.Closed != tt.closed || st.TooSlow != tt.tooSlow || st.Members != 1 {
				t.Errorf("closed %d, too slow %d, members %d; want %d, %d, 1", st.Closed, st.TooSlow, st.Members, tt.closed, tt.tooSlow)
			}
			s.deliver(wire.Remove{Member: "ada", Disconnect: true})
			if len(s.conns) != 0 {
				t.Error("its connection is still known")
			}
		})
	}
}

// Members come and go for ever; the order in which the others joined stays.
func TestTheTableStaysDenseAndInJoinOrder(t *testing.T) {
	s := newShard(Limits{})
	for i := range uint64(1000) {
		s.socket(i)
		s.deliver(admit(fmt.Sprint("m", i), i))
		if i%100 != 0 {
			s.deliver(wire.Remove{Member: actors.MemberID(fmt.Sprint("m", i))})
		}
	}
	r := s.rooms[board]
	if len(r.members) > 21 {
		t.Errorf("%d places for 10 members", len(r.members))
	}
	last := -1
	for at, mem := range r.members {
		if mem == nil {
			continue
		}
		if mem.at != at || int(mem.conn.id) <= last {
			t.Errorf("member %s stands at %d and says %d", mem.id, at, mem.at)
		}
		last = int(mem.conn.id)
	}
	s.deliver(wire.End{})
	if st := s.Stats(); st.Members != 0 || st.Rooms != 0 || len(s.conns) != 0 {
		t.Errorf("after End: %d members, %d rooms, %d connections", st.Members, st.Rooms, len(s.conns))
	}
}

// The race detector is what this test is for.
func TestStatsAndSocketsMayBeOnOtherGoroutines(t *testing.T) {
	s := newShard(Limits{})
	posted := make(chan Drained, 1)
	s.config.Post = func(d Drained) { posted <- d }
	ada := s.socket(1)
	s.Deliver(&wire.Deliver{Room: board, Namespace: board.Namespace(), Items: []wire.Item{mirrorOf(1), admit("ada", 1)}})
	ada.stalled = true
	s.Flush()
	s.Deliver(&wire.Deliver{Room: board, Namespace: board.Namespace(), Items: []wire.Item{syncTo(2, set(notes, "n", `1`))}})
	done := make(chan struct{})
	go func() { // ends with the test, which waits for done
		defer close(done)
		for range 100 {
			s.Stats()
		}
		for _, f := range ada.onDrained {
			f()
		}
	}()
	for range 100 {
		s.Deliver(&wire.Deliver{Room: board, Namespace: board.Namespace(), Items: []wire.Item{volatileEvent("v")}})
	}
	<-done
	s.Drained(<-posted)
	if got := s.Stats(); got.VolatileDropped != 100 || got.Members != 1 {
		t.Errorf("%d volatile packets dropped and %d members, want 100 and 1", got.VolatileDropped, got.Members)
	}
}

func TestNothingIsKeptForASocketThatHasClosed(t *testing.T) {
	s := newShard(smallParts())
	ada := stalledAdmit(s)
	s.deliver(event("a"), event("b"))
	ada.closed = actors.ReasonTransportError
	lobby := actors.RoomRef{Kind: "lobby", ID: "1"}
	s.Deliver(&wire.Deliver{Room: lobby, Namespace: lobby.Namespace(), Items: []wire.Item{admit("ada", 1)}})
	late := admit("eve", 1)
	late.Resumed, late.Since, late.Replay = true, 1, []wire.Emit{event("c")}
	s.deliver(late)
	for _, id := range []actors.MemberID{"ada", "eve"} {
		if mem := s.rooms[board].byID[id]; mem.busy() || len(mem.conn.waiting) > 0 {
			t.Errorf("packets for %s still wait for the closed socket", id)
		}
	}
}
