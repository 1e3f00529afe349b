package actors_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/parlor-rooms/parlor/actors"
)

func TestAttachmentsAreDecodedInTheirPlaces(t *testing.T) {
	r := raw(`{"name":"x","data":`+p1+`,"any":`+p0+`,"pages":[`+p1+`]}`, "zero", "one")
	var p picture
	if err := r.Decode(&p); err != nil {
		t.Fatal(err)
	}
	if string(p.Data) != "one" || len(p.Pages) != 1 || string(p.Pages[0]) != "one" || p.Any != "emVybw==" {
		t.Errorf("decoded %+v", p)
	}
	var s struct {
		Data []byte `json:"data"`
		Any  string `json:"any"`
	}
	if err := r.Decode(&s); err != nil || string(s.Data) != "one" || s.Any != "emVybw==" {
		t.Errorf("decoded %+v, %v", s, err)
	}
}

func TestAWholeAttachmentIsDecodedAsBytesOfItsOwn(t *testing.T) {
	r := raw(" "+p0+"\n", "zero")
	var b actors.Binary
	var plain []byte
	var named struct{ json.RawMessage }
	if err := errors.Join(r.Decode(&b), r.Decode(&plain), r.Decode(&named.RawMessage)); err != nil {
		t.Fatal(err)
	}
	if string(b) != "zero" || string(plain) != "zero" || string(named.RawMessage) != `"emVybw=="` {
		t.Errorf("%q %q %q", b, plain, named.RawMessage)
	}
	b[0], plain[1] = 'Z', 'Z'
	if string(r.Attachments[0]) != "zero" {
		t.Errorf("the packet was changed to %q", r.Attachments[0])
	}
	if err := raw(p0, "").Decode(&b); err != nil || b == nil || len(b) != 0 {
		t.Errorf("an empty attachment came as %#v, %v", b, err)
	}
	if err := raw(`"aGk="`).Decode(&b); err != nil || string(b) != "hi" {
		t.Errorf("base64 came as %q, %v", b, err)
	}
	if err := raw(`null`).Decode(&b); err != nil || b != nil {
		t.Errorf("null came as %#v, %v", b, err)
	}
}

func TestDecodingIntoRawLosesNothing(t *testing.T) {
	r := raw(`[`+p0+`]`, "zero")
	var got actors.Raw
	if err := r.Decode(&got); err != nil || spelled(got) != spelled(r) {
		t.Errorf("got %s, %v", spelled(got), err)
	}
	var empty any = "was"
	if err := (actors.Raw{}).Decode(&empty); err != nil || empty != nil {
		t.Errorf("an empty Raw came as %v, %v", empty, err)
	}
}

type strict struct{ n int }

func (s *strict) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case `"known"`:
		return actors.Errorf(actors.CodeConflict, "known and refused")
	case `"nil"`:
		var none *actors.Error
		return none
	case `"secret"`:
		return errors.New("pq: password is hunter2")
	}
	return json.Unmarshal(b, &s.n)
}

func TestDecodeErrorsAreForPeople(t *testing.T) {
	type inner struct {
		Deep uint8 `json:"deep"`
	}
	type payload struct {
		Text  string            `json:"text"`
		N     int8              `json:"n"`
		Big   uint64            `json:"big"`
		F     float64           `json:"f"`
		On    bool              `json:"on"`
		List  []string          `json:"list"`
		Pair  [2]int            `json:"pair"`
		Inner *inner            `json:"inner"`
		ByID  map[int]string    `json:"by"`
		At    time.Time         `json:"at"`
		Data  actors.Binary     `json:"data"`
		Addr  netip.Addr        `json:"addr"`
		S     strict            `json:"s"`
		Fn    func()            `json:"fn"`
		Tags  map[string]string `json:"tags"`
	}
	for name, c := range map[string]struct{ json, want string }{
		"a string for an object":    {`"x"`, "payload: want object, got string"},
		"an array for an object":    {`[]`, "payload: want object, got array"},
		"a number for a string":     {`{"text":5}`, "text: want string, got number"},
		"a string for a number":     {`{"f":"5"}`, "f: want number, got string"},
		"too large":                 {`{"n":300}`, "n: want integer from -128 to 127, got number 300"},
		"a fraction":                {`{"n":1.5}`, "n: want integer from -128 to 127, got number 1.5"},
		"below zero":                {`{"big":-1}`, "big: want integer from 0 to 18446744073709551615, got number -1"},
		"a string for a boolean":    {`{"on":"yes"}`, "on: want boolean, got string"},
		"a boolean for a string":    {`{"text":true}`, "text: want string, got boolean"},
		"an object for an array":    {`{"list":{}}`, "list: want array, got object"},
		"a string for a pair":       {`{"pair":"x"}`, "pair: want array, got string"},
		"nested":                    {`{"inner":{"deep":-1}}`, "inner.deep: want integer from 0 to 255, got number -1"},
		"a string for a nested":     {`{"inner":"x"}`, "inner: want object, got string"},
		"a key that is no number":   {`{"by":{"x":"y"}}`, "want integer from -9223372036854775808 to 9223372036854775807, got number x"},
		"a time that is none":       {`{"at":"tomorrow"}`, "payload: want a time as in RFC 3339"},
		"text that is not base64":   {`{"data":"not base64!"}`, "payload: want binary or a base64 string"},
		"a number for bytes":        {`{"data":5}`, "data: want binary or base64 string, got number"},
		"a number for an address":   {`{"addr":5}`, "addr: want string, got number"},
		"an address that is none":   {`{"addr":"nowhere"}`, "payload: does not fit"},
		"something undecodable":     {`{"fn":1}`, "fn: want another type, got number"},
		"an error that is nil":      {`{"s":"nil"}`, "payload: does not fit"},
		"an error with a secret":    {`{"s":"secret"}`, "payload: does not fit"},
		"broken":                    {`{"text":`, "payload: not JSON at byte 8"},
		"deeper than encoding/json": {strings.Repeat("[", 10_001), "payload: not JSON at byte 10001"},
	} {
		t.Run(name, func(t *testing.T) {
			var p payload
			err := raw(c.json).Decode(&p)
			var e *actors.Error
			if !errors.As(err, &e) || e.Code != actors.CodeBadPayload {
				t.Fatalf("error %v, want bad_payload", err)
			}
			if !strings.Contains(e.Message, c.want) {
				t.Errorf("got  %q\nwant %q", e.Message, c.want)
			}
			bind := actors.JoinRequest{Member: actors.Member{Auth: json.RawMessage(c.json)}}
			if err := bind.Bind(&p); !errors.As(err, &e) || e.Code != actors.CodeBadAuth || !strings.Contains(e.Message, c.want) {
				t.Errorf("as a CONNECT payload: %v", err)
			}
		})
	}
	var e *actors.Error
	if err := raw(`{"s":"known"}`).Decode(new(payload)); !errors.As(err, &e) || e.Code != actors.CodeConflict {
		t.Errorf("an *Error of an UnmarshalJSON came as %v", err)
	}
}

func TestErrorsDoNotRepeatWhateverTheClientSent(t *testing.T) {
	long := strings.Repeat("9", 100_000)
	for name, c := range map[string]struct {
		json string
		v    any
	}{
		"a long number": {long, new(int)},
		"a long key":    {`{"` + strings.Repeat("é", 50_000) + `":1}`, new(map[int]int)},
	} {
		t.Run(name, func(t *testing.T) {
			err := raw(c.json).Decode(c.v)
			var e *actors.Error
			if !errors.As(err, &e) || len(e.Message) > 210 || !strings.HasSuffix(e.Message, "…") || !utf8.ValidString(e.Message) {
				t.Fatalf("error %.300q", err)
			}
		})
	}
}

func TestWhatCannotBeDecodedIntoIsNotTheClientsFault(t *testing.T) {
	args := actors.Args{List: []json.RawMessage{[]byte(`{}`)}}
	request := actors.JoinRequest{Member: actors.Member{Auth: []byte(`{}`)}}
	var nilRaw *actors.Raw
	for name, err := range map[string]error{
		"no pointer":    args.Decode(0, picture{}),
		"nil":           args.Decode(0, nil),
		"a nil pointer": args.Decode(0, (*picture)(nil)),
		"a nil *Raw":    args.Decode(0, nilRaw),
		"Bind":          request.Bind(picture{}),
	} {
		var e *actors.Error
		if err == nil || errors.As(err, &e) || actors.AsError(err).Code != actors.CodeInternal {
			t.Errorf("%s: %v", name, err)
		}
		wantError(t, err, "want a pointer")
	}
}

func TestAMissingArgumentIsABadPayload(t *testing.T) {
	args := actors.Args{List: []json.RawMessage{[]byte(`1`)}}
	for i, want := range map[int]string{1: "argument 2 is missing", 7: "argument 8 is missing", -1: "argument 0 is missing"} {
		var v any
		var e *actors.Error
		if err := args.Decode(i, &v); !errors.As(err, &e) || e.Code != actors.CodeBadPayload || e.Message != want {
			t.Errorf("argument %d: %v", i, err)
		}
	}
	var n int
	if err := args.Decode(0, &n); err != nil || n != 1 {
		t.Errorf("argument 0: %d, %v", n, err)
	}
}

func TestAPlaceholderWithoutItsAttachmentIsABadPayload(t *testing.T) {
	for name, r := range map[string]actors.Raw{
		"out of range": raw(`[{"_placeholder":true,"num":1}]`, "zero"),
		"whole":        raw(`{"_placeholder":true,"num":5}`, "zero"),
	} {
		var v any
		var e *actors.Error
		if err := r.Decode(&v); !errors.As(err, &e) || e.Code != actors.CodeBadPayload || !strings.Contains(e.Message, "is missing") {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
	var v map[string]any
	if err := raw(p0).Decode(&v); err != nil || v["_placeholder"] != true {
		t.Errorf("without attachments it is data, but: %v, %v", v, err)
	}
}

func TestBindLeavesDefaultsWhereNothingWasSent(t *testing.T) {
	who := struct{ Name, Color string }{Name: "guest", Color: "red"}
	for _, auth := range []string{"", `{"color":"blue"}`} {
		m := actors.Member{Auth: json.RawMessage(auth)}
		if err := m.Bind(&who); err != nil {
			t.Fatal(err)
		}
	}
	if who.Name != "guest" || who.Color != "blue" {
		t.Errorf("bound %+v", who)
	}
}

func FuzzDecodeNeverPanics(f *testing.F) {
	f.Add(`{"data":` + p0 + `}`)
	f.Add(`{"_placeholder":true,"num":0`)
	f.Add(`"\`)
	f.Add(`}{"_placeholder":1}`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range []actors.Raw{raw(text), raw(text, "zero"), raw(text, "zero", "one")} {
			var p picture
			var v any
			var b actors.Binary
			for _, err := range []error{r.Decode(&p), r.Decode(&v), r.Decode(&b)} {
				var e *actors.Error
				if err != nil && (!errors.As(err, &e) || e.Code != actors.CodeBadPayload || !utf8.ValidString(e.Message)) {
					t.Fatalf("%q: %v", text, err)
				}
			}
		}
	})
}
