package fanout

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

func TestStringsAreThoseOfEncodingJSONWithoutHTMLEscaping(t *testing.T) {
	for _, s := range []string{"", "plain", `"\`, "\x00\x1f\n\t\r\b\f\x7f", "<b>&amp;</b>", "ü€𝄞", "a\xffb", "\xc3", "\xed\xa0\x80", "x\u2028y\u2029", "\ufffd"} {
		var got string
		quoted := appendString(nil, s)
		if err := json.Unmarshal(quoted, &got); err != nil {
			t.Errorf("%q became %s: %v", s, quoted, err)
		}
		var want string
		b, _ := json.Marshal(s)
		if err := json.Unmarshal(b, &want); err != nil || got != want {
			t.Errorf("%q arrives as %q, want %q", s, got, want)
		}
		if strings.ContainsAny(s, "<&") && !bytes.Contains(quoted, []byte("<b>")) {
			t.Errorf("%q became %s", s, quoted)
		}
	}
}

func TestPartsAreSplitBetweenEntries(t *testing.T) {
	fields := []actors.FieldSpec{{Name: "a", Synced: true}, {Name: "b", Synced: true, Single: true}, {Name: "c", Synced: true}, {Name: "d", Synced: true}}
	long := `"` + strings.Repeat("x", 50) + `"`
	tests := []struct {
		name    string
		entries []actors.Change
		want    []string // fields of each part, long values as L
	}{
		{"nothing", nil, []string{`{"a":{},"c":{},"d":{}}`}},
		{"all in one", []actors.Change{set(0, "k", `1`), set(1, "", `2`)}, []string{`{"a":{"k":1},"b":2,"c":{},"d":{}}`}},
		{"a map over three, another begun in the last of them", []actors.Change{set(0, "k", long), set(0, "l", long), set(0, "m", long), set(3, "n", `1`)},
			[]string{`{"a":{"k":L}}`, `{"a":{"l":L}}`, `{"a":{"m":L},"c":{},"d":{}}`, `{"d":{"n":1}}`}},
		{"a value alone", []actors.Change{set(0, "k", `1`), set(1, "", long), set(2, "k", long)},
			[]string{`{"a":{"k":1}}`, `{"b":L,"c":{}}`, `{"c":{"k":L},"d":{}}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var mir mirror
			mir.reset(&wire.Mirror{Version: 7, Offset: "o7", Fields: fields, Entries: tt.entries}, "/board/q3", Limits{Part: 60})
			s := mir.state()
			if len(s.parts) != len(tt.want)-1 {
				t.Fatalf("%d parts, want %d", len(s.parts)+1, len(tt.want))
			}
			for i, want := range tt.want {
				p, last, offset := mir.lastPart(s, "ada", true), true, `,"o7"`
				if i < len(s.parts) {
					p, last, offset = s.parts[i], false, ""
				}
				got := strings.ReplaceAll(string(p.Data), long, "L")
				if want := fmt.Sprintf(`["room:state",{"v":7,"part":%d,"last":%v,"fields":%s}%s]`, i, last, want, offset); got != want {
					t.Errorf("part %d is\n  %s, want\n  %s", i, got, want)
				}
			}
			if bare := string(mir.lastPart(s, "ada", false).Data); !strings.HasSuffix(bare, "}]") {
				t.Errorf("without offset the last part is %s", bare)
			}
		})
	}
}
