package socketio

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"unicode/utf8"
)

// sentinels are all errors that this package may return.
var sentinels = []error{
	ErrType, ErrAttachments, ErrNamespace, ErrID, ErrPayload, ErrJSON, ErrUTF8, ErrDepth, ErrEventName, ErrReserved,
	ErrPlaceholder, ErrTooLarge, ErrUnexpectedText, ErrUnexpectedBinary, ErrMsgpack, ErrTooManyArgs,
}

func isSentinel(err error) bool {
	for _, s := range sentinels {
		if errors.Is(err, s) {
			return true
		}
	}
	return false
}

// checkPacket checks what holds for every packet that a decoder returns: it is
// valid, bounded, survives both codecs and has arguments that can be split.
func checkPacket(t *testing.T, p *Packet) {
	t.Helper()
	if err := p.Validate(Limits{}); err != nil {
		t.Fatalf("%+v is invalid: %v", p, err)
	}
	if p.Data != nil && (!json.Valid(p.Data) || !utf8.Valid(p.Data)) {
		t.Fatalf("malformed payload %q", p.Data)
	}
	if again := recode(t, *p); !reflect.DeepEqual(again, p) {
		t.Fatalf("%+v became %+v", p, again)
	}
	checkArgs(t, p)
	checkMsgpack(t, p)
}

func checkArgs(t *testing.T, p *Packet) {
	t.Helper()
	switch p.Type {
	case Event, BinaryEvent:
		name, args, err := SplitEvent(p.Data)
		if errors.Is(err, ErrTooManyArgs) {
			return
		}
		if err != nil {
			t.Fatalf("event %q: %v", p.Data, err)
		}
		checkJoined(t, p.Data, name, args)
	case Ack, BinaryAck:
		if _, err := SplitArgs(p.Data); err != nil && !errors.Is(err, ErrTooManyArgs) {
			t.Fatalf("ack %q: %v", p.Data, err)
		}
	}
}

func checkJoined(t *testing.T, data []byte, name string, args []json.RawMessage) {
	t.Helper()
	total := len(name)
	for _, arg := range args {
		total += len(arg)
	}
	if total > len(data)+20 { // 1e20 has a name of 21 digits
		t.Fatalf("%d bytes from %d", total, len(data))
	}
	joined := JoinArgs(nil, name, args...)
	again, args2, err := SplitEvent(joined)
	if err != nil || again != name || !reflect.DeepEqual(args, args2) {
		t.Fatalf("%q was joined as %q: %q, %q, %v", data, joined, again, args2, err)
	}
}

// checkMsgpack takes p to msgpack and back. What comes back has the numbers and
// texts of JavaScript; from then on nothing changes any more.
func checkMsgpack(t *testing.T, p *Packet) {
	t.Helper()
	encoded, err := EncodeMsgpack(*p)
	if err != nil {
		t.Fatalf("%+v: %v", p, err)
	}
	first, _, err := NewMsgpackDecoder(Limits{}).AddBinary(encoded)
	if errors.Is(err, ErrTooLarge) {
		return // 1e20 has more digits, a long literal fewer
	}
	if err != nil {
		t.Fatalf("%q as msgpack %x: %v", p.Data, encoded, err)
	}
	if got, want := meaningOf(t, first), meaningOf(t, withData(p)); !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v became %+v", want, got)
	}
	encoded, err = EncodeMsgpack(*first)
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := NewMsgpackDecoder(Limits{}).AddBinary(encoded)
	if err != nil || !reflect.DeepEqual(second, first) {
		t.Fatalf("%+v became %+v, %v", first, second, err)
	}
}

// withData is p with the empty array that msgpack has for an acknowledgement
// without data.
func withData(p *Packet) *Packet {
	q := *p
	if q.Data == nil && q.Type == Ack {
		q.Data = json.RawMessage("[]")
	}
	return &q
}

// seedMessages gives f every message of the golden files.
func seedMessages(f *testing.F, add func(text []byte, binary []byte)) {
	f.Helper()
	for _, name := range transcripts {
		var tr transcript
		readJSON(f, name, &tr)
		for _, from := range []string{"client", "server"} {
			for _, m := range tr.messages(from) {
				if m.Text != nil {
					add([]byte(*m.Text), nil)
				} else {
					add(nil, m.binary(f))
				}
			}
		}
	}
	var golden struct {
		Cases []struct{ Messages []message }
	}
	readJSON(f, "verdicts", &golden)
	for _, c := range golden.Cases {
		for _, m := range c.Messages {
			if m.Text != nil {
				add([]byte(*m.Text), nil)
			} else {
				add(nil, m.binary(f))
			}
		}
	}
}

func FuzzJSONDecoder(f *testing.F) {
	seedMessages(f, func(text, binary []byte) {
		if text != nil {
			f.Add(text, []byte("\x00\x1e\xff"))
		}
	})
	f.Fuzz(func(t *testing.T, text, blob []byte) {
		before := bytes.Clone(text)
		d := NewDecoder(Limits{})
		p, done, err := d.AddText(text)
		for n := 0; err == nil && !done; n++ {
			if p != nil || d.Pending() == 0 || n > 10 {
				t.Fatalf("%q: unfinished, %d pending after %d", text, d.Pending(), n)
			}
			p, done, err = d.AddBinary(blob[:len(blob)>>n])
		}
		if !bytes.Equal(text, before) {
			t.Fatal("the input was modified")
		}
		if err != nil {
			if p != nil || done || d.Pending() != 0 || !isSentinel(err) {
				t.Fatalf("%q: %+v, %v, %d pending, %v", text, p, done, d.Pending(), err)
			}
			return
		}
		if len(p.Data)+len(p.Namespace) > len(text)+1 {
			t.Fatalf("%q grew to %q", text, p.Data)
		}
		checkPacket(t, p)
	})
}

func FuzzMsgpackDecoder(f *testing.F) {
	seedMessages(f, func(text, binary []byte) {
		if binary != nil {
			f.Add(binary)
		}
	})
	for _, c := range msgpackEdges() {
		encoded, err := EncodeMsgpack(c.p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		before := bytes.Clone(in)
		p, done, err := NewMsgpackDecoder(Limits{}).AddBinary(in)
		if !bytes.Equal(in, before) {
			t.Fatal("the input was modified")
		}
		if err != nil {
			if p != nil || done || !isSentinel(err) {
				t.Fatalf("%x: %+v, %v, %v", in, p, done, err)
			}
			return
		}
		if len(p.Data) > 32*len(in) {
			t.Fatalf("%d bytes from %d", len(p.Data), len(in))
		}
		checkPacket(t, p)
		again, err := EncodeMsgpack(*p)
		if err != nil {
			t.Fatal(err)
		}
		if q, _, err := NewMsgpackDecoder(Limits{}).AddBinary(again); err != nil || !reflect.DeepEqual(q, withData(p)) {
			t.Fatalf("%+v became %+v, %v", p, q, err)
		}
	})
}

func FuzzSplitEvent(f *testing.F) {
	seedMessages(f, func(text, binary []byte) {
		if i := bytes.IndexByte(text, '['); i >= 0 {
			f.Add(text[i:])
		}
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		valid := json.Valid(data)
		name, args, err := SplitEvent(data)
		switch {
		case err == nil:
			if !valid || !utf8.Valid(data) {
				t.Fatalf("%q was split", data)
			}
			for _, arg := range args {
				if !json.Valid(arg) {
					t.Fatalf("%q: malformed argument %q", data, arg)
				}
			}
			var elements []json.RawMessage
			if err := json.Unmarshal(data, &elements); err != nil || len(elements) != len(args)+1 {
				t.Fatalf("%q has %d elements, found %d", data, len(elements), len(args)+1)
			}
			checkJoined(t, data, name, args)
		case errors.Is(err, ErrJSON) && valid, errors.Is(err, ErrUTF8) && utf8.Valid(data), !isSentinel(err):
			t.Fatalf("%q: %v", data, err)
		}
	})
}
