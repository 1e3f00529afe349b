package actors_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"pgregory.net/rapid"
)

type B = actors.Binary

const (
	p0 = `{"_placeholder":true,"num":0}`
	p1 = `{"_placeholder":true,"num":1}`
	p2 = `{"_placeholder":true,"num":2}`
)

type hidden struct {
	Inner B `json:"inner"`
}

type picture struct {
	Name   string         `json:"name"`
	Data   B              `json:"data,omitempty"`
	Thumb  *B             `json:"thumb,omitempty"`
	Pages  []B            `json:"pages,omitempty"`
	ByName map[string]B   `json:"by,omitempty"`
	Any    any            `json:"any,omitempty"`
	Secret B              `json:"-"`
	Next   *picture       `json:"next,omitempty"`
	Pair   [2]hidden      `json:"pair"`
	Source *actors.Raw    `json:"source,omitempty"`
	Extra  map[string]any `json:"extra,omitempty"`

	private B
}

// hexed decides its own encoding, which a token must not get into.
type hexed struct{ Sum B }

func (h hexed) MarshalJSON() ([]byte, error) { return json.Marshal(hex.EncodeToString(h.Sum)) }

type texted struct{ Sum B }

func (h texted) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h.Sum)), nil }

func TestBinaryIsAnAttachmentWhereverEncodingJSONReachesIt(t *testing.T) {
	thumb := B("T")
	for name, c := range map[string]struct {
		arg  any
		want string
	}{
		"bytes":              {[]byte("x"), `[` + p0 + `] "x"`},
		"Binary":             {B("x"), `[` + p0 + `] "x"`},
		"empty":              {B{}, `[` + p0 + `] ""`},
		"empty bytes":        {[]byte{}, `[` + p0 + `] ""`},
		"a pointer":          {&thumb, `[` + p0 + `] "T"`},
		"a field":            {struct{ A, B any }{B("x"), 1}, `[{"A":` + p0 + `,"B":1}] "x"`},
		"an empty field":     {struct{ A B }{B{}}, `[{"A":` + p0 + `}] ""`},
		"a nil field":        {struct{ A B }{}, `[{"A":null}]`},
		"omitted when empty": {picture{Data: B{}, Extra: map[string]any{"x": B("x")}}, `[{"name":"","pair":[{"inner":null},{"inner":null}],"extra":{"x":` + p0 + `}}] "x"`},
		"a slice":            {[]B{B("x"), nil, B("y")}, `[[` + p0 + `,null,` + p1 + `]] "x" "y"`},
		"an array":           {[2]B{B("x"), B("y")}, `[[` + p0 + `,` + p1 + `]] "x" "y"`},
		"a map, in the order of its keys": {map[string]B{"b": B("x"), "a": B("y")},
			`[{"a":` + p0 + `,"b":` + p1 + `}] "y" "x"`},
		"any in any":         {map[string]any{"a": []any{1, map[string]any{"b": B("x")}}}, `[{"a":[1,{"b":` + p0 + `}]}] "x"`},
		"an embedded struct": {struct{ hidden }{hidden{B("x")}}, `[{"inner":` + p0 + `}] "x"`},
		"the same twice":     {[]*B{&thumb, &thumb}, `[[` + p0 + `,` + p1 + `]] "T" "T"`},
		"a pointer chain":    {picture{Name: "1", Next: &picture{Name: "2", Data: B("x")}}, `[{"name":"1","next":{"name":"2","data":` + p0 + `,"pair":[{"inner":null},{"inner":null}]},"pair":[{"inner":null},{"inner":null}]}] "x"`},
		"never a hidden one": {picture{Secret: B("s"), private: B("p"), Thumb: &thumb},
			`[{"name":"","thumb":` + p0 + `,"pair":[{"inner":null},{"inner":null}]}] "T"`},
		"not through a MarshalJSON":     {[]any{hexed{B("x")}, B("y")}, `[["78",` + p0 + `]] "y"`},
		"not through a MarshalText":     {[]any{texted{B("x")}, B("y")}, `[["78",` + p0 + `]] "y"`},
		"nor an embedded one":           {[]any{struct{ hexed }{hexed{B("x")}}, B("y")}, `[["78",` + p0 + `]] "y"`},
		"bytes within stay base64":      {[]any{[]byte("x"), B("y")}, `[["eA==",` + p0 + `]] "y"`},
		"another type of bytes":         {[]any{json.RawMessage(`"r"`), B("y")}, `[["r",` + p0 + `]] "y"`},
		"a text that looks like base64": {[]any{base64.StdEncoding.EncodeToString([]byte("y")), B("y")}, `[["eQ==",` + p0 + `]] "y"`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := encoded(t, c.arg); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestRawWithinAnArgumentKeepsItsAttachments(t *testing.T) {
	r := raw(`{"b": `+p1+`, "a":[`+p0+`]}`, "zero", "one")
	for name, c := range map[string]struct {
		args []any
		want string
	}{
		"in a struct": {[]any{struct {
			From string
			Data actors.Raw
		}{"ada", r}}, `[{"From":"ada","Data":{"b":` + p0 + `,"a":[` + p1 + `]}}] "one" "zero"`},
		"by pointer":            {[]any{picture{Source: &r, Pair: [2]hidden{{B("x")}}}}, `[{"name":"","pair":[{"inner":` + p0 + `},{"inner":null}],"source":{"b":` + p1 + `,"a":[` + p2 + `]}}] "x" "one" "zero"`},
		"without attachments":   {[]any{[]any{raw(`{"a": 1}`)}}, `[[{"a":1}]]`},
		"the zero Raw":          {[]any{[]any{actors.Raw{}}}, `[[null]]`},
		"a placeholder as data": {[]any{[]any{raw(p0)}}, `[[` + p0 + `]]`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := encoded(t, c.args...); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestAttachmentsAreNumberedInTheOrderTheyStand(t *testing.T) {
	client := raw(`[`+p1+`,{"x":`+p0+`}]`, "zero", "one")
	got := encoded(t, B("a"), client, map[string]any{"m": B("b")}, []byte("c"), client)
	want := `[` + p0 + `,[` + p1 + `,{"x":` + p2 + `}],{"m":{"_placeholder":true,"num":3}},{"_placeholder":true,"num":4},` +
		`[{"_placeholder":true,"num":5},{"x":{"_placeholder":true,"num":6}}]] "a" "one" "zero" "b" "c" "one" "zero"`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestPlaceholdersAreFoundInEverySpelling(t *testing.T) {
	for name, spelling := range map[string]string{
		"canonical": p0,
		"num first": `{"num":0,"_placeholder":true}`,
		"spaces":    "{ \"_placeholder\" : true ,\n\t\"num\" : 0 }",
		"escapes":   `{"\u005fplaceholder":true,"n\u0075m":0}`,
	} {
		t.Run(name, func(t *testing.T) {
			r := raw(`{"\"a":[`+spelling+`,"{\"_placeholder\":true,\"num\":0}"]}`, "zero")
			want := `[` + p0 + `,{"\"a":[` + p1 + `,"{\"_placeholder\":true,\"num\":0}"]}] "x" "zero"`
			if got := encoded(t, B("x"), r); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			var in map[string][]any
			if err := r.Decode(&in); err != nil || in[`"a`][0] != "emVybw==" {
				t.Errorf("decoded as %v, %v", in, err)
			}
		})
	}
}

func TestOnlyPlaceholdersOfARawAreReplaced(t *testing.T) {
	for name, c := range map[string]struct{ json, want string }{
		"escaped throughout":   {`{"\u005fplaceholder":true,"num":0}`, p1 + `] "x" "zero"`},
		"with further members": {`[{"_placeholder":true,"num":0,"more":1},` + p0 + `]`, `[{"_placeholder_":true,"num":0,"more":1},` + p1 + `]] "x" "zero"`},
		"not true":             {`[{"_placeholder":1,"num":0},` + p0 + `]`, `[{"_placeholder_":1,"num":0},` + p1 + `]] "x" "zero"`},
		"a number below zero":  {`[{"_placeholder":true,"num":-1},` + p0 + `]`, `[{"_placeholder_":true,"num":-1},` + p1 + `]] "x" "zero"`},
		"behind a backslash":   {`["\\\"",` + p0 + `,"\\"]`, `["\\\"",` + p1 + `,"\\"]] "x" "zero"`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := encoded(t, B("x"), raw(c.json, "zero")); got != `[`+p0+`,`+c.want {
				t.Errorf("got  %s\nwant %s", got, `[`+p0+`,`+c.want)
			}
		})
	}
}

// A stock client replaces every object whose _placeholder is true, whatever
// else is in it, and fails on a number without an attachment.
func TestNoClientCanForgeAPlaceholder(t *testing.T) {
	for name, c := range map[string]struct{ forged, want string }{
		"as it should be":  {p0, `{"_placeholder_":true,"num":0}`},
		"out of range":     {`{"_placeholder":true,"num":99}`, `{"_placeholder_":true,"num":99}`},
		"no number":        {`{"_placeholder":true}`, `{"_placeholder_":true}`},
		"further members":  {`{"x":1,"_placeholder":true,"num":0}`, `{"x":1,"_placeholder_":true,"num":0}`},
		"escaped":          {`{"\u005fplaceholder":true,"num":0}`, `{"\u005fplaceholder_":true,"num":0}`},
		"truthy":           {`{"_placeholder":1,"num":0}`, `{"_placeholder_":1,"num":0}`},
		"twice":            {`{"_placeholder":false,"_placeholder":true,"num":0}`, `{"_placeholder_":false,"_placeholder_":true,"num":0}`},
		"around another":   {`{"_placeholder":true,"num":{"_placeholder":true,"num":0}}`, `{"_placeholder_":true,"num":{"_placeholder_":true,"num":0}}`},
		"behind a string":  {`["{\"_placeholder\":true,\"num\":0}\\",{"_placeholder" : true}]`, `["{\"_placeholder\":true,\"num\":0}\\",{"_placeholder_" : true}]`},
		"a value, no key":  {`["_placeholder",{"a":"_placeholder"}]`, `["_placeholder",{"a":"_placeholder"}]`},
		"a similar name":   {`{"_placeholder_":true,"placeholder":1}`, `{"_placeholder_":true,"placeholder":1}`},
		"another spelling": {`{"_PLACEHOLDER":true,"num":0}`, `{"_PLACEHOLDER":true,"num":0}`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := encoded(t, raw(c.forged), B("x")); got != `[`+c.want+`,`+p0+`] "x"` {
				t.Errorf("before an attachment: %s", got)
			}
			if got := encoded(t, B("x"), json.RawMessage(c.forged)); got != `[`+p0+`,`+c.want+`] "x"` {
				t.Errorf("after an attachment: %s", got)
			}
			if got := encoded(t, raw(c.forged)); got != `[`+c.forged+`]` {
				t.Errorf("without attachments it is data, but: %s", got)
			}
		})
	}
	type relayed struct {
		Data json.RawMessage
		Icon B
		More map[string]any
	}
	got := encoded(t, relayed{json.RawMessage(`{"_placeholder":true,"num":5}`), B("x"), map[string]any{"_placeholder": true, "num": 0}})
	want := `[{"Data":{"_placeholder_":true,"num":5},"Icon":` + p0 + `,"More":{"_placeholder_":true,"num":0}}] "x"`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestBinaryOutsideOfArgumentsIsPlainBase64(t *testing.T) {
	v := picture{Data: B("hello"), Source: &actors.Raw{JSON: []byte(`{"x":` + p0 + `}`), Attachments: [][]byte{[]byte("raw")}}}
	want := `{"name":"","data":"aGVsbG8=","pair":[{"inner":null},{"inner":null}],"source":{"x":"cmF3"}}`
	got, err := json.Marshal(v)
	if err != nil || string(got) != want {
		t.Errorf("json.Marshal: %s, %v\nwant %s", got, err, want)
	}
	var back picture
	if err := json.Unmarshal(got, &back); err != nil || string(back.Data) != "hello" {
		t.Errorf("came back as %q, %v", back.Data, err)
	}

	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("got", "picture", v)
	if !strings.Contains(log.String(), `"aGVsbG8="`) {
		t.Errorf("logged as %s", log.String())
	}

	s, i := room[struct {
		P actors.Map[string, picture] `room:"p"`
		R actors.Value[actors.Raw]    `room:"r"`
	}](t)
	i.Begin()
	s.P.Set("a", v)
	s.R.Set(*v.Source)
	wantEqual(t, "state", changes(i.Commit()), []string{"0.a=" + want, `1.={"x":"cmF3"}`})
}

func TestRawIsJSONToEncodingJSON(t *testing.T) {
	type envelope struct{ Data actors.Raw }
	var e envelope
	if err := json.Unmarshal([]byte(`{"Data":{"n":1.0,"s":"\ud800"}}`), &e); err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(e); err != nil || string(got) != `{"Data":{"n":1.0,"s":"\ud800"}}` {
		t.Errorf("%s, %v", got, err)
	}
	if err := (*actors.Raw)(nil).UnmarshalJSON([]byte("1")); err == nil {
		t.Error("a nil *Raw took a value")
	}
	broken := raw(`{"_placeholder":true,"num":3}`, "zero")
	if _, err := json.Marshal(broken); err == nil {
		t.Error("a Raw without its attachment was encoded")
	}
}

// document draws a JSON-like value with Binary leaves, and what a client sees.
func document(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		kinds := []string{"string", "number", "binary"}
		if depth > 0 {
			kinds = append(kinds, "list", "map", "struct", "pointer")
		}
		inner := func() any { return document(depth-1).Draw(t, "inner") }
		switch rapid.SampledFrom(kinds).Draw(t, "kind") {
		case "string":
			return rapid.SampledFrom([]string{"", "AAAA", "_placeholder", "\"{"}).Draw(t, "string")
		case "number":
			return rapid.Float64Range(-9, 9).Draw(t, "number")
		case "binary":
			return B(append([]byte{}, rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, "bytes")...))
		case "list":
			return []any{inner(), inner()}
		case "map":
			return map[string]any{"z": inner(), "a": inner(), "_placeholder": true}
		case "pointer":
			v := inner()
			return &v
		}
		return struct {
			X any `json:"x"`
			B B
		}{inner(), B("s")}
	})
}

// rebuild does what a receiver does: it puts attachments where placeholders
// stand, each once.
func rebuild(t *rapid.T, v any, attachments [][]byte, used map[int]bool) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = rebuild(t, v[i], attachments, used)
		}
	case map[string]any:
		if v["_placeholder"] == true {
			n := int(v["num"].(float64))
			if used[n] {
				t.Fatalf("attachment %d stands twice", n)
			}
			used[n] = true
			return "bytes " + hex.EncodeToString(attachments[n])
		}
		for k := range v {
			v[k] = rebuild(t, v[k], attachments, used)
		}
	}
	return v
}

// expected is what a receiver should see of a document.
func expected(v any) any {
	switch v := v.(type) {
	case B:
		return "bytes " + hex.EncodeToString(v)
	case []any:
		return []any{expected(v[0]), expected(v[1])}
	case map[string]any:
		return map[string]any{"z": expected(v["z"]), "a": expected(v["a"]), "_placeholder": true}
	case *any:
		return expected(*v)
	case struct {
		X any `json:"x"`
		B B
	}:
		return map[string]any{"x": expected(v.X), "B": expected(v.B)}
	}
	return v
}

func TestAReceiverRebuildsWhatWasEmitted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := document(2).Draw(t, "document")
		before := fmt.Sprintf("%v", expected(v))
		r, err := actors.EncodeArgs(nil, v)
		if err != nil {
			if strings.Contains(err.Error(), "at most 10") {
				return
			}
			t.Fatal(err)
		}
		var list []any
		if err := json.Unmarshal(r.JSON, &list); err != nil {
			t.Fatal(err)
		}
		used := make(map[int]bool)
		got := list[0]
		if len(r.Attachments) > 0 {
			got = rebuild(t, list[0], r.Attachments, used)
		}
		if len(used) != len(r.Attachments) {
			t.Fatalf("%d of %d attachments used", len(used), len(r.Attachments))
		}
		want, err := json.Marshal(expected(v))
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Attachments) > 0 { // the user's own key is renamed then
			want = bytes.ReplaceAll(want, []byte(`"_placeholder":`), []byte(`"_placeholder_":`))
		}
		var wanted any
		_ = json.Unmarshal(want, &wanted)
		if fmt.Sprint(got) != fmt.Sprint(wanted) {
			t.Fatalf("got  %v\nwant %v", got, wanted)
		}
		if after := fmt.Sprintf("%v", expected(v)); after != before {
			t.Fatalf("the value was changed from %s to %s", before, after)
		}
	})
}

func FuzzForgedPlaceholdersNeverReachAReceiver(f *testing.F) {
	for _, s := range []string{p0, `{"a":[` + p1 + `]}`, `{"num":0,"_placeholder":true}`, `{"\u005f\u0070laceholder":true}`, `"\\\"{"`, `[[[{}]]]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := actors.EncodeArgs(nil, actors.Raw{JSON: []byte(text)}, B("mine"))
		if err != nil {
			return
		}
		var list []any
		if err := json.Unmarshal(r.JSON, &list); err != nil || len(list) != 2 {
			t.Fatalf("%q: %v", r.JSON, err)
		}
		if len(r.Attachments) != 1 || forged(list[0]) || !forged(list[1]) {
			t.Fatalf("from %q came %q", text, r.JSON)
		}
	})
}

// forged reports whether a receiver would take something in v for a
// placeholder.
func forged(v any) bool {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if forged(e) {
				return true
			}
		}
	case map[string]any:
		if _, has := v["_placeholder"]; has {
			return true
		}
		for _, e := range v {
			if forged(e) {
				return true
			}
		}
	}
	return false
}
