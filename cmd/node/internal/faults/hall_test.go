package faults

import (
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// Rooms of the kinds hall and lobby pass on numbered messages. A hall lasts:
// it remembers the last number of everybody. A lobby lives in memory.

// say is what a member sends; its numbers count up.
type say struct {
	From string `json:"from"`
	N    int    `json:"n"`
}

// said is what the others are told.
type said struct {
	say
	Seq  int    `json:"seq"`  // of the room, counts up
	Life string `json:"life"` // names the activation
	Age  int64  `json:"age"`  // when it opened, ns: later ones are younger
}

type hall struct {
	Last  actors.Map[string, int] `room:"last,durable"`
	Count actors.Value[int]       `room:"count,durable"`

	life string
	age  int64
}

func (h *hall) Opened(t *actors.Turn) error {
	h.life, h.age = t.NewID(), t.Now().UnixNano()
	return nil
}

// Say takes each number once: whoever repeats one has had its answer already,
// or the runtime has forgotten that it was given.
func (h *hall) Say(t *actors.Turn, in say) (int, error) {
	if last, _ := h.Last.Get(in.From); in.N != last+1 {
		return last, actors.Errorf("out_of_order", "%s says %d after %d", in.From, in.N, last)
	}
	h.Last.Set(in.From, in.N)
	h.Count.Set(h.Count.Get() + 1)
	t.All().Emit("said", said{in, h.Count.Get(), h.life, h.age})
	return in.N, nil
}

func hallKind() actors.Behavior {
	k := actors.NewKind("hall", func() *hall { return new(hall) }, actors.KindConfig{
		Create: actors.CreateAnyone, ResumeWithin: time.Minute, ResumeEvents: 20_000, ResumeBytes: 16 << 20,
	})
	actors.OnAck(k, "say", (*hall).Say)
	return k
}

type lobby struct {
	Here actors.Map[actors.MemberID, string] `room:"here,synced"`

	seq  int
	life string
	age  int64
}

func (l *lobby) Opened(t *actors.Turn) error {
	l.life, l.age = t.NewID(), t.Now().UnixNano()
	return nil
}

func (l *lobby) Joined(t *actors.Turn, m actors.Member) { l.Here.Set(m.ID, m.UserID) }
func (l *lobby) Left(t *actors.Turn, m actors.Member, _ actors.LeaveReason) {
	l.Here.Delete(m.ID)
}

func (l *lobby) Say(t *actors.Turn, in say) (int, error) {
	l.seq++
	t.All().Emit("said", said{in, l.seq, l.life, l.age})
	return in.N, nil
}

func lobbyKind() actors.Behavior {
	k := actors.NewKind("lobby", func() *lobby { return new(lobby) }, actors.KindConfig{Create: actors.CreateAnyone})
	actors.OnAck(k, "say", (*lobby).Say)
	return k
}
