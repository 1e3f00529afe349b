package relay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
)

// add remembers an event whose payload is its own number.
func add(t *testing.T, h *history, event string, limit int, seq uint64) {
	t.Helper()
	if err := h.remember(event, limit, seq, seq, Stamp{From: "m", At: 1, Seq: seq}); err != nil {
		t.Fatal(err)
	}
}

func TestGreetingHasTheLastEventsOfEachNameInOrder(t *testing.T) {
	var h history
	if got := h.greeting(); got != nil {
		t.Fatalf("an empty room has a past: %s", got)
	}
	for seq := uint64(1); seq <= 9; seq++ {
		if seq%3 == 0 {
			add(t, &h, "note", 1, seq)
		} else {
			add(t, &h, "chat", 3, seq)
		}
	}
	want := `{"events":[["chat",5,{"from":"m","at":1,"seq":5}],["chat",7,{"from":"m","at":1,"seq":7}],` +
		`["chat",8,{"from":"m","at":1,"seq":8}],["note",9,{"from":"m","at":1,"seq":9}]]}`
	parts := h.greeting()
	if len(parts) != 1 || string(parts[0].JSON) != want {
		t.Fatalf("greeting is %s, want %s", parts, want)
	}
	add(t, &h, "note", 1, 10)
	if got := h.greeting(); len(got) != 1 || !strings.HasSuffix(string(got[0].JSON), `["note",10,{"from":"m","at":1,"seq":10}]]}`) {
		t.Errorf("after another event greeting is %s", got)
	}
}

func TestGreetingIsCutIntoPartsWithTheirOwnAttachments(t *testing.T) {
	var h history
	for seq := range uint64(7) {
		payload := actors.Raw{
			JSON:        []byte(`[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`),
			Attachments: [][]byte{{byte(seq)}, {byte(seq), 1}},
		}
		if err := h.remember("image", 100, seq, payload, Stamp{Seq: seq}); err != nil {
			t.Fatal(err)
		}
	}
	parts := h.greeting()
	if len(parts) != 2 || len(parts[0].Attachments) != 10 || len(parts[1].Attachments) != 4 {
		t.Fatalf("%d parts: %+v", len(parts), parts)
	}
	seq := byte(0)
	for _, p := range parts {
		var got struct {
			Events [][]json.RawMessage
		}
		if err := p.Decode(&got); err != nil {
			t.Fatal(err)
		}
		for _, e := range got.Events {
			var pair [][]byte
			if err := json.Unmarshal(e[1], &pair); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(pair[0], []byte{seq}) || !bytes.Equal(pair[1], []byte{seq, 1}) {
				t.Errorf("event %d has attachments %v", seq, pair)
			}
			seq++
		}
	}
	if seq != 7 {
		t.Errorf("%d events arrived, want 7", seq)
	}
}

func TestGreetingIsCutBySize(t *testing.T) {
	var h history
	text := strings.Repeat("x", partBytes/4)
	for seq := range uint64(9) {
		if err := h.remember("chat", 100, seq, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.remember("chat", 100, 9, strings.Repeat("y", 2*partBytes)); err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for _, p := range h.greeting() {
		var got struct{ Events [][]string }
		if err := p.Decode(&got); err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(got.Events))
	}
	if fmt.Sprint(sizes) != "[3 3 3 1]" {
		t.Errorf("parts have %v events, want [3 3 3 1]", sizes)
	}
}

func TestProfileIsReadFromTheConnectPayload(t *testing.T) {
	long := strings.Repeat("é", 32) // 64 bytes
	for _, test := range []struct {
		name string
		keys []string
		auth string
		want string
		err  string
	}{
		{"nothing sent", []string{"name"}, ``, "map[]", ""},
		{"nothing asked for", nil, `{"name":"Ada"}`, "map[]", ""},
		{"what was asked for", []string{"name", "color", "team"}, `{"name":"Ada","color":"#f00","secret":1}`, "map[color:#f00 name:Ada]", ""},
		{"null and empty are nothing", []string{"name", "color"}, `{"name":null,"color":""}`, "map[]", ""},
		{"longest text", []string{"name"}, `{"name":"` + long + `"}`, "map[name:" + long + "]", ""},
		{"text too long", []string{"name"}, `{"name":"` + long + `x"}`, "", "bad_auth: name: want a text of at most 64 bytes"},
		{"number", []string{"name"}, `{"name":1}`, "", "bad_auth: name: want a text of at most 64 bytes"},
		{"object", []string{"name"}, `{"name":{}}`, "", "bad_auth: name: want a text of at most 64 bytes"},
		{"no object", []string{"name"}, `[]`, "", "bad_auth: payload: want object, got array"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := readProfile(actors.Member{Auth: json.RawMessage(test.auth)}, test.keys)
			if test.err != "" {
				if err == nil || err.Error() != test.err {
					t.Fatalf("error is %v, want %s", err, test.err)
				}
				return
			}
			if err != nil || fmt.Sprint(got) != test.want {
				t.Errorf("profile is %v, %v, want %s", got, err, test.want)
			}
		})
	}
}

func TestAnEventHasOneArgumentOfLimitedSize(t *testing.T) {
	args := func(attachment string, list ...string) actors.Args {
		var a actors.Args
		for _, s := range list {
			a.List = append(a.List, json.RawMessage(s))
		}
		if attachment != "" {
			a.Attachments = [][]byte{[]byte(attachment)}
		}
		return a
	}
	for _, test := range []struct {
		name string
		args actors.Args
		want string
	}{
		{"none", args(""), "bad_payload: an event has exactly one argument, not 0"},
		{"two", args("", "1", "2"), "bad_payload: an event has exactly one argument, not 2"},
		{"at the limit", args("", `"12345678"`), ""},
		{"above the limit", args("", `"123456789"`), "too_large: the payload has 11 bytes; at most 10 are allowed"},
		{"attachment at the limit", args("123456789", `1`), ""},
		{"attachment above the limit", args("1234567890", `1`), "too_large: the payload has 11 bytes; at most 10 are allowed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := onePayload(test.args, 10)
			if got := fmt.Sprint(err); got != test.want && (err != nil || test.want != "") {
				t.Errorf("error is %s, want %s", got, test.want)
			}
		})
	}
}
