// Package actors is the vocabulary of Parlor and the API a room is written in.
//
// A room is a struct with typed handler methods and tagged state fields; a
// [Kind] names it and lists what members may send. A node (package
// actors/node) wakes a room when somebody enters, runs one turn at a time,
// and lets it leave memory when nobody needs it. Package actors/actorstest
// runs a room in one process with fake members and a clock the test moves.
//
//	type Board struct {
//		Notes   actors.Map[string, Note]              `room:"notes,durable,synced"`
//		Cursors actors.Map[actors.MemberID, Cursor]   `room:"cursors,synced"`
//	}
//
//	func (b *Board) Add(t *actors.Turn, in AddNote) (string, error) {
//		if in.Text == "" {
//			return "", actors.Errorf(actors.CodeInvalid, "a note needs a text")
//		}
//		id := t.NewID()
//		b.Notes.Set(id, Note{Text: in.Text, By: t.Member().UserID})
//		return id, nil
//	}
//
//	k := actors.NewKind("board", func() *Board { return new(Board) }, actors.KindConfig{})
//	actors.OnAck(k, "add", (*Board).Add)
//
// # Who may touch what
//
// Everything reachable from a room struct belongs to the goroutine that runs
// the room's current turn. Handlers, hooks, timers and continuations are
// turns; the function given to [Turn.Go] and KindConfig.Authorize are not, and
// must not touch the room.
//
// # A turn is a transaction over tagged fields
//
// A handler that returns an error or panics leaves its tagged fields as they
// were and nothing it sent leaves the room. Plain fields are not undone.
//
// The wire that clients speak is written down in docs/protocol.md. The types
// in seam.go and behavior.go join the parts of the runtime; a room needs none
// of them.
package actors
