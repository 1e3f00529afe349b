package room

import (
	"fmt"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

func granted(t *testing.T, pattern string, seat string) joinOption {
	t.Helper()
	g, err := actors.NewGrants(actors.Grant{Pattern: pattern, Ops: []actors.Op{actors.OpCreate, actors.OpJoin, actors.OpPublishEvent("say")}, Seat: []byte(seat)})
	if err != nil {
		t.Fatal(err)
	}
	return func(j *wire.Join) { j.Identity.Grants = g }
}

func TestARoomIsGivenWhatTheTokenGrantsThere(t *testing.T) {
	var seen []string
	note := func(m actors.Member) {
		seen = append(seen, fmt.Sprintf("%s %v %v", m.Permit.Seat, m.Permit.MayPublish("say"), m.Permit.May(actors.OpModerate)))
	}
	s := &script{
		admit:   func(_ *hall, _ *actors.Turn, r *actors.JoinRequest) error { note(r.Member); return nil },
		joined:  func(_ *hall, _ *actors.Turn, m actors.Member) { note(m) },
		resumed: func(_ *hall, _ *actors.Turn, m actors.Member) { note(m) },
		on:      on{"say": func(_ *hall, t *actors.Turn, _ actors.Args) (any, error) { note(t.Member()); return nil, nil }},
	}
	w := s.open(t, resumable(actors.KindConfig{}))
	a := w.join(granted(t, "hall/*", `"editor"`))
	a.leave(actors.ReasonTransportClosed)
	a = a.back("", granted(t, "hall/1", `"guest"`)) // with another token
	a.tell(`["say"]`)
	w.join(granted(t, "hall/2", `"elsewhere"`))
	w.join()
	w.same(seen, []string{
		`"editor" true false`, `"editor" true false`,
		`"guest" true false`, `"guest" true false`,
		` false false`, ` false false`,
		` true true`, ` true true`,
	})
}
