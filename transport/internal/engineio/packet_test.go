package engineio

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestTextPacketDecodesAsUpstream(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       Packet
		err        error
	}{
		{name: "open", text: `0{"sid":"x"}`, want: Packet{Type: Open, Data: []byte(`{"sid":"x"}`)}},
		{name: "close", text: "1", want: Packet{Type: Close}},
		{name: "ping", text: "2", want: Packet{Type: Ping}},
		{name: "probe", text: "2probe", want: Packet{Type: Ping, Data: []byte("probe")}},
		{name: "pong of a probe", text: "3probe", want: Packet{Type: Pong, Data: []byte("probe")}},
		{name: "message", text: "4hello", want: Packet{Type: Message, Data: []byte("hello")}},
		{name: "empty message", text: "4", want: Packet{Type: Message}},
		{name: "message in several bytes a character", text: "4€", want: Packet{Type: Message, Data: []byte("€")}},
		{name: "upgrade", text: "5", want: Packet{Type: Upgrade}},
		{name: "noop", text: "6", want: Packet{Type: Noop}},
		{name: "binary", text: "bAQIDBA==", want: Packet{Type: Message, Binary: true, Data: []byte{1, 2, 3, 4}}},
		{name: "empty binary", text: "b", want: Packet{Type: Message, Binary: true}},
		{name: "binary with the lines of the Java client", text: "bAQID\r\nBA==\n", want: Packet{Type: Message, Binary: true, Data: []byte{1, 2, 3, 4}}},
		{name: "nothing", text: "", err: ErrEmptyPacket},
		{name: "type above the last", text: "7", err: ErrUnknownType},
		{name: "type below the first", text: "/", err: ErrUnknownType},
		{name: "type by name", text: "abc", err: ErrUnknownType},
		{name: "type as a byte", text: "\x04x", err: ErrUnknownType},
		{name: "upper-case binary mark", text: "BAQID", err: ErrUnknownType},
		{name: "base64 without padding", text: "bAQIDBA", err: ErrBase64},
		{name: "base64 with one pad of two", text: "bAQIDBA=", err: ErrBase64},
		{name: "base64 of the URL alphabet", text: "b_-8=", err: ErrBase64},
		{name: "base64 with loose last bits", text: "bAQIDBB==", err: ErrBase64},
		{name: "base64 with a space", text: "bAQ ID", err: ErrBase64},
		{name: "base64 after its padding", text: "bAA==AA==", err: ErrBase64},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := DecodeText([]byte(c.text))
			if !errors.Is(err, c.err) || !equal(got, c.want) {
				t.Errorf("DecodeText(%q) = %+v, %v; want %+v, %v", c.text, got, err, c.want, c.err)
			}
		})
	}
}

func TestEncodedPacketHasTheBytesOfUpstream(t *testing.T) {
	for _, c := range []struct {
		want string
		p    Packet
	}{
		{"1", Packet{Type: Close}},
		{"2", Packet{Type: Ping}},
		{"3probe", Packet{Type: Pong, Data: []byte("probe")}},
		{"4hello", Packet{Type: Message, Data: []byte("hello")}},
		{"6", Packet{Type: Noop}},
		{"bAQIDBA==", DecodeBinary([]byte{1, 2, 3, 4})},
		{"b", DecodeBinary(nil)},
	} {
		if got := string(AppendText([]byte("x"), c.p)); got != "x"+c.want {
			t.Errorf("AppendText(%+v) = %q, want %q", c.p, got, "x"+c.want)
		}
		if got := TextLen(c.p); got != len(c.want) {
			t.Errorf("TextLen(%+v) = %d, want %d", c.p, got, len(c.want))
		}
	}
}

func TestTextIsNotCopied(t *testing.T) {
	text := []byte("4hello")
	p, err := DecodeText(text)
	if err != nil {
		t.Fatal(err)
	}
	if &p.Data[0] != &text[1] {
		t.Error("the payload of a text packet was copied")
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = DecodeText(text) }); n != 0 {
		t.Errorf("decoding a text packet allocates %v times", n)
	}
}

func TestBase64LeavesItsInputAlone(t *testing.T) {
	text := []byte("bAQIDBA==")
	before := bytes.Clone(text)
	p, err := DecodeText(text)
	if err != nil {
		t.Fatal(err)
	}
	p.Data[0] = 0xff
	if !bytes.Equal(text, before) {
		t.Errorf("the input became %q", text)
	}
}

func TestTypesHaveTheNamesOfUpstream(t *testing.T) {
	var names []string
	for typ := Open; typ <= Noop+1; typ++ {
		names = append(names, typ.String())
	}
	const want = "open close ping pong message upgrade noop unknown"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("names are %q, want %q", got, want)
	}
}

func equal(a, b Packet) bool {
	return a.Type == b.Type && a.Binary == b.Binary && bytes.Equal(a.Data, b.Data)
}

func FuzzPacket(f *testing.F) {
	for _, seed := range []string{"", "0{}", "1", "2probe", "4€", "5", "6", "7", "bAQIDBA==", "bAQID\nBA==", "bAQIDBA", "b"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := DecodeText(text)
		if err != nil {
			if !errors.Is(err, ErrEmptyPacket) && !errors.Is(err, ErrUnknownType) && !errors.Is(err, ErrBase64) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		if len(p.Data) > len(text) {
			t.Fatalf("%d bytes from a packet of %d", len(p.Data), len(text))
		}
		out := AppendText(nil, p)
		if len(out) != TextLen(p) {
			t.Fatalf("TextLen is %d, AppendText wrote %d", TextLen(p), len(out))
		}
		if !p.Binary && !bytes.Equal(out, text) {
			t.Fatalf("%q became %q", text, out)
		}
		again, err := DecodeText(out)
		if err != nil || !equal(again, p) {
			t.Fatalf("%+v became %+v, %v", p, again, err)
		}
	})
}
