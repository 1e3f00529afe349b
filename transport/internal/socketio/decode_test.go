package socketio

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

const hole = `{"_placeholder":true,"num":0}`

func TestUserJSONStaysAsItStood(t *testing.T) {
	for _, data := range []string{
		`["a",1.0,1e2,-0,1E+2,12345678901234567890123,0.10000000000000000001]`,
		`["a",{"z":1,"a":2,"z":3}]`,
		`["a","\ud800","\u0041\/"]`,
		`["a","<&>\u2028` + "\u2028" + `"]`,
		"[ \"a\" ,\t{ \"k\" : [ ] } ]",
	} {
		p, done, err := NewDecoder(Limits{}).AddText([]byte("2/n,7" + data))
		if err != nil || !done {
			t.Fatalf("%s: %v, %v", data, done, err)
		}
		if header, _ := Encode(*p); string(p.Data) != data || string(header) != "2/n,7"+data {
			t.Errorf("%s became %s, encoded %s", data, p.Data, header)
		}
	}
}

func TestPayloadIsNotCopied(t *testing.T) {
	text := []byte(`51-["a",` + hole + `]`)
	blob := []byte("blob")
	d := NewDecoder(Limits{})
	if _, done, err := d.AddText(text); done || err != nil {
		t.Fatal(done, err)
	}
	p, done, err := d.AddBinary(blob)
	if !done || err != nil {
		t.Fatal(done, err)
	}
	if &p.Data[0] != &text[3] || &p.Attachments[0][0] != &blob[0] {
		t.Error("payload or attachment was copied")
	}
	if cap(p.Data) != len(p.Data) {
		t.Error("appending to the payload would write behind it")
	}
}

func TestBinaryPacketWaitsForItsAttachments(t *testing.T) {
	d := NewDecoder(Limits{})
	steps := []struct {
		pending int
		add     func() (*Packet, bool, error)
	}{
		{2, func() (*Packet, bool, error) {
			return d.AddText([]byte(`52-/n,3["a",{"_placeholder":true,"num":1},` + hole + `]`))
		}},
		{1, func() (*Packet, bool, error) { return d.AddBinary([]byte("zero")) }},
		{0, func() (*Packet, bool, error) { return d.AddBinary([]byte("one")) }},
	}
	for i, step := range steps {
		p, done, err := step.add()
		if err != nil || done != (step.pending == 0) || d.Pending() != step.pending {
			t.Fatalf("step %d: done %v, %v, %d pending", i, done, err, d.Pending())
		}
		if !done && p != nil {
			t.Errorf("step %d returns an unfinished packet", i)
		}
		if done {
			want := Packet{
				Type: BinaryEvent, Namespace: "/n", ID: 3, HasID: true, Data: p.Data,
				Attachments: [][]byte{[]byte("zero"), []byte("one")},
			}
			if !reflect.DeepEqual(*p, want) {
				t.Errorf("got %+v, want %+v", *p, want)
			}
		}
	}
}

func TestDecoderRecoversAfterErrorAndReset(t *testing.T) {
	waiting := func() *Decoder {
		d := NewDecoder(Limits{TotalBytes: 60})
		if _, _, err := d.AddText([]byte(`51-["a",` + hole + `]`)); err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, c := range []struct {
		name string
		upon func(d *Decoder) error
		want error
	}{
		{"text in between", func(d *Decoder) error { _, _, err := d.AddText([]byte("0")); return err }, ErrUnexpectedText},
		{"too large an attachment", func(d *Decoder) error { _, _, err := d.AddBinary(make([]byte, 60)); return err }, ErrTooLarge},
		{"reset", func(d *Decoder) error { d.Reset(); return nil }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := waiting()
			if err := c.upon(d); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if d.Pending() != 0 {
				t.Errorf("%d attachments pending", d.Pending())
			}
			if _, _, err := d.AddBinary([]byte("x")); !errors.Is(err, ErrUnexpectedBinary) {
				t.Errorf("an attachment without a packet: %v", err)
			}
			if p, done, err := d.AddText([]byte(`2["b"]`)); err != nil || !done || string(p.Data) != `["b"]` {
				t.Errorf("the next packet: %v, %v", done, err)
			}
		})
	}
}

func TestJSONLimitsHold(t *testing.T) {
	nested := func(n int) string {
		return `2["a",` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + "]"
	}
	nestedObjects := func(n int) string {
		return `0` + strings.Repeat(`{"k":`, n) + "1" + strings.Repeat("}", n)
	}
	binary := func(n int) string {
		return fmt.Sprintf(`5%d-["a"%s]`, n, holes(n))
	}
	for _, c := range []struct {
		name, text string
		limits     Limits
		err        error
	}{
		{name: "64 levels", text: nested(64)},
		{name: "65 levels", text: nested(65), err: ErrDepth},
		{name: "64 levels of objects", text: nestedObjects(64)},
		{name: "65 levels of objects", text: nestedObjects(65), err: ErrDepth},
		{name: "two levels of two", text: nested(2), limits: Limits{Depth: 2}},
		{name: "three levels of two", text: nested(3), limits: Limits{Depth: 2}, err: ErrDepth},
		{name: "a depth above the most", text: nested(1001), limits: Limits{Depth: 5000}, err: ErrDepth},
		{name: "10 attachments", text: binary(10)},
		{name: "11 attachments", text: binary(11), err: ErrAttachments},
		{name: "64 attachments of 64", text: binary(64), limits: Limits{Attachments: 64}},
		{name: "65 attachments of 100", text: binary(65), limits: Limits{Attachments: 100}, err: ErrAttachments},
		{name: "a billion attachments", text: "51000000000-[]", err: ErrAttachments},
		{name: "1,000,000 bytes", text: `2["a","` + strings.Repeat("x", 1_000_000-9) + `"]`},
		{name: "1,000,001 bytes", text: `2["a","` + strings.Repeat("x", 1_000_000-8) + `"]`, err: ErrTooLarge},
		{name: "a name of 128 bytes", text: `2["` + strings.Repeat("n", 128) + `"]`},
		{name: "a name of 129 bytes", text: `2["` + strings.Repeat("n", 129) + `"]`, err: ErrEventName},
		{name: "a name of 128 bytes by escapes", text: `2["` + strings.Repeat(`\u006e`, 128) + `"]`},
		{name: "a name of 129 bytes by escapes", text: `2["` + strings.Repeat(`\u006e`, 128) + `n"]`, err: ErrEventName},
		{name: "a number of 128 digits", text: "2[" + strings.Repeat("1", 128) + "]"},
		{name: "a number of 129 digits", text: "2[" + strings.Repeat("1", 129) + "]", err: ErrEventName},
		{name: "a namespace of 256 bytes", text: "0/" + strings.Repeat("n", 255)},
		{name: "a namespace of 257 bytes", text: "0/" + strings.Repeat("n", 256), err: ErrNamespace},
		{name: "malformed UTF-8 in a string", text: "2[\"a\xff\"]", err: ErrUTF8},
		{name: "overlong UTF-8", text: "2[\"a\xc0\xaf\"]", err: ErrUTF8},
		{name: "a surrogate in UTF-8", text: "2[\"a\xed\xa0\x80\"]", err: ErrUTF8},
		{name: "malformed UTF-8 in a key", text: "2[\"a\",{\"\x80\":1}]", err: ErrUTF8},
		{name: "malformed UTF-8 in a namespace", text: "0/\xff,", err: ErrUTF8},
		{name: "malformed UTF-8 outside a string", text: "2[\"a\",\xff]", err: ErrJSON},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, err := NewDecoder(c.limits).AddText([]byte(c.text)); !errors.Is(err, c.err) {
				t.Errorf("got %v, want %v", err, c.err)
			}
		})
	}
}

func holes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,{"_placeholder":true,"num":%d}`, i)
	}
	return b.String()
}

func TestAttachmentsCountAgainstTheTotal(t *testing.T) {
	header := `52-["a"` + holes(2) + `]`
	for _, c := range []struct {
		name  string
		total int
		err   error
	}{
		{"exactly", len(header) + 8, nil},
		{"one byte too many", len(header) + 7, ErrTooLarge},
	} {
		d := NewDecoder(Limits{TotalBytes: c.total})
		if _, _, err := d.AddText([]byte(header)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := d.AddBinary(make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := d.AddBinary(make([]byte, 4)); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		}
	}
}

func TestScannerAgreesWithTheStandardLibrary(t *testing.T) {
	for _, text := range []string{
		``, ` `, `0`, `-`, `-0`, `00`, `-01`, `1.`, `1.5`, `.5`, `1e`, `1e+`, `1e+5`, `1E-05`, `+1`, `1 2`, `0x1`,
		`true`, `tru`, `truee`, `false`, `null`, `nul`, `True`, `""`, `"`, `"\"`, `"\\"`, `"\u12"`, `"\u12xz"`, `"\u12aF"`,
		`"\x"`, "\"\n\"", "\"\x7f\"", `[]`, `[`, `]`, `[,]`, `[1,]`, `[1 2]`, `[1,2]`, `[[]]`, `[[]`, `{}`, `{`, `{,}`,
		`{"a"}`, `{"a":}`, `{"a":1`, `{"a":1,}`, `{"a":1 "b":2}`, `{"a":1,"b":2}`, `{a:1}`, `{1:1}`, " [ ] \r\n\t", "\v[]", "[]\x00",
	} {
		s := scanner{data: []byte(text), maxDepth: 10}
		if got, want := s.document() == nil, json.Valid([]byte(text)); got != want {
			t.Errorf("%q: valid is %v, the standard library says %v", text, got, want)
		}
	}
}

func TestValidateAgreesWithTheDecoder(t *testing.T) {
	blob := [][]byte{{1}}
	for _, c := range []struct {
		name string
		p    Packet
		err  error
	}{
		{"connect", Packet{Type: Connect, Namespace: "/"}, nil},
		{"connect with auth", Packet{Type: Connect, Namespace: "/a", Data: json.RawMessage("{}")}, nil},
		{"event", Packet{Type: Event, Namespace: "/", Data: json.RawMessage(`["a"]`)}, nil},
		{"ack without data", Packet{Type: Ack, Namespace: "/", HasID: true}, nil},
		{"binary event", Packet{Type: BinaryEvent, Namespace: "/", Data: json.RawMessage(`["a",` + hole + `]`), Attachments: blob}, nil},
		{"unknown type", Packet{Type: 7, Namespace: "/"}, ErrType},
		{"no namespace", Packet{Type: Connect}, ErrNamespace},
		{"namespace with a comma", Packet{Type: Connect, Namespace: "/a,b"}, ErrNamespace},
		{"namespace without slash", Packet{Type: Connect, Namespace: "a"}, ErrNamespace},
		{"namespace with a separator", Packet{Type: Connect, Namespace: "/a\x1e"}, ErrNamespace},
		{"namespace in no UTF-8", Packet{Type: Connect, Namespace: "/\xff"}, ErrUTF8},
		{"large id", Packet{Type: Ack, Namespace: "/", ID: MaxID + 1, HasID: true}, ErrID},
		{"event without data", Packet{Type: Event, Namespace: "/"}, ErrPayload},
		{"event with empty data", Packet{Type: Event, Namespace: "/", Data: json.RawMessage{}}, ErrPayload},
		{"event with white space in front", Packet{Type: Event, Namespace: "/", Data: json.RawMessage(` ["a"]`)}, ErrPayload},
		{"event named connect", Packet{Type: Event, Namespace: "/", Data: json.RawMessage(`["connect"]`)}, ErrReserved},
		{"event with attachments", Packet{Type: Event, Namespace: "/", Data: json.RawMessage(`["a",` + hole + `]`), Attachments: blob}, ErrAttachments},
		{"binary event without", Packet{Type: BinaryEvent, Namespace: "/", Data: json.RawMessage(`["a"]`)}, ErrAttachments},
		{"too many attachments", Packet{Type: BinaryAck, Namespace: "/", Data: json.RawMessage(`[]`), Attachments: make([][]byte, 11)}, ErrAttachments},
		{"attachments without placeholders", Packet{Type: BinaryAck, Namespace: "/", Data: json.RawMessage(`[]`), Attachments: blob}, ErrPlaceholder},
		{"large attachment", Packet{Type: BinaryAck, Namespace: "/", Data: json.RawMessage(`[` + hole + `]`), Attachments: [][]byte{make([]byte, 1_000_000)}}, ErrTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.p.Validate(Limits{}); !errors.Is(err, c.err) {
				t.Errorf("got %v, want %v", err, c.err)
			}
			if c.err != nil {
				return
			}
			if p := recode(t, c.p); !reflect.DeepEqual(*p, c.p) {
				t.Errorf("came back as %+v", p)
			}
		})
	}
}

// recode encodes p in the JSON format and decodes that.
func recode(t testing.TB, p Packet) *Packet {
	t.Helper()
	header, attachments := Encode(p)
	d := NewDecoder(Limits{})
	out, done, err := d.AddText(header)
	for i := 0; err == nil && !done && i < len(attachments); i++ {
		out, done, err = d.AddBinary(attachments[i])
	}
	if err != nil || !done {
		t.Fatalf("%s does not decode: %v", header, err)
	}
	return out
}

func TestAttachmentsDecideTheTypeOnTheWire(t *testing.T) {
	for _, c := range []struct {
		p    Packet
		want string
	}{
		{Packet{Type: Event, Namespace: "/", Attachments: [][]byte{nil}}, "51-"},
		{Packet{Type: BinaryEvent, Namespace: "/"}, "2"},
		{Packet{Type: Ack, Namespace: "/", Attachments: [][]byte{nil}}, "61-"},
		{Packet{Type: BinaryAck, Namespace: "/"}, "3"},
	} {
		if got, _ := Encode(c.p); string(got) != c.want {
			t.Errorf("%v with %d attachments is %s, want %s", c.p.Type, len(c.p.Attachments), got, c.want)
		}
	}
}

func TestTypesHaveTheNamesOfTheProtocol(t *testing.T) {
	var names []string
	for typ := Connect; typ <= BinaryAck+1; typ++ {
		names = append(names, typ.String())
	}
	const want = "CONNECT DISCONNECT EVENT ACK CONNECT_ERROR BINARY_EVENT BINARY_ACK UNKNOWN"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("names are %s", got)
	}
}

func TestHotPathStaysInItsAllocationBudget(t *testing.T) {
	text := []byte(`2/board/q3,["cursor",{"x":512.5,"y":384.25,"name":"Ada"}]`)
	d := NewDecoder(Limits{})
	p, _, err := d.AddText(text)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := EncodeMsgpack(*p)
	if err != nil {
		t.Fatal(err)
	}
	m := NewMsgpackDecoder(Limits{})
	buf := make([]byte, 0, 1024)
	for _, c := range []struct {
		name   string
		budget float64
		f      func()
	}{
		{"decode an event: the packet", 1, func() { _, _, _ = d.AddText(text) }},
		{"encode into a buffer", 0, func() { buf = AppendHeader(buf[:0], *p) }},
		{"decode msgpack: the packet, its namespace and its JSON", 3, func() { _, _, _ = m.AddBinary(packed) }},
		{"encode msgpack into a buffer: the counts", 1, func() { buf, _ = AppendMsgpack(buf[:0], *p) }},
		{"split an event: the name and the slice", 2, func() { _, _, _ = SplitEvent(p.Data) }},
		{"join an event into a buffer", 0, func() { buf = JoinArgs(buf[:0], "cursor", p.Data, p.Data) }},
	} {
		if n := testing.AllocsPerRun(200, c.f); n > c.budget {
			t.Errorf("%s: %v allocations, budget %v", c.name, n, c.budget)
		}
	}
	if !bytes.Contains(buf, []byte("cursor")) {
		t.Error("nothing was joined")
	}
}
