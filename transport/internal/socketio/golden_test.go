package socketio

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
)

// update has the msgpack test write what it compares; testdata/record/README.md
// says when.
var update = flag.Bool("update", false, "write testdata/msgpack-ours.json")

// message is one Engine.IO message: text, or binary in base64.
type message struct {
	Type   string  `json:"type,omitempty"`
	Text   *string `json:"text,omitempty"`
	Base64 *string `json:"base64,omitempty"`
}

func (m message) binary(t testing.TB) []byte {
	t.Helper()
	if m.Base64 == nil {
		return nil
	}
	data, err := base64.StdEncoding.DecodeString(*m.Base64)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// meaning is a packet as the JavaScript parser decoded it.
type meaning struct {
	From string `json:"from,omitempty"`
	Type Type   `json:"type"`
	NSP  string `json:"nsp"`
	ID   any    `json:"id,omitempty"`
	Data any    `json:"data,omitempty"`
}

type transcript struct {
	Name   string
	Parser string
	Frames []struct {
		From   string
		Engine []message
	}
	Packets []meaning
}

// messages are the Socket.IO messages of one direction, in order.
func (tr transcript) messages(from string) []message {
	var out []message
	for _, f := range tr.Frames {
		for _, m := range f.Engine {
			if f.From == from && m.Type == "message" {
				out = append(out, m)
			}
		}
	}
	return out
}

var transcripts = []string{
	"websocket-json", "polling-json", "upgrade-json", "recovery-json", "websocket-msgpack", "polling-msgpack",
}

func readJSON(t testing.TB, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

type decoder interface {
	AddText([]byte) (*Packet, bool, error)
	AddBinary([]byte) (*Packet, bool, error)
	Pending() int
	Reset()
}

func newDecoder(parser string) decoder {
	if parser == "msgpack" {
		return NewMsgpackDecoder(Limits{})
	}
	return NewDecoder(Limits{})
}

// decodeAll runs messages through one decoder.
func decodeAll(t testing.TB, parser string, messages []message) ([]*Packet, error) {
	t.Helper()
	d := newDecoder(parser)
	var packets []*Packet
	for _, m := range messages {
		var p *Packet
		var done bool
		var err error
		if m.Text != nil {
			p, done, err = d.AddText([]byte(*m.Text))
		} else {
			p, done, err = d.AddBinary(m.binary(t))
		}
		if err != nil {
			return packets, err
		}
		if done {
			packets = append(packets, p)
		}
	}
	if d.Pending() != 0 {
		t.Errorf("%d attachments pending after the last message", d.Pending())
	}
	return packets, nil
}

// meaningOf is what JavaScript would see in p, in the form of the golden files.
func meaningOf(t testing.TB, p *Packet) meaning {
	t.Helper()
	m := meaning{Type: p.Type, NSP: p.Namespace}
	switch p.Type { // the parsers report binary packets under the plain types
	case BinaryEvent:
		m.Type = Event
	case BinaryAck:
		m.Type = Ack
	}
	if p.HasID {
		m.ID = float64(p.ID)
	}
	if p.Data != nil {
		dec := json.NewDecoder(bytes.NewReader(p.Data))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			t.Fatalf("%s: %v", p.Data, err)
		}
		m.Data = seen(t, v, p.Attachments)
	}
	return m
}

func seen(t testing.TB, v any, attachments [][]byte) any {
	t.Helper()
	switch v := v.(type) {
	case json.Number:
		f, _ := strconv.ParseFloat(v.String(), 64)
		if math.IsInf(f, 0) {
			return nil
		}
		return f + 0 // no minus zero
	case []any:
		for i := range v {
			v[i] = seen(t, v[i], attachments)
		}
	case map[string]any:
		if v["_placeholder"] == true && len(attachments) > 0 {
			n, err := v["num"].(json.Number).Int64()
			if err != nil {
				t.Fatal(err)
			}
			return map[string]any{"$binary": base64.StdEncoding.EncodeToString(attachments[n])}
		}
		for k := range v {
			v[k] = seen(t, v[k], attachments)
		}
	}
	return v
}

// expected turns the tags for values that JSON lacks into what they become in a
// Packet: null, or the text of a date.
func expected(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = expected(v[i])
		}
	case map[string]any:
		if n, ok := v["$number"]; ok && n == "-0" {
			return 0.0
		}
		if d, ok := v["$date"]; ok {
			return d
		}
		if len(v) == 1 && (v["$undefined"] != nil || v["$number"] != nil) {
			return nil
		}
		for k := range v {
			v[k] = expected(v[k])
		}
	}
	return v
}

func sameMeaning(t testing.TB, got *Packet, want meaning) {
	t.Helper()
	want.From, want.Data = "", expected(want.Data)
	if m := meaningOf(t, got); !reflect.DeepEqual(m, want) {
		t.Errorf("packet %s%s\nmeans %+v\nwant  %+v", got.Namespace, got.Data, m, want)
	}
}

func TestDecodersUnderstandWhatJavaScriptSaid(t *testing.T) {
	for _, name := range transcripts {
		t.Run(name, func(t *testing.T) {
			var tr transcript
			readJSON(t, name, &tr)
			for _, from := range []string{"client", "server"} {
				packets, err := decodeAll(t, tr.Parser, tr.messages(from))
				if err != nil {
					t.Fatalf("%s, packet %d: %v", from, len(packets), err)
				}
				for _, want := range tr.Packets {
					if want.From != from {
						continue
					}
					if len(packets) == 0 {
						t.Fatalf("%s: packets are missing from %+v on", from, want)
					}
					sameMeaning(t, packets[0], want)
					packets = packets[1:]
				}
				if len(packets) > 0 {
					t.Errorf("%s: %d packets too many", from, len(packets))
				}
			}
		})
	}
}

func TestEncoderWritesTheBytesOfJavaScript(t *testing.T) {
	for _, name := range transcripts {
		var tr transcript
		readJSON(t, name, &tr)
		if tr.Parser != "json" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			for _, from := range []string{"client", "server"} {
				messages := tr.messages(from)
				packets, err := decodeAll(t, tr.Parser, messages)
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range packets {
					header, attachments := Encode(*p)
					if string(header) != *messages[0].Text {
						t.Errorf("header %s\nwant   %s", header, *messages[0].Text)
					}
					messages = messages[1:]
					for _, a := range attachments {
						if !bytes.Equal(a, messages[0].binary(t)) {
							t.Errorf("attachment %x, want %x", a, messages[0].binary(t))
						}
						messages = messages[1:]
					}
				}
				if len(messages) > 0 {
					t.Errorf("%s: %d messages were not encoded", from, len(messages))
				}
			}
		})
	}
}

// stricter are the cases where a decoder and upstream's differ on purpose: our
// error, or nil where we take what upstream refuses.
var stricter = map[string]error{
	// Number("") is 0 in JavaScript, and so is Number(" ").
	"empty text":                    ErrType,
	"event with white space before": ErrPayload,
	"event with a tab before":       ErrPayload,
	"event with a byte order mark":  ErrPayload,
	// Upstream does not check a payload that is not there.
	"event without payload":        ErrPayload,
	"binary event without payload": ErrPayload,
	// An answer that repeats the namespace would break a polling payload.
	"CONNECT of a namespace with a control character": ErrNamespace,
	// No client writes these, and they would not be encoded again as they came.
	"event named 1e999":                          ErrPayload,
	"event with an unsafe id":                    ErrID,
	"event with a huge id":                       ErrID,
	"zeros before the attachments":               ErrAttachments,
	"attachments with an exponent":               ErrAttachments,
	"attachments in hexadecimal":                 ErrAttachments,
	"attachments with a space":                   ErrAttachments,
	"more attachments than placeholders":         ErrPlaceholder,
	"a placeholder used twice":                   ErrPlaceholder,
	"a placeholder used twice and another never": ErrPlaceholder,
	"a placeholder with another key":             ErrPlaceholder,
	"a placeholder with a fraction":              ErrPlaceholder,
	"a placeholder whose mark is repeated":       ErrPlaceholder,
	// What the msgpack parser forgets to check and the JSON parser checks.
	"msgpack: CONNECT with bytes inside": ErrAttachments,
	"msgpack: event without a name":      ErrPayload,
	"msgpack: event named true":          ErrPayload,
	"msgpack: event named connect":       ErrReserved,
	"msgpack: event named by bytes":      ErrPayload,
	"msgpack: event with a nil key":      ErrMsgpack,
	"msgpack: event with a key of bytes": ErrMsgpack,
	"msgpack: namespace without slash":   ErrNamespace,
	"msgpack: namespace with a comma":    ErrNamespace,
	"msgpack: id negative":               ErrID,
	"msgpack: a repeated key":            ErrMsgpack,
	"msgpack: a forged placeholder":      ErrPlaceholder,
	// python-socketio writes nil for what is absent.
	"msgpack: CONNECT with nil":           nil,
	"msgpack: DISCONNECT with nil":        nil,
	"msgpack: id nil":                     nil,
	"msgpack: ack without data":           nil,
	"msgpack: CONNECT_ERROR without data": nil,
}

func TestDecodersTakeAndRefuseWhatUpstreamDoes(t *testing.T) {
	var golden struct {
		Cases []struct {
			Name, Parser, Error string
			Messages            []message
			Packets             []meaning
		}
	}
	readJSON(t, "verdicts", &golden)
	met := 0
	for _, c := range golden.Cases {
		t.Run(c.Name, func(t *testing.T) {
			packets, err := decodeAll(t, c.Parser, c.Messages)
			if want, differs := stricter[c.Name]; differs {
				met++
				if (want == nil) != (c.Error != "") {
					t.Errorf("upstream agrees: %q", c.Error)
				}
				if !errors.Is(err, want) {
					t.Errorf("got %v, want %v", err, want)
				}
				return
			}
			if (err != nil) != (c.Error != "") {
				t.Fatalf("got error %v; upstream has %q", err, c.Error)
			}
			if err != nil {
				return
			}
			if len(packets) != len(c.Packets) {
				t.Fatalf("%d packets, upstream has %d", len(packets), len(c.Packets))
			}
			for i, want := range c.Packets {
				sameMeaning(t, packets[i], want)
			}
		})
	}
	if met != len(stricter) {
		t.Errorf("%d of %d differences were met", met, len(stricter))
	}
}

type verified struct {
	Name   string  `json:"name"`
	Base64 string  `json:"base64"`
	Packet meaning `json:"packet,omitzero"`
}

// ourPackets are packets of every sort for the JavaScript msgpack decoder.
func ourPackets(t *testing.T) (names []string, packets []*Packet) {
	for _, name := range transcripts {
		var tr transcript
		readJSON(t, name, &tr)
		if name != "websocket-json" && name != "websocket-msgpack" {
			continue
		}
		for _, from := range []string{"client", "server"} {
			decoded, err := decodeAll(t, tr.Parser, tr.messages(from))
			if err != nil {
				t.Fatal(err)
			}
			for i, p := range decoded {
				names = append(names, fmt.Sprintf("%s, %s, packet %d", name, from, i))
				packets = append(packets, p)
			}
		}
	}
	for _, c := range msgpackEdges() {
		names = append(names, c.name)
		packets = append(packets, &c.p)
	}
	return names, packets
}

func TestMsgpackIsWhatJavaScriptAccepted(t *testing.T) {
	names, packets := ourPackets(t)
	ours := make([]verified, len(packets))
	for i, p := range packets {
		encoded, err := EncodeMsgpack(*p)
		if err != nil {
			t.Fatalf("%s: %v", names[i], err)
		}
		ours[i] = verified{Name: names[i], Base64: base64.StdEncoding.EncodeToString(encoded)}
	}
	if *update {
		data, err := json.MarshalIndent(ours, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join("testdata", "msgpack-ours.json"), append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	var golden struct{ Packets []verified }
	readJSON(t, "msgpack-verified", &golden)
	if len(golden.Packets) != len(ours) {
		t.Fatalf("%d packets were verified, there are %d", len(golden.Packets), len(ours))
	}
	for i, want := range golden.Packets {
		if ours[i].Name != want.Name || ours[i].Base64 != want.Base64 {
			t.Errorf("%s is not what was verified as %s", names[i], want.Name)
			continue
		}
		sameMeaning(t, withData(packets[i]), want.Packet)
	}
}
