package room

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// sink carries out nothing, but confirms flushes.
type sink struct {
	delivers, items, unconfirmed int
	batch                        *actors.Batch // to be answered
}

func (s *sink) Deliver(_ string, d *wire.Deliver) {
	s.delivers++
	s.items += len(d.Items)
	if d.Confirm {
		s.unconfirmed++
	}
}
func (*sink) Tell(wire.ConnRef, any)                   {}
func (*sink) Run(uint64, func(context.Context) error)  {}
func (*sink) Call(uint64, OutCall)                     {}
func (*sink) Answer(uint64, actors.Raw, *actors.Error) {}
func (s *sink) Append(a Append)                        { s.batch = a.Batch }
func (*sink) Schedule(time.Time)                       {}
func (*sink) Reclaim(actors.Owned)                     {}
func (*sink) Destroy()                                 {}
func (*sink) Hibernate(actors.Owned, []string)         {}
func (*sink) Retire()                                  {}

type point struct{ X, Y int }

// plane is a room as users write them: relayed messages and cursors.
type plane struct {
	Cursors actors.Map[actors.MemberID, point] `room:"cursors,synced"`
}

func (p *plane) Chat(t *actors.Turn, in actors.Raw) (string, error) {
	t.Broadcast("chat", in)
	return "ok", nil
}

func (p *plane) Cursor(t *actors.Turn, in point) { p.Cursors.Set(t.Member().ID, in) }

// crowd is a room with members, and events of each of them in turn.
type crowd struct {
	m      *Machine
	sink   *sink
	now    time.Time
	events []wire.Event
	data   [2][]byte // payloads of even and odd rounds
	next   int
	round  int
}

func newCrowd(tb testing.TB, members int, c actors.KindConfig, payload string, ack bool) *crowd {
	tb.Helper()
	k := actors.NewKind("plane", func() *plane { return new(plane) }, c)
	actors.OnAck(k, "chat", (*plane).Chat)
	actors.On(k, "cursor", (*plane).Cursor)
	if err := k.Err(); err != nil {
		tb.Fatal(err)
	}
	cr := &crowd{sink: &sink{}, now: start}
	for i := range cr.data {
		cr.data[i] = []byte(fmt.Sprintf(payload, i+1))
	}
	ids := 0
	cr.m = New(Config{
		Ref: actors.RoomRef{Kind: "plane", ID: "1"}, Behavior: k, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Rand: rand.New(rand.NewPCG(1, 1)),
		NewID: func() string { ids++; return fmt.Sprintf("%022d", ids) }, Effects: cr.sink,
	})
	l := Loaded{}
	if c.Durability != "" { // anything: a sink takes it
		l = Loaded{Epoch: 1, Owned: actors.Owned{Epoch: 1, Owner: actors.Owner{Node: "n1", Nonce: "n"}}}
	}
	cr.m.Start(cr.now, l)
	for i := range members {
		conn := wire.ConnRef{Node: "n1", ID: uint64(i + 1)}
		id := actors.MemberID(fmt.Sprintf("member-%015d", i))
		cr.m.Join(cr.now, &wire.Join{Room: cr.m.cfg.Ref, Conn: conn, Member: id})
		cr.appended()
		cr.events = append(cr.events, wire.Event{Room: cr.m.cfg.Ref, Conn: conn, Member: id, HasID: ack})
	}
	return cr
}

// step hands in one event, and confirms what was flushed once in a while.
func (cr *crowd) step() {
	e := &cr.events[cr.next]
	if cr.next++; cr.next == len(cr.events) {
		cr.next = 0
		cr.round++
	}
	e.Data.JSON = cr.data[cr.round%2]
	e.Link++
	e.ID++
	cr.m.Event(cr.now, e)
	cr.appended()
	cr.now = cr.now.Add(50 * time.Microsecond)
	if cr.sink.unconfirmed > 0 {
		cr.sink.unconfirmed--
		cr.m.Delivered(cr.now, &wire.Delivered{Node: "n1"})
	}
}

// appended answers an append.
func (cr *crowd) appended() {
	for cr.sink.batch != nil {
		b := cr.sink.batch
		cr.sink.batch = nil
		cr.m.Appended(cr.now, b.ID, nil)
	}
}

var crowds = []struct {
	name    string
	members int
	config  actors.KindConfig
	payload string
	ack     bool
	budget  float64 // allocations per event; the race detector adds one to decoding
}{
	{"chat with 8 members", 8, actors.KindConfig{}, `["chat",{"text":"hello, and a little more","x":%d}]`, false, 12},
	{"chat with 8 members, acknowledged", 8, actors.KindConfig{}, `["chat",{"text":"hello, and a little more","x":%d}]`, true, 13},
	{"chat with 8 members, resuming", 8, actors.KindConfig{ResumeWithin: time.Minute}, `["chat",{"text":"hello, and a little more","x":%d}]`, true, 15},
	{"chat with 8 members, acknowledged, resuming, kept", 8, actors.KindConfig{ResumeWithin: time.Minute, Durability: actors.DurabilityMemory}, `["chat",{"text":"hello, and a little more","x":%d}]`, true, 60},
	{"1,000 cursors, 30 flushes per second", 1000, actors.KindConfig{SyncEvery: 33 * time.Millisecond}, `["cursor",{"X":%d,"Y":345}]`, false, 12},
	{"1,000 cursors, a flush per turn", 1000, actors.KindConfig{}, `["cursor",{"X":%d,"Y":345}]`, false, 15},
}

func BenchmarkEvent(b *testing.B) {
	for _, c := range crowds {
		b.Run(c.name, func(b *testing.B) {
			cr := newCrowd(b, c.members, c.config, c.payload, c.ack)
			b.ReportAllocs()
			for b.Loop() {
				cr.step()
			}
			b.ReportMetric(float64(cr.sink.items)/float64(b.N), "items/op")
		})
	}
}

func TestAnEventStaysWithinItsBudget(t *testing.T) {
	for _, c := range crowds {
		t.Run(c.name, func(t *testing.T) {
			cr := newCrowd(t, c.members, c.config, c.payload, c.ack)
			for range 2000 {
				cr.step()
			}
			if n := testing.AllocsPerRun(2000, cr.step); n > c.budget {
				t.Errorf("%v allocations per event, want at most %v", n, c.budget)
			}
			if cr.sink.items == 0 {
				t.Error("nothing was sent")
			}
		})
	}
}

func BenchmarkJoinAndLeave(b *testing.B) {
	cr := newCrowd(b, 1000, actors.KindConfig{}, "%d", false)
	j := &wire.Join{Room: cr.m.cfg.Ref, Conn: wire.ConnRef{Node: "n1", ID: 5000}, Member: "newcomer"}
	l := &wire.Leave{Room: j.Room, Conn: j.Conn, Member: j.Member, Why: actors.ReasonClientLeft}
	b.ReportAllocs()
	for b.Loop() {
		cr.m.Join(cr.now, j)
		cr.m.Leave(cr.now, l)
	}
}
