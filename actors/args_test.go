package actors_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
)

func raw(text string, attachments ...string) actors.Raw {
	r := actors.Raw{JSON: json.RawMessage(text)}
	for _, a := range attachments {
		r.Attachments = append(r.Attachments, []byte(a))
	}
	return r
}

// encoded is what EncodeArgs makes of args: the array, then the attachments.
func encoded(t testing.TB, args ...any) string {
	t.Helper()
	r, err := actors.EncodeArgs(nil, args...)
	if err != nil {
		t.Fatal(err)
	}
	return spelled(r)
}

func spelled(r actors.Raw) string {
	out := string(r.JSON)
	for _, a := range r.Attachments {
		out += fmt.Sprintf(" %q", a)
	}
	return out
}

func TestArgsAreEncodedAsEncodingJSONDoesWithoutEscapingHTML(t *testing.T) {
	type point struct{ X, Y float64 }
	var nilPoint *point
	for name, c := range map[string]struct {
		args []any
		want string
	}{
		"none":             {nil, `[]`},
		"nil":              {[]any{nil}, `[null]`},
		"a typed nil":      {[]any{nilPoint}, `[null]`},
		"nil bytes":        {[]any{[]byte(nil), actors.Binary(nil)}, `[null,null]`},
		"nil RawMessage":   {[]any{json.RawMessage(nil)}, `[null]`},
		"zero Raw":         {[]any{actors.Raw{}, 1}, `[null,1]`},
		"scalars":          {[]any{1, -2, true, false, 1.5, uint8(3), "x"}, `[1,-2,true,false,1.5,3,"x"]`},
		"HTML":             {[]any{"<a&b>", []string{"<a&b>"}, map[string]string{"<": "&"}}, `["<a&b>",["<a&b>"],{"<":"&"}]`},
		"quotes":           {[]any{"say \"no\"\\"}, `["say \"no\"\\"]`},
		"controls":         {[]any{"a\nb\x00\x7f"}, "[\"a\\nb\\u0000\x7f\"]"},
		"beyond ASCII":     {[]any{"é 漢 🙂"}, `["é 漢 🙂"]`},
		"not UTF-8":        {[]any{"a\xffb"}, `["a\ufffdb"]`},
		"a struct":         {[]any{point{1, 2}}, `[{"X":1,"Y":2}]`},
		"a RawMessage":     {[]any{json.RawMessage(` {"a" : 1} `)}, `[ {"a" : 1} ]`},
		"a named bytes":    {[]any{json.RawMessage(`"x"`), struct{ B []byte }{[]byte("hi")}}, `["x",{"B":"aGk="}]`},
		"its own encoding": {[]any{&byPointer{3}, &byPointer{4}}, `[3,4]`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := encoded(t, c.args...); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestTheEventNameComesFirst(t *testing.T) {
	for name, want := range map[string]string{
		"moved":    `["moved",1]`,
		"a\"b<é":   `["a\"b<é",1]`,
		"":         `["",1]`,
		"bad\xffé": `["bad\ufffdé",1]`,
	} {
		r, err := actors.EncodeArgs(&name, 1)
		if err != nil || string(r.JSON) != want {
			t.Errorf("event %q: %s, %v; want %s", name, r.JSON, err, want)
		}
	}
}

func TestRawPassesUntouched(t *testing.T) {
	for name, text := range map[string]string{
		"a lone surrogate": `"\ud800"`,
		"a big number":     `123456789012345678901234567890.10e+400`,
		"a negative zero":  `-0.0`,
		"escapes":          `"\u0041\/\u003c"`,
		"order and double": `{"b":1,"a":2,"b":3}`,
		"spaces":           "{ \"a\" :\t[ 1 , 2 ]\n}",
		"a placeholder":    `{"_placeholder":true,"num":7}`,
	} {
		t.Run(name, func(t *testing.T) {
			if got, want := encoded(t, raw(text), json.RawMessage(text)), "["+text+","+text+"]"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestArgsStandForAllOfTheirArguments(t *testing.T) {
	args := actors.Args{
		List:        []json.RawMessage{[]byte(`"a"`), []byte(`{"_placeholder":true,"num":1}`), []byte(`{"_placeholder":true,"num":0}`)},
		Attachments: [][]byte{[]byte("zero"), []byte("one")},
	}
	for name, c := range map[string]struct {
		args []any
		want string
	}{
		"alone": {[]any{args}, `["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}] "one" "zero"`},
		"between others": {[]any{[]byte("x"), args, 5},
			`[{"_placeholder":true,"num":0},"a",{"_placeholder":true,"num":1},{"_placeholder":true,"num":2},5] "x" "one" "zero"`},
		"none": {[]any{1, actors.Args{}, 2}, `[1,2]`},
		"one":  {[]any{args.At(1)}, `[{"_placeholder":true,"num":0}] "one"`},
		"out":  {[]any{args.At(3), args.At(-1)}, `[null,null]`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := encoded(t, c.args...); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestWhatCannotBeEncodedIsAnErrorThatNamesTheArgument(t *testing.T) {
	cycle := map[string]any{}
	cycle["self"], cycle["again"] = cycle, cycle
	binaryCycle := map[string]any{"a": actors.Binary("x")}
	binaryCycle["b"], binaryCycle["c"] = binaryCycle, binaryCycle
	many := make([]actors.Binary, actors.MaxAttachments+1)
	for i := range many {
		many[i] = actors.Binary{1}
	}
	for name, c := range map[string]struct {
		args []any
		want []string
	}{
		"a channel":                    {[]any{1, make(chan int)}, []string{"argument 2", "chan int"}},
		"NaN":                          {[]any{math.NaN()}, []string{"argument 1", "NaN"}},
		"a failing method":             {[]any{unencodable{errors.New("boom")}}, []string{"argument 1", "boom"}},
		"a failing method beside":      {[]any{map[string]any{"a": actors.Binary("x"), "b": unencodable{errors.New("boom")}}}, []string{"argument 1", "boom"}},
		"a RawMessage":                 {[]any{json.RawMessage(`{`)}, []string{"argument 1", "RawMessage"}},
		"two values in a RawMessage":   {[]any{json.RawMessage(`1,2`)}, []string{"argument 1", "RawMessage"}},
		"a Raw":                        {[]any{raw(`]`)}, []string{"argument 1", "Raw"}},
		"a Raw within":                 {[]any{[]any{raw(`]`)}}, []string{"argument 1"}},
		"a Raw without its bytes":      {[]any{raw(`{"_placeholder":true,"num":1}`, "zero")}, []string{"attachment 1", "missing"}},
		"the same within":              {[]any{[]any{raw(`{"_placeholder":true,"num":1}`, "zero")}}, []string{"attachment 1", "missing"}},
		"not UTF-8":                    {[]any{raw("\"\xff\"")}, []string{"UTF-8"}},
		"not UTF-8 within":             {[]any{[]any{json.RawMessage("\"\xff\"")}}, []string{"UTF-8"}},
		"itself":                       {[]any{cycle}, []string{"argument 1"}},
		"itself with a Binary":         {[]any{binaryCycle}, []string{"argument 1", "within itself"}},
		"more than fit one packet":     {[]any{many}, []string{"11 attachments", "at most 10"}},
		"more than fit, one at a time": {[]any{many[:5], many[:6]}, []string{"11 attachments", "at most 10"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := actors.EncodeArgs(nil, c.args...)
			wantError(t, err, c.want...)
			if r.JSON != nil || r.Attachments != nil {
				t.Errorf("an error and yet %s", spelled(r))
			}
		})
	}
	if _, err := actors.EncodeArgs(nil, many[:10]); err != nil {
		t.Errorf("10 attachments: %v", err)
	}
}

// A value of encoding/json that panics must not spoil what is pooled.
type panicking struct{}

func (panicking) MarshalJSON() ([]byte, error) { panic("boom") }

func TestAFailedEncodingLeavesNothingBehind(t *testing.T) {
	for range 100 {
		wantPanic(t, "boom", func() { _, _ = actors.EncodeArgs(nil, 1.5, panicking{}) })
		if _, err := actors.EncodeArgs(nil, "é", math.NaN()); err == nil {
			t.Fatal("NaN was encoded")
		}
		if got := encoded(t, "é", 2.5); got != `["é",2.5]` {
			t.Fatalf("got %s", got)
		}
	}
}

func TestEncodedArgsKeepNoMemoryOfTheCaller(t *testing.T) {
	b, text := []byte("abc"), json.RawMessage(`[1]`)
	nested := map[string]any{"b": actors.Binary(b)}
	r, err := actors.EncodeArgs(nil, b, actors.Binary(b), nested, text)
	if err != nil {
		t.Fatal(err)
	}
	before := spelled(r)
	copy(b, "xyz")
	text[1] = '9'
	if got := spelled(r); got != before {
		t.Errorf("changed from %s to %s", before, got)
	}
	if got := fmt.Sprintf("%s", nested["b"]); got != "xyz" {
		t.Errorf("the caller's value was touched: %q", got)
	}
}

func FuzzRawComesThroughUnchangedOrNotAtAll(f *testing.F) {
	for _, s := range []string{`1`, `"\ud800"`, `{"a":[1,2]}`, ` null `, `{"_placeholder":true,"num":0}`, "\"\xff\"", `1,2`, `]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := actors.EncodeArgs(nil, 1, actors.Raw{JSON: []byte(text)}, 2)
		if err != nil {
			return
		}
		want := "[1," + text + ",2]"
		if text == "" {
			want = "[1,null,2]"
		}
		if string(r.JSON) != want {
			t.Fatalf("got %q, want %q", r.JSON, want)
		}
		var list []json.RawMessage
		if json.Unmarshal(r.JSON, &list) != nil || len(list) != 3 {
			t.Fatalf("%q is not three arguments", r.JSON)
		}
	})
}

func TestStringsOfEveryKindEncodeLikeEncodingJSON(t *testing.T) {
	for c := rune(0); c < 0x3000; c++ {
		s := "a" + string(c) + "b"
		var want strings.Builder
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode([]string{s}); err != nil {
			t.Fatal(err)
		}
		if got := encoded(t, s) + "\n"; got != want.String() {
			t.Fatalf("%q: got %q, want %q", s, got, want.String())
		}
	}
}
