package socketio

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

type namedPacket struct {
	name string
	p    Packet
}

// msgpackEdges are packets whose values stand at the edges of msgpack's formats.
func msgpackEdges() []namedPacket {
	event := func(name, args string, attachments ...[]byte) namedPacket {
		p := Packet{Type: Event, Namespace: "/", Data: json.RawMessage(`["e",` + args + `]`), Attachments: attachments}
		if len(attachments) > 0 {
			p.Type = BinaryEvent
		}
		return namedPacket{name, p}
	}
	list := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat("0,", n), ",") + "]" }
	object := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"k%d":%d`, i, i)
		}
		return "{" + strings.TrimPrefix(b.String(), ",") + "}"
	}
	text := func(n int) string { return `"` + strings.Repeat("t", n) + `"` }
	const hole = `{"_placeholder":true,"num":0}`
	return []namedPacket{
		{"connect", Packet{Type: Connect, Namespace: "/"}},
		{"connect with auth", Packet{Type: Connect, Namespace: "/a", Data: json.RawMessage(`{"token":"x"}`)}},
		{"disconnect", Packet{Type: Disconnect, Namespace: "/a"}},
		{"connect error with a text", Packet{Type: ConnectError, Namespace: "/", Data: json.RawMessage(`"no"`)}},
		{"ack without data", Packet{Type: Ack, Namespace: "/", ID: 1, HasID: true}},
		{"ack with a large id", Packet{Type: Ack, Namespace: "/", ID: MaxID, HasID: true, Data: json.RawMessage("[]")}},
		event("integers", "0,127,128,255,256,65535,65536,4294967295,4294967296,9007199254740991"),
		event("negative integers", "-1,-32,-33,-128,-129,-32768,-32769,-2147483648,-2147483649,-9007199254740991"),
		event("floats", "0.1,-0.5,1e300,1e-300,1.0,123456789012345678901234567890"),
		event("white space", " [ 1 , { \"a\" : 2 } ] \n"),
		event("escapes", `"\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00","\ud83d","\ud83dx"`),
		event("lists", list(15)+","+list(16)),
		event("objects", object(0)+","+object(15)+","+object(16)),
		event("texts", text(31)+","+text(32)+","+text(255)+","+text(256)),
		event("no bytes", hole, []byte{}),
		event("255 bytes", hole, bytes.Repeat([]byte{1}, 255)),
		event("256 bytes", hole, bytes.Repeat([]byte{1}, 256)),
		event("bytes out of order", `{"a":[{"num":1,"_placeholder":true}]}, { "_placeholder" : true , "num" : 0 }`, []byte{0}, []byte{1}),
		event("placeholders as data", hole),
	}
}

func TestMsgpackRoundTripKeepsTheMeaning(t *testing.T) {
	for _, c := range msgpackEdges() {
		t.Run(c.name, func(t *testing.T) {
			encoded, err := EncodeMsgpack(c.p)
			if err != nil {
				t.Fatal(err)
			}
			p, done, err := NewMsgpackDecoder(Limits{}).AddBinary(encoded)
			if err != nil || !done {
				t.Fatal(done, err)
			}
			if got, want := meaningOf(t, p), meaningOf(t, withData(&c.p)); !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestMsgpackKeepsEveryDigitOfIntegers(t *testing.T) {
	const data = `["e",18446744073709551615,9007199254740993,-9223372036854775808,-9007199254740993]`
	encoded, err := EncodeMsgpack(Packet{Type: Event, Namespace: "/", Data: json.RawMessage(data)})
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := NewMsgpackDecoder(Limits{}).AddBinary(encoded)
	if err != nil || string(p.Data) != data {
		t.Errorf("got %s, %v", p.Data, err)
	}
}

func TestMsgpackNumbersReadAsJavaScriptWritesThem(t *testing.T) {
	for _, c := range []struct{ hex, want string }{
		{"cb0000000000000000", "0"},
		{"cb8000000000000000", "0"},
		{"cb3ff0000000000000", "1"},
		{"cb3fb999999999999a", "0.1"},
		{"ca3dcccccd", "0.10000000149011612"},
		{"cb444b1ae4d6e2ef50", "1e+21"},
		{"cb4415af1d78b58c40", "100000000000000000000"},
		{"cb3eb0c6f7a0b5ed8d", "0.000001"},
		{"cb3e7ad7f29abcaf48", "1e-7"},
		{"cb0000000000000001", "5e-324"},
		{"cb7ff8000000000000", "null"},
		{"cb7ff0000000000000", "null"},
		{"caff800000", "null"},
		{"d080", "-128"},
		{"d18000", "-32768"},
		{"d280000000", "-2147483648"},
		{"d38000000000000000", "-9223372036854775808"},
		{"cfffffffffffffffff", "18446744073709551615"},
		{"e0", "-32"},
		{"d7000000e677d21fdc00", `"+010000-01-01T00:00:00.000Z"`},
		{"d7000000e677d21fdbff", `"9999-12-31T23:59:59.999Z"`},
	} {
		value, err := hex.DecodeString(c.hex)
		if err != nil {
			t.Fatal(err)
		}
		p, _, err := NewMsgpackDecoder(Limits{}).AddBinary(eventOf(value))
		if err != nil {
			t.Errorf("%s: %v", c.hex, err)
			continue
		}
		if want := `["e",` + c.want + `]`; string(p.Data) != want {
			t.Errorf("%s is %s, want %s", c.hex, p.Data, want)
		}
	}
}

// eventOf is the msgpack message of an event "e" with one argument.
func eventOf(value []byte) []byte {
	head, _ := hex.DecodeString("83a474797065" + "02" + "a36e7370" + "a12f" + "a464617461" + "92a165")
	return append(head, value...)
}

func TestMsgpackLengthsAllocateNothing(t *testing.T) {
	for _, c := range []struct{ name, hex string }{
		{"array of 4 billion", "ddffffffff"},
		{"map of 4 billion", "dfffffffff"},
		{"text of 4 billion", "dbffffffff"},
		{"bytes of 4 billion", "c6ffffffff"},
		{"ext of 4 billion", "c9ffffffff05"},
		{"arrays of 65,535 in one another", strings.Repeat("dcffff", 50)},
	} {
		value, _ := hex.DecodeString(c.hex)
		in := eventOf(value)
		d := NewMsgpackDecoder(Limits{})
		if _, _, err := d.AddBinary(in); !errors.Is(err, ErrMsgpack) {
			t.Errorf("%s: %v", c.name, err)
		}
		if n := testing.AllocsPerRun(100, func() { _, _, _ = d.AddBinary(in) }); n > 4 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}

func TestTruncatedMsgpackIsRefused(t *testing.T) {
	for _, c := range msgpackEdges() {
		whole, err := EncodeMsgpack(c.p)
		if err != nil {
			t.Fatal(err)
		}
		for n := range min(len(whole), 200) {
			if _, _, err := NewMsgpackDecoder(Limits{}).AddBinary(whole[:n]); !errors.Is(err, ErrMsgpack) {
				t.Errorf("%s, %d of %d bytes: %v", c.name, n, len(whole), err)
			}
		}
	}
	for _, value := range []string{"c7", "c701", "c70100", "d4", "d400", "d6ff01", "d7000102", "ca00", "c4", "c402ff", "81", "81a1", "81a161", "81cc", "da00", "dc", "de00"} {
		b, _ := hex.DecodeString(value)
		if _, _, err := NewMsgpackDecoder(Limits{}).AddBinary(eventOf(b)); !errors.Is(err, ErrMsgpack) {
			t.Errorf("%s: %v", value, err)
		}
	}
}

func TestMsgpackLimitsHold(t *testing.T) {
	nested := func(n int) []byte { return append(bytes.Repeat([]byte{0x91}, n), 0x01) }
	blobs := func(n int) []byte {
		return append([]byte{0xdc, 0, byte(n)}, bytes.Repeat([]byte{0xc4, 1, 9}, n)...)
	}
	text := func(n int, s string) []byte {
		out, _ := msgpack.Marshal(strings.Repeat(s, n))
		return out
	}
	for _, c := range []struct {
		name   string
		limits Limits
		in     []byte
		err    error
	}{
		{name: "64 levels", in: eventOf(nested(63))},
		{name: "65 levels", in: eventOf(nested(64)), err: ErrDepth},
		{name: "10 attachments", in: eventOf(blobs(10))},
		{name: "11 attachments", in: eventOf(blobs(11)), err: ErrAttachments},
		{name: "a message as long as allowed", limits: Limits{TotalBytes: 36}, in: eventOf(text(10, "a"))},
		{name: "a message one byte too long", limits: Limits{TotalBytes: 31}, in: eventOf(text(10, "a")), err: ErrTooLarge},
		{name: "a text that grows as JSON", limits: Limits{TotalBytes: 100}, in: eventOf(text(50, "\x01")), err: ErrTooLarge},
		{name: "nil that grows as JSON", limits: Limits{TotalBytes: 100}, in: eventOf(append([]byte{0x9f}, bytes.Repeat([]byte{0xc0}, 15)...))},
		{name: "more nil that grows as JSON", limits: Limits{TotalBytes: 80}, in: eventOf(append([]byte{0x9f}, bytes.Repeat([]byte{0xc0}, 15)...)), err: ErrTooLarge},
		{name: "malformed UTF-8", in: eventOf([]byte{0xa1, 0xff}), err: ErrUTF8},
		{name: "malformed UTF-8 in a key", in: eventOf([]byte{0x81, 0xa1, 0xff, 0x01}), err: ErrUTF8},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, err := NewMsgpackDecoder(c.limits).AddBinary(c.in); !errors.Is(err, c.err) {
				t.Errorf("got %v, want %v", err, c.err)
			}
		})
	}
	if _, _, err := NewMsgpackDecoder(Limits{}).AddText([]byte("0")); !errors.Is(err, ErrUnexpectedText) {
		t.Errorf("text: %v", err)
	}
}

func TestMsgpackEncoderRefusesWhatNoDecoderProduces(t *testing.T) {
	hole := json.RawMessage(`["e",{"_placeholder":true,"num":0}]`)
	for _, c := range []struct {
		name string
		p    Packet
		err  error
	}{
		{"unknown type", Packet{Type: 7, Namespace: "/"}, ErrType},
		{"malformed JSON", Packet{Type: Event, Namespace: "/", Data: json.RawMessage(`["e"`)}, ErrJSON},
		{"empty JSON", Packet{Type: Event, Namespace: "/", Data: json.RawMessage{}}, ErrJSON},
		{"malformed UTF-8", Packet{Type: Event, Namespace: "/", Data: json.RawMessage("[\"\xff\"]")}, ErrUTF8},
		{"too few attachments", Packet{Type: Event, Namespace: "/", Data: json.RawMessage(`["e"]`), Attachments: [][]byte{{1}}}, ErrPlaceholder},
		{"too many attachments", Packet{Type: BinaryEvent, Namespace: "/", Data: hole, Attachments: make([][]byte, 65)}, ErrPlaceholder},
		{"too deep", Packet{Type: Event, Namespace: "/", Data: json.RawMessage(strings.Repeat("[", 1001) + strings.Repeat("]", 1001))}, ErrDepth},
	} {
		dst := []byte("dst")
		out, err := AppendMsgpack(dst, c.p)
		if !errors.Is(err, c.err) || string(out) != "dst" {
			t.Errorf("%s: %q, %v, want %v", c.name, out, err, c.err)
		}
	}
}

// TestMsgpackAgreesWithAnotherCodec compares with an independent implementation
// in both directions.
func TestMsgpackAgreesWithAnotherCodec(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 500 {
		value := randomValue(rnd, 4)
		data, err := json.Marshal([]any{"e", value})
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := EncodeMsgpack(Packet{Type: Event, Namespace: "/a", Data: data, ID: 7, HasID: true})
		if err != nil {
			t.Fatal(err)
		}
		var theirs struct {
			Type int    `msgpack:"type"`
			NSP  string `msgpack:"nsp"`
			ID   uint64 `msgpack:"id"`
			Data []any  `msgpack:"data"`
		}
		if err := msgpack.Unmarshal(encoded, &theirs); err != nil {
			t.Fatalf("%.500s: %v", data, err)
		}
		if got, _ := json.Marshal(theirs.Data); !sameJSON(t, got, data) || theirs.Type != 2 || theirs.NSP != "/a" || theirs.ID != 7 {
			t.Fatalf("they read %.500v from %.500s", theirs, data)
		}
		encoded, err = msgpack.Marshal(map[string]any{"type": 2, "nsp": "/a", "id": 7, "data": []any{"e", value}})
		if err != nil {
			t.Fatal(err)
		}
		p, _, err := NewMsgpackDecoder(Limits{}).AddBinary(encoded)
		if err != nil || !sameJSON(t, p.Data, data) {
			t.Fatalf("we read %.500v, %v from %.500s", p, err, data)
		}
	}
}

func TestMsgpackWritesLengthsOf32Bits(t *testing.T) {
	const n = 1 << 16
	text := strings.Repeat("t", n)
	list := "[" + strings.Repeat("0,", n-1) + "0]"
	var object strings.Builder
	for i := range n {
		fmt.Fprintf(&object, `,"%d":0`, i)
	}
	p := Packet{Type: BinaryEvent, Namespace: "/", Attachments: [][]byte{make([]byte, n)}}
	p.Data = JoinArgs(nil, text, json.RawMessage(list), json.RawMessage("{"+object.String()[1:]+"}"),
		json.RawMessage(`{"_placeholder":true,"num":0}`))
	encoded, err := EncodeMsgpack(p)
	if err != nil {
		t.Fatal(err)
	}
	var theirs struct {
		Data []any `msgpack:"data"`
	}
	if err := msgpack.Unmarshal(encoded, &theirs); err != nil {
		t.Fatal(err)
	}
	if len(theirs.Data) != 4 || theirs.Data[0] != text || len(theirs.Data[1].([]any)) != n ||
		len(theirs.Data[2].(map[string]any)) != n || !bytes.Equal(theirs.Data[3].([]byte), p.Attachments[0]) {
		t.Error("another codec reads something else")
	}
	back, _, err := NewMsgpackDecoder(Limits{TotalBytes: 2_000_000, EventName: n}).AddBinary(encoded)
	if err != nil || !reflect.DeepEqual(*back, p) {
		t.Errorf("it came back otherwise: %v", err)
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}

func randomValue(rnd *rand.Rand, depth int) any {
	kinds := 7
	if depth > 0 {
		kinds = 9
	}
	switch rnd.IntN(kinds) {
	case 0:
		return nil
	case 1:
		return rnd.IntN(2) == 0
	case 2:
		return int64(rnd.Uint64()) >> rnd.IntN(64)
	case 3:
		return rnd.Uint64() >> rnd.IntN(64)
	case 4:
		return rnd.NormFloat64() * float64(rnd.IntN(1e6))
	case 5:
		return float32(rnd.IntN(1000)) / 8 // the same text with 32 and 64 bits
	case 6:
		return randomText(rnd)
	case 7:
		list := make([]any, rnd.IntN(20))
		for i := range list {
			list[i] = randomValue(rnd, depth-1)
		}
		return list
	default:
		object := map[string]any{}
		for range rnd.IntN(20) {
			object[randomText(rnd)] = randomValue(rnd, depth-1)
		}
		return object
	}
}

func randomText(rnd *rand.Rand) string {
	runes := make([]rune, rnd.IntN(40))
	for i := range runes {
		runes[i] = []rune{'a', '"', '\\', '\n', 0x01, 'é', '✓', 0x1f600, 0x2028, 0x7f}[rnd.IntN(10)]
	}
	return string(runes)
}
