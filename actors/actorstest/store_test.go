package actorstest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/actorstest"
)

// ledger is a room as users write them, with something to lose.
type ledger struct {
	Entries actors.Map[string, int]    `room:"entries,durable,synced"`
	Typing  actors.Map[string, bool]   `room:"typing,synced"`
	Rung    actors.Map[string, string] `room:"rung,durable"`
	gone    *[]string
}

func (l *ledger) Book(t *actors.Turn, in string) (int, error) {
	n, _ := l.Entries.Get(in)
	l.Entries.Set(in, n+1)
	t.Broadcast("booked", in)
	return n + 1, nil
}

func (l *ledger) Type(t *actors.Turn, in string) { l.Typing.Set(in, true) }

func (l *ledger) Remind(t *actors.Turn, in string) {
	t.SetAlarm(in, t.Now().Add(time.Hour))
}

func (l *ledger) Alarm(t *actors.Turn, name string) {
	before, _ := l.Rung.Get(name)
	l.Rung.Set(name, before+"!")
}

func (l *ledger) Left(t *actors.Turn, m actors.Member, why actors.LeaveReason) {
	*l.gone = append(*l.gone, string(why))
}

func ledgerKind(gone *[]string) *actors.Kind[ledger] {
	k := actors.NewKind("ledger", func() *ledger { return &ledger{gone: gone} }, actors.KindConfig{ResumeWithin: time.Minute})
	actors.OnAck(k, "book", (*ledger).Book)
	actors.On(k, "type", (*ledger).Type)
	actors.On(k, "remind", (*ledger).Remind)
	actors.OnAck(k, "rung", func(l *ledger, t *actors.Turn, in string) (string, error) {
		s, _ := l.Rung.Get(in)
		return s, nil
	})
	return k
}

func TestACrashLosesWhatWasNotAcknowledgedAndNothingElse(t *testing.T) {
	var gone []string
	r := actorstest.Open(t, ledgerKind(&gone), actorstest.Config{})
	ada, bob := r.Join(nil), r.Join(nil)
	if _, err := ada.Ask("book", "rent"); err != nil {
		t.Fatal(err)
	}
	r.StoreAway(true)
	ack, _ := ada.Ask("book", "food")
	ada.Emit("type", "ada")
	if ack.Err() == nil || len(bob.Events("booked")) != 1 || len(bob.State("entries")) != 1 {
		t.Errorf("before it is durable: ack %v, bob was told %d times and sees %v", ack.Err(), len(bob.Events("booked")), bob.State("entries"))
	}
	if len(bob.State("typing")) != 1 {
		t.Errorf("what is not durable waits too: %v", bob.State("typing"))
	}
	r.Crash()
	if !ada.Return() || !bob.Return() {
		t.Error("they do not recover")
	}
	if len(bob.Events("booked")) != 1 || len(bob.State("entries")) != 1 || len(bob.State("typing")) != 0 {
		t.Errorf("after the crash bob was told %d times and sees %v, %v", len(bob.Events("booked")), bob.State("entries"), bob.State("typing"))
	}
	if ack, err := ada.Ask("book", "food"); err != nil || len(bob.Events("booked")) != 2 {
		t.Errorf("afterwards: %v %v", ack, err)
	}
	if len(gone) != 0 {
		t.Errorf("told that %v left", gone)
	}
}

func TestWhoDoesNotComeBackAfterACrashLeavesOnce(t *testing.T) {
	var gone []string
	r := actorstest.Open(t, ledgerKind(&gone), actorstest.Config{})
	ada := r.Join(nil)
	r.Join(nil)
	r.Crash()
	if r.Members() != 2 || !ada.Return() {
		t.Errorf("%d members", r.Members())
	}
	r.Advance(2 * time.Minute)
	r.Crash()
	if len(gone) != 1 || gone[0] != string(actors.ReasonNodeLost) || r.Members() != 1 {
		t.Errorf("left: %v, %d members", gone, r.Members())
	}
}

func TestARoomThatIsTakenOverSaysNothingMore(t *testing.T) {
	var gone []string
	r := actorstest.Open(t, ledgerKind(&gone), actorstest.Config{})
	ada, bob := r.Join(nil), r.Join(nil)
	r.TakeOver()
	ack, err := ada.Ask("book", "rent")
	var e *actors.Error
	if !errors.As(err, &e) || e.Code != actors.CodeTimeout || len(bob.Events("booked")) != 0 {
		t.Errorf("%v %v; bob was told %v", ack, err, bob.Events("booked"))
	}
	if ada.Closed() != actors.ReasonShutdown || r.Awake() {
		t.Errorf("closed for %q, awake: %v", ada.Closed(), r.Awake())
	}
	if !ada.Return() || !bob.Return() || len(bob.State("entries")) != 0 || len(gone) != 0 {
		t.Errorf("bob sees %v; left: %v", bob.State("entries"), gone)
	}
}

func TestAlarmsWakeARoomThatLeftMemoryAndRingOnce(t *testing.T) {
	var gone []string
	r := actorstest.Open(t, ledgerKind(&gone), actorstest.Config{})
	ada := r.Join(nil)
	ada.Emit("remind", "x")
	ada.Leave()
	r.Advance(30 * time.Minute)
	if r.Awake() {
		t.Fatal("the room is awake")
	}
	r.Advance(time.Hour)
	r.Crash()
	var rung string
	if err := r.Call("rung", "x", &rung); err != nil || rung != "!" {
		t.Errorf("rung %q, %v", rung, err)
	}
}

func TestRestartKeepsSeatsAndFields(t *testing.T) {
	var gone []string
	r := actorstest.Open(t, ledgerKind(&gone), actorstest.Config{})
	ada := r.Join(nil)
	if _, err := ada.Ask("book", "rent"); err != nil {
		t.Fatal(err)
	}
	id := ada.ID()
	r.Restart()
	if !ada.Return() || ada.ID() != id || len(ada.State("entries")) != 1 || len(gone) != 0 {
		t.Errorf("%s, was %s; sees %v; left: %v", ada.ID(), id, ada.State("entries"), gone)
	}
}
