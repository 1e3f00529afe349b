package codec

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// random makes frequent messages, with and without each of their fields, of
// lengths around those where a length takes another byte.
type random struct{ *rand.Rand }

func (r random) text() string {
	if r.IntN(4) == 0 {
		return ""
	}
	return strings.Repeat("\xff", []int{1, 30, 126, 127, 128, 129}[r.IntN(6)])
}

func (r random) uint() uint64 { return r.Uint64() >> r.IntN(65) }
func (r random) bool() bool   { return r.IntN(2) == 0 }

func (r random) value() []byte {
	return [][]byte{nil, {}, []byte(r.text())}[r.IntN(3)]
}

func (r random) raw() (raw actors.Raw) {
	raw.JSON = r.value()
	for range r.IntN(3) {
		raw.Attachments = append(raw.Attachments, []byte(r.text()))
	}
	return raw
}

func (r random) trace() (t actors.Trace) {
	if r.bool() {
		t.TraceID[r.IntN(16)], t.SpanID[r.IntN(8)], t.Flags = 7, 8, 1
	}
	return t
}

func (r random) members() []actors.MemberID {
	switch r.IntN(3) {
	case 0:
		return nil
	case 1:
		return []actors.MemberID{}
	}
	return []actors.MemberID{actors.MemberID(r.text()), "b"}
}

func (r random) room() actors.RoomRef { return actors.RoomRef{Kind: r.text(), ID: r.text()} }
func (r random) conn() wire.ConnRef   { return wire.ConnRef{Node: r.text(), ID: r.uint()} }

func (r random) item() wire.Item {
	switch r.IntN(3) {
	case 0:
		e := wire.Emit{Data: r.raw(), To: r.members(), Volatile: r.bool(), AckID: r.uint(), HasAck: r.bool()}
		if except := r.members(); len(except) > 0 {
			e.Except = except
		}
		return e
	case 1:
		return wire.Reply{Member: actors.MemberID(r.text()), ID: r.uint(), Data: r.raw()}
	}
	s := wire.Sync{Version: r.uint(), Offset: r.text(), Changes: []actors.Change{}}
	for range r.IntN(3) {
		s.Changes = append(s.Changes, actors.Change{Field: int(int32(r.uint())), Key: r.text(), Value: r.value()})
	}
	return s
}

func (r random) message() any {
	switch r.IntN(4) {
	case 0:
		return &wire.Event{Room: r.room(), Conn: r.conn(), Member: actors.MemberID(r.text()), Link: r.uint(), ID: r.uint(), HasID: r.bool(), Data: r.raw(), Trace: r.trace()}
	case 1:
		return &wire.Credit{Room: r.room(), Conn: r.conn(), Member: actors.MemberID(r.text()), Link: r.uint(), Epoch: r.uint()}
	case 2:
		return &wire.Delivered{Room: r.room(), Epoch: r.uint(), Node: r.text(), Unheard: r.bool()}
	}
	d := &wire.Deliver{Room: r.room(), Namespace: r.text(), Epoch: r.uint(), From: r.text(), Items: []wire.Item{}, Confirm: r.bool(), Adopts: r.uint(), Yields: r.bool(), Trace: r.trace()}
	for range r.IntN(4) {
		d.Items = append(d.Items, r.item())
	}
	for range r.IntN(3) {
		d.Links = append(d.Links, r.trace())
	}
	return d
}

// TestFrequentMessagesAreThoseOfTheSchema: what is written and read without
// linkpb is what linkpb reads and writes.
func TestFrequentMessagesAreThoseOfTheSchema(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := random{rand.New(rand.NewPCG(seed, 0))}
	for range 20_000 {
		msg := r.message()
		short, ok := frequent(msg)
		if !ok {
			t.Fatalf("%T is written by way of linkpb", msg)
		}
		long, err := marshal(msg)
		if err != nil {
			t.Fatal(err)
		}
		want, err := unmarshal(long)
		if err != nil {
			t.Fatal(err)
		}
		for name, got := range map[string]any{"written": must(unmarshal(short))(t), "read": frequentOf(long), "both": frequentOf(short)} {
			if got == nil && len(long) > frequentBytes-5 {
				continue
			}
			if !alike(got, want) {
				t.Fatalf("%s here: got\n%+v\nand by way of linkpb\n%+v", name, got, want)
			}
		}
	}
}

func must(msg any, err error) func(t *testing.T) any {
	return func(t *testing.T) any {
		if err != nil {
			t.Fatal(err)
		}
		return msg
	}
}

// alike is DeepEqual, and as good as it where a list is empty or nil, but that
// Emit.To, JSON and Value say different things then: those are compared by %#v,
// which tells nil from empty.
func alike(a, b any) bool {
	return reflect.DeepEqual(a, b) || reflect.TypeOf(a) == reflect.TypeOf(b) && plain(a) == plain(b)
}

func plain(msg any) string {
	d, ok := msg.(*wire.Deliver)
	if !ok {
		return fmt.Sprintf("%#v", msg)
	}
	c := *d
	c.Items = nil
	text := fmt.Sprintf("%#v", c)
	for _, i := range d.Items {
		if s, ok := i.(wire.Sync); ok {
			text += fmt.Sprintf("%d %q", s.Version, s.Offset)
			for _, each := range s.Changes {
				text += fmt.Sprintf("%#v", each)
			}
			continue
		}
		text += fmt.Sprintf("%#v", i)
	}
	return text
}

// TestRareMessagesTakeTheLongWay: of messages that are not frequent, nothing is
// written or read here; nor of long ones, whose strings would keep all of them.
func TestRareMessagesTakeTheLongWay(t *testing.T) {
	for _, msg := range []any{
		&wire.Join{Member: "a"}, &wire.Leave{Member: "a"}, &wire.Deliver{Items: []wire.Item{wire.Emit{}, wire.Remove{Member: "a"}}},
	} {
		if _, ok := frequent(msg); ok {
			t.Errorf("%T was written here", msg)
		}
		data, err := Marshal(msg)
		if err != nil {
			t.Fatal(err)
		}
		if got := frequentOf(data); got != nil {
			t.Errorf("%+v was read here", got)
		}
	}
	data, _ := frequent(&wire.Event{Data: actors.Raw{JSON: make([]byte, frequentBytes)}})
	if got := frequentOf(data); got != nil {
		t.Error("a long event was read here")
	}
}

// TestWhatIsReadSharesNothing: whoever has the bytes may write to them.
func TestWhatIsReadSharesNothing(t *testing.T) {
	data, _ := frequent(&wire.Event{Member: "ann", Data: actors.Raw{JSON: []byte(`["m"]`)}})
	e := frequentOf(data).(*wire.Event)
	clear(data)
	if e.Member != "ann" || string(e.Data.JSON) != `["m"]` {
		t.Errorf("it is now %+v", e)
	}
	if more := append(e.Data.JSON, 'x'); &more[0] == &e.Data.JSON[0] {
		t.Error("there is room behind the JSON, which somebody else has")
	}
}

// FuzzFrequent: what is read here is what linkpb reads, whatever the bytes are.
func FuzzFrequent(f *testing.F) {
	r := random{rand.New(rand.NewPCG(1, 2))}
	for range 40 {
		data, _ := frequent(r.message())
		f.Add(data)
	}
	f.Add(protowire.AppendTag(nil, messageEvent, protowire.BytesType))
	f.Fuzz(func(t *testing.T, data []byte) {
		got := frequentOf(data)
		if got == nil {
			return
		}
		if want, err := unmarshal(data); err != nil || !alike(got, want) {
			t.Fatalf("got\n%+v\nand by way of linkpb\n%+v, %v", got, want, err)
		}
	})
}

// BenchmarkFrequent is what the codec costs an event that crosses nodes, there
// and back; the control takes the way by linkpb.
func BenchmarkFrequent(b *testing.B) {
	room := actors.RoomRef{Kind: "board", ID: "a-room-of-mine"}
	data := actors.Raw{JSON: []byte(`["m",{"x":123.5,"y":42},{"from":"QNq1UKWpT4b2NVvSdzTeXA"}]`)}
	messages := []any{
		&wire.Event{Room: room, Conn: wire.ConnRef{Node: "node-0123456789abcdef", ID: 12345}, Member: "QNq1UKWpT4b2NVvSdzTeXA", Link: 77, Data: data},
		&wire.Deliver{Room: room, Namespace: "/board/a-room-of-mine", Epoch: 4, Items: []wire.Item{wire.Emit{Data: data, Except: []actors.MemberID{"QNq1UKWpT4b2NVvSdzTeXA"}}}},
	}
	ways := map[string]struct {
		marshal   func(any) ([]byte, error)
		unmarshal func([]byte) (any, error)
	}{"short": {Marshal, Unmarshal}, "control": {marshal, unmarshal}}
	for _, msg := range messages {
		for name, way := range ways {
			b.Run(fmt.Sprintf("%T/%s", msg, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					data, err := way.marshal(msg)
					if err != nil {
						b.Fatal(err)
					}
					if _, err := way.unmarshal(data); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
