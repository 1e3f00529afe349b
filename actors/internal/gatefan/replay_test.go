package gatefan

import (
	"fmt"
	"slices"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

const (
	missedMost = 3_000 // events that are kept
	outbox     = 600   // packets that the socket holds
)

// late is a client that has missed so many events, and comes back on a socket
// that polls and holds fewer.
func late(t *testing.T, missed int) (*lab, *socket) {
	l := newLab(t)
	first := &socket{}
	l.sockets[1] = first
	l.tell(
		wire.GateAttach{Client: "a", Conn: wire.ConnRef{ID: 1}, PID: "pid", RecoverEvents: missedMost, RecoverBytes: 1 << 20},
		wire.GateAccept{Client: "a", Answer: wire.ConnectAnswer("a", "pid")}, everyone("e0"), wire.GateAway{Client: "a"},
	)
	for i := range missed {
		l.tell(everyone(fmt.Sprint("e", i+1)))
	}
	s := &socket{polls: true, limit: outbox}
	l.sockets[2] = s
	l.tell(wire.GateResume{Client: "a", Conn: wire.ConnRef{ID: 2}, Offset: first.offset()})
	if len(l.resumed) != 1 || !l.resumed[0] {
		t.Fatalf("recovered: %v", l.resumed)
	}
	return l, s
}

// takeAll has the socket take what there is, and the machine send more, until
// there is nothing.
func (l *lab) takeAll(s *socket, meanwhile func()) {
	for s.get() {
		meanwhile()
		posted := l.posted
		l.posted = nil
		for _, d := range posted {
			l.Drained(d)
		}
		l.Flush()
	}
}

// TestAClientMayHaveMissedMoreThanItsOutboxHolds: it is sent that as its socket
// takes it, and what comes meanwhile behind it.
func TestAClientMayHaveMissedMoreThanItsOutboxHolds(t *testing.T) {
	l, s := late(t, missedMost)
	n := missedMost
	l.takeAll(s, func() {
		for range 700 { // at first more than it was sent
			if n < missedMost+1400 {
				n++
				volatile := everyone("volatile")
				volatile.Volatile = true
				l.tell(everyone(fmt.Sprint("e", n)), volatile)
			}
		}
	})
	l.tell(everyone(fmt.Sprint("e", n+1)))
	s.get()
	want := []string{"CONNECT"}
	for i := range n + 1 {
		want = append(want, fmt.Sprint("e", i+1))
	}
	got := slices.DeleteFunc(s.events(), func(e string) bool { return e == "volatile" })
	if !slices.Equal(got, want) {
		t.Errorf("%d events, the last %v; want %d", len(got), got[max(0, len(got)-3):], len(want))
	}
	if s.closed != "" {
		t.Errorf("closed: %s", s.closed)
	}
	at := slices.Index(s.events(), "volatile")
	if before := slices.Index(s.events(), fmt.Sprint("e", missedMost)); at >= 0 && at < before {
		t.Errorf("a volatile event, whose offset is the latest, came before %d of those that were missed", missedMost)
	}
	again, recovered := l.back("a", 3, s.offset())
	if !recovered || len(again.events()) != 1 {
		t.Errorf("recovered %v, and was sent %v", recovered, again.events())
	}
}

// TestAClientThatTakesNothingOfWhatItMissedIsTold once more comes for it than is
// kept.
func TestAClientThatTakesNothingOfWhatItMissedIsTold(t *testing.T) {
	l, s := late(t, missedMost)
	offset := ""
	for i := range missedMost + outbox {
		if s.closed != "" {
			t.Fatalf("closed after %d: %s", i, s.closed)
		}
		l.tell(everyone("more"))
	}
	l.takeAll(s, func() { offset = s.offset() })
	if s.closed != actors.ReasonTooSlow {
		t.Errorf("closed: %q", s.closed)
	}
	if _, recovered := l.back("a", 3, offset); recovered {
		t.Error("recovered")
	}
}

// TestWhatAClientMissedEndsWithItsSocketAndItsStay: what is left is not sent to
// another socket than asked for it, nor after the client was sent away.
func TestWhatAClientMissedEndsWithItsSocketAndItsStay(t *testing.T) {
	l, s := late(t, 1500)
	s.get()
	stale := l.posted
	again := &socket{polls: true, limit: outbox}
	l.sockets[3] = again
	l.tell(wire.GateResume{Client: "a", Conn: wire.ConnRef{ID: 3}, Offset: s.offset()})
	waits := len(again.pushed)
	for _, d := range stale {
		l.Drained(d)
	}
	if now := len(again.pushed); now != waits || again.closed != "" {
		t.Errorf("%d packets wait, and then %d; closed %q", waits, now, again.closed)
	}
	l.takeAll(again, func() {})
	if all := again.events(); all[len(all)-1] != "e1500" {
		t.Errorf("the last it is sent is %s", all[len(all)-1])
	}

	l, s = late(t, 1500)
	s.get()
	l.tell(wire.GateDetach{Client: "a", Disconnect: true})
	l.takeAll(s, func() {})
	if all := s.events(); all[len(all)-1] != "DISCONNECT" {
		t.Errorf("the last it is sent is %s", all[len(all)-1])
	}
}
