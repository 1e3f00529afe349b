package room

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// client is one connection's stay in the room, as its connection machine
// would drive it.
type client struct {
	w     *world
	conn  wire.ConnRef
	asked actors.MemberID
	link  uint64
	ackID uint64
}

type joinOption func(*wire.Join)

func at(node string) joinOption            { return func(j *wire.Join) { j.Conn.Node = node } }
func as(user string) joinOption            { return func(j *wire.Join) { j.Identity.Subject = user } }
func with(pid, offset string) joinOption   { return func(j *wire.Join) { j.PID, j.Offset = pid, offset } }
func called(id actors.MemberID) joinOption { return func(j *wire.Join) { j.Member = id } }

// join asks for a seat, at node n1 and as member a, b, c, … unless told
// otherwise.
func (w *world) join(options ...joinOption) *client {
	w.connID++
	j := &wire.Join{Room: ref, Conn: wire.ConnRef{Node: "n1", ID: w.connID}, Member: actors.MemberID(letter(w.connID))}
	j.Identity.Subject = w.user
	for _, o := range options {
		o(j)
	}
	c := &client{w: w, conn: j.Conn, asked: j.Member}
	w.wake()
	w.m.Join(w.now, j)
	w.settle()
	return c
}

func letter(n uint64) string {
	if n <= 26 {
		return string(rune('a' + n - 1))
	}
	return fmt.Sprintf("m%d", n)
}

// answer is what the connection was told of its join, in words; empty if
// nothing yet.
func (c *client) answer() string {
	answers := []string{}
	for _, msg := range c.w.told[c.conn] {
		switch msg := msg.(type) {
		case *wire.Joined:
			if msg.Asked == c.asked {
				answers = append(answers, "joined")
			}
		case *wire.Refused:
			if msg.Asked == c.asked {
				answers = append(answers, string(msg.Err.Code))
			}
		case *wire.Moved:
			answers = append(answers, "moved")
		}
	}
	return strings.Join(answers, " and ")
}

// id is the member's id; the one that was asked for if it has none.
func (c *client) id() actors.MemberID {
	id := c.asked
	for _, msg := range c.w.told[c.conn] {
		if j, ok := msg.(*wire.Joined); ok {
			id = j.Member
		}
	}
	return id
}

// gone reports whether the connection was told that the member is out.
func (c *client) gone() bool {
	return slices.ContainsFunc(c.w.told[c.conn], func(msg any) bool { _, gone := msg.(*wire.Gone); return gone })
}

// pid is the secret of the member's seat.
func (c *client) pid() string { return c.w.m.members.byID[c.id()].pid }

// send sends an event that asks for an acknowledgement.
func (c *client) send(payload string) uint64 {
	c.ackID++
	c.event(payload, c.ackID, true)
	return c.ackID
}

// tell sends an event without one.
func (c *client) tell(payload string) { c.event(payload, 0, false) }

func (c *client) event(payload string, id uint64, ack bool) {
	c.link++
	c.w.wake()
	c.w.m.Event(c.w.now, &wire.Event{
		Room: ref, Conn: c.conn, Member: c.id(), Link: c.link, ID: id, HasID: ack, Data: actors.Raw{JSON: []byte(payload)},
	})
	c.w.settle()
}

func (c *client) ack(id uint64, payload string) {
	c.w.wake()
	c.w.m.Ack(c.w.now, &wire.Ack{Room: ref, Conn: c.conn, Member: c.id(), ID: id, Data: actors.Raw{JSON: []byte(payload)}})
	c.w.settle()
}

func (c *client) leave(why actors.LeaveReason) {
	c.w.wake()
	c.w.m.Leave(c.w.now, &wire.Leave{Room: ref, Conn: c.conn, Member: c.id(), Why: why})
	c.w.settle()
}

// back returns with the pid and offset of an earlier stay.
func (c *client) back(offset string, options ...joinOption) *client {
	w, pid := c.w, c.pid()
	return w.join(append([]joinOption{with(pid, offset)}, options...)...)
}

// call hands in a Call.
func (w *world) call(id uint64, event, payload string) {
	w.wake()
	w.m.Call(w.now, id, event, actors.Raw{JSON: []byte(payload)})
	w.settle()
}

// advance moves the clock, and wakes the room as often as it asks to be.
func (w *world) advance(d time.Duration) {
	w.t.Helper()
	target := w.now.Add(d)
	for range 100_000 {
		next := w.m.NextWake()
		if next.IsZero() || next.After(target) {
			w.now = target
			w.m.Wake(w.now)
			w.settle()
			return
		}
		if next.After(w.now) {
			w.now = next
		}
		w.m.Wake(w.now)
		w.settle()
	}
	w.t.Fatalf("the room wants to be woken for ever")
}

// finish carries out work and brings back its result.
func (w *world) finish(id uint64) {
	w.t.Helper()
	work := w.work[id]
	if work == nil {
		w.t.Fatalf("no work %d", id)
	}
	delete(w.work, id)
	w.m.WorkDone(w.now, id, work(context.Background()))
	w.settle()
}

// finishAll carries out work until none is left, oldest first.
func (w *world) finishAll() {
	for len(w.worked) > 0 {
		id := w.worked[0]
		w.worked = w.worked[1:]
		if w.work[id] != nil {
			w.finish(id)
		}
	}
}

// confirm confirms every flush.
func (w *world) confirm() {
	for _, node := range slices.Sorted(maps.Keys(w.unconfirmed)) {
		for w.unconfirmed[node] > 0 {
			w.delivered(node, w.m.epoch)
		}
	}
}

// take returns what was written down since the last time.
func (w *world) take() []string {
	log := w.log
	w.log = nil
	return log
}

// items returns what was sent to fan-outs since the last time.
func (w *world) items() []string {
	return slices.DeleteFunc(w.take(), func(line string) bool {
		return !strings.HasPrefix(line, "n")
	})
}

func (w *world) expect(want ...string) {
	w.t.Helper()
	w.same(w.take(), want)
}

func (w *world) expectItems(want ...string) {
	w.t.Helper()
	w.same(w.items(), want)
}

func (w *world) same(got, want []string) {
	w.t.Helper()
	if !slices.Equal(got, want) {
		w.t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

type on = map[string]func(*hall, *actors.Turn, actors.Args) (any, error)

// leaveOf is a Leave for member's id on conn's connection.
func leaveOf(member, conn *client) *wire.Leave {
	return &wire.Leave{Room: ref, Conn: conn.conn, Member: member.asked, Why: actors.ReasonClientLeft}
}

func (w *world) told0(id uint64) wire.ConnRef { return wire.ConnRef{Node: "n1", ID: id} }

func keys[V any](m map[uint64]V) []uint64 { return slices.Sorted(maps.Keys(m)) }

// eventOf is an event of c at its present link, without acknowledgement.
func eventOf(c *client, payload string) *wire.Event {
	return &wire.Event{Room: ref, Conn: c.conn, Member: c.id(), Link: c.link, Data: actors.Raw{JSON: []byte(payload)}}
}

// delivered confirms one flush.
func (w *world) delivered(node string, epoch uint64) {
	if epoch == w.m.epoch {
		w.unconfirmed[node]--
	}
	w.m.Delivered(w.now, &wire.Delivered{Room: ref, Epoch: epoch, Node: node})
}
