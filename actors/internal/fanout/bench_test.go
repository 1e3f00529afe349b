package fanout

import (
	"fmt"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// sink is a socket that takes everything at no cost.
type sink struct{ pushed, flushed int }

func (s *sink) SID() string               { return "sid" }
func (s *sink) Push(*actors.Packet) error { s.pushed++; return nil }
func (s *sink) Flush()                    { s.flushed++ }
func (s *sink) Lagging() bool             { return false }
func (s *sink) WhenDrained(f func())      { f() }
func (s *sink) Close(actors.LeaveReason)  {}

type sinks []sink

func (s sinks) Socket(conn uint64) (actors.Socket, bool) { return &s[conn], true }

// crowd is a machine with rooms of some members each, all on sockets that
// keep up.
func crowd(rooms, members int, fields []actors.FieldSpec) *Machine {
	m := New(Config{Node: "n1", Sockets: make(sinks, rooms*members), Post: func(Drained) {}})
	for r := range rooms {
		items := []wire.Item{wire.Mirror{Version: 1, Fields: fields}}
		for i := range members {
			items = append(items, admit(memberID(i), uint64(r*members+i)))
		}
		m.Deliver(deliverTo(r, items...))
	}
	m.Flush()
	return m
}

func memberID(i int) string { return fmt.Sprintf("Wc3h1vPq0bT5mXoJr2s%04d", i) }

func deliverTo(room int, items ...wire.Item) *wire.Deliver {
	ref := actors.RoomRef{Kind: "board", ID: fmt.Sprint("r", room)}
	return &wire.Deliver{Room: ref, Namespace: ref.Namespace(), Epoch: 1, Items: items}
}

// cursors is a change of the value of every member.
func cursors(field, members int, value string) []actors.Change {
	var changes []actors.Change
	for i := range members {
		changes = append(changes, set(field, memberID(i), value))
	}
	return changes
}

// What one delivery to 1,000 members may allocate: its packet, whoever gets
// it, and for a patch its bytes; nothing per member.
func TestAllocationsDoNotGrowWithMembers(t *testing.T) {
	tests := []struct {
		name  string
		item  func(version uint64) wire.Item
		limit float64
	}{
		{"an event for all", func(uint64) wire.Item { return event("e") }, 3},
		{"a volatile event for all", func(uint64) wire.Item { return volatileEvent("e") }, 3},
		{"an event for all but one", func(uint64) wire.Item {
			e := event("e")
			e.Except = []actors.MemberID{"x"}
			return e
		}, 4},
		{"a patch of 1,000 keys", func() func(uint64) wire.Item {
			changes := cursors(notes, 1000, `{"x":123.25,"y":456.5}`)
			return func(v uint64) wire.Item { return syncTo(v, changes...) }
		}(), 6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := crowd(1, 1000, boardFields)
			version := uint64(1)
			d := deliverTo(0, nil)
			run := func() {
				version++
				d.Items[0] = tt.item(version)
				m.Deliver(d)
				m.Flush()
			}
			run() // makes the keys
			if got := testing.AllocsPerRun(100, run); got > tt.limit {
				t.Errorf("%v allocations, want at most %v", got, tt.limit)
			}
		})
	}
}

func BenchmarkBroadcastTo1000(b *testing.B) {
	m := crowd(1, 1000, boardFields)
	d := deliverTo(0, event("moved"))
	b.ReportAllocs()
	for b.Loop() {
		m.Deliver(d)
		m.Flush()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/delivery")
}

func BenchmarkPatchOf1000KeysTo1000(b *testing.B) {
	for _, audience := range []string{"everyone", "member"} {
		b.Run(audience, func(b *testing.B) {
			m := crowd(1, 1000, boardFields)
			field := notes
			if audience == "member" {
				field = hand
			}
			changes := cursors(field, 1000, `{"x":123.25,"y":456.5}`)
			version := uint64(1)
			b.ReportAllocs()
			for b.Loop() {
				version++
				m.Deliver(deliverTo(0, syncTo(version, changes...)))
				m.Flush()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/delivery")
		})
	}
}

func BenchmarkRoomsOf8(b *testing.B) {
	const rooms = 1000
	items := map[string]func(v uint64) wire.Item{
		"event": func(uint64) wire.Item { return event("moved") },
		"patch": func(v uint64) wire.Item { return syncTo(v, set(notes, memberID(3), `{"x":123.25,"y":456.5}`)) },
	}
	for _, name := range []string{"event", "patch"} {
		b.Run(name, func(b *testing.B) {
			m := crowd(rooms, 8, boardFields)
			var delivers []*wire.Deliver
			for r := range rooms {
				delivers = append(delivers, deliverTo(r, nil))
			}
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				d := delivers[n%rooms]
				d.Items[0] = items[name](uint64(2 + n/rooms))
				m.Deliver(d)
				m.Flush()
				n++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/8, "ns/delivery")
		})
	}
}

func BenchmarkStateOf1000Keys(b *testing.B) {
	m := crowd(1, 1, boardFields)
	w := mirrorOf(1, cursors(notes, 1000, `{"x":123.25,"y":456.5}`)...)
	b.ReportAllocs()
	for b.Loop() {
		m.Deliver(deliverTo(0, w))
		m.Flush()
	}
}
