package main

import (
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// Board is one whiteboard.
type Board struct {
	Notes   actors.Map[string, Note]            `room:"notes,durable,synced"`
	Cursors actors.Map[actors.MemberID, Cursor] `room:"cursors,synced"`
}

type Note struct{ Text, By string }

type Cursor struct{ X, Y int }

type AddNote struct{ Text string }

// Add puts a note on the board and answers with its id.
func (b *Board) Add(t *actors.Turn, in AddNote) (string, error) {
	if in.Text == "" {
		return "", actors.Errorf(actors.CodeInvalid, "a note needs a text")
	}
	id := t.NewID()
	b.Notes.Set(id, Note{Text: in.Text, By: string(t.Member().ID)})
	return id, nil
}

// Cursor moves the member's own.
func (b *Board) Cursor(t *actors.Turn, in Cursor) { b.Cursors.Set(t.Member().ID, in) }

// Left takes a member's cursor away.
func (b *Board) Left(_ *actors.Turn, m actors.Member, _ actors.LeaveReason) { b.Cursors.Delete(m.ID) }

// Kind is the kind of room this program serves.
func Kind() *actors.Kind[Board] {
	k := actors.NewKind("board", func() *Board { return new(Board) }, actors.KindConfig{SyncEvery: 33 * time.Millisecond})
	actors.OnAck(k, "add", (*Board).Add)
	actors.On(k, "cursor", (*Board).Cursor)
	return k
}
