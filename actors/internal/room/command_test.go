package room

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// counting counts in "inc" and answers the count; "big" answers with n bytes.
func counting() *script {
	return &script{on: on{
		"inc": func(h *hall, _ *actors.Turn, in actors.Args) (any, error) { h.plain++; return h.plain, nil },
		"big": func(h *hall, _ *actors.Turn, in actors.Args) (any, error) {
			var n int
			_ = in.Decode(0, &n)
			h.plain++
			return strings.Repeat("x", n), nil
		},
		"odd": func(h *hall, _ *actors.Turn, in actors.Args) (any, error) {
			if h.plain++; h.plain%2 == 1 {
				return nil, actors.Errorf("odd", "try again")
			}
			return h.plain, nil
		},
	}}
}

func withCID(event, cid string) string {
	return fmt.Sprintf(`[%q,{"$parlor":{"cid":%q}}]`, event, cid)
}

func TestACommandTakesEffectOnce(t *testing.T) {
	w := counting().open(t, actors.KindConfig{})
	a, b := w.join(), w.join()
	w.take()
	a.send(withCID("inc", "c1"))
	a.send(withCID("inc", "c1"))
	a.tell(withCID("inc", "c1"))
	a.send(withCID("inc", "c2"))
	b.send(withCID("inc", "c1")) // somebody else's
	a.send(`["inc"]`)
	a.send(`["inc"]`)
	w.expect(
		`n1: reply a #1 [1]`, `n1: reply a #2 [1]`, `n1: reply a #3 [2]`,
		`n1: reply b #1 [3]`, `n1: reply a #4 [4]`, `n1: reply a #5 [5]`,
	)
}

func TestACommandThatFailedMayBeTriedAgain(t *testing.T) {
	w := counting().open(t, actors.KindConfig{})
	a := w.join()
	w.take()
	for range 3 {
		a.send(withCID("odd", "c1"))
	}
	w.expect(`n1: reply a #1 [{"error":{"code":"odd","message":"try again"}}]`, `n1: reply a #2 [2]`, `n1: reply a #3 [2]`)
}

func TestARepeatedCommandWaitsForTheFirstAnswer(t *testing.T) {
	owed := make(map[string]actors.Ack[string])
	w := owing(owed).open(t, actors.KindConfig{})
	a := w.join()
	w.take()
	for range maxRepetitions + 2 {
		a.send(`["later","x",{"$parlor":{"cid":"c1"}}]`)
	}
	items := w.items()
	if len(items) != 1 || !strings.Contains(items[0], `#18 [{"error":{"code":"overloaded"`) {
		t.Errorf("got %q", items)
	}
	w.call(9, "give", `["x"]`)
	a.send(`["later","x",{"$parlor":{"cid":"c1"}}]`)
	if items := w.items(); len(items) != maxRepetitions+2 || items[0] != `n1: reply a #1 ["for x"]` || items[17] != `n1: reply a #19 ["for x"]` {
		t.Errorf("got %q", items)
	}
}

// What the room could not answer because it started again has no effect any
// more, and may be tried again.
func TestACommandThatWasNeverAnsweredMayBeTriedAgain(t *testing.T) {
	owed := make(map[string]actors.Ack[string])
	w := owing(owed).open(t, actors.KindConfig{})
	a := w.join()
	a.send(`["later","x",{"$parlor":{"cid":"c1"}}]`)
	for i := range faultLimit {
		w.call(uint64(i), "panic", `[]`)
	}
	w.advance(backoffMin)
	delete(owed, "x")
	a.send(`["later","x",{"$parlor":{"cid":"c1"}}]`)
	if _, asked := owed["x"]; !asked {
		t.Error("the command is taken for one that took effect")
	}
}

func TestTheLatestCommandsAreRemembered(t *testing.T) {
	w := counting().open(t, actors.KindConfig{})
	a := w.join()
	for i := range rememberCommands + 1 {
		a.send(withCID("inc", fmt.Sprint(i)))
	}
	log := w.m.members.byID["a"].commands
	if len(log.byID) != rememberCommands || len(log.order) != rememberCommands {
		t.Fatalf("%d are remembered, %d in the list", len(log.byID), len(log.order))
	}
	w.take()
	a.send(withCID("inc", "1"))
	a.send(withCID("inc", "0")) // forgotten: it counts again
	w.expect(`n1: reply a #258 [2]`, `n1: reply a #259 [258]`)
}

func TestWhatIsRememberedOfAMemberIsBounded(t *testing.T) {
	w := counting().open(t, actors.KindConfig{})
	a := w.join()
	log := w.m.members.byID["a"].commands
	for i := range 100 {
		a.send(fmt.Sprintf(`["big",%d,{"$parlor":{"cid":"c%d"}}]`, 1000*i, i))
		sum := 0
		for _, c := range log.byID {
			sum += len(c.ack.JSON)
		}
		if log.bytes != sum || sum > rememberBytes {
			t.Fatalf("%d bytes are counted, %d remembered", log.bytes, sum)
		}
	}
	if len(log.byID) == 0 {
		t.Error("what is too large displaces everything else")
	}
}

func TestMetadataIsTakenOffWhateverIsInIt(t *testing.T) {
	for name, c := range map[string]struct {
		args string
		rest string
		cid  string
	}{
		"none":                {`{"a":1}`, `[{"a":1}]`, ""},
		"plain":               {`1,{"$parlor":{"cid":"c-41","traceparent":"00-1-2-01"}}`, `[1]`, "c-41"},
		"alone":               {`{"$parlor":{"cid":"a"}}`, `[]`, "a"},
		"not last":            {`{"$parlor":{"cid":"a"}},1`, `[{"$parlor":{"cid":"a"}},1]`, ""},
		"not the only key":    {`{"$parlor":{"cid":"a"},"x":1}`, `[{"$parlor":{"cid":"a"},"x":1}]`, ""},
		"space":               {`{ "$parlor" : { "cid" : "a" } }`, `[]`, "a"},
		"much space":          {`{` + strings.Repeat(" ", 100) + `"$parlor":{"cid":"a"}}`, `[]`, "a"},
		"escaped":             {`{"\u0024parlor":{"\u0063id":"\u0061"}}`, `[]`, "a"},
		"twice":               {`{"$parlor":{"cid":"a"}},{"$parlor":{"cid":"b"}}`, `[{"$parlor":{"cid":"a"}}]`, "b"},
		"repeated key":        {`{"$parlor":{"cid":"a","cid":"b"}}`, `[]`, "b"},
		"another case":        {`{"$parlor":{"cid":"a","CID":"b"}}`, `[]`, "a"},
		"null":                {`{"$parlor":null}`, `[]`, ""},
		"a number":            {`{"$parlor":5}`, `[]`, ""},
		"an array":            {`{"$parlor":["cid"]}`, `[]`, ""},
		"cid is a number":     {`{"$parlor":{"cid":5}}`, `[]`, ""},
		"cid is null":         {`{"$parlor":{"cid":null}}`, `[]`, ""},
		"cid is empty":        {`{"$parlor":{"cid":""}}`, `[]`, ""},
		"cid is long":         {`{"$parlor":{"cid":"` + strings.Repeat("a", 65) + `"}}`, `[]`, ""},
		"cid is just so long": {`{"$parlor":{"cid":"` + strings.Repeat("a", 64) + `"}}`, `[]`, strings.Repeat("a", 64)},
		"cid is odd":          {`{"$parlor":{"cid":"a b"}}`, `[]`, ""},
		"cid is every sign":   {`{"$parlor":{"cid":"Az09._~:@-"}}`, `[]`, "Az09._~:@-"},
		"cid was fine":        {`{"$parlor":{"cid":"a","cid":7}}`, `[]`, ""},
		"deep":                {`{"$parlor":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`, `[]`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var args []json.RawMessage
			if err := json.Unmarshal([]byte("["+c.args+"]"), &args); err != nil {
				t.Fatal(err)
			}
			rest, cid := wire.CutMetadata(args)
			got, err := json.Marshal(append([]json.RawMessage{}, rest...))
			if err != nil || string(got) != c.rest || cid != c.cid {
				t.Errorf("got %s and %q, %v", got, cid, err)
			}
		})
	}
}

func FuzzCutMetadataTakesOffAtMostTheLast(f *testing.F) {
	f.Add([]byte(`[1,{"$parlor":{"cid":"a"}}]`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var args []json.RawMessage
		if json.Unmarshal(in, &args) != nil {
			return
		}
		rest, cid := wire.CutMetadata(args)
		if len(rest) != len(args) && len(rest) != len(args)-1 || cid != "" && (len(rest) == len(args) || !wire.ValidCommandID(cid)) {
			t.Fatalf("%s leaves %d of %d and %q", in, len(rest), len(args), cid)
		}
	})
}
