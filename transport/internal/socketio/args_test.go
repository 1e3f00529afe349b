package socketio

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestSplitEventFindsNameAndArguments(t *testing.T) {
	for _, c := range []struct {
		data, name string
		args       []string
	}{
		{data: `["a"]`, name: "a"},
		{data: `["a",1,"b",{"c":[1,2]},[3,[4]],null]`, name: "a", args: []string{`1`, `"b"`, `{"c":[1,2]}`, `[3,[4]]`, `null`}},
		{data: " [ \"a\" ,\t1.50 , { \"k\" : \",]\" } ] \n", name: "a", args: []string{`1.50`, `{ "k" : ",]" }`}},
		{data: `["",""]`, name: "", args: []string{`""`}},
		{data: `["a\"b\\\u0041\ud83d\ude00\/\b\f\n\r\t"]`, name: "a\"b\\A😀/\b\f\n\r\t"},
		{data: `["\ud800","\ud800\u0041"]`, name: "\ufffd", args: []string{`"\ud800\u0041"`}},
		{data: `["\ud800A\udc00"]`, name: "\ufffdA\ufffd"},
		{data: `["\ud800\ud83d\ude00"]`, name: "\ufffd😀"},
		{data: `[42,"x"]`, name: "42", args: []string{`"x"`}},
		{data: `[-7]`, name: "-7"},
		{data: `[0]`, name: "0"},
		{data: `[-0]`, name: "0"},
		{data: `[1.0]`, name: "1"},
		{data: `[1.50]`, name: "1.5"},
		{data: `[1e3]`, name: "1000"},
		{data: `[1e21]`, name: "1e+21"},
		{data: `[1e-7]`, name: "1e-7"},
		{data: `[0.000001]`, name: "0.000001"},
		{data: `[12345678901234567890]`, name: "12345678901234567000"},
		{data: `["nine",1,2,3,4,5,6,7,8,9]`, name: "nine", args: strings.Split("1,2,3,4,5,6,7,8,9", ",")},
	} {
		name, args, err := SplitEvent(json.RawMessage(c.data))
		if err != nil || name != c.name || !sameStrings(args, c.args) {
			t.Errorf("%s: %q, %s, %v", c.data, name, args, err)
		}
		if room := capOfFirst(args); room >= 0 && room != len(args[0]) {
			t.Errorf("%s: appending to an argument would write behind it", c.data)
		}
	}
}

func capOfFirst(args []json.RawMessage) int {
	if len(args) == 0 {
		return -1
	}
	return cap(args[0])
}

func sameStrings(got []json.RawMessage, want []string) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		if string(got[i]) != want[i] {
			return false
		}
	}
	return true
}

func TestSplitRefusesWhatIsNoEvent(t *testing.T) {
	for _, c := range []struct {
		data string
		err  error
	}{
		{``, ErrPayload},
		{`{}`, ErrPayload},
		{`"a"`, ErrPayload},
		{`[]`, ErrPayload},
		{`[null]`, ErrPayload},
		{`[["a"]]`, ErrPayload},
		{`[1e999]`, ErrPayload},
		{`["a"`, ErrJSON},
		{`["a",]`, ErrJSON},
		{`["a"] x`, ErrJSON},
		{`["a" 1]`, ErrJSON},
		{`["a",{]}`, ErrJSON},
		{"[\"a\xff\"]", ErrUTF8},
		{`["a",` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `]`, ErrDepth},
		{`["a"` + strings.Repeat(",0", MaxArgs+1) + `]`, ErrTooManyArgs},
	} {
		if name, args, err := SplitEvent(json.RawMessage(c.data)); !errors.Is(err, c.err) || name != "" || args != nil {
			t.Errorf("%.40s: %q, %d arguments, %v, want %v", c.data, name, len(args), err, c.err)
		}
	}
	if _, args, err := SplitEvent(json.RawMessage(`["a"` + strings.Repeat(",0", MaxArgs) + `]`)); err != nil || len(args) != MaxArgs {
		t.Errorf("%d arguments: %d, %v", MaxArgs, len(args), err)
	}
}

func TestSplitArgsTakesAcknowledgements(t *testing.T) {
	for _, c := range []struct {
		data string
		args []string
		err  error
	}{
		{data: `[]`},
		{data: `[1,"a"]`, args: []string{`1`, `"a"`}},
		{data: `{}`, err: ErrPayload},
		{data: `[1`, err: ErrJSON},
		{data: `[0` + strings.Repeat(",0", MaxArgs) + `]`, err: ErrTooManyArgs},
	} {
		if args, err := SplitArgs(json.RawMessage(c.data)); !errors.Is(err, c.err) || !sameStrings(args, c.args) {
			t.Errorf("%.40s: %s, %v", c.data, args, err)
		}
	}
	if args, err := SplitArgs(nil); err != nil || args != nil {
		t.Errorf("no data: %s, %v", args, err)
	}
}

func TestJoinArgsWritesWhatJavaScriptWould(t *testing.T) {
	for _, c := range []struct {
		name, want string
		args       []json.RawMessage
	}{
		{name: "a", want: `["a"]`},
		{name: "room:state", args: []json.RawMessage{[]byte(`{"v":1.0}`), []byte(`"x"`)}, want: `["room:state",{"v":1.0},"x"]`},
		{name: "<&>\u2028é", want: "[\"<&>\u2028é\"]"},
		{name: "\"\\\b\f\n\r\t\x01\x1f\x7f", want: `["\"\\\b\f\n\r\t\u0001\u001f` + "\x7f" + `"]`},
		{name: "a\xffb", want: `["a` + "\ufffd" + `b"]`},
		{name: "a", args: []json.RawMessage{nil, {}}, want: `["a",null,null]`},
	} {
		if got := string(JoinArgs([]byte("x"), c.name, c.args...)); got != "x"+c.want {
			t.Errorf("got %s, want %s", got, "x"+c.want)
		}
	}
}

// TestSplitEventTakesLinearTime compares sixteen times the input with sixteen
// times the time, generously: quadratic work would take 256 times as long.
func TestSplitEventTakesLinearTime(t *testing.T) {
	for _, c := range []struct {
		name string
		data func(n int) string
	}{
		{"deep", func(n int) string {
			return strings.Repeat(strings.Repeat("[", 900)+strings.Repeat("]", 900)+",", n) + "0"
		}},
		{"a long string of escapes", func(n int) string { return `"` + strings.Repeat(`\ud83d\ude00`, 150*n) + `"` }},
		{"a large object", func(n int) string { return "{" + strings.Repeat(`"k":[{}],`, 200*n) + `"k":0}` }},
	} {
		t.Run(c.name, func(t *testing.T) {
			took := func(n int) time.Duration {
				data := json.RawMessage(`["a",` + c.data(n) + `]`)
				best := time.Duration(1<<63 - 1)
				for range 5 {
					start := time.Now()
					if _, _, err := SplitEvent(data); err != nil {
						t.Fatal(err)
					}
					best = min(best, time.Since(start))
				}
				return best
			}
			if small, large := took(32), took(512); large > 100*small {
				t.Errorf("16 times the input took %v instead of %v", large, small)
			}
		})
	}
}

func BenchmarkSplitEvent(b *testing.B) {
	for _, c := range []struct{ name, data string }{
		{"cursor", `["cursor",{"x":512.5,"y":384.25}]`},
		{"chat", `["message",{"text":"` + strings.Repeat("hello ", 30) + `","to":"all"},{"$parlor":{"cid":"c-123"}}]`},
		{"document", `["patch",` + strings.Repeat(`{"op":"set","path":["notes","n1","text"],"value":"lorem ipsum"},`, 200) + `0]`},
	} {
		b.Run(c.name, func(b *testing.B) {
			data := json.RawMessage(c.data)
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, _, err := SplitEvent(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecoder(b *testing.B) {
	event := []byte(`2/board/q3,["cursor",{"x":512.5,"y":384.25}]`)
	document := []byte(`2/board/q3,["patch",` + strings.Repeat(`{"op":"set","path":["notes","n1","text"],"value":"lorem ipsum"},`, 200) + `0]`)
	for _, c := range []struct {
		name string
		text []byte
	}{{"cursor", event}, {"document", document}} {
		p, _, err := NewDecoder(Limits{}).AddText(c.text)
		if err != nil {
			b.Fatal(err)
		}
		packed, err := EncodeMsgpack(*p)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("json/"+c.name, func(b *testing.B) {
			d := NewDecoder(Limits{})
			b.ReportAllocs()
			b.SetBytes(int64(len(c.text)))
			for b.Loop() {
				if _, _, err := d.AddText(c.text); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("msgpack/"+c.name, func(b *testing.B) {
			d := NewMsgpackDecoder(Limits{})
			b.ReportAllocs()
			b.SetBytes(int64(len(packed)))
			for b.Loop() {
				if _, _, err := d.AddBinary(packed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
