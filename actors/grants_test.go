package actors_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
)

func grants(t *testing.T, list ...actors.Grant) *actors.Grants {
	t.Helper()
	g, err := actors.NewGrants(list...)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

var everyOp = []actors.Op{
	actors.OpCreate, actors.OpJoin, actors.OpPublish, actors.OpPublishEvent("chat"),
	actors.OpPresence, actors.OpHistory, actors.OpModerate,
}

func TestPatternsMatchWholeNames(t *testing.T) {
	for _, c := range []struct {
		pattern, namespace string
		want               bool
	}{
		{"board/q3", "/board/q3", true},
		{"/board/q3", "/board/q3", true},
		{"board/q3", "/board/q33", false},
		{"board/q3", "/board/q", false},
		{"board/q3", "/myboard/q3", false},
		{"board/q3", "/board/Q3", false},
		{"board/q3", "/board/q3/", false},
		{"board/q3", "/board", false},
		{"board/q3", "board/q3", false}, // no namespace
		{"board/*", "/board/q3", true},
		{"board/*", "/board/", true},
		{"board/*", "/board", false},
		{"board/*", "/boards/q3", false},
		{"board/*", "/board/a/b", false},
		{"*", "/chat", true},
		{"*", "/board/q3", false},
		{"*", "/", true},
		{"/", "/", true},
		{"/", "/chat", false},
		{"*/*", "/board/q3", true},
		{"*/*", "/chat", false},
		{"board/q*-plan", "/board/q3-plan", true},
		{"board/q*-plan", "/board/q-plan", true},
		{"board/q*-plan", "/board/q3-plans", false},
		{"board/q*q", "/board/q", false},
		{"board/aba*aba", "/board/ababa", false},
		{"board/aba*aba", "/board/abaaba", true},
		{"board/*a*b*", "/board/xxbaxxb", true},
		{"board/*a*b*", "/board/xxbbba", false},
		{"board/**", "/board/x", true},
		{"board/[q]?", "/board/q3", false}, // no other sign is special
		{"board/.*", "/board/q3", false},
		{"chat,lobby", "/chat", false},
		{"chat,lobby", "/chat,lobby", false},
		{"", "/", false},
	} {
		g, err := actors.NewGrants(actors.Grant{Pattern: c.pattern, Ops: everyOp})
		if got := err == nil && g.In(c.namespace).May(actors.OpJoin); got != c.want {
			t.Errorf("%q matches %q: %v, %v", c.pattern, c.namespace, got, err)
		}
	}
}

func TestRoomsOfAGatewayAreNamedBehindAComma(t *testing.T) {
	for _, c := range []struct {
		pattern, namespace, room string
		want                     bool
	}{
		{"/chat,lobby", "/chat", "lobby", true},
		{"chat,lobby", "/chat", "lobby", true},
		{"chat,lobby", "/chat", "lobbyist", false},
		{"chat,lobby", "/chats", "lobby", false},
		{"chat,*", "/chat", "post/42,a b", true},
		{"chat,post/*", "/chat", "post/42/likes", true},
		{"chat,a,b", "/chat", "a,b", true},
		{"*,lobby", "/chat", "lobby", true},
		{"chat", "/chat", "lobby", false},
		{"chat", "/chat", "", false},
		{"chat*", "/chat", ",lobby", false},
		{"chat,*", "/chat", "", true},
		{"/,lobby", "/", "lobby", true},
	} {
		g := grants(t, actors.Grant{Pattern: c.pattern, Ops: everyOp})
		if got := g.InRoom(c.namespace, c.room).May(actors.OpJoin); got != c.want {
			t.Errorf("%q matches %q of %q: %v", c.pattern, c.room, c.namespace, got)
		}
	}
}

func TestNilGrantsAllowEverythingAndNoGrantNothing(t *testing.T) {
	for _, op := range everyOp {
		if p := (actors.Identity{}).In("/board/q3"); !p.May(op) || !p.MayPublish("chat") {
			t.Errorf("an identity without grants may not %s", op)
		}
		if p := (actors.Identity{Grants: grants(t)}).In("/board/q3"); p.May(op) || p.MayPublish("chat") {
			t.Errorf("an identity whose grants are none may %s", op)
		}
		if (actors.Permit{}).May(op) {
			t.Errorf("the zero permit allows to %s", op)
		}
	}
}

func TestAPermitAllowsWhatIsNamedAndNothingElse(t *testing.T) {
	for _, only := range everyOp {
		p := grants(t, actors.Grant{Pattern: "board/*", Ops: []actors.Op{only}}).In("/board/q3")
		for _, op := range everyOp {
			want := op == only || only == actors.OpPublish && op == actors.OpPublishEvent("chat")
			if p.May(op) != want {
				t.Errorf("with %s: may %s: %v", only, op, !want)
			}
		}
		for _, op := range []actors.Op{"", "Join", "join ", "publish:", "publish:Chat", "*", "publish:*"} {
			if only != actors.OpPublish && p.May(op) {
				t.Errorf("with %s: may %q", only, op)
			}
		}
	}
}

func TestGrantsThatMatchAddUp(t *testing.T) {
	g := grants(t,
		actors.Grant{Pattern: "board/*", Ops: []actors.Op{actors.OpJoin, actors.OpPublishEvent("cursor")}},
		actors.Grant{Pattern: "board/q3", Ops: []actors.Op{actors.OpPublishEvent("add")}, Seat: json.RawMessage(`{"role":"editor"}`)},
		actors.Grant{Pattern: "board/q*", Ops: []actors.Op{actors.OpHistory}, Seat: json.RawMessage(`{"role":"guest"}`)},
	)
	for range 2 { // asking changes nothing
		p := g.In("/board/q3")
		if !p.May(actors.OpJoin) || !p.May(actors.OpHistory) || !p.MayPublish("cursor") || !p.MayPublish("add") || p.May(actors.OpPublish) || p.MayPublish("other") {
			t.Errorf("in q3: %+v", p)
		}
		if string(p.Seat) != `{"role":"editor"}` {
			t.Errorf("the seat is %s", p.Seat)
		}
		if p := g.In("/board/x"); p.Seat != nil || !p.MayPublish("cursor") || p.MayPublish("add") || p.May(actors.OpHistory) {
			t.Errorf("in x: %+v", p)
		}
	}
}

func TestParseGrantsReadsTheClaim(t *testing.T) {
	const claim = ` [ {"p":"board/*","ops":["join","publish:add"],"seat":{"n":1.50}}, {"ops":["moderate"],"p":"/chat","seat":null} ] `
	g, err := actors.ParseGrants([]byte(claim))
	if err != nil {
		t.Fatal(err)
	}
	list := g.List()
	if len(list) != 2 || string(list[0].Seat) != `{"n":1.50}` || list[1].Seat != nil || !slices.Equal(list[1].Ops, []actors.Op{actors.OpModerate}) {
		t.Errorf("read %+v", list)
	}
	text, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	var again actors.Grants
	if err := json.Unmarshal(text, &again); err != nil || fmt.Sprint(again.List()) != fmt.Sprint(list) {
		t.Errorf("%s comes back as %+v, %v", text, again.List(), err)
	}
	if none, err := actors.ParseGrants([]byte(`[]`)); err != nil || none.In("/board/q3").May(actors.OpJoin) {
		t.Errorf("no grant: %v, %v", none, err)
	}
}

func TestMalformedGrantsAreRefused(t *testing.T) {
	long := strings.Repeat("x", 3_000)
	many := "[" + strings.TrimSuffix(strings.Repeat(`{"p":"a/b","ops":["join"]},`, actors.MaxGrants+1), ",") + "]"
	for in, want := range map[string]string{
		``:                                 "not JSON",
		`null`:                             "want an array",
		`{}`:                               "want an array",
		`[`:                                "not JSON",
		`[1]`:                              "grant 0: want an object",
		`[{}]`:                             `grant 0: pattern "": want 1 to 256 bytes`,
		`[{"p":"a/b"}]`:                    "grant 0: 0 operations",
		`[{"p":"a/b","ops":[]}]`:           "grant 0: 0 operations",
		`[{"p":"a/b","ops":null}]`:         "grant 0: 0 operations",
		`[{"p":"a/b","ops":"join"}]`:       "list of texts",
		`[{"p":"a/b","ops":[1]}]`:          "list of texts",
		`[{"p":"a/b","ops":[null]}]`:       `operation ""`,
		`[{"p":"a/b","ops":["JOIN"]}]`:     `operation "JOIN"`,
		`[{"p":"a/b","ops":["publish:"]}]`: "event name",
		`[{"p":"a/b","ops":["publish:room:state"]}]`:                                        "reserved",
		`[{"p":"a/b","ops":["publish:` + long + `"]}]`:                                      "event name",
		`[{"p":5,"ops":["join"]}]`:                                                          "want a text for p",
		`[{"p":null,"ops":["join"]}]`:                                                       "want 1 to 256 bytes",
		`[{"p":"` + long + `","ops":["join"]}]`:                                             "want 1 to 256 bytes",
		`[{"p":"chat,","ops":["join"]}]`:                                                    "behind the comma",
		`[{"P":"a/b","ops":["join"]}]`:                                                      `unknown key "P"`,
		`[{"p":"a/b","ops":["join"],"Ops":["moderate"]}]`:                                   `unknown key "Ops"`,
		`[{"p":"a/b","ops":["join"],"ops":["moderate"]}]`:                                   `"ops" comes twice`,
		`[{"p":"a/b","ops":["join"],"\u0070":"*/*"}]`:                                       `"p" comes twice`,
		`[{"p":"a/b","ops":["join"],"extra":1}]`:                                            `unknown key "extra"`,
		`[{"p":"a/b","ops":["join"],"seat":"` + long + `"}]`:                                "the seat has",
		`[{"p":"a/b","ops":["join"` + strings.Repeat(`,"join"`, actors.MaxGrantOps) + `]}]`: "operations: want 1 to 64",
		many: "65 grants",
	} {
		_, err := actors.ParseGrants([]byte(in))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, want %s", in, err, want)
		}
	}
}

func TestNewGrantsKeepsNothingOfItsArguments(t *testing.T) {
	ops := []actors.Op{actors.OpJoin}
	g := grants(t, actors.Grant{Pattern: "a/b", Ops: ops})
	ops[0] = actors.OpModerate
	if p := g.In("/a/b"); !p.May(actors.OpJoin) || p.May(actors.OpModerate) || g.List()[0].Ops[0] != actors.OpJoin {
		t.Error("changing the list changed the grants")
	}
}

func TestAskingAPermitDoesNotAllocate(t *testing.T) {
	p := grants(t, actors.Grant{Pattern: "a/b", Ops: []actors.Op{actors.OpPublishEvent("x"), actors.OpPublishEvent("y")}}).In("/a/b")
	if n := testing.AllocsPerRun(100, func() { p.MayPublish("y"); p.May(actors.OpJoin) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// slowMatch is the meaning of a pattern in the plainest way: it tries every
// length that a star may stand for.
func slowMatch(pattern, s, not string) bool {
	if pattern == "" {
		return s == ""
	}
	if pattern[0] != '*' {
		return s != "" && s[0] == pattern[0] && slowMatch(pattern[1:], s[1:], not)
	}
	for n := 0; ; n++ {
		if slowMatch(pattern[1:], s[n:], not) {
			return true
		}
		if n == len(s) || not != "" && s[n] == not[0] {
			return false
		}
	}
}

func FuzzPatternsMeanWhatTheyAreDocumentedToMean(f *testing.F) {
	for _, c := range [][3]string{
		{"board/q*-plan", "/board/q3-plan", ""}, {"*/*", "/a/b", ""}, {"/chat,po*t*", "/chat", "post:42"},
		{"a*a*a", "/aaaa", ""}, {"*,*", "/x", ""}, {"/", "/", ""}, {"//", "//", ""}, {"a,,", "/a", ","},
	} {
		f.Add(c[0], c[1], c[2])
	}
	f.Fuzz(func(t *testing.T, text, namespace, room string) {
		g, err := actors.NewGrants(actors.Grant{Pattern: text, Ops: []actors.Op{actors.OpJoin}})
		if err != nil {
			return
		}
		got, gotRoom := g.In(namespace).May(actors.OpJoin), g.InRoom(namespace, room).May(actors.OpJoin)
		if strings.Count(text, "*") > 5 || len(namespace)+len(room) > 40 {
			return // too much for the plain way
		}
		of, inRoom, hasRoom := strings.Cut(strings.TrimPrefix(text, "/"), ",")
		place := slowMatch("/"+of, namespace, "/")
		if want := place && !hasRoom; got != want {
			t.Fatalf("%q matches %q: %v", text, namespace, got)
		}
		if want := place && hasRoom && slowMatch(inRoom, room, ""); gotRoom != want {
			t.Fatalf("%q matches %q of %q: %v", text, room, namespace, gotRoom)
		}
	})
}

func FuzzParseGrantsNeverPanicsAndRoundTrips(f *testing.F) {
	f.Add([]byte(`[{"p":"board/*","ops":["join","publish:add"],"seat":{"n":1}}]`))
	f.Add([]byte(`[{"p":"a","ops":["join"],"p":"b"}]`))
	f.Fuzz(func(t *testing.T, in []byte) {
		g, err := actors.ParseGrants(in)
		if err != nil {
			return
		}
		text, err := json.Marshal(g)
		if err != nil {
			t.Fatalf("%q: %v", in, err)
		}
		if again, err := actors.ParseGrants(text); err != nil || len(again.List()) != len(g.List()) {
			t.Fatalf("%q: %s: %v", in, text, err)
		}
	})
}

func BenchmarkPermit(b *testing.B) {
	var list []actors.Grant
	for i := range actors.MaxGrants {
		list = append(list, actors.Grant{Pattern: fmt.Sprintf("board/%s%d", strings.Repeat("*a", 100), i), Ops: []actors.Op{actors.OpJoin}})
	}
	g, err := actors.NewGrants(list...)
	if err != nil {
		b.Fatal(err)
	}
	namespace := "/board/" + strings.Repeat("a", actors.MaxRoomID)
	for b.Loop() {
		g.In(namespace)
	}
}
