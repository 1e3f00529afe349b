package gatefan

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/rawjson"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// back gives a client another connection and reports whether it recovered.
func (l *lab) back(id string, conn uint64, offset string) (*socket, bool) {
	l.sockets[conn] = new(socket)
	n := len(l.resumed)
	l.tell(wire.GateResume{Client: id, Conn: wire.ConnRef{ID: conn}, Offset: offset})
	if len(l.resumed) != n+1 {
		l.t.Fatalf("the outcome was reported %d times", len(l.resumed)-n)
	}
	return l.sockets[conn], l.resumed[n]
}

func TestOnlyClientsThatMayRecoverAreGivenOffsets(t *testing.T) {
	l := newLab(t)
	plain, careful := l.open("a", 1, ""), l.open("b", 2, "pid")
	l.tell(everyone("x"))
	if string(plain.got[1].Data) != `["x"]` {
		t.Errorf("sent %s", plain.got[1].Data)
	}
	if !strings.HasPrefix(careful.offset(), "g1.gen.") {
		t.Errorf("sent %s", careful.got[1].Data)
	}
}

func TestMissedEventsAreReplayedFromTheOffset(t *testing.T) {
	l := newLab(t)
	s := l.open("a", 1, "pid")
	l.tell(wire.GateEnter{Client: "a", Room: "tea"}, one("a", "1"), room("tea", "2"))
	offset := s.offset()
	l.tell(everyone("3")) // lost on the way
	l.tell(wire.GateAway{Client: "a"}, room("tea", "4"))
	again, recovered := l.back("a", 2, offset)
	if !recovered {
		t.Fatal("not recovered")
	}
	l.tell(room("tea", "5"))
	l.expect(again, "CONNECT", "3", "4", "5")
}

func TestOffsetsThatDoNotFitAreRefused(t *testing.T) {
	valid := func(l *lab, s *socket) string { return s.offset() }
	for name, tt := range map[string]struct {
		missed int
		offset func(*lab, *socket) string
		want   bool
	}{
		"the latest":             {0, valid, true},
		"as much as is kept":     {5, valid, true},
		"more than is kept":      {6, valid, false},
		"none, and all is kept":  {4, func(*lab, *socket) string { return "" }, true},
		"none, and too much":     {5, func(*lab, *socket) string { return "" }, false},
		"another life":           {0, func(_ *lab, s *socket) string { return strings.Replace(s.offset(), "gen", "old", 1) }, false},
		"of a room":              {0, func(*lab, *socket) string { return "r1.gen.4.5" }, false},
		"garbage":                {0, func(*lab, *socket) string { return "hello" }, false},
		"not base64":             {0, func(*lab, *socket) string { return "g1.gen.%%" }, false},
		"empty suffix":           {0, func(*lab, *socket) string { return "g1.gen." }, false},
		"from the future":        {0, func(*lab, *socket) string { return "g1.gen.f38" }, false},
		"a number without end":   {0, func(*lab, *socket) string { return "g1.gen._w" }, false},
		"longer than reasonable": {0, func(*lab, *socket) string { return "g1.gen." + strings.Repeat("A", maxOffset) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			s := l.open("a", 1, "pid")
			l.tell(everyone("1"))
			offset := tt.offset(l, s)
			l.tell(wire.GateAway{Client: "a"})
			for range tt.missed {
				l.tell(everyone("x"))
			}
			if _, got := l.back("a", 2, offset); got != tt.want {
				t.Errorf("recovered = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestKeptEventsAreBoundedInBytes(t *testing.T) {
	h := history{maxEvents: 100, maxBytes: 1000}
	for range 50 {
		h.seq++
		h.keep(&actors.Packet{Data: make([]byte, 60), Attachments: [][]byte{make([]byte, 40)}})
	}
	if len(h.kept) != 10 || h.bytes != 1000 || h.floor != 40 {
		t.Errorf("%d kept, %d bytes, floor %d", len(h.kept), h.bytes, h.floor)
	}
	h.seq++
	h.keep(&actors.Packet{Data: make([]byte, 2000)})
	if len(h.kept) != 0 || h.bytes != 0 || h.floor != 51 {
		t.Errorf("%d kept, %d bytes, floor %d", len(h.kept), h.bytes, h.floor)
	}
}

func TestWhoNeedsWhatWasTrimmedDoesNotRecover(t *testing.T) {
	for missed, want := range map[int]bool{0: true, 2: true, 3: false} { // of four, the older two are forgotten
		l := newLab(t)
		s := l.open("a", 1, "pid")
		l.tell(everyone("1"))
		for range 3 - missed {
			l.tell(everyone("x"))
		}
		offset := s.offset()
		l.tell(wire.GateAway{Client: "a"})
		for range missed {
			l.tell(everyone("x"))
		}
		l.Trim()
		if _, got := l.back("a", 2, offset); got != want {
			t.Errorf("with %d missed: recovered = %v, want %v", missed, got, want)
		}
	}
	h := history{maxEvents: 10, maxBytes: 1000}
	for range 5 {
		h.seq++
		h.keep(&actors.Packet{Data: make([]byte, 10)})
	}
	for _, want := range []int{2, 1, 0, 0} {
		if h.trim(); len(h.kept) != want || h.bytes != 10*want || h.floor != uint64(5-want) {
			t.Errorf("%d kept, %d bytes, floor %d", len(h.kept), h.bytes, h.floor)
		}
	}
}

func TestVolatileEventsNeverLookLikeAnOffset(t *testing.T) {
	l := newLab(t)
	s := l.open("a", 1, "pid")
	l.tell(one("a", "1"))
	for _, payload := range []string{`["v","text"]`, `["v"]`, `["v", 1 , "x" ]`} {
		e := everyone("v")
		e.Volatile, e.Data = true, actors.Raw{JSON: []byte(payload)}
		l.tell(e)
		if !strings.HasPrefix(s.offset(), "g1.gen.") {
			t.Errorf("%s was sent as %s", payload, s.got[len(s.got)-1].Data)
		}
	}
	number := everyone("v")
	number.Volatile, number.Data = true, actors.Raw{JSON: []byte(`["v",1]`)}
	l.tell(number)
	if last := s.got[len(s.got)-1].Data; string(last) != `["v",1]` {
		t.Errorf("sent %s", last)
	}
	l.tell(wire.GateAway{Client: "a"}, number)
	again, recovered := l.back("a", 2, s.offset())
	if !recovered {
		t.Error("not recovered")
	}
	l.expect(again, "CONNECT")
}

func TestResumingTakesTheSeatFromTheOldConnection(t *testing.T) {
	l := newLab(t)
	old := l.open("a", 1, "pid")
	if _, recovered := l.back("a", 2, ""); !recovered || old.closed != actors.ReasonReplaced {
		t.Errorf("recovered %v, the old connection closed %q", recovered, old.closed)
	}
	if _, recovered := l.back("nobody", 3, ""); recovered {
		t.Error("a client that is not there recovered")
	}
	l.tell(wire.GateAttach{Client: "b", Conn: wire.ConnRef{ID: 1}, PID: "p"})
	if _, recovered := l.back("b", 4, ""); recovered {
		t.Error("a client whose hooks run recovered")
	}
}

// TestEveryEventComesOnceAndInOrder loses connections at random, with packets
// that the server wrote and the client never read. Whenever the machine says
// that a client has recovered, it has missed nothing and seen nothing twice.
func TestEveryEventComesOnceAndInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLab(t)
		conn := uint64(1)
		s := l.open("a", conn, "pid")
		l.tell(wire.GateEnter{Client: "a", Room: "tea"})
		var want, got []string
		offset, away := "", false
		read := func(n int) { // the client reads n packets
			for _, p := range s.got[:n] {
				if p.Type != actors.PacketEvent {
					continue
				}
				name, args, err := rawjson.SplitEvent(p.Data)
				if err != nil {
					t.Fatal(err)
				}
				if name != "volatile" {
					got = append(got, name)
				}
				if last := string(args[len(args)-1]); last[0] == '"' {
					offset = strings.Trim(last, `"`)
				}
			}
			s.got = s.got[n:]
		}
		for i := range rapid.IntRange(1, 50).Draw(t, "steps") {
			switch what := rapid.IntRange(0, 6).Draw(t, "what"); what {
			case 0, 1, 2:
				name := fmt.Sprint(i)
				want = append(want, name)
				l.tell([]wire.GateItem{one("a", name), room("tea", name), everyone(name)}[what])
			case 3:
				e := everyone("volatile")
				e.Volatile = true
				e.Data.JSON = []byte(`["volatile","text"]`)
				l.tell(e)
			case 4:
				read(rapid.IntRange(0, len(s.got)).Draw(t, "reads"))
			case 5:
				l.tell(wire.GateAway{Client: "a"})
				s.got, away = nil, true // what was not read is lost
			case 6:
				if !away {
					break
				}
				conn++
				next, recovered := l.back("a", conn, offset)
				if !recovered {
					if len(want)-len(got) <= 5 {
						t.Fatalf("%d of 5 events were missed, and it did not recover", len(want)-len(got))
					}
					return
				}
				s, away = next, false
			}
		}
		if !away {
			read(len(s.got))
			if !slices.Equal(got, want) {
				t.Fatalf("got %v, want %v", got, want)
			}
		}
	})
}
