package fanout

import (
	"fmt"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// The packets of docs/protocol.md, section 4, byte for byte.
func TestStateAndPatchAreTheProtocolsBytes(t *testing.T) {
	fields := []actors.FieldSpec{{Name: "notes", Synced: true}, {Name: "title", Synced: true, Single: true}}
	s := newShard(Limits{})
	ada := s.socket(1)
	s.deliver(wire.Mirror{Version: 12, Fields: fields, Entries: []actors.Change{
		{Field: 0, Key: "n1", Value: []byte(`{"text":"hello"}`)}, {Field: 1, Value: []byte(`"Q3"`)}}}, admit("ada", 1))
	s.deliver(syncTo(13, set(0, "n2", `{"text":"more"}`), set(1, "", `"Q4"`), del(0, "n1")))
	s.deliver(syncTo(14, del(1, "")))
	wantTexts(t, ada,
		`0{"sid":"ada"}`,
		`2["room:state",{"v":12,"part":0,"last":true,"fields":{"notes":{"n1":{"text":"hello"}},"title":"Q3"}}]`,
		`2["room:patch",{"v":13,"set":{"notes":{"n2":{"text":"more"}},"title":"Q4"},"del":{"notes":["n1"]}}]`,
		`2["room:patch",{"v":14,"del":{"title":true}}]`,
	)
}

func TestAMemberSeesOnlyItsOwnEntries(t *testing.T) {
	s := newShard(Limits{})
	ada, bob := s.socket(1), s.socket(2)
	s.deliver(mirrorOf(1, set(hand, "ada", `1`), set(hand, "bob", `2`), set(secret, "x", `"hidden"`), set(notes, "n", `0`)),
		admit("ada", 1), admit("bob", 2))
	s.deliver(syncTo(2, set(hand, "ada", `3`), set(secret, "x", `4`), set(notes, "n", `5`)))
	s.deliver(syncTo(3, set(hand, "bob", `6`)))
	s.deliver(syncTo(4, del(hand, "bob"), set(secret, "y", `7`)))
	wantTexts(t, ada,
		`0{"sid":"ada"}`,
		`2["room:state",{"v":1,"part":0,"last":true,"fields":{"notes":{"n":0},"hand":{"ada":1}}}]`,
		`2["room:patch",{"v":2,"set":{"notes":{"n":5}}}]`,
		`2["room:patch",{"v":2,"set":{"hand":{"ada":3}}}]`,
	)
	wantTexts(t, bob,
		`0{"sid":"bob"}`,
		`2["room:state",{"v":1,"part":0,"last":true,"fields":{"notes":{"n":0},"hand":{"bob":2}}}]`,
		`2["room:patch",{"v":2,"set":{"notes":{"n":5}}}]`,
		`2["room:patch",{"v":3,"set":{"hand":{"bob":6}}}]`,
		`2["room:patch",{"v":4,"del":{"hand":["bob"]}}]`,
	)
}

// Its own entries go with the state of the same version, not with one that
// serves others still.
func TestOwnEntriesAreOfTheVersionOfTheirState(t *testing.T) {
	s := newShard(Limits{})
	s.socket(1)
	bob := s.socket(2)
	var entries []actors.Change
	for i := range 100 {
		entries = append(entries, set(notes, fmt.Sprint(i), `1`))
	}
	s.deliver(mirrorOf(1, append(entries, set(hand, "bob", `1`))...), admit("ada", 1))
	s.deliver(syncTo(2, set(hand, "bob", `2`)))
	s.deliver(admit("bob", 2))
	got := bob.texts()
	if len(got) != 2 || !strings.Contains(got[1], `"v":2,`) || !strings.Contains(got[1], `"hand":{"bob":2}`) {
		t.Errorf("got %s", got)
	}
}

func TestAFieldForAnUnknownAudienceIsForNobody(t *testing.T) {
	s := newShard(Limits{})
	ada := s.socket(1)
	fields := []actors.FieldSpec{{Name: "a", Synced: true, Audience: 7}, {Name: "b", Synced: true}}
	s.deliver(wire.Mirror{Version: 1, Fields: fields, Entries: []actors.Change{set(0, "ada", `1`)}}, admit("ada", 1))
	s.deliver(syncTo(2, set(0, "ada", `2`)))
	wantTexts(t, ada, `0{"sid":"ada"}`, `2["room:state",{"v":1,"part":0,"last":true,"fields":{"b":{}}}]`)
}

// The offset is in whatever is last of what a version means for a member.
func TestOffsetsStandBehindWhatTheyClaim(t *testing.T) {
	s := newShard(Limits{})
	ada, bob := s.socket(1), s.socket(2)
	s.deliver(wire.Mirror{Version: 1, Offset: "r1.1", Fields: boardFields}, admit("ada", 1), admit("bob", 2))
	s.deliver(wire.Sync{Version: 2, Offset: "r1.2", Changes: []actors.Change{set(title, "", `"T"`), set(hand, "ada", `1`)}})
	wantTexts(t, ada,
		`0{"sid":"ada"}`,
		`2["room:state",{"v":1,"part":0,"last":true,"fields":{"notes":{},"hand":{}}},"r1.1"]`,
		`2["room:patch",{"v":2,"set":{"title":"T"}}]`,
		`2["room:patch",{"v":2,"set":{"hand":{"ada":1}}},"r1.2"]`,
	)
	wantTexts(t, bob,
		`0{"sid":"bob"}`,
		`2["room:state",{"v":1,"part":0,"last":true,"fields":{"notes":{},"hand":{}}},"r1.1"]`,
		`2["room:patch",{"v":2,"set":{"title":"T"}},"r1.2"]`,
	)
}

// An event that was held back claims the version before the patch that it
// follows: who returns from there is sent the patch again, and must not be put
// back before the event.
func TestAnOffsetNeverGoesBack(t *testing.T) {
	s := newShard(Limits{})
	ada, bob := s.socket(1), s.socket(2)
	s.deliver(wire.Mirror{Version: 1, Offset: "r1.0.1", Fields: boardFields[:hand]}, admit("ada", 1))
	s.deliver(wire.Sync{Version: 2, Offset: "r1.0.2", Changes: []actors.Change{set(title, "", `"T"`)}}, stamped("told", "r1.1.1"))
	ada.texts()
	back := admit("ada", 1)
	back.Resumed, back.Since = true, 1
	s.deliver(back, admit("bob", 2))
	s.deliver(wire.Sync{Version: 3, Offset: "r1.1.3", Changes: []actors.Change{set(title, "", `"U"`)}})
	wantTexts(t, ada,
		`0{"sid":"ada"}`,
		`2["room:patch",{"v":2,"set":{"title":"T"}}]`,
		`2["room:patch",{"v":3,"set":{"title":"U"}},"r1.1.3"]`,
	)
	wantTexts(t, bob,
		`0{"sid":"bob"}`,
		`2["room:state",{"v":2,"part":0,"last":true,"fields":{"notes":{},"title":"T"}}]`,
		`2["room:patch",{"v":3,"set":{"title":"U"}},"r1.1.3"]`,
	)
}

func TestALaggingMemberGetsOneMergedPatch(t *testing.T) {
	tests := []struct {
		name  string
		syncs []wire.Sync
		want  []string
	}{
		{"the latest value of each key, once",
			[]wire.Sync{syncTo(2, set(notes, "a", `1`)), syncTo(3, set(notes, "b", `2`)), syncTo(4, set(notes, "a", `3`))},
			[]string{`2["room:patch",{"v":4,"set":{"notes":{"b":2,"a":3}}}]`}},
		{"what was removed in the end",
			[]wire.Sync{syncTo(2, set(notes, "n", `1`)), syncTo(3, del(notes, "n"))},
			[]string{`2["room:patch",{"v":3,"del":{"notes":["n"]}}]`}},
		{"what came back is set, not removed",
			[]wire.Sync{syncTo(2, del(notes, "n")), syncTo(3, set(notes, "n", `2`))},
			[]string{`2["room:patch",{"v":3,"set":{"notes":{"n":2}}}]`}},
		{"its own entries behind those of everybody",
			[]wire.Sync{syncTo(2, set(hand, "ada", `1`)), syncTo(3, set(title, "", `2`)), syncTo(4, set(hand, "bob", `3`))},
			[]string{`2["room:patch",{"v":4,"set":{"title":2}}]`, `2["room:patch",{"v":4,"set":{"hand":{"ada":1}}}]`}},
		{"nothing if nothing concerns it",
			[]wire.Sync{syncTo(2, set(hand, "bob", `1`)), syncTo(3, set(secret, "s", `1`))}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newShard(Limits{})
			ada := s.socket(1)
			s.deliver(mirrorOf(1, set(notes, "n", `0`)), admit("ada", 1))
			ada.texts()
			ada.stalled = true
			s.deliver(event("before"))
			for _, sync := range tt.syncs {
				s.deliver(sync)
			}
			ada.resume()
			s.settle()
			wantTexts(t, ada, append([]string{`2["before"]`}, tt.want...)...)
		})
	}
}

// A socket that lags is asked for one call, however long it lags.
func TestALaggingSocketIsAwaitedOnce(t *testing.T) {
	s := newShard(Limits{})
	ada := s.socket(1)
	ada.stalled = true
	s.deliver(mirrorOf(1), admit("ada", 1))
	for v := uint64(2); v < 10; v++ {
		s.deliver(syncTo(v, set(notes, "n", fmt.Sprint(v))))
	}
	if ada.armed != 1 {
		t.Errorf("WhenDrained was called %d times, want once", ada.armed)
	}
	if got := s.Stats().PatchesConflated; got != 8 {
		t.Errorf("%d patches counted as conflated, want 8", got)
	}
}

func TestAReliableEventBringsTheStateItRefersTo(t *testing.T) {
	items := map[string]wire.Item{
		"event":           event("e"),
		"acknowledgement": wire.Reply{Member: "ada", ID: 7, Data: actors.Raw{JSON: []byte(`["e"]`)}},
		"disconnect":      wire.Remove{Member: "ada", Disconnect: true},
	}
	wants := map[string]string{"event": `2["e"]`, "acknowledgement": `37["e"]`, "disconnect": `1`}
	for name, item := range items {
		t.Run(name, func(t *testing.T) {
			s := newShard(Limits{})
			ada := s.socket(1)
			s.deliver(mirrorOf(1), admit("ada", 1))
			ada.texts()
			ada.stalled = true
			s.deliver(event("before"))
			s.deliver(syncTo(2, set(notes, "n", `1`)))
			s.deliver(item)
			ada.resume()
			s.settle()
			wantTexts(t, ada, `2["before"]`, `2["room:patch",{"v":2,"set":{"notes":{"n":1}}}]`, wants[name])
		})
	}
}

func TestVolatileEventsAreDroppedForWhoeverLags(t *testing.T) {
	s := newShard(Limits{})
	ada, bob := s.socket(1), s.socket(2)
	s.deliver(mirrorOf(1), admit("ada", 1), admit("bob", 2))
	ada.texts()
	bob.texts()
	ada.stalled = true
	s.deliver(event("reliable"))
	s.deliver(syncTo(2, set(notes, "n", `1`)))
	s.deliver(volatileEvent("v1"), volatileEvent("v2"))
	if got := s.Stats().VolatileDropped; got != 2 {
		t.Errorf("%d volatile packets counted as dropped, want 2", got)
	}
	// It has drained, but Drained is still on its way: the state goes first.
	ada.resume()
	s.deliver(volatileEvent("v3"))
	wantTexts(t, ada, `2["reliable"]`, `2["room:patch",{"v":2,"set":{"notes":{"n":1}}}]`, `2["v3"]`)
	wantTexts(t, bob, `2["reliable"]`, `2["room:patch",{"v":2,"set":{"notes":{"n":1}}}]`, `2["v1"]`, `2["v2"]`, `2["v3"]`)
}

// A room that removes keys for ever must not be remembered for ever; whoever
// is too far behind then starts afresh.
func TestAMemberTooFarBehindStartsAfresh(t *testing.T) {
	const removed = 8
	s := newShard(Limits{Removed: removed})
	ada := s.socket(1)
	s.deliver(mirrorOf(1, set(title, "", `"T"`)), admit("ada", 1))
	ada.texts()
	ada.stalled = true
	s.deliver(event("before"))
	version := uint64(1)
	for i := range 10 * removed {
		version += 2
		key := fmt.Sprint("k", i)
		s.deliver(syncTo(version-1, set(notes, key, `1`)), syncTo(version, del(notes, key)))
	}
	ada.resume()
	s.settle()
	wantTexts(t, ada, `2["before"]`,
		fmt.Sprintf(`2["room:state",{"v":%d,"part":0,"last":true,"fields":{"notes":{},"title":"T","hand":{}}}]`, version))
	if n := len(s.rooms[board].mirror.fields[notes].entries); n > removed {
		t.Errorf("%d removed entries are remembered, want at most %d", n, removed)
	}
}

// Clearing a large map is a patch for those who keep up, whatever is
// remembered of it for others.
func TestWhoKeepsUpGetsAPatchHoweverMuchIsRemoved(t *testing.T) {
	const removed = 8
	var entries, removals []actors.Change
	for i := range 10 * removed {
		entries = append(entries, set(notes, fmt.Sprint(i), `1`))
		removals = append(removals, del(notes, fmt.Sprint(i)))
	}
	s := newShard(Limits{Removed: removed})
	s.socket(1)
	s.deliver(mirrorOf(1, entries...), admit("ada", 1))
	s.deliver(syncTo(2, removals...))
	if got := s.Stats().States; got != 1 {
		t.Errorf("the member was sent %d states, want only the first", got)
	}
	s.deliver(syncTo(3, set(title, "", `1`)))
	if n := len(s.rooms[board].mirror.fields[notes].entries); n > removed {
		t.Errorf("%d removed entries are remembered, want at most %d", n, removed)
	}
}

func TestAnotherMirrorStartsEverybodyAfresh(t *testing.T) {
	for _, version := range []uint64{2, 5, 9} {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			s := newShard(Limits{})
			ada := s.socket(1)
			s.deliver(mirrorOf(5, set(notes, "old", `1`)), admit("ada", 1))
			ada.texts()
			s.epoch, s.adopts = s.epoch+1, true
			s.deliver(mirrorOf(version, set(notes, "new", `1`)))
			s.deliver(syncTo(version+1, set(notes, "n", `2`)))
			wantTexts(t, ada,
				fmt.Sprintf(`2["room:state",{"v":%d,"part":0,"last":true,"fields":{"notes":{"new":1},"hand":{}}}]`, version),
				fmt.Sprintf(`2["room:patch",{"v":%d,"set":{"notes":{"n":2}}}]`, version+1))
		})
	}
}

// What is remembered of removals goes oldest first, whichever field it is of.
func TestTheOldestRemovalIsForgottenFirst(t *testing.T) {
	for _, fields := range [][]int{{notes, title}, {title, notes}} {
		var mir mirror
		w := mirrorOf(1, set(fields[0], "k", `1`), set(fields[1], "k", `1`))
		mir.reset(&w, "/board/q3", Limits{Removed: 1})
		for i, f := range fields {
			s := syncTo(uint64(2+i), del(f, "k"))
			mir.apply(&s)
		}
		if mir.floor != 2 {
			t.Errorf("fields %v: patches start from version %d on, want 2", fields, mir.floor)
		}
	}
}

func TestSyncsThatDoNotFollowTheMirrorAreIgnored(t *testing.T) {
	s := newShard(Limits{})
	ada := s.socket(1)
	s.deliver(admit("ada", 1), syncTo(1, set(notes, "n", `1`)))
	s.deliver(mirrorOf(3))
	s.deliver(syncTo(3, set(notes, "n", `1`)), syncTo(2, set(notes, "n", `1`)))
	s.deliver(syncTo(4, set(-1, "n", `1`), set(len(boardFields), "n", `1`), del(notes, "unknown")))
	wantTexts(t, ada, `0{"sid":"ada"}`, `2["room:state",{"v":3,"part":0,"last":true,"fields":{"notes":{},"hand":{}}}]`)
	if got := s.Stats().StraySyncs; got != 3 {
		t.Errorf("%d stray Syncs counted, want 3", got)
	}
}

func TestARoomWithoutSyncedFieldsSendsNoState(t *testing.T) {
	s := newShard(Limits{})
	ada := s.socket(1)
	s.deliver(wire.Mirror{Version: 1, Fields: boardFields[:1]}, admit("ada", 1))
	s.deliver(syncTo(2, set(secret, "n", `1`)), event("e"))
	ada.stalled = true
	s.deliver(event("f"), syncTo(3, set(secret, "n", `2`)), wire.Remove{Member: "ada", Disconnect: true})
	ada.resume()
	s.settle()
	wantTexts(t, ada, `0{"sid":"ada"}`, `2["e"]`, `2["f"]`, `1`)
}
