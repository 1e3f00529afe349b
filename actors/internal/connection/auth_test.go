package connection

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
)

func TestReadAuthTakesWhatIsParlorsAndNothingElse(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want authPayload
	}{
		"nothing":               {``, authPayload{}},
		"null":                  {` null `, authPayload{}},
		"empty":                 {`{}`, authPayload{Rest: json.RawMessage(`{}`)}},
		"only ours":             {`{"token":"t","pid":"p","offset":"o","$parlor":{"x":1}}`, authPayload{"t", "p", "o", nil}},
		"only theirs":           {` {"name" : "Ada","n":1.50,"é":"\u00e9<"} `, authPayload{Rest: json.RawMessage(`{"name" : "Ada","n":1.50,"é":"\u00e9<"}`)}},
		"both":                  {`{"z":1e3,"token":"t","a" : {"token":"inner"},"pid":null}`, authPayload{Token: "t", Rest: json.RawMessage(`{"z":1e3,"a" : {"token":"inner"}}`)}},
		"other cases are not":   {`{"TOKEN":"b","Pid":1}`, authPayload{Rest: json.RawMessage(`{"TOKEN":"b","Pid":1}`)}},
		"escapes are no escape": {`{"\u0074oken":"a","\u0024parlor":1,"x":2}`, authPayload{Token: "a", Rest: json.RawMessage(`{"x":2}`)}},
		"repetitions within":    {`{"x":{"y":1,"y":2}}`, authPayload{Rest: json.RawMessage(`{"x":{"y":1,"y":2}}`)}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readAuth([]byte(c.in))
			if err != nil || got.Token != c.want.Token || got.PID != c.want.PID || got.Offset != c.want.Offset || string(got.Rest) != string(c.want.Rest) {
				t.Errorf("got %q %v", got, err)
			}
		})
	}
}

func TestReadAuthSaysWhatDoesNotFit(t *testing.T) {
	const twice = "auth: a key comes twice, upper and lower case being the same"
	for in, want := range map[string]string{
		`[]`:                     "auth: want an object",
		`"token"`:                "auth: want an object",
		`5`:                      "auth: want an object",
		`{"token":5}`:            "auth: token: want a string",
		`{"offset":{},"pid":[]}`: "auth: offset: want a string",
		`{"pid":[],"offset":{}}`: "auth: pid: want a string",
		`{"token":5,"token":""}`: twice,
		`{"x":1,"x":1}`:          twice,
		`{"sub":"u","SUB":"r"}`:  twice,
		`{"token":1,"TOKEN":2}`:  twice,
		`{"x":1,"\u0058":2}`:     twice,
		`{"kid":1,"\u212aid":2}`: twice, // the Kelvin sign, which encoding/json takes for a k
		`{"sub":1,"\u017fub":2}`: twice, // the long s
	} {
		_, err := readAuth([]byte(in))
		if e := actors.AsError(err); e == nil || e.Code != actors.CodeBadAuth || e.Message != want {
			t.Errorf("readAuth(%s): %v", in, err)
		}
	}
}

func FuzzReadAuthLeavesTheRestAlone(f *testing.F) {
	f.Add([]byte(`{"token":"a","name":{"x":[1,2]},"pid":null}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		a, err := readAuth(in)
		if !json.Valid(in) || err != nil {
			return
		}
		if a.Rest == nil {
			return
		}
		var before, after map[string]json.RawMessage
		if json.Unmarshal(in, &before) != nil {
			return
		}
		if json.Unmarshal(a.Rest, &after) != nil {
			t.Fatalf("readAuth(%q).Rest = %q", in, a.Rest)
		}
		for _, key := range []string{"token", "pid", "offset", "$parlor"} {
			delete(before, key)
		}
		if len(before) != len(after) {
			t.Fatalf("readAuth(%q).Rest = %q", in, a.Rest)
		}
		for key, value := range before {
			if !strings.Contains(key, "\ufffd") && string(after[key]) != string(value) {
				t.Fatalf("readAuth(%q).Rest = %q", in, a.Rest)
			}
		}
	})
}
