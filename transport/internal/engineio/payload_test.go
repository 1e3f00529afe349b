package engineio

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestPayloadDecodesAsUpstream(t *testing.T) {
	for _, c := range []struct {
		name, payload string
		limits        Limits
		want          string
		err           error
	}{
		{name: "one packet", payload: "4a", want: "message a"},
		{name: "several packets", payload: "4test1\x1e4test2\x1e3probe", want: "message test1|message test2|pong probe"},
		{name: "binary among text", payload: "4test\x1ebAQID\x1e2", want: "message test|binary \x01\x02\x03|ping "},
		{name: "nothing", payload: "", err: ErrEmptyPacket},
		{name: "separator at the end", payload: "4a\x1e", want: "message a", err: ErrEmptyPacket},
		{name: "separator at the start", payload: "\x1e4a", err: ErrEmptyPacket},
		{name: "unknown type keeps what was before", payload: "4a\x1e9\x1e4b", want: "message a", err: ErrUnknownType},
		{name: "the old length prefix", payload: "1:6", want: "close :6"},
		{name: "as many packets as allowed", payload: "2\x1e2", limits: Limits{Packets: 2}, want: "ping |ping "},
		{name: "one packet too many", payload: "2\x1e2\x1e2", limits: Limits{Packets: 2}, err: ErrTooManyPackets},
		{name: "as many bytes as allowed", payload: "4abc", limits: Limits{Bytes: 4}, want: "message abc"},
		{name: "one byte too many", payload: "4abcd", limits: Limits{Bytes: 4}, err: ErrTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			packets, err := DecodePayload(nil, []byte(c.payload), c.limits)
			var got []string
			for _, p := range packets {
				kind := p.Type.String()
				if p.Binary {
					kind = "binary"
				}
				got = append(got, fmt.Sprintf("%s %s", kind, p.Data))
			}
			if !errors.Is(err, c.err) || strings.Join(got, "|") != c.want {
				t.Errorf("got %q, %v; want %q, %v", strings.Join(got, "|"), err, c.want, c.err)
			}
		})
	}
}

func TestZeroLimitsAreTheDocumentedOnes(t *testing.T) {
	many := func(n int) []byte { return []byte(strings.TrimSuffix(strings.Repeat("2\x1e", n), "\x1e")) }
	for _, c := range []struct {
		name    string
		payload []byte
		err     error
	}{
		{"1,000 packets", many(1000), nil},
		{"1,001 packets", many(1001), ErrTooManyPackets},
		{"1,000,000 bytes", append([]byte("4"), bytes.Repeat([]byte("a"), 999_999)...), nil},
		{"1,000,001 bytes", append([]byte("4"), bytes.Repeat([]byte("a"), 1_000_000)...), ErrTooLarge},
	} {
		if _, err := DecodePayload(nil, c.payload, Limits{}); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		}
	}
}

func TestTooManyPacketsCostNothing(t *testing.T) {
	payload := bytes.Repeat([]byte{Separator}, 500_000)
	if n := testing.AllocsPerRun(10, func() { _, _ = DecodePayload(nil, payload, Limits{}) }); n != 0 {
		t.Errorf("refusing a payload of separators allocates %v times", n)
	}
}

func TestPayloadSurvivesEncoding(t *testing.T) {
	packets := []Packet{
		{Type: Message, Data: []byte(`2["a",1]`)},
		DecodeBinary([]byte{0x1e, 0, 0xff}),
		{Type: Ping},
		DecodeBinary(nil),
	}
	encoded := AppendPayload([]byte("x"), packets)
	if want := "x42[\"a\",1]\x1ebHgD/\x1e2\x1eb"; string(encoded) != want {
		t.Fatalf("encoded %q, want %q", encoded, want)
	}
	if n := PayloadLen(packets); n != len(encoded)-1 {
		t.Errorf("PayloadLen is %d, AppendPayload wrote %d", n, len(encoded)-1)
	}
	got, err := DecodePayload(nil, encoded[1:], Limits{})
	if err != nil || len(got) != len(packets) {
		t.Fatalf("decoded %+v, %v", got, err)
	}
	for i := range got {
		if !equal(got[i], packets[i]) {
			t.Errorf("packet %d became %+v", i, got[i])
		}
	}
	if PayloadLen(nil) != 0 {
		t.Errorf("PayloadLen(nil) = %d", PayloadLen(nil))
	}
}

func FuzzPayload(f *testing.F) {
	for _, seed := range []string{"", "4a", "4test1\x1e4test2\x1e3probe", "4test\x1ebAQID\x1e2", "4a\x1e", "\x1e\x1e\x1e", "4a\x1e9", "bA\n==\x1eb"} {
		f.Add([]byte(seed), 0, 0)
	}
	f.Add([]byte("2\x1e2\x1e2"), 2, 4)
	f.Fuzz(func(t *testing.T, payload []byte, maxPackets, maxBytes int) {
		limits := Limits{Packets: maxPackets, Bytes: maxBytes}
		packets, err := DecodePayload(nil, payload, limits)
		total := 0
		for _, p := range packets {
			total += len(p.Data)
		}
		if total > len(payload) {
			t.Fatalf("%d bytes from a payload of %d", total, len(payload))
		}
		if maxPackets == 0 {
			maxPackets = DefaultPackets
		}
		if len(packets) > 0 && len(packets) > maxPackets {
			t.Fatalf("%d packets, limit %d", len(packets), maxPackets)
		}
		if err != nil {
			return
		}
		out := AppendPayload(nil, packets)
		if len(out) != PayloadLen(packets) {
			t.Fatalf("PayloadLen is %d, AppendPayload wrote %d", PayloadLen(packets), len(out))
		}
		again, err := DecodePayload(nil, out, limits)
		if err != nil || len(again) != len(packets) {
			t.Fatalf("%d packets became %d, %v", len(packets), len(again), err)
		}
		for i := range again {
			if !equal(again[i], packets[i]) {
				t.Fatalf("packet %d: %+v became %+v", i, packets[i], again[i])
			}
		}
	})
}

func BenchmarkDecodePayload(b *testing.B) {
	payload := []byte(strings.TrimSuffix(strings.Repeat("42[\"cursor\",{\"x\":512,\"y\":384}]\x1e", 16), "\x1e"))
	packets := make([]Packet, 0, 16)
	b.ReportAllocs()
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		var err error
		if packets, err = DecodePayload(packets[:0], payload, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
