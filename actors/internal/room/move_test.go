package room

import (
	"fmt"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

func TestARoomThatMovesTellsItsMembersOnceItIsReleased(t *testing.T) {
	var hooks []string
	s := booking()
	s.left = func(_ *hall, _ *actors.Turn, m actors.Member, _ actors.LeaveReason) {
		hooks = append(hooks, "left "+string(m.ID))
	}
	w, a := slowStore(t, s, resumable(actors.KindConfig{}))
	w.moves = true
	pid := a.pid()
	a.send(`["keep","x"]`)
	w.m.Move(w.now)
	w.commit()
	w.m.Move(w.now) // the node asks until the room has left
	w.commit()
	log := strings.Join(w.take(), "\n")
	if !strings.Contains(log, `reply a #1 ["x"]`) || !strings.HasSuffix(log, "retire\ntell n1/1: moved") || strings.Contains(log, "remove") || a.gone() {
		t.Errorf("%s", log)
	}
	w.kept.slow = false
	w.next()
	b := w.join(with(pid, ""), func(j *wire.Join) { j.Again = &wire.Again{Member: "a"} })
	if b.id() != "a" || len(hooks) != 0 {
		t.Errorf("%s comes back; %v", b.id(), hooks)
	}
}

func TestAnEventWhoseTurnIsStoredIsNotRunAgainByTheNextActivation(t *testing.T) {
	w, a := slowStore(t, booking(), resumable(actors.KindConfig{}))
	for range 10 {
		a.tell(`["say"]`)
		w.commit()
	}
	a.tell(`["say"]`) // not stored
	pid, conn := a.pid(), a.conn
	credited := w.m.members.byID["a"].credited
	w.kept.slow = false
	w.next()
	b := w.join(with(pid, ""), func(j *wire.Join) { j.Conn, j.Again = conn, &wire.Again{Member: "a", Link: 12} })
	var joined *wire.Joined
	for _, msg := range w.told[conn] {
		if j, is := msg.(*wire.Joined); is {
			joined = j
		}
	}
	if b.answer() != "joined" || joined.Link != 10 || credited != 8 {
		t.Fatalf("%s: events up to %d are taken, %d were credited", b.answer(), joined.Link, credited)
	}
	b.link = 9
	b.tell(`["say"]`) // the tenth, once more
	b.tell(`["say"]`)
	if got := w.m.history.seq; got != 11 {
		t.Errorf("%d events are in the history, want 11", got)
	}
}

func TestCreditsNeverCloseTheWindowOfAMemberWhoseTurnWaits(t *testing.T) {
	w, a := slowStore(t, booking(), resumable(actors.KindConfig{}))
	a.tell(`["say"]`)
	for range 100 {
		a.tell(`["move","x"]`)
	}
	if mem := w.m.members.byID["a"]; mem.link-mem.credited >= creditLag+creditEvery {
		t.Errorf("%d of %d events are credited", mem.credited, mem.link)
	}
	w.commit()
	if mem := w.m.members.byID["a"]; mem.link-mem.credited >= creditEvery {
		t.Errorf("afterwards %d of %d events are credited", mem.credited, mem.link)
	}
}

// What a member sent to an earlier activation may be answered after this one
// has let it in: its connection then looks for the room once more.
func TestAMemberThatLooksForItsRoomAgainKeepsItsSeat(t *testing.T) {
	var hooks []string
	s := booking()
	s.left = func(_ *hall, _ *actors.Turn, m actors.Member, why actors.LeaveReason) {
		hooks = append(hooks, fmt.Sprintf("left %s %s", m.ID, why))
	}
	w, a := slowStore(t, s, resumable(actors.KindConfig{}))
	w.kept.slow = false
	for range 3 {
		a.tell(`["say"]`)
	}
	b := w.join(with(a.pid(), ""), func(j *wire.Join) { j.Conn, j.Again = a.conn, &wire.Again{Member: "a", Link: 4} })
	if b.answer() != "joined" || b.id() != "a" || len(hooks) != 0 || w.m.members.len() != 1 {
		t.Fatalf("%s as %s, %d members; %v", b.answer(), b.id(), w.m.members.len(), hooks)
	}
	b.link = 2
	b.tell(`["say"]`) // the third, once more
	b.tell(`["say"]`)
	if got := w.m.history.seq; got != 4 {
		t.Errorf("%d events are in the history, want 4", got)
	}
}
