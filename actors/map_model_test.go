package actors_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"pgregory.net/rapid"
)

type twoMaps struct {
	A actors.Map[string, note] `room:"a"`
	B actors.Map[int8, string] `room:"b"`
	V actors.Value[int]        `room:"v"`
}

// model is what twoMaps should hold: by field, JSON by key text.
type model [3]map[string]string

func (m model) clone() (c model) {
	for i := range m {
		c[i] = maps.Clone(m[i])
	}
	return c
}

// turnModel applies the same writes to a room and to its model, and writes
// down the changes that the room should report.
type turnModel struct {
	room  *twoMaps
	state model
	want  []string
}

func (m *turnModel) set(field int, key, json string) {
	if old, has := m.state[field][key]; !has || old != json {
		m.want = append(m.want, fmt.Sprintf("%d.%s=%s", field, key, json))
	}
	m.state[field][key] = json
}

func (m *turnModel) remove(field int, key string) bool {
	_, has := m.state[field][key]
	if has {
		m.want = append(m.want, fmt.Sprintf("%d.%s removed", field, key))
	}
	delete(m.state[field], key)
	return has
}

func (m *turnModel) write(t *rapid.T) {
	key := rapid.SampledFrom([]string{"", "x", "y", "é"}).Draw(t, "key")
	small := rapid.Int8Range(-2, 2).Draw(t, "small")
	text := rapid.SampledFrom([]string{"p", "q", "<r>"}).Draw(t, "text")
	switch rapid.SampledFrom([]string{"set", "update", "delete", "clear", "iterate", "b.set", "b.delete", "v.set", "v.clear"}).Draw(t, "op") {
	case "set":
		m.room.A.Set(key, note{Text: text})
		m.set(0, key, fmt.Sprintf(`{"text":"%s"}`, text))
	case "update":
		v, has := m.room.A.Get(key)
		if has != m.room.A.Has(key) {
			t.Fatalf("Get and Has disagree on %q", key)
		}
		v.N++
		m.room.A.Set(key, v)
		m.set(0, key, fmt.Sprintf(`{"text":"%s","n":%d}`, v.Text, v.N))
	case "delete":
		if got, want := m.room.A.Delete(key), m.remove(0, key); got != want {
			t.Fatalf("Delete(%q) = %v", key, got)
		}
	case "clear":
		// The order of a Clear is open: at most one entry keeps it exact.
		for k := range m.room.A.All() {
			if m.room.A.Len() > 1 {
				m.room.A.Delete(k)
				m.remove(0, k)
			}
		}
		m.room.A.Clear()
		for k := range m.state[0] {
			m.remove(0, k)
		}
	case "iterate":
		for k, v := range m.room.A.All() {
			v.N = 50
			m.room.A.Set(k, v)
			m.set(0, k, fmt.Sprintf(`{"text":"%s","n":50}`, v.Text))
		}
	case "b.set":
		m.room.B.Set(small, text)
		m.set(1, fmt.Sprint(small), `"`+text+`"`)
	case "b.delete":
		if got, want := m.room.B.Delete(small), m.remove(1, fmt.Sprint(small)); got != want {
			t.Fatalf("Delete(%d) = %v", small, got)
		}
	case "v.set":
		m.room.V.Set(int(small))
		m.set(2, "", fmt.Sprint(small))
	case "v.clear":
		m.room.V.Clear()
		m.remove(2, "")
	}
}

func (m *turnModel) compare(t *rapid.T, i actors.Instance) {
	for field, want := range m.state {
		if got := entries(i, field); !maps.Equal(got, want) {
			t.Fatalf("field %d holds %v, want %v", field, got, want)
		}
	}
	if m.room.A.Len() != len(m.state[0]) || m.room.V.IsSet() != (len(m.state[2]) == 1) {
		t.Fatalf("Len %d, IsSet %v", m.room.A.Len(), m.room.V.IsSet())
	}
	for k, v := range m.room.A.All() {
		if got, ok := m.room.A.Get(k); !ok || got != v {
			t.Fatalf("All yields %v for %q, Get %v", v, k, got)
		}
	}
}

// rapid prints the seed of a failure and how to run it again.
func TestATurnHappensWholeOrNotAtAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r *twoMaps
		k := actors.NewKind("m", func() *twoMaps { r = new(twoMaps); return r }, actors.KindConfig{})
		i := k.NewRoom()
		i.Open()
		m := &turnModel{room: r, state: model{{}, {}, {}}}
		mirror := model{{}, {}, {}} // made of the changes alone
		for range rapid.IntRange(1, 8).Draw(t, "turns") {
			before := m.state.clone()
			m.want = nil
			i.Begin()
			for range rapid.IntRange(0, 12).Draw(t, "writes") {
				m.write(t)
			}
			m.compare(t, i)
			if rapid.Bool().Draw(t, "fails") {
				i.Rollback()
				m.state = before
				m.compare(t, i)
				continue
			}
			list := i.Commit()
			if got := fmt.Sprint(changes(list)); got != fmt.Sprint(append([]string{}, m.want...)) {
				t.Fatalf("changes %v\nwant    %v", got, m.want)
			}
			for _, c := range list {
				if c.Value == nil {
					delete(mirror[c.Field], c.Key)
				} else {
					mirror[c.Field][c.Key] = string(c.Value)
				}
			}
			for f := range mirror {
				if !maps.Equal(mirror[f], m.state[f]) {
					t.Fatalf("field %d mirrored as %v, is %v", f, mirror[f], m.state[f])
				}
			}
			m.compare(t, i)
		}
	})
}

func TestRollbackAfterClearBringsEverythingBack(t *testing.T) {
	b, i := room[board](t)
	i.Begin()
	for n := range 20 {
		b.Notes.Set(fmt.Sprint(n), note{N: n})
	}
	b.Title.Set("Q3")
	i.Commit()
	before, title := entries(i, 0), b.Title.Get()

	i.Begin()
	b.Notes.Set("new", note{})
	b.Notes.Clear()
	b.Title.Clear()
	b.Notes.Set("0", note{Text: "again"})
	b.Notes.Set("new", note{Text: "too"})
	b.Notes.Clear()
	if b.Notes.Len() != 0 || b.Title.IsSet() {
		t.Fatal("Clear left something")
	}
	i.Rollback()
	wantEqual(t, "entries", entries(i, 0), before)
	wantEqual(t, "title", b.Title.Get(), title)

	i.Begin()
	wantEqual(t, "changes after a rollback", changes(i.Commit()), []string{})
}
