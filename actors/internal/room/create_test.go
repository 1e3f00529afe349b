package room

import (
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

func allowed(t *testing.T, ops ...actors.Op) joinOption {
	t.Helper()
	g, err := actors.NewGrants(actors.Grant{Pattern: "hall/*", Ops: ops})
	if err != nil {
		t.Fatal(err)
	}
	return func(j *wire.Join) { j.Identity.Grants = g }
}

// wake starts a room of which some entries are kept.
func wake(t *testing.T, c actors.KindConfig, stored []actors.Entry, options ...func(*Config)) *world {
	t.Helper()
	s := &script{on: on{"ok": func(*hall, *actors.Turn, actors.Args) (any, error) { return nil, nil }}}
	w := newWorld(t, s.behavior(c), options...)
	w.m.Start(w.now, Loaded{Epoch: 7, Entries: stored})
	return w
}

func TestWhoMayBeginARoom(t *testing.T) {
	const yes, no = "joined", "no_such_room"
	nobody, user := func(*wire.Join) {}, as("ada")
	join, create := allowed(t, actors.OpJoin), allowed(t, actors.OpJoin, actors.OpCreate)
	for name, c := range map[string]struct {
		policy        actors.CreatePolicy
		authenticates bool
		who           []joinOption
		want          string
	}{
		"anyone":                         {actors.CreateAnyone, true, []joinOption{nobody}, yes},
		"anyone, a token without create": {actors.CreateAnyone, true, []joinOption{user, join}, no},
		"users, anonymous":               {actors.CreateUsers, true, []joinOption{nobody}, no},
		"users, a user":                  {actors.CreateUsers, true, []joinOption{user}, yes},
		"users, without create":          {actors.CreateUsers, true, []joinOption{user, join}, no},
		"users, a guest with create":     {actors.CreateUsers, true, []joinOption{create}, yes},
		"granted, a user":                {actors.CreateGranted, true, []joinOption{user}, no},
		"granted, create":                {actors.CreateGranted, true, []joinOption{user, create}, yes},
		"nobody, create":                 {actors.CreateNobody, true, []joinOption{user, create}, no},
		"by default, anonymous":          {actors.CreateDefault, true, []joinOption{nobody}, no},
		"by default, a user":             {actors.CreateDefault, true, []joinOption{user}, yes},
		"by default, nobody can prove":   {actors.CreateDefault, false, []joinOption{nobody}, yes},
	} {
		t.Run(name, func(t *testing.T) {
			w := wake(t, actors.KindConfig{Create: c.policy}, nil, func(cfg *Config) { cfg.Authenticates = c.authenticates })
			if got := w.join(c.who...).answer(); (got == no) != (c.want == no) {
				t.Errorf("answered %s, want %s", got, c.want)
			}
		})
	}
}

// A room exists if it is named, holds something, has somebody in it, or had
// since it woke; or if Go code has called it.
func TestARoomThatExistsIsEnteredWithoutBeginningIt(t *testing.T) {
	creator := allowed(t, actors.OpJoin, actors.OpCreate)
	for name, c := range map[string]struct {
		rooms  []string
		stored []actors.Entry
		before func(*world)
		want   bool
	}{
		"not at all":           {nil, nil, func(*world) {}, false},
		"another is named":     {[]string{"2"}, nil, func(*world) {}, false},
		"named":                {[]string{"2", "1"}, nil, func(*world) {}, true},
		"holds something":      {nil, []actors.Entry{{Key: "f/notes/n", Value: []byte("1")}}, func(*world) {}, true},
		"somebody is in it":    {nil, nil, func(w *world) { w.join(creator) }, true},
		"somebody was in it":   {nil, nil, func(w *world) { w.join(creator).leave(actors.ReasonClientLeft) }, true},
		"called":               {nil, nil, func(w *world) { w.call(1, "ok", "[]") }, true},
		"called in vain":       {nil, nil, func(w *world) { w.call(1, "none", "[]") }, false},
		"somebody was refused": {nil, nil, func(w *world) { w.join() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := wake(t, actors.KindConfig{Create: actors.CreateGranted, Rooms: c.rooms}, c.stored)
			c.before(w)
			if got := w.join(as("eve")).answer(); (got != "no_such_room") != c.want {
				t.Errorf("answered %s", got)
			}
		})
	}
}

func TestBeginningIsLimitedAndEnteringIsNot(t *testing.T) {
	left := 1
	w := wake(t, actors.KindConfig{}, nil, func(c *Config) {
		c.Begin = func(*wire.Join) *actors.Error {
			if left--; left < 0 {
				return actors.Errorf(actors.CodeRateLimited, "too many")
			}
			return nil
		}
	})
	w.join()
	if got := w.join().answer(); got == "rate_limited" {
		t.Error("who enters a room that exists was counted")
	}
	again := wake(t, actors.KindConfig{}, nil, func(c *Config) { c.Begin = w.m.cfg.Begin })
	if got := again.join().answer(); got != "rate_limited" {
		t.Errorf("answered %s", got)
	}
}

// Visitors must not fill the memory with rooms that they may not begin.
func TestARoomThatNobodyMayBeginLeavesMemoryAtOnce(t *testing.T) {
	w := wake(t, actors.KindConfig{Create: actors.CreateNobody, IdleAfter: time.Hour}, nil)
	w.join()
	w.advance(unwantedFor)
	if !w.m.Retired() {
		t.Error("it is still there")
	}
}
