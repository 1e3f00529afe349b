package gatefan

import (
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// numbered is an event that a node emits to all.
func numbered(from string, pos uint64, event string) wire.GateEmit {
	e := everyone(event)
	e.From, e.Pos = from, pos
	return e
}

// dual is an event to several rooms, as one of them has it.
func dual(name string, id uint64, event string) wire.GateEmit {
	e := room(name, event)
	e.From, e.EmitID = "x", id
	return e
}

func install(s *wire.Session) wire.GateInstall {
	return wire.GateInstall{Client: "a", PID: "pid", RecoverEvents: 5, RecoverBytes: 1 << 20, Session: s, Answer: wire.ConnectAnswer("a", "pid")}
}

// TestAClientIsGivenAwayOnlyWithEverything: not before it is out of its rooms
// and has been given as much as its next node had heard.
func TestAClientIsGivenAwayOnlyWithEverything(t *testing.T) {
	for name, last := range map[string]wire.GateItem{
		"a room":               wire.GateExit{Client: "a", Room: "tea"},
		"what goes to all":     numbered("x", 7, "late"),
		"to be asked":          wire.GateHand{Client: "a", To: "next", Heard: []wire.Heard{{Node: "x", Pos: 7}}},
		"nothing; it has time": wire.GateKeep{Client: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			s := l.open("a", 1, "pid")
			l.tell(wire.GateEnter{Client: "a", Room: "tea"}, wire.GateTake{Client: "a", Rooms: []string{"tea"}})
			for _, item := range []wire.GateItem{
				wire.GateHand{Client: "a", To: "next", Heard: []wire.Heard{{Node: "x", Pos: 7}}},
				wire.GateExit{Client: "a", Room: "tea"}, numbered("x", 7, "late"),
			} {
				if same := item; last != nil && kindOf(same) == kindOf(last) {
					continue
				}
				if _, keeps := last.(wire.GateKeep); keeps && kindOf(item) == "emit" {
					continue
				}
				l.tell(item)
			}
			if len(l.handed) != 0 {
				t.Fatal("given away too soon")
			}
			l.tell(last)
			given, ok := l.handed["a"]
			if _, keeps := last.(wire.GateKeep); !ok || keeps != (given == nil) {
				t.Fatalf("reported %v %+v", ok, given)
			}
			if s.closed != actors.ReasonReplaced {
				t.Errorf("its connection: %q", s.closed)
			}
			if given == nil {
				return
			}
			if given.Seq != 1 || len(given.Events) != 1 || len(given.Heard) != 1 || given.Heard[0].Pos != 7 {
				t.Errorf("given away with %+v", given)
			}
			l.tell(one("a", "later"))
			if len(l.forwarded) != 1 || l.forwarded[0] != "next" {
				t.Errorf("passed on to %v", l.forwarded)
			}
		})
	}
}

func kindOf(item wire.GateItem) string {
	switch item.(type) {
	case wire.GateHand:
		return "hand"
	case wire.GateExit:
		return "exit"
	case wire.GateEmit:
		return "emit"
	}
	return ""
}

// TestAClientThatArrivesIsSentEachEventOnce: what both nodes were sent counts
// where it was before.
func TestAClientThatArrivesIsSentEachEventOnce(t *testing.T) {
	here, there := newLab(t), newLab(t)
	here.sockets[9] = new(socket)
	there.open("a", 1, "pid")
	there.tell(
		wire.GateEnter{Client: "a", Room: "tea"}, wire.GateTake{Client: "a", Rooms: []string{"tea", "cup"}},
		numbered("x", 1, "1"), numbered("x", 2, "2"), dual("tea", 5, "tea"),
	)
	here.tell(numbered("x", 1, "1"), wire.GateArrive{Client: "a", Conn: wire.ConnRef{ID: 9}, Rooms: []string{"tea", "cup"}})
	heard := here.arrived["a"]
	if len(heard) != 1 || heard[0] != (wire.Heard{Node: "x", Pos: 1}) {
		t.Fatalf("heard %v", heard)
	}
	except := room("cup", "not for tea")
	except.Except = []string{"tea"}
	here.tell(
		numbered("x", 2, "2"), numbered("x", 3, "3"), wire.GateEnter{Client: "a", Room: "cup"},
		dual("cup", 5, "tea"), dual("cup", 6, "cup"), except,
	)
	there.tell(wire.GateExit{Client: "a", Room: "tea"}, wire.GateHand{Client: "a", To: "here", Heard: heard})
	here.tell(install(there.handed["a"]), numbered("y", 1, "4"))
	here.expect(here.sockets[9], "CONNECT", "1", "2", "tea", "3", "cup", "4")
	if len(here.resumed) != 1 || !here.resumed[0] {
		t.Errorf("reported %v", here.resumed)
	}
	offset := here.sockets[9].offset()
	here.tell(wire.GateAway{Client: "a"}, everyone("5"))
	if s, recovered := here.back("a", 10, offset); !recovered {
		t.Error("it does not recover with an offset from here")
	} else {
		here.expect(s, "CONNECT", "5")
	}
}

func TestAClientThatTooMuchComesForDoesNotArrive(t *testing.T) {
	for count, want := range map[int]bool{maxWaiting: true, maxWaiting + 1: false} {
		l := newLab(t)
		l.sockets[9] = new(socket)
		l.tell(wire.GateArrive{Client: "a", Conn: wire.ConnRef{ID: 9}})
		for range count {
			l.tell(everyone("x"))
		}
		l.tell(install(&wire.Session{Client: "a", Generation: "gen"}))
		if len(l.resumed) != 1 || l.resumed[0] != want {
			t.Errorf("after %d: reported %v", count, l.resumed)
		}
	}
}

func TestAClientThatIsTooLargeDoesNotMove(t *testing.T) {
	for size, moves := range map[int]bool{maxMoving: true, maxMoving + 1: false} {
		l := newLab(t)
		l.sockets[1] = new(socket)
		l.tell(wire.GateAttach{Client: "a", Conn: wire.ConnRef{ID: 1}, PID: "pid", RecoverEvents: 5, RecoverBytes: 2 * maxMoving}, wire.GateAccept{Client: "a"})
		big := everyone("x")
		l.tell(wire.GateTake{Client: "a"}, big)
		s := l.spaces[namespace].clients["a"]
		over := size - s.history.bytes
		s.history.kept[0] = &actors.Packet{Data: append(s.history.kept[0].Data, make([]byte, over)...)}
		l.tell(wire.GateHand{Client: "a", To: "next"})
		if given := l.handed["a"]; (given != nil) != moves {
			t.Errorf("with %d bytes: %v", size, given != nil)
		}
	}
}
