package actorstest_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/actorstest"
)

// clock is a room with ticks, state, questions and calls.
type clock struct {
	Ticks actors.Value[uint64]                `room:"ticks,synced"`
	Seen  actors.Map[actors.MemberID, string] `room:"seen,synced,durable"`
}

func (c *clock) Tick(_ *actors.Turn, k actors.Tick) { c.Ticks.Set(k.N) }

func (c *clock) See(t *actors.Turn, what string) { c.Seen.Set(t.Member().ID, what) }

func (c *clock) Poll(t *actors.Turn, _ struct{}, ack actors.Ack[int]) {
	t.All().Ask(time.Second, func(t *actors.Turn, answers []actors.Answer) {
		yes := 0
		for _, a := range answers {
			if a.Err == nil && string(a.Args.List[0]) == "true" {
				yes++
			}
		}
		ack.Reply(t, yes)
	}, "agree")
}

func (c *clock) Forward(t *actors.Turn, what string, ack actors.Ack[actors.Raw]) {
	t.Call(actors.RoomRef{Kind: "other", ID: "x"}, "echo", what, 0, func(t *actors.Turn, v actors.Raw, err error) {
		if err != nil {
			ack.Fail(t, err)
			return
		}
		ack.Reply(t, v)
	})
}

func open(t *testing.T, c actorstest.Config) *actorstest.Room {
	k := actors.NewKind("clock", func() *clock { return new(clock) }, actors.KindConfig{
		TickEvery: 10 * time.Millisecond, ResumeWithin: time.Minute, IdleAfter: time.Second,
	})
	actors.On(k, "see", (*clock).See)
	actors.OnLater(k, "poll", (*clock).Poll)
	actors.OnLater(k, "forward", (*clock).Forward)
	return actorstest.Open(t, k, c)
}

func TestAdvanceRunsEveryTickAndSkipLeavesThemOut(t *testing.T) {
	r := open(t, actorstest.Config{})
	m := r.Join(nil)
	r.Advance(95 * time.Millisecond)
	if got := actorstest.State[uint64](m, "ticks")[""]; got != 8 {
		t.Errorf("tick %d after 95 ms, want 8, the ninth", got)
	}
	r.Skip(time.Second)
	if got := actorstest.State[uint64](m, "ticks")[""]; got != 108 {
		t.Errorf("tick %d after a pause of a second, want 108", got)
	}
}

func TestMembersAnswerWhatTheRoomAsks(t *testing.T) {
	r := open(t, actorstest.Config{})
	ada, ben := r.Join(nil), r.Join(nil)
	ada.OnAsk("agree", func(actorstest.Event) any { return true })
	ack, err := ada.Ask("poll")
	if err == nil {
		t.Fatal("the poll was answered before everybody had answered it")
	}
	r.Advance(time.Second)
	var yes int
	if err := ack.Decode(&yes); err != nil || yes != 1 {
		t.Errorf("%d, %v", yes, err)
	}
	_ = ben
}

func TestAMemberThatLagsCatchesUp(t *testing.T) {
	r := open(t, actorstest.Config{})
	ada, ben := r.Join(nil), r.Join(nil)
	ada.Lag(true)
	ben.Emit("see", "one")
	ben.Emit("see", "two")
	if len(ada.State("seen")) != 0 {
		t.Fatal("a member that lags was sent state")
	}
	ada.Lag(false)
	if got := actorstest.State[string](ada, "seen")[string(ben.ID())]; got != "two" {
		t.Errorf("after catching up it sees %q", got)
	}
}

func TestDroppedMembersReturnAndLeaversDoNot(t *testing.T) {
	r := open(t, actorstest.Config{})
	ada := r.Join(nil)
	id := ada.ID()
	ada.Drop()
	if !ada.Return() || ada.ID() != id {
		t.Error("a dropped member did not get its seat back")
	}
	ada.Leave()
	if ada.Return() || ada.ID() == id {
		t.Error("a member that left got its seat back")
	}
}

func TestCallsToOtherRoomsAreAnsweredByTheTest(t *testing.T) {
	r := open(t, actorstest.Config{Call: func(room actors.RoomRef, event string, payload json.RawMessage) (any, error) {
		return room.String() + " " + event + " " + string(payload), nil
	}})
	ack, err := r.Join(nil).Ask("forward", "hello")
	var got string
	if err != nil || ack.Decode(&got) != nil || got != `other/x echo "hello"` {
		t.Errorf("%q, %v", got, err)
	}
	_, err = open(t, actorstest.Config{}).Join(nil).Ask("forward", "hello")
	var e *actors.Error
	if !errors.As(err, &e) || e.Code != actors.CodeUnavailable {
		t.Errorf("without Config.Call: %v", err)
	}
}

func TestAnEmptyRoomLeavesAndTheNextJoinWakesItWithWhatIsDurable(t *testing.T) {
	r := open(t, actorstest.Config{})
	ada := r.Join(nil)
	ada.Emit("see", "something")
	ada.Leave()
	r.Advance(2 * time.Second)
	if r.Awake() {
		t.Fatal("the room is still in memory")
	}
	if got := r.Join(nil).State("seen"); len(got) != 1 {
		t.Errorf("after waking it shows %v", got)
	}
}
