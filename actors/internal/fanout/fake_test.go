package fanout

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// fakeSocket records packets. What is pushed waits for Flush, then for the
// network, which takes it at once unless it is stalled. As with the real one,
// what was not flushed yet counts as waiting.
type fakeSocket struct {
	pushed  []*actors.Packet // not flushed
	waiting []*actors.Packet // flushed, not taken by the network
	got     []*actors.Packet // by the client
	stalled bool
	limit   int // of packets that wait; 0 means none
	bytes   int // limit of bytes that wait, which the only packet may exceed; 0 means none
	closed  actors.LeaveReason
	broken  bool // refuses everything in a way the contract does not know

	onDrained []func()
	armed     int // calls of WhenDrained
	flushes   int
	receive   func(*actors.Packet) // called for each packet that the client gets
}

func (s *fakeSocket) SID() string   { return "sid" }
func (s *fakeSocket) Lagging() bool { return len(s.waiting)+len(s.pushed) > 0 }

func (s *fakeSocket) Push(p *actors.Packet) error {
	n, b := 0, 0
	for _, q := range append(slices.Clone(s.waiting), s.pushed...) {
		n, b = n+1, b+size(q)
	}
	switch {
	case s.broken:
		return actors.ErrDropped
	case s.closed != "":
		return net.ErrClosed
	case p.Class == actors.Volatile && len(s.waiting) > 0:
		return fmt.Errorf("push: %w", actors.ErrDropped)
	case s.limit > 0 && n >= s.limit, s.bytes > 0 && n > 0 && b+size(p) > s.bytes:
		s.closed = actors.ReasonTooSlow
		return fmt.Errorf("push: %w", actors.ErrTooSlow)
	}
	s.pushed = append(s.pushed, p)
	return nil
}

func (s *fakeSocket) Flush() {
	s.flushes++
	s.waiting = append(s.waiting, s.pushed...)
	s.pushed = nil
	if !s.stalled {
		s.take(len(s.waiting))
	}
}

// take lets the network take n packets.
func (s *fakeSocket) take(n int) {
	for _, p := range s.waiting[:n] {
		s.got = append(s.got, p)
		if s.receive != nil {
			s.receive(p)
		}
	}
	s.waiting = s.waiting[n:]
	if !s.Lagging() {
		fs := s.onDrained
		s.onDrained = nil
		for _, f := range fs {
			f()
		}
	}
}

func (s *fakeSocket) WhenDrained(f func()) {
	s.armed++
	if !s.Lagging() {
		f()
		return
	}
	s.onDrained = append(s.onDrained, f)
}

func (s *fakeSocket) Close(why actors.LeaveReason) {
	if s.closed == "" {
		s.closed = why
	}
	s.onDrained = nil
}

// resume ends a stall.
func (s *fakeSocket) resume() {
	s.stalled = false
	s.take(len(s.waiting))
}

// texts returns what the client got since the last call.
func (s *fakeSocket) texts() []string {
	var out []string
	for _, p := range s.got {
		out = append(out, text(p))
	}
	s.got = nil
	return out
}

// text is p as in docs/protocol.md, without Engine.IO type and namespace.
func text(p *actors.Packet) string {
	id := ""
	if p.HasID {
		id = fmt.Sprint(p.ID)
	}
	return fmt.Sprint(int(p.Type)) + id + string(p.Data)
}

// shard is a machine with its sockets and its mailbox of Drained.
type shard struct {
	*Machine
	sockets map[uint64]*fakeSocket
	posted  []Drained
	epoch   uint64
	adopts  bool   // the members of the epoch before
	heard   uint64 // the highest epoch so far

	stale []string // what Config.Stale was told
}

func newShard(limits Limits) *shard {
	s := &shard{sockets: make(map[uint64]*fakeSocket), epoch: 1}
	s.Machine = New(Config{
		Node: "n1", Sockets: s, Limits: limits, Post: func(d Drained) { s.posted = append(s.posted, d) },
		Stale: func(room actors.RoomRef, conn uint64, member actors.MemberID) {
			s.stale = append(s.stale, fmt.Sprint(room, " ", conn, " ", member))
		},
	})
	return s
}

func (s *shard) Socket(conn uint64) (actors.Socket, bool) {
	sock, ok := s.sockets[conn]
	return sock, ok
}

// socket returns the socket of a connection, which it makes.
func (s *shard) socket(conn uint64) *fakeSocket {
	if s.sockets[conn] == nil {
		s.sockets[conn] = &fakeSocket{}
	}
	return s.sockets[conn]
}

var board = actors.RoomRef{Kind: "board", ID: "q3"}

// deliver works off items for a room, and everything that follows from it.
func (s *shard) deliver(items ...wire.Item) *wire.Delivered {
	d := s.deliverOnly(items...)
	s.settle()
	return d
}

func (s *shard) deliverOnly(items ...wire.Item) *wire.Delivered {
	d := &wire.Deliver{Room: board, Namespace: board.Namespace(), Epoch: s.epoch, Items: items, Confirm: true}
	if s.adopts && s.epoch > s.heard {
		d.Adopts = s.heard
	}
	s.heard = max(s.heard, s.epoch)
	return s.Deliver(d)
}

// settle flushes and works off what sockets posted until nothing is left.
func (s *shard) settle() {
	s.Flush()
	for range 10_000 {
		if len(s.posted) == 0 {
			return
		}
		posted := s.posted
		s.posted = nil
		for _, d := range posted {
			s.Drained(d)
		}
		s.Flush()
	}
	panic("the machine and its sockets never come to rest")
}

func admit(id string, conn uint64) wire.Admit {
	return wire.Admit{Conn: wire.ConnRef{Node: "n1", ID: conn}, Member: actors.MemberID(id), Answer: []byte(`{"sid":"` + id + `"}`)}
}

func event(name string) wire.Emit {
	return wire.Emit{Data: actors.Raw{JSON: []byte(`["` + name + `"]`)}}
}

func volatileEvent(name string) wire.Emit {
	e := event(name)
	e.Volatile = true
	return e
}

// The fields of the rooms in these tests.
var boardFields = []actors.FieldSpec{
	{Name: "secret", Durable: true},
	{Name: "notes", Synced: true},
	{Name: "title", Synced: true, Single: true},
	{Name: "hand", Synced: true, Audience: actors.KeyMember},
}

const (
	secret = iota
	notes
	title
	hand
)

func set(field int, key, value string) actors.Change {
	return actors.Change{Field: field, Key: key, Value: []byte(value)}
}

func del(field int, key string) actors.Change { return actors.Change{Field: field, Key: key} }

func mirrorOf(version uint64, entries ...actors.Change) wire.Mirror {
	return wire.Mirror{Version: version, Fields: boardFields, Entries: entries}
}

func syncTo(version uint64, changes ...actors.Change) wire.Sync {
	return wire.Sync{Version: version, Changes: changes}
}

func wantTexts(t *testing.T, s *fakeSocket, want ...string) {
	t.Helper()
	if got := s.texts(); !slices.Equal(got, want) {
		t.Errorf("the client got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}
