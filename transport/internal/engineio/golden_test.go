package engineio

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// goldenDir holds what the real client and server said to each other; the
// recorder and its page stand in its folder record.
const goldenDir = "../socketio/testdata"

type goldenFrame struct {
	From    string
	Text    *string
	Base64  *string
	Payload *string
	Engine  []struct {
		Type   string
		Text   string
		Base64 *string
	}
}

func goldenFrames(t *testing.T, name string) []goldenFrame {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(goldenDir, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var transcript struct{ Frames []goldenFrame }
	if err := json.Unmarshal(data, &transcript); err != nil {
		t.Fatal(err)
	}
	if len(transcript.Frames) < 100 {
		t.Fatalf("%s has only %d frames", name, len(transcript.Frames))
	}
	return transcript.Frames
}

func unbase64(t *testing.T, s string) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// decode returns the packets of f and the frame encoded again.
func (f goldenFrame) decode(t *testing.T) (packets []Packet, frame, again []byte) {
	t.Helper()
	var err error
	switch {
	case f.Payload != nil:
		frame = []byte(*f.Payload)
		packets, err = DecodePayload(nil, frame, Limits{})
		again = AppendPayload(nil, packets)
	case f.Text != nil:
		frame = []byte(*f.Text)
		packets = make([]Packet, 1)
		packets[0], err = DecodeText(frame)
		again = AppendText(nil, packets[0])
	default:
		frame = unbase64(t, *f.Base64)
		packets = []Packet{DecodeBinary(frame)}
		again = packets[0].Data
	}
	if err != nil {
		t.Fatalf("%q: %v", frame, err)
	}
	return packets, frame, again
}

func TestFramesOfTheRealClientAndServer(t *testing.T) {
	for _, name := range []string{
		"websocket-json", "polling-json", "upgrade-json", "recovery-json", "websocket-msgpack", "polling-msgpack",
	} {
		t.Run(name, func(t *testing.T) {
			for _, f := range goldenFrames(t, name) {
				packets, frame, again := f.decode(t)
				if !bytes.Equal(frame, again) {
					t.Errorf("%q was encoded again as %q", frame, again)
				}
				if len(packets) != len(f.Engine) {
					t.Fatalf("%q: %d packets, want %d", frame, len(packets), len(f.Engine))
				}
				for i, want := range f.Engine {
					data := []byte(want.Text)
					if want.Base64 != nil {
						data = unbase64(t, *want.Base64)
					}
					p := packets[i]
					if p.Type.String() != want.Type || p.Binary != (want.Base64 != nil) || !bytes.Equal(p.Data, data) {
						t.Errorf("%q: packet %d is %+v, want %+v", frame, i, p, want)
					}
					if p.Type == Open {
						checkHandshake(t, p)
					}
				}
			}
		})
	}
}

// checkHandshake reads a real handshake and writes it again.
func checkHandshake(t *testing.T, p Packet) {
	t.Helper()
	h, err := ParseHandshake(p.Data)
	if err != nil {
		t.Fatal(err)
	}
	if again := h.Packet(); !bytes.Equal(again.Data, p.Data) {
		t.Errorf("handshake %s was written again as %s", p.Data, again.Data)
	}
}
