package actors_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
)

type ints = actors.Map[string, int]

// kindErr is what is wrong with rooms that make returns.
func kindErr[S any](makeRoom func() *S) error {
	return actors.NewKind("board", makeRoom, actors.KindConfig{}).Err()
}

func errOf[S any]() error { return kindErr(func() *S { return new(S) }) }

func TestTagsSayWhatBecomesOfAField(t *testing.T) {
	type state struct {
		Plain   ints                             `room:"plain"`
		Durable ints                             `room:"durable,durable"`
		Synced  ints                             `room:"a-b_C9,synced"`
		Both    ints                             `room:"_,synced,durable"`
		Hand    actors.Map[actors.MemberID, int] `room:"hand,durable,synced,member"`
		Title   actors.Value[string]             `room:"title,synced,durable"`
		Empty   ints                             `room:"empty,"`
		Public  []string
	}
	_, i := room[state](t)
	wantEqual(t, "fields", i.Fields(), []actors.FieldSpec{
		{Name: "plain"},
		{Name: "durable", Durable: true},
		{Name: "a-b_C9", Synced: true},
		{Name: "_", Durable: true, Synced: true},
		{Name: "hand", Durable: true, Synced: true, Audience: actors.KeyMember},
		{Name: "title", Durable: true, Synced: true, Single: true},
		{Name: "empty"},
	})
}

func TestFieldsOfAnEmbeddedStructBelongToTheRoom(t *testing.T) {
	s, i := room[embedding](t)
	i.Begin()
	s.Shared.Set("a", 1)
	s.Own.Set("b", 2)
	wantEqual(t, "changes", changes(i.Commit()), []string{"0.a=1", "1.b=2"})
}

type base struct {
	Shared ints `room:"shared"`
}

type embedding struct {
	base
	Own ints `room:"own"`
}

func TestATypeThatEmbedsAMapIsOne(t *testing.T) {
	type notes struct{ ints }
	type state struct {
		Notes notes `room:"notes"`
	}
	s, i := room[state](t)
	i.Begin()
	s.Notes.Set("a", 1)
	wantEqual(t, "changes", changes(i.Commit()), []string{"0.a=1"})
}

type unexportedField struct {
	notes ints `room:"notes"` //nolint:unused // the mistake under test
}

type textKeyOneWay struct{ x int } //nolint:unused // only its methods count

func (textKeyOneWay) MarshalText() ([]byte, error) { return nil, nil }

type intWithText int

func (*intWithText) UnmarshalText([]byte) error { return nil }

func TestMistakesInTagsAreErrorsOfTheKind(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want []string
	}{
		"no tag": {errOf[struct {
			Notes ints
		}](), []string{"field Notes", `room:"name"`}},
		"no tag on a Value": {errOf[struct {
			Title actors.Value[string]
		}](), []string{"field Title", `room:"name"`}},
		"no tag on a Maps": {errOf[struct {
			All actors.Maps[string, int]
		}](), []string{"field All", `room:"name"`}},
		"no tag, unexported": {errOf[struct {
			notes ints
		}](), []string{"field notes", `room:"name"`}},
		"unexported": {errOf[unexportedField](), []string{"field notes", "exported"}},
		"empty": {errOf[struct {
			Notes ints `room:""`
		}](), []string{"field Notes", `name ""`, "[A-Za-z_]"}},
		"a digit in front": {errOf[struct {
			Notes ints `room:"1st"`
		}](), []string{`name "1st"`}},
		"a dash in front": {errOf[struct {
			Notes ints `room:"-"`
		}](), []string{`name "-"`}},
		"a space": {errOf[struct {
			Notes ints `room:"my notes"`
		}](), []string{`name "my notes"`}},
		"beyond ASCII": {errOf[struct {
			Notes ints `room:"é"`
		}](), []string{"is not"}},
		"65 bytes": {errOf[struct {
			Notes ints `room:"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`
		}](), []string{"is not"}},
		"unknown option": {errOf[struct {
			Notes ints `room:"notes,sync"`
		}](), []string{"field Notes", `"sync"`, "durable, synced and member"}},
		"a space before an option": {errOf[struct {
			Notes ints `room:"notes, synced"`
		}](), []string{`" synced"`}},
		"member without synced": {errOf[struct {
			Hand actors.Map[actors.MemberID, int] `room:"hand,member"`
		}](), []string{"field Hand", `"member" goes with "synced"`}},
		"member on a Value": {errOf[struct {
			Hand actors.Value[int] `room:"hand,synced,member"`
		}](), []string{"field Hand", "needs a Map"}},
		"member with integer keys": {errOf[struct {
			Hand actors.Map[int, int] `room:"hand,synced,member"`
		}](), []string{"field Hand", "member id", "not int"}},
		"the same name twice": {errOf[struct {
			A ints `room:"notes"`
			B ints `room:"notes,synced"`
		}](), []string{"field B", `"notes" is taken`}},
		"the same name in an embedded struct": {errOf[struct {
			base
			Own ints `room:"shared"`
		}](), []string{"field Own", `"shared" is taken`}},
		"a tag on something else": {errOf[struct {
			Notes map[string]int `room:"notes"`
		}](), []string{"field Notes", "actors.Map, actors.Value or actors.Maps", "map[string]int"}},
		"a tag on a pointer": {errOf[struct {
			Notes *ints `room:"notes"`
		}](), []string{"field Notes", "not *actors.Map"}},
		"a pointer": {errOf[struct {
			Notes *ints
		}](), []string{"field Notes", "by value"}},
		"within a named struct": {errOf[struct {
			Game struct {
				Hand ints `room:"hand"`
			}
		}](), []string{"field Game", "room struct itself"}},
		"within an embedded struct": {errOf[struct {
			base
			embedding
		}](), []string{"field embedding", "field base", "field Shared", `"shared" is taken`}},
		"within a slice": {errOf[struct {
			Games []ints
		}](), []string{"field Games", "room struct itself"}},
		"float keys": {errOf[struct {
			X actors.Map[float64, int] `room:"x"`
		}](), []string{"field X", "key type float64"}},
		"struct keys": {errOf[struct {
			X actors.Map[struct{ A int }, int] `room:"x"`
		}](), []string{"neither string nor integer"}},
		"interface keys": {errOf[struct {
			X actors.Map[any, int] `room:"x"`
		}](), []string{"neither string nor integer"}},
		"keys that do not come back": {errOf[struct {
			X actors.Map[textKeyOneWay, int] `room:"x"`
		}](), []string{"textKeyOneWay", "want both"}},
		"integer keys that only read text": {errOf[struct {
			X actors.Map[intWithText, int] `room:"x"`
		}](), []string{"intWithText", "want both"}},
		"no struct": {errOf[int](), []string{"a room is a struct, not int"}},
		"Maps without a star": {errOf[struct {
			All actors.Maps[string, int] `room:"all"`
		}](), []string{"field All", `"*"`}},
		"Maps with an unknown option and no map": {errOf[struct {
			All actors.Maps[string, int] `room:"*,bogus"`
		}](), []string{"field All", `"bogus"`}},
		"a Map with a star": {errOf[struct {
			All ints `room:"*"`
		}](), []string{"field All", `name "*"`}},
	} {
		t.Run(name, func(t *testing.T) { wantError(t, c.err, append(c.want, `kind "board"`)...) })
	}
}

type relay struct {
	Title actors.Value[string]                     `room:"title"`
	Kept  actors.Maps[actors.MemberID, actors.Raw] `room:"*,synced,member"`
}

func relayOf(names ...string) func() *relay {
	return func() *relay {
		r := new(relay)
		r.Kept.Define(names...)
		return r
	}
}

func TestMapsAreNamedWhenTheRoomIsMade(t *testing.T) {
	var r *relay
	k := actors.NewKind("relay", func() *relay { r = relayOf("cursor", "typing")(); return r }, actors.KindConfig{})
	i := awake(t, k)
	spec := actors.FieldSpec{Name: "cursor", Synced: true, Audience: actors.KeyMember}
	typing := spec
	typing.Name = "typing"
	wantEqual(t, "fields", i.Fields(), []actors.FieldSpec{{Name: "title", Single: true}, spec, typing})

	i.Begin()
	r.Kept.Get("typing").Set("ada", actors.Raw{JSON: []byte(`true`)})
	wantEqual(t, "changes", changes(i.Commit()), []string{"2.ada=true"})
	if r.Kept.Get("typo") != nil {
		t.Error("a map that was not defined is there")
	}
	wantPanic(t, "only the function given to NewKind", func() { r.Kept.Define("late") })
}

func TestNamesOfMapsAreCheckedLikeTags(t *testing.T) {
	for name, c := range map[string]struct{ names, want []string }{
		"twice":           {[]string{"a", "a"}, []string{`"a" is taken`}},
		"of a field":      {[]string{"title"}, []string{"field Kept", `"title" is taken`}},
		"malformed":       {[]string{"cursor:move"}, []string{`name "cursor:move"`}},
		"with an option":  {[]string{"a,durable"}, []string{`name "a,durable"`}},
		"empty":           {[]string{""}, []string{`name ""`}},
		"that look right": {[]string{"a", "b", "*"}, []string{`name "*"`}},
	} {
		t.Run(name, func(t *testing.T) { wantError(t, kindErr(relayOf(c.names...)), c.want...) })
	}
	if err := kindErr(relayOf()); err != nil {
		t.Errorf("no map at all: %v", err)
	}
}

func TestEveryRoomHasStateOfItsOwn(t *testing.T) {
	type state struct {
		Notes ints `room:"notes"`
	}
	one := new(state)
	wantError(t, kindErr(func() *state { return one }), "the same one twice")
	type plain struct{ n int }
	shared := &plain{n: 1}
	wantError(t, kindErr(func() *plain { return shared }), "the same one twice")
	if err := errOf[struct{}](); err != nil {
		t.Errorf("a room without any field: %v", err)
	}
	wantError(t, kindErr(func() *state { return nil }), "returned nil")
	wantError(t, kindErr[state](nil), "is nil")

	// Shared only from the third one on: NewKind cannot see it, waking does.
	var pool []*state
	k := actors.NewKind("board", func() *state {
		pool = append(pool, new(state))
		return pool[min(len(pool)-1, 2)]
	}, actors.KindConfig{})
	if err := k.Err(); err != nil {
		t.Fatal(err)
	}
	k.NewRoom()
	wantPanic(t, "belongs to a room already", func() { k.NewRoom() })

	all := relayOf("a")()
	calls := 0
	group := actors.NewKind("relay", func() *relay {
		if calls++; calls <= 2 {
			return relayOf("a")()
		}
		return all
	}, actors.KindConfig{})
	group.NewRoom()
	wantPanic(t, "belongs to a room already", func() { group.NewRoom() })
}

func TestFieldsOfARoomAreTheSameInEveryActivation(t *testing.T) {
	k := actors.NewKind("relay", relayOf("b", "a"), actors.KindConfig{})
	one, two := awake(t, k), awake(t, k)
	if !slices.Equal(one.Fields(), two.Fields()) {
		t.Errorf("%v, %v", one.Fields(), two.Fields())
	}
}

func TestEveryFieldThatIsWrongIsReported(t *testing.T) {
	type room struct {
		A int               `room:"a"`
		B actors.Value[int] `room:"b,sinced"`
		C actors.Value[int] `room:"c"`
		D actors.Value[int] `room:"c"`
		E actors.Map[int, int]
	}
	err := actors.NewKind("kind", func() *room { return new(room) }, actors.KindConfig{}).Err()
	if err == nil {
		t.Fatal("no error")
	}
	for _, field := range []string{"A", "B", "D", "E"} {
		if !strings.Contains(err.Error(), "field "+field+":") {
			t.Errorf("%v\ndoes not name field %s", err, field)
		}
	}
}
