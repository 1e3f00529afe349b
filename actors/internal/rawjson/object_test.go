package rawjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestObjectKeepsOrderRepetitionsAndEveryByte(t *testing.T) {
	cases := map[string][]Member{
		`{}`:    nil,
		` { } `: nil,
		`{"b":1.50 , "a" : {"x":[1,",}"]},"b":"\"" }`: {
			{"b", raw(`1.50`), raw(`"b":1.50`)},
			{"a", raw(`{"x":[1,",}"]}`), raw(`"a" : {"x":[1,",}"]}`)},
			{"b", raw(`"\""`), raw(`"b":"\""`)},
		},
		`{"\u0074oken":null,"":0}`: {
			{"token", raw(`null`), raw(`"\u0074oken":null`)},
			{"", raw(`0`), raw(`"":0`)},
		},
	}
	for in, want := range cases {
		got, err := Object([]byte(in))
		if err != nil || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("Object(%s) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func raw(s string) json.RawMessage { return json.RawMessage(s) }

func TestObjectRefusesWhatIsNone(t *testing.T) {
	for _, in := range []string{``, `null`, `[]`, `"{}"`, `{`, `}`, `{"a"}`, `{"a" 1}`, `{1:2}`, `{"a:1}`, `{"\x":1}`, `{,}`} {
		if got, err := Object([]byte(in)); err == nil {
			t.Errorf("Object(%s) = %q", in, got)
		}
	}
}

func TestOnlyWantsExactlyThatKey(t *testing.T) {
	cases := map[string]string{
		`{"$parlor":{"cid":"a"}}`:       `{"cid":"a"}`,
		` { "$parlor" : [1,{"a":2}] } `: `[1,{"a":2}]`,
		`{"\u0024parlor":5}`:            `5`,
		`{"$parlor":"},{"}`:             `"},{"`,
		`{"$parlor":1,"a":2}`:           ``,
		`{"a":2,"$parlor":1}`:           ``,
		`{"$Parlor":1}`:                 ``,
		`{"$parlor":1,"$parlor":2}`:     ``,
		`{"$parlor"}`:                   ``,
		`{"$parlor`:                     ``,
		`{"$parlor":1,}`:                ``,
		`{}`:                            ``,
		`["$parlor"]`:                   ``,
		`"$parlor"`:                     ``,
		``:                              ``,
	}
	for in, want := range cases {
		got, ok := Only([]byte(in), "$parlor")
		if ok != (want != "") || string(got) != want {
			t.Errorf("Only(%s) = %q, %v; want %q", in, got, ok, want)
		}
	}
}

func TestOnlyDoesNotAllocate(t *testing.T) {
	in := []byte(`{"text":"hello, and a little more","x":1}`)
	if n := testing.AllocsPerRun(100, func() { Only(in, "$parlor") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAppendObjectKeepsWhatIsLeft(t *testing.T) {
	members, err := Object([]byte(`{"z" : 1e3,"token":"x","a":"<\u00e9>"}`))
	if err != nil {
		t.Fatal(err)
	}
	got := AppendObject(nil, append(members[:1], members[2:]...))
	if want := `{"z" : 1e3,"a":"<\u00e9>"}`; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := AppendObject(nil, nil); string(got) != `{}` {
		t.Errorf("of nothing: %s", got)
	}
}

func FuzzObjectSeesWhatEncodingJSONSees(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[1,"]"]},"a":null,"\u0061":"\\"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		members, err := Object(in)
		Only(in, "a")
		if !json.Valid(in) {
			return // only that it did not panic
		}
		if isObject := bytes.HasPrefix(bytes.TrimLeft(in, " \t\r\n"), []byte("{")); isObject != (err == nil) {
			t.Fatalf("Object(%q): %v", in, err)
		} else if !isObject {
			return
		}
		var want map[string]json.RawMessage
		if json.Unmarshal(in, &want) != nil {
			return // nested too deep for it
		}
		got := make(map[string]json.RawMessage)
		for _, m := range members {
			got[strings.ToValidUTF8(m.Key, "\ufffd")] = m.Value
		}
		for key, value := range want {
			if m, ok := got[key]; !strings.Contains(key, "\ufffd") && (!ok || string(m) != string(value)) {
				t.Fatalf("Object(%q)[%q] = %q, want %q", in, key, m, value)
			}
		}
		if again, err := Object(AppendObject(nil, members)); err != nil || len(again) != len(members) {
			t.Fatalf("Object(AppendObject(%q)) = %q, %v", in, again, err)
		}
		value, only := Only(in, "a")
		if only != (len(members) == 1 && members[0].Key == "a") || only && string(value) != string(members[0].Value) {
			t.Fatalf("Only(%q) = %q, %v", in, value, only)
		}
	})
}
