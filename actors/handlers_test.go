package actors_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
)

type move struct {
	X, Y float64
}

// got is a room whose handlers are closures of the tests.
type got struct {
	Log actors.Map[string, string] `room:"log"`
}

func newGot() *actors.Kind[got] {
	return actors.NewKind("got", func() *got { return new(got) }, actors.KindConfig{})
}

// handed runs a handler that takes In and returns what it was given.
func handed[In any](t *testing.T, attachments [][]byte, args ...string) (any, error) {
	t.Helper()
	var in any
	k := newGot()
	actors.On(k, "e", func(_ *got, _ *actors.Turn, v In) { in = v })
	result, _, err := sendBinary(awake(t, k), "e", attachments, args...)
	if err == nil && string(result.Ack.JSON) != "[]" {
		t.Errorf("acknowledged with %s", result.Ack.JSON)
	}
	return in, err
}

func TestAHandlerGetsItsFirstArgumentAsItsType(t *testing.T) {
	one := [][]byte{[]byte("zero")}
	for name, c := range map[string]struct {
		in   func() (any, error)
		want any
	}{
		"a struct":             {func() (any, error) { return handed[move](t, nil, `{"x":1,"Y":2,"z":3}`, `"more"`) }, move{1, 2}},
		"null for a struct":    {func() (any, error) { return handed[move](t, nil, `null`) }, move{}},
		"a pointer":            {func() (any, error) { p, err := handed[*move](t, nil, `{"X":1}`); return *p.(*move), err }, move{1, 0}},
		"a string":             {func() (any, error) { return handed[string](t, nil, `"\ud83d\ude42"`) }, "🙂"},
		"a named string":       {func() (any, error) { return handed[actors.MemberID](t, nil, `"ada"`) }, actors.MemberID("ada")},
		"a slice":              {func() (any, error) { return handed[[]int](t, nil, `[1,2]`) }, []int{1, 2}},
		"any":                  {func() (any, error) { return handed[any](t, nil, `{"a":1}`) }, map[string]any{"a": 1.0}},
		"bytes":                {func() (any, error) { return handed[[]byte](t, one, p0) }, []byte("zero")},
		"Binary":               {func() (any, error) { return handed[actors.Binary](t, one, p0) }, actors.Binary("zero")},
		"RawMessage":           {func() (any, error) { return handed[json.RawMessage](t, nil, `{ "a": 1.0}`) }, json.RawMessage(`{ "a": 1.0}`)},
		"Raw":                  {func() (any, error) { return handed[actors.Raw](t, one, p0, "2") }, raw(p0, "zero")},
		"Raw of nothing":       {func() (any, error) { return handed[actors.Raw](t, nil) }, actors.Raw{}},
		"Args":                 {func() (any, error) { return handed[actors.Args](t, one, `1`, p0) }, actors.Args{List: []json.RawMessage{[]byte("1"), []byte(p0)}, Attachments: one}},
		"struct{} of nothing":  {func() (any, error) { return handed[struct{}](t, nil) }, struct{}{}},
		"struct{} of anything": {func() (any, error) { return handed[struct{}](t, nil, `[1`) }, struct{}{}},
	} {
		t.Run(name, func(t *testing.T) {
			in, err := c.in()
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "handed", in, c.want)
		})
	}
}

func TestAPayloadThatDoesNotFitNeverReachesTheHandler(t *testing.T) {
	for name, args := range map[string][]string{
		"missing":       {},
		"another type":  {`"x"`},
		"broken":        {`{"X":`},
		"a wrong field": {`{"X":"1"}`},
	} {
		t.Run(name, func(t *testing.T) {
			in, err := handed[move](t, nil, args...)
			if in != nil || actors.AsError(err).Code != actors.CodeBadPayload {
				t.Errorf("handed %v, %v", in, err)
			}
		})
	}
}

type checked struct{ N int }

func (c checked) Validate() error {
	switch c.N {
	case 1:
		return errors.New("N must not be 1")
	case 2:
		return fmt.Errorf("wrapped: %w", actors.Errorf(actors.CodeConflict, "2 is taken"))
	case 3:
		return errors.New(strings.Repeat("é", 500))
	}
	return nil
}

type checkedByPointer struct{ N int }

func (c *checkedByPointer) Validate() error {
	if c.N == 1 {
		return errors.New("N must not be 1")
	}
	c.N *= 10 // it may also complete the payload
	return nil
}

type checkedList []int

func (l checkedList) Validate() error {
	if len(l) > 1 {
		return errors.New("one is enough")
	}
	return nil
}

func TestValidateRefusesBeforeTheHandlerRuns(t *testing.T) {
	for name, c := range map[string]struct {
		in   func() (any, error)
		want any
		code actors.Code
		text string
	}{
		"fits":                  {func() (any, error) { return handed[checked](t, nil, `{"N":5}`) }, checked{5}, "", ""},
		"refused":               {func() (any, error) { return handed[checked](t, nil, `{"N":1}`) }, nil, actors.CodeInvalid, "N must not be 1"},
		"refused with a code":   {func() (any, error) { return handed[checked](t, nil, `{"N":2}`) }, nil, actors.CodeConflict, "2 is taken"},
		"refused at length":     {func() (any, error) { return handed[checked](t, nil, `{"N":3}`) }, nil, actors.CodeInvalid, "é…"},
		"by pointer":            {func() (any, error) { return handed[checkedByPointer](t, nil, `{"N":1}`) }, nil, actors.CodeInvalid, "N must not be 1"},
		"completed":             {func() (any, error) { return handed[checkedByPointer](t, nil, `{"N":4}`) }, checkedByPointer{40}, "", ""},
		"In is a pointer":       {func() (any, error) { return handed[*checkedByPointer](t, nil, `{"N":1}`) }, nil, actors.CodeInvalid, "N must not be 1"},
		"In is a nil pointer":   {func() (any, error) { return handed[*checkedByPointer](t, nil, `null`) }, (*checkedByPointer)(nil), "", ""},
		"a slice":               {func() (any, error) { return handed[checkedList](t, nil, `[1,2]`) }, nil, actors.CodeInvalid, "one is enough"},
		"not before it decodes": {func() (any, error) { return handed[checked](t, nil, `{"N":"1"}`) }, nil, actors.CodeBadPayload, "N: want integer"},
	} {
		t.Run(name, func(t *testing.T) {
			in, err := c.in()
			if c.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				wantEqual(t, "handed", in, c.want)
				return
			}
			if e := actors.AsError(err); e == nil || e.Code != c.code || !strings.Contains(e.Message, c.text) || len(e.Message) > 210 {
				t.Errorf("error %v, want %s: %s", err, c.code, c.text)
			}
			if in != nil {
				t.Errorf("the handler was handed %v", in)
			}
		})
	}
}

type validateTakes struct{}

func (validateTakes) Validate(bool) error { return nil }

type validateReturns struct{}

func (*validateReturns) Validate() bool { return true }

func TestMistakesInHandlersAreErrorsOfTheKind(t *testing.T) {
	for name, c := range map[string]struct {
		register func(*actors.Kind[got])
		want     []string
	}{
		"no name":         {func(k *actors.Kind[got]) { actors.On(k, "", func(*got, *actors.Turn, int) {}) }, []string{`event name ""`, "1 to 128 bytes"}},
		"a name too long": {func(k *actors.Kind[got]) { actors.On(k, strings.Repeat("e", 129), func(*got, *actors.Turn, int) {}) }, []string{"1 to 128 bytes"}},
		"reserved":        {func(k *actors.Kind[got]) { actors.On(k, "disconnect", func(*got, *actors.Turn, int) {}) }, []string{`"disconnect" is reserved`}},
		"reserved prefix": {func(k *actors.Kind[got]) { actors.On(k, "room:x", func(*got, *actors.Turn, int) {}) }, []string{`"room:x" is reserved`}},
		"twice":           {func(k *actors.Kind[got]) { on(k, "add"); on(k, "add") }, []string{`event "add" is registered twice`}},
		"nil On":          {func(k *actors.Kind[got]) { actors.On[got, int](k, "add", nil) }, []string{`event "add"`, "nil"}},
		"nil OnAck":       {func(k *actors.Kind[got]) { actors.OnAck[got, int, int](k, "add", nil) }, []string{`event "add"`, "nil"}},
		"nil OnLater":     {func(k *actors.Kind[got]) { actors.OnLater[got, int, int](k, "add", nil) }, []string{`event "add"`, "nil"}},
		"nil OnAny":       {func(k *actors.Kind[got]) { actors.OnAny[got](k, nil) }, []string{"OnAny", "nil"}},
		"OnAny twice":     {func(k *actors.Kind[got]) { onAny(k); onAny(k) }, []string{"OnAny is registered twice"}},
		"In is a channel": {func(k *actors.Kind[got]) { actors.On(k, "add", func(*got, *actors.Turn, chan int) {}) }, []string{"chan int cannot be decoded"}},
		"In holds one":    {func(k *actors.Kind[got]) { actors.On(k, "add", func(*got, *actors.Turn, *[]func()) {}) }, []string{"*[]func() cannot be decoded"}},
		"In has methods":  {func(k *actors.Kind[got]) { actors.On(k, "add", func(*got, *actors.Turn, error) {}) }, []string{"error cannot be decoded"}},
		"Out is a function": {func(k *actors.Kind[got]) {
			actors.OnAck(k, "add", func(*got, *actors.Turn, int) (func(), error) { return nil, nil })
		}, []string{"func() cannot be encoded"}},
		"Validate takes something": {func(k *actors.Kind[got]) { actors.On(k, "add", func(*got, *actors.Turn, validateTakes) {}) },
			[]string{`event "add"`, "method Validate of actors_test.validateTakes", "want func() error", "have func(bool) error"}},
		"Validate returns something": {func(k *actors.Kind[got]) { actors.On(k, "add", func(*got, *actors.Turn, validateReturns) {}) },
			[]string{"method Validate of *actors_test.validateReturns", "want func() error", "have func() bool"}},
		"the same through a pointer": {func(k *actors.Kind[got]) { actors.On(k, "add", func(*got, *actors.Turn, *validateReturns) {}) },
			[]string{"method Validate of *actors_test.validateReturns"}},
	} {
		t.Run(name, func(t *testing.T) {
			k := newGot()
			c.register(k)
			wantError(t, k.Err(), append(c.want, `kind "got"`)...)
		})
	}
}

func on(k *actors.Kind[got], event string) { actors.On(k, event, func(*got, *actors.Turn, int) {}) }

func onAny(k *actors.Kind[got]) {
	actors.OnAny(k, func(*got, *actors.Turn, string, actors.Args) (any, error) { return nil, nil })
}

func TestTypesThatEncodeThemselvesMayBePayloads(t *testing.T) {
	k := newGot()
	actors.On(k, "raw", func(*got, *actors.Turn, actors.Raw) {})
	actors.On(k, "any", func(*got, *actors.Turn, any) {})
	actors.On(k, "recursive", func(*got, *actors.Turn, recursive) {})
	actors.OnAck(k, "error", func(*got, *actors.Turn, struct{}) (error, error) { return nil, nil })
	if err := k.Err(); err != nil {
		t.Error(err)
	}
}

type recursive []recursive

func TestTheAcknowledgementIsTheResult(t *testing.T) {
	for name, c := range map[string]struct {
		register func(*actors.Kind[got])
		want     string
	}{
		"a string": {func(k *actors.Kind[got]) {
			actors.OnAck(k, "e", func(*got, *actors.Turn, struct{}) (string, error) { return "<id>", nil })
		}, `["<id>"]`},
		"a nil pointer": {func(k *actors.Kind[got]) {
			actors.OnAck(k, "e", func(*got, *actors.Turn, struct{}) (*move, error) { return nil, nil })
		}, `[null]`},
		"an empty struct": {func(k *actors.Kind[got]) {
			actors.OnAck(k, "e", func(*got, *actors.Turn, struct{}) (struct{}, error) { return struct{}{}, nil })
		}, `[{}]`},
		"bytes": {func(k *actors.Kind[got]) {
			actors.OnAck(k, "e", func(*got, *actors.Turn, struct{}) ([]byte, error) { return []byte("x"), nil })
		}, `[` + p0 + `] "x"`},
		"several arguments": {func(k *actors.Kind[got]) {
			actors.OnAck(k, "e", func(_ *got, _ *actors.Turn, in actors.Args) (actors.Args, error) { return in, nil })
		}, `[1,"two"]`},
		"any": {func(k *actors.Kind[got]) {
			actors.OnAny(k, func(_ *got, _ *actors.Turn, event string, args actors.Args) (any, error) {
				return map[string]int{event: len(args.List)}, nil
			})
		}, `[{"e":2}]`},
		"any, nil": {onAny, `[]`},
	} {
		t.Run(name, func(t *testing.T) {
			k := newGot()
			c.register(k)
			result, _, err := send(awake(t, k), "e", `1`, `"two"`)
			if err != nil || result.Later || spelled(result.Ack) != c.want {
				t.Errorf("%s, later %v, %v; want %s", spelled(result.Ack), result.Later, err, c.want)
			}
		})
	}
}

func TestAnErrorOfAHandlerIsTheErrorOfTheTurn(t *testing.T) {
	own := actors.Errorf(actors.CodeForbidden, "not yours")
	k := newGot()
	actors.OnAck(k, "ack", func(g *got, _ *actors.Turn, _ struct{}) (string, error) {
		g.Log.Set("a", "written")
		return "ignored", own
	})
	actors.OnAck(k, "nan", func(*got, *actors.Turn, struct{}) (any, error) { return func() {}, nil })
	actors.OnAny(k, func(*got, *actors.Turn, string, actors.Args) (any, error) { return 1, own })
	i := awake(t, k)
	for event, want := range map[string]actors.Code{"ack": actors.CodeForbidden, "other": actors.CodeForbidden, "nan": actors.CodeInternal} {
		result, _, err := send(i, event)
		if actors.AsError(err).Code != want || len(result.Ack.JSON) != 0 {
			t.Errorf("%s: %s, %v", event, result.Ack.JSON, err)
		}
	}
	if got := entries(i, 0); len(got) != 0 {
		t.Errorf("a failed turn left %v", got)
	}
}

func TestTheCatchAllGetsOnlyWhatHasNoHandler(t *testing.T) {
	k := newGot()
	var own, rest []string
	actors.On(k, "own", func(*got, *actors.Turn, struct{}) { own = append(own, "own") })
	actors.OnAny(k, func(_ *got, _ *actors.Turn, event string, _ actors.Args) (any, error) {
		rest = append(rest, event)
		return nil, nil
	})
	i := awake(t, k)
	for _, event := range []string{"own", "other", "connect", "room:state", "exception", "42"} {
		_, _, err := send(i, event)
		if reserved := actors.ReservedEvent(event); reserved != (err != nil) {
			t.Errorf("%s: %v", event, err)
		}
	}
	wantEqual(t, "own", own, []string{"own"})
	wantEqual(t, "rest", rest, []string{"other", "42"})
}

func TestAnUnknownEventIsRepeatedOnlyInPart(t *testing.T) {
	_, _, err := send(awake(t, newGot()), "ad")
	wantError(t, err, `unknown_event: no handler takes "ad"`)
	_, _, err = send(awake(t, newGot()), strings.Repeat("x", 1<<20))
	if len(err.Error()) > 200 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

func TestALaterAnswerComesFromALaterTurn(t *testing.T) {
	var ack actors.Ack[map[string]int]
	k := newGot()
	actors.OnLater(k, "e", func(_ *got, _ *actors.Turn, in int, a actors.Ack[map[string]int]) { ack = a })
	i := awake(t, k)

	var answers []string
	ev := &actors.Event{Name: "e", Args: actors.Args{List: []json.RawMessage{[]byte(`1`)}}, WantsAck: true,
		Answer: func(_ *actors.Turn, r actors.Raw, err error) {
			answers = append(answers, fmt.Sprintf("%s %v", r.JSON, err))
		}}
	first := newTurn(new(fakeHost))
	result, err := i.Handle(first, ev)
	if err != nil || !result.Later || len(result.Ack.JSON) != 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	first.End()
	wantPanic(t, "after it ended", func() { ack.Reply(first, nil) })
	wantPanic(t, "after it ended", func() { ack.Fail(first, errors.New("x")) })

	later := newTurn(new(fakeHost))
	ack.Reply(later, map[string]int{"<n>": 1})
	ack.Fail(later, errors.New("boom"))
	wantPanic(t, "Fail without an error", func() { ack.Fail(later, nil) })
	wantEqual(t, "answers", answers, []string{`[{"<n>":1}] <nil>`, ` boom`})

	var bad actors.Ack[float64]
	nan := 0.0
	wantPanic(t, "acknowledgement", func() { bad.Reply(later, nan/nan) })
	bad.Reply(later, 1) // the zero Ack answers nobody
	bad.Fail(later, errors.New("x"))

	if _, _, err := send(i, "e", `"one"`); actors.AsError(err).Code != actors.CodeBadPayload {
		t.Errorf("a payload that does not fit: %v", err)
	}
}
