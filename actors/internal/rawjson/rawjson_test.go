package rawjson

import (
	"encoding/json"
	"testing"
)

func TestSplitKeepsEveryByteOfEveryElement(t *testing.T) {
	cases := map[string][]string{
		`[]`:                          nil,
		` [ ] `:                       nil,
		`["a"]`:                       {`"a"`},
		`["a,\"]b",{"x":[1,2]},3.10]`: {`"a,\"]b"`, `{"x":[1,2]}`, `3.10`},
		`[1 , null,"\\"]`:             {`1`, `null`, `"\\"`},
	}
	for in, want := range cases {
		got, err := Split([]byte(in))
		if err != nil || len(got) != len(want) {
			t.Fatalf("Split(%s) = %q, %v", in, got, err)
		}
		for i := range want {
			if string(got[i]) != want[i] {
				t.Errorf("Split(%s)[%d] = %s, want %s", in, i, got[i], want[i])
			}
		}
	}
}

func TestEndsInStringSeesOnlyTheLastElement(t *testing.T) {
	for in, want := range map[string]bool{
		`["e"]`: true, `["e","x"]`: true, `["e",1]`: false, `["e",{"a":"b"}]`: false, `["e",["b"]]`: false,
	} {
		if got := EndsInString([]byte(in)); got != want {
			t.Errorf("EndsInString(%s) = %v", in, got)
		}
	}
}

func TestAppendElementLeavesItsInputAlone(t *testing.T) {
	for in, want := range map[string]string{
		`["e",1]`: `["e",1,"o"]`, `[]`: `["o"]`, ` [ ] `: ` [ "o"]`, ` ["e" ] `: ` ["e" ,"o"]`, `[[]]`: `[[],"o"]`,
	} {
		before := []byte(in)
		if got := string(AppendElement(before, `"o"`)); got != want || string(before) != in {
			t.Errorf("AppendElement(%s) = %s, want %s; input %s", in, got, want, before)
		}
	}
}

func TestSplitEventNamesStringsAndNumbersOnly(t *testing.T) {
	for in, want := range map[string]string{
		`["add",{"x":1}]`: "add", `["\u0061\n"]`: "a\n", `[7]`: "7", `[-1.5e3,2]`: "-1.5e3", `[""]`: "",
	} {
		if name, _, err := SplitEvent([]byte(in)); err != nil || name != want {
			t.Errorf("SplitEvent(%s) = %q, %v", in, name, err)
		}
	}
	for _, in := range []string{`[]`, `{}`, ``, `null`, `[null]`, `[true]`, `[{"a":1}]`, `[["a"]]`, `["\x"]`, `["a]`, `[,"a"]`} {
		if name, args, err := SplitEvent([]byte(in)); err == nil {
			t.Errorf("SplitEvent(%s) = %q, %q", in, name, args)
		}
	}
}

func FuzzSplitJoinsBackToTheSameArray(f *testing.F) {
	f.Add([]byte(`["a",{"b":[1,"]"]},null]`))
	f.Fuzz(func(t *testing.T, in []byte) {
		elems, err := Split(in)
		var want []json.RawMessage
		if json.Unmarshal(in, &want) != nil || want == nil {
			return // only that it did not panic
		}
		if err != nil || len(elems) != len(want) {
			t.Fatalf("Split(%q) = %q, %v; want %q", in, elems, err, want)
		}
		for i := range want {
			if string(elems[i]) != string(want[i]) {
				t.Fatalf("element %d: %q, want %q", i, elems[i], want[i])
			}
		}
	})
}
