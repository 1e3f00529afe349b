package actorstest_test

import (
	"encoding/json"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/actorstest"
)

// palette is the room of docs/rooms.md, "Who may what".
type palette struct {
	Colors actors.Map[actors.MemberID, string] `room:"colors,synced"`
}

func (p *palette) Joined(t *actors.Turn, m actors.Member) {
	var seat struct{ Color string }
	_ = json.Unmarshal(m.Permit.Seat, &seat) // without a seat there is no color
	p.Colors.Set(m.ID, seat.Color)
}

func (p *palette) Clear(t *actors.Turn, _ struct{}) (bool, error) {
	if !t.Member().Permit.May(actors.OpModerate) {
		return false, actors.Errorf(actors.CodeForbidden, "only for moderators")
	}
	p.Colors.Clear()
	return true, nil
}

func TestARoomAsksWhatItsMembersMay(t *testing.T) {
	k := actors.NewKind("palette", func() *palette { return new(palette) }, actors.KindConfig{})
	actors.OnAck(k, "clear", (*palette).Clear)
	r := actorstest.Open(t, k, actorstest.Config{})
	with := func(pattern string, ops ...actors.Op) actors.Identity {
		g, err := actors.NewGrants(actors.Grant{Pattern: pattern, Ops: ops, Seat: []byte(`{"color":"red"}`)})
		if err != nil {
			t.Fatal(err)
		}
		return actors.Identity{Subject: "ada", Grants: g}
	}
	if _, refused := r.TryJoinWith(actors.Identity{Subject: "zoe"}, nil); refused != nil { // the others may not begin it
		t.Fatal(refused)
	}
	for name, c := range map[string]struct {
		id    actors.Identity
		color string
		clear bool
	}{
		"a moderator":       {with("palette/*", actors.OpJoin, actors.OpPublish, actors.OpModerate), "red", true},
		"a painter":         {with("palette/*", actors.OpJoin, actors.OpPublish), "red", false},
		"without any grant": {actors.Identity{Subject: "ben"}, "", true},
	} {
		m, refused := r.TryJoinWith(c.id, nil)
		if refused != nil {
			t.Fatalf("%s: %v", name, refused)
		}
		if got := actorstest.State[string](m, "colors")[string(m.ID())]; got != c.color {
			t.Errorf("%s has the color %q", name, got)
		}
		if _, err := m.Ask("clear", nil); (err == nil) != c.clear {
			t.Errorf("%s clears: %v", name, err)
		}
	}
}
