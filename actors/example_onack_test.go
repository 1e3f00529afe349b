package actors_test

import "github.com/parlor-rooms/parlor/actors"

// Whiteboard is a room. Its notes survive the room leaving memory and are
// mirrored to every member.
type Whiteboard struct {
	Notes actors.Map[string, Note] `room:"notes,durable,synced"`
}

type Note struct {
	Text string `json:"text"`
	By   string `json:"by"`
}

type AddNote struct {
	Text string `json:"text"`
}

// Add answers the id of the note.
func (w *Whiteboard) Add(t *actors.Turn, in AddNote) (string, error) {
	if in.Text == "" {
		return "", actors.Errorf(actors.CodeInvalid, "a note needs a text")
	}
	id := t.NewID()
	w.Notes.Set(id, Note{Text: in.Text, By: t.Member().UserID})
	return id, nil
}

// In a browser: socket.emit("add", {text: "hello"}, answer => …).
func ExampleOnAck() {
	k := actors.NewKind("whiteboard", func() *Whiteboard { return new(Whiteboard) }, actors.KindConfig{})
	actors.OnAck(k, "add", (*Whiteboard).Add)

	board := play(k)
	board.emit("add", `{"text":"hello"}`)
	board.emit("add", `{"text":""}`)
	board.emit("add", `{"text":5}`)
	// Output:
	// answered: ["id-1"]
	// changed: notes id-1 {"text":"hello","by":"u-ada"}
	// refused: invalid: a note needs a text
	// refused: bad_payload: text: want string, got number
}
