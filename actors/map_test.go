package actors_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
)

type note struct {
	Text string `json:"text"`
	N    int    `json:"n,omitempty"`

	cache int // not part of the JSON
}

type board struct {
	Notes actors.Map[string, note] `room:"notes,durable,synced"`
	Count actors.Map[int, int]     `room:"count"`
	Title actors.Value[string]     `room:"title"`
}

func TestWritesOutsideATurnPanicAndSayWhatToDo(t *testing.T) {
	writes := map[string]func(*board){
		"Set":        func(b *board) { b.Notes.Set("a", note{}) },
		"Delete":     func(b *board) { b.Notes.Delete("a") },
		"Clear":      func(b *board) { b.Notes.Clear() },
		"Set, Value": func(b *board) { b.Title.Set("x") },
		"Clear of a": func(b *board) { b.Title.Clear() },
	}
	for name, write := range writes {
		op, _, _ := strings.Cut(name, ",")
		op = strings.TrimSuffix(op, " of a")
		t.Run(name, func(t *testing.T) {
			var unbound board
			wantPanic(t, "actors: "+op+" on a field that is not part of a room: tag it", func() { write(&unbound) })

			var b *board
			k := actors.NewKind("board", func() *board { b = new(board); return b }, actors.KindConfig{})
			i := k.NewRoom()
			wantPanic(t, "before the room is opened: use the hook Opened", func() { write(b) })
			i.Begin() // even within a transaction
			wantPanic(t, "before the room is opened", func() { write(b) })
			i.Rollback()

			i.Open()
			wantPanic(t, "outside a turn: only handlers, hooks, timers", func() { write(b) })
			i.Begin()
			write(b)
			i.Commit()
			wantPanic(t, "outside a turn", func() { write(b) })
			i.Begin()
			write(b)
			i.Rollback()
			text := panicText(t, func() { write(b) })
			if !strings.Contains(text, op+" of field") || !strings.Contains(text, "outside a turn") {
				t.Errorf("the panic does not name operation and field: %q", text)
			}
			if len(entries(i, 0)) > 1 {
				t.Errorf("a refused write left %v", entries(i, 0))
			}
		})
	}
}

func TestReadsAreAllowedAnytime(t *testing.T) {
	read := func(b *board) {
		if v, ok := b.Notes.Get("a"); ok || v != (note{}) {
			t.Errorf("Get of nothing: %v, %v", v, ok)
		}
		if b.Notes.Has("a") || b.Notes.Len() != 0 || b.Title.IsSet() || b.Title.Get() != "" {
			t.Error("an empty field holds something")
		}
		for k := range b.Notes.All() {
			t.Errorf("an empty field yields %q", k)
		}
	}
	read(new(board))
	b, _ := room[board](t)
	read(b)
}

func TestSetIsSeenAtOnceAndSentInOrder(t *testing.T) {
	b, i := room[board](t)
	i.Begin()
	b.Notes.Set("a", note{Text: "<one> & \"two\" é"})
	if v, ok := b.Notes.Get("a"); !ok || v.Text != "<one> & \"two\" é" {
		t.Errorf("Get: %v, %v", v, ok)
	}
	b.Count.Set(-7, 1)
	b.Title.Set("Q3")
	b.Notes.Set("a", note{Text: "three"})
	if !b.Notes.Delete("a") || b.Notes.Delete("a") {
		t.Error("Delete does not say what was there")
	}
	b.Title.Clear()
	b.Title.Clear()
	wantEqual(t, "changes", changes(i.Commit()), []string{
		`0.a={"text":"<one> & \"two\" é"}`, `1.-7=1`, `2.="Q3"`, `0.a={"text":"three"}`, `0.a removed`, `2. removed`,
	})
}

func TestSettingTheSameIsNoChangeButTakesItsPlace(t *testing.T) {
	b, i := room[board](t)
	i.Begin()
	b.Notes.Set("a", note{Text: "x", cache: 1})
	i.Commit()

	i.Begin()
	b.Notes.Set("a", note{Text: "x", cache: 2})
	wantEqual(t, "changes", changes(i.Commit()), []string{})
	v, _ := b.Notes.Get("a")
	wantEqual(t, "unencoded part after commit", v.cache, 2)

	i.Begin()
	b.Notes.Set("a", note{Text: "x", cache: 3})
	i.Rollback()
	v, _ = b.Notes.Get("a")
	wantEqual(t, "unencoded part after rollback", v.cache, 2)

	i.Begin()
	b.Notes.Set("a", note{Text: "y"})
	b.Notes.Set("a", note{Text: "x"})
	wantEqual(t, "there and back", changes(i.Commit()), []string{`0.a={"text":"y"}`, `0.a={"text":"x"}`})
}

func TestNullIsAValueAndNotARemoval(t *testing.T) {
	type state struct {
		P actors.Map[string, *int]            `room:"p"`
		R actors.Map[string, json.RawMessage] `room:"r"`
		A actors.Value[any]                   `room:"a"`
	}
	s, i := room[state](t)
	i.Begin()
	s.P.Set("a", nil)
	s.R.Set("a", nil)
	s.A.Set(nil)
	wantEqual(t, "changes", changes(i.Commit()), []string{"0.a=null", "1.a=null", "2.=null"})
	if !s.P.Has("a") || !s.A.IsSet() {
		t.Error("an entry that is null is gone")
	}
}

type unencodable struct{ err error }

func (u unencodable) MarshalJSON() ([]byte, error) { return nil, u.err }

func TestAValueThatCannotBeEncodedLeavesTheEntryAlone(t *testing.T) {
	type state struct {
		X    actors.Map[string, any] `room:"x"`
		Good ints                    `room:"good"`
	}
	s, i := room[state](t)
	i.Begin()
	s.X.Set("a", "old")
	i.Commit()

	for name, v := range map[string]any{
		"a channel":          make(chan int),
		"NaN":                math.NaN(),
		"a failing method":   unencodable{errors.New("boom")},
		"a RawMessage":       json.RawMessage(`{"a":`),
		"text not UTF-8":     json.RawMessage("\"\xff\""),
		"a Raw":              actors.Raw{JSON: []byte(`nope`)},
		"a nested not UTF-8": map[string]any{"a": json.RawMessage("\"\xff\"")},
	} {
		t.Run(name, func(t *testing.T) {
			i.Begin()
			wantPanic(t, `actors: Set of field "x"`, func() { s.X.Set("a", v) })
			wantPanic(t, `actors: Set of field "x"`, func() { s.X.Set("b", v) })
			s.Good.Set(name, 1)
			// A handler that recovers goes on with a state and changes that agree.
			wantEqual(t, "changes", changes(i.Commit()), []string{"1." + name + "=1"})
			wantEqual(t, "entries", entries(i, 0), map[string]string{"a": `"old"`})
		})
	}
}

type badKey struct{ name string }

func (k badKey) MarshalText() ([]byte, error) {
	if k.name == "bad" {
		return nil, errors.New("unspeakable")
	}
	return []byte(k.name), nil
}
func (k *badKey) UnmarshalText(b []byte) error { k.name = string(b); return nil }

func TestAKeyWithoutATextLeavesTheFieldAlone(t *testing.T) {
	type state struct {
		X actors.Map[badKey, int] `room:"x"`
	}
	s, i := room[state](t)
	i.Begin()
	wantPanic(t, "unspeakable", func() { s.X.Set(badKey{"bad"}, 1) })
	if s.X.Len() != 0 {
		t.Error("the entry is there all the same")
	}
	wantEqual(t, "changes", changes(i.Commit()), []string{})
}

type color string

// An UnmarshalText on a string key is not asked, as MarshalText is not.
func (c *color) UnmarshalText([]byte) error { return errors.New("never asked") }

func checkKeys[K comparable](t *testing.T, want map[string]K) {
	t.Helper()
	type state struct {
		X actors.Map[K, string] `room:"x"`
	}
	s, i := room[state](t)
	i.Begin()
	for text, k := range want {
		s.X.Set(k, text)
	}
	list := i.Commit()
	for _, c := range list {
		if string(c.Value) != fmt.Sprintf("%q", c.Key) {
			t.Errorf("key text %q of the key for %s", c.Key, c.Value)
		}
	}
	if len(list) != len(want) {
		t.Errorf("%d changes for %d keys", len(list), len(want))
	}
	again, restored := room[state](t)
	i.Each(0, func(key string, value []byte) {
		if err := restored.Restore(0, key, value); err != nil {
			t.Errorf("Restore(%q): %v", key, err)
		}
	})
	for text, k := range want {
		if v, ok := again.X.Get(k); !ok || v != text {
			t.Errorf("key %v came back as %q, %v", k, v, ok)
		}
	}
	wantEqual(t, "entries", entries(restored, 0), entries(i, 0))
}

func TestKeysComeBackFromTheirText(t *testing.T) {
	t.Run("string", func(t *testing.T) {
		checkKeys(t, map[string]string{"": "", "a": "a", "é \" \\": "é \" \\", "__proto__": "__proto__"})
	})
	t.Run("member id", func(t *testing.T) { checkKeys(t, map[string]actors.MemberID{"": "", "ada": "ada"}) })
	t.Run("named string", func(t *testing.T) { checkKeys(t, map[string]color{"red": "red"}) })
	t.Run("int", func(t *testing.T) {
		checkKeys(t, map[string]int{"0": 0, "-9223372036854775808": math.MinInt64, "9223372036854775807": math.MaxInt64})
	})
	t.Run("int8", func(t *testing.T) { checkKeys(t, map[string]int8{"-128": -128, "127": 127}) })
	t.Run("uint64", func(t *testing.T) { checkKeys(t, map[string]uint64{"0": 0, "18446744073709551615": math.MaxUint64}) })
	t.Run("text", func(t *testing.T) {
		checkKeys(t, map[string]netip.Addr{"::1": netip.MustParseAddr("::1"), "10.0.0.1": netip.MustParseAddr("10.0.0.1")})
	})
}

func TestRestoreRefusesWhatDoesNotFitAndNamesIt(t *testing.T) {
	type state struct {
		Small actors.Map[int8, int]          `room:"small"`
		Big   actors.Map[uint8, note]        `room:"big"`
		Addr  actors.Map[netip.Addr, int]    `room:"addr"`
		Title actors.Value[string]           `room:"title"`
		Bytes actors.Map[string, actors.Raw] `room:"bytes"`
	}
	_, i := room[state](t)
	for name, c := range map[string]struct {
		field      int
		key, value string
		want       []string
	}{
		"no number":          {0, "x", "1", []string{`restore small["x"]`}},
		"out of range":       {0, "128", "1", []string{`restore small["128"]`, "out of range"}},
		"negative unsigned":  {1, "-1", "{}", []string{`restore big["-1"]`}},
		"unreadable text":    {2, "nowhere", "1", []string{`restore addr["nowhere"]`}},
		"another type":       {0, "1", `"one"`, []string{`restore small["1"]`, "string"}},
		"broken JSON":        {1, "1", `{`, []string{`restore big["1"]`}},
		"a key for a single": {3, "x", `"t"`, []string{`restore title["x"]`, "no key"}},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, i.Restore(c.field, c.key, []byte(c.value)), c.want...)
			if got := entries(i, c.field); len(got) != 0 {
				t.Errorf("a refused entry is there: %v", got)
			}
		})
	}
}

func TestWhatIsRestoredIsTheStateAndNoChange(t *testing.T) {
	var b *board
	k := actors.NewKind("board", func() *board { b = new(board); return b }, actors.KindConfig{})
	i := k.NewRoom()
	for field, entry := range map[int][2]string{0: {"a", `{"text":"x"}`}, 1: {"3", "4"}, 2: {"", `"Q3"`}} {
		if err := i.Restore(field, entry[0], []byte(entry[1])); err != nil {
			t.Fatal(err)
		}
	}
	i.Open()
	i.Begin()
	b.Notes.Set("a", note{Text: "x"})
	if v, _ := b.Count.Get(3); v != 4 || b.Title.Get() != "Q3" {
		t.Errorf("restored %v and %q", v, b.Title.Get())
	}
	wantEqual(t, "changes", changes(i.Commit()), []string{})
}

func TestEntriesMaySetAndDeleteWhileIterating(t *testing.T) {
	s, i := room[struct {
		X ints `room:"x"`
	}](t)
	i.Begin()
	for n := range 100 {
		s.X.Set(fmt.Sprint(n), n)
	}
	i.Commit()

	i.Begin()
	seen := make(map[string]int)
	for k, v := range s.X.All() {
		seen[k]++
		if v%2 == 0 {
			s.X.Delete(k)
		} else {
			s.X.Set(k, v+1000)
		}
	}
	i.Commit()
	if len(seen) != 100 {
		t.Errorf("saw %d entries of 100", len(seen))
	}
	for k, n := range seen {
		if n != 1 {
			t.Errorf("saw %s %d times", k, n)
		}
	}
	if s.X.Len() != 50 {
		t.Errorf("%d entries left, want 50", s.X.Len())
	}

	i.Begin()
	for range s.X.All() {
		s.X.Clear() // ends the iteration
	}
	for range s.X.All() {
		t.Error("cleared, and yet an entry")
	}
	i.Rollback()
	if s.X.Len() != 50 {
		t.Errorf("%d entries after rollback, want 50", s.X.Len())
	}
	for range s.X.All() {
		break
	}
}

func TestStateDoesNotShareMemoryWithWhatWasSet(t *testing.T) {
	type state struct {
		R actors.Map[string, json.RawMessage] `room:"r"`
		B actors.Map[string, actors.Binary]   `room:"b"`
	}
	s, i := room[state](t)
	raw, bin := json.RawMessage(`[1,2]`), actors.Binary{0, 1}
	i.Begin()
	s.R.Set("a", raw)
	s.B.Set("a", bin)
	list := i.Commit()
	raw[1], bin[0] = '9', 9
	i.Begin()
	i.Rollback() // the buffer is used again
	wantEqual(t, "entry", entries(i, 0)["a"], "[1,2]")
	wantEqual(t, "entry", entries(i, 1)["a"], `"AAE="`)
	_ = list
}

type byPointer struct{ n int }

func (p *byPointer) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%d", p.n), nil }
func (p *byPointer) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &p.n) }

func TestAMarshalJSONOnThePointerIsUsedBothWays(t *testing.T) {
	type state struct {
		X actors.Map[string, byPointer] `room:"x"`
	}
	s, i := room[state](t)
	i.Begin()
	s.X.Set("a", byPointer{7})
	wantEqual(t, "changes", changes(i.Commit()), []string{"0.a=7"})
	again, restored := room[state](t)
	if err := restored.Restore(0, "a", []byte("7")); err != nil {
		t.Fatal(err)
	}
	if v, _ := again.X.Get("a"); v.n != 7 {
		t.Errorf("came back as %d", v.n)
	}
}

func TestChangesStayValidUntilTheNextTurnBegins(t *testing.T) {
	b, i := room[board](t)
	i.Begin()
	b.Notes.Set("a", note{Text: "x"})
	first := i.Commit()
	kept := append([]actors.Change(nil), first...)
	i.Begin()
	b.Notes.Set("a", note{Text: "longer than before"})
	i.Commit()
	wantEqual(t, "kept changes", changes(kept), []string{`0.a={"text":"x"}`})
}

func TestALargeTurnLeavesNoLargeBuffers(t *testing.T) {
	s, i := room[struct {
		X ints `room:"x"`
	}](t)
	for range 3 {
		i.Begin()
		for n := range 5000 {
			s.X.Set(fmt.Sprint(n), n)
		}
		if n := len(i.Commit()); n != 5000 {
			t.Fatalf("%d changes, want 5000", n)
		}
		i.Begin()
		s.X.Clear()
		if n := len(i.Commit()); n != 5000 {
			t.Fatalf("%d changes, want 5000", n)
		}
	}
	i.Begin()
	if list := i.Commit(); cap(list) > 1024 {
		t.Errorf("an empty turn holds room for %d changes", cap(list))
	}
}
