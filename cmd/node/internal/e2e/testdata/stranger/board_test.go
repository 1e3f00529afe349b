package main

import (
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/actorstest"
)

const sync = 40 * time.Millisecond // longer than SyncEvery

func TestEverybodySeesANote(t *testing.T) {
	r := actorstest.Open(t, Kind(), actorstest.Config{})
	ada, bob := r.Join(nil), r.Join(nil)
	if _, err := ada.Ask("add", AddNote{Text: "hello"}); err != nil {
		t.Fatal(err)
	}
	r.Advance(sync)
	want := Note{Text: "hello", By: string(ada.ID())}
	for _, m := range []*actorstest.Member{ada, bob} {
		notes := actorstest.State[Note](m, "notes")
		if len(notes) != 1 {
			t.Fatalf("%s sees %d notes, want 1", m.ID(), len(notes))
		}
		for id, note := range notes {
			if id == "" || note != want {
				t.Errorf("%s sees note %q as %+v, want %+v", m.ID(), id, note, want)
			}
		}
	}
}

func TestAnEmptyNoteIsRefused(t *testing.T) {
	r := actorstest.Open(t, Kind(), actorstest.Config{})
	_, err := r.Join(nil).Ask("add", AddNote{})
	if e := actors.AsError(err); err == nil || e.Code != actors.CodeInvalid {
		t.Errorf("the answer is %v, want %s", err, actors.CodeInvalid)
	}
}

func TestACursorLeavesWithItsMember(t *testing.T) {
	r := actorstest.Open(t, Kind(), actorstest.Config{})
	ada, bob := r.Join(nil), r.Join(nil)
	ada.Emit("cursor", Cursor{X: 3, Y: 4})
	r.Advance(sync)
	if at := actorstest.State[Cursor](bob, "cursors")[string(ada.ID())]; at != (Cursor{X: 3, Y: 4}) {
		t.Fatalf("Bob sees the cursor at %+v", at)
	}
	ada.Leave()
	r.Advance(sync)
	if cursors := actorstest.State[Cursor](bob, "cursors"); len(cursors) != 0 {
		t.Errorf("Bob sees %v after Ada left", cursors)
	}
}
