package actors_test

import (
	"context"

	"github.com/parlor-rooms/parlor/actors"
)

// Library is a room that looks things up in a slow catalogue. Other members'
// events go on meanwhile.
type Library struct {
	Found actors.Map[string, string] `room:"found,synced"`
}

// Find keeps the acknowledgement, works beside the room, and answers in the
// turn that follows. The work does not touch the room.
func (l *Library) Find(t *actors.Turn, title string, ack actors.Ack[string]) {
	var author string
	t.Go(func(ctx context.Context) (err error) {
		author, err = catalogue(ctx, title)
		return err
	}, func(t *actors.Turn, err error) {
		if err != nil {
			ack.Fail(t, err)
			return
		}
		l.Found.Set(title, author)
		ack.Reply(t, author)
	})
}

func catalogue(_ context.Context, title string) (string, error) {
	if title != "Emma" {
		return "", actors.Errorf(actors.CodeNotFound, "no book is called %q", title)
	}
	return "Jane Austen", nil
}

func ExampleOnLater() {
	k := actors.NewKind("library", func() *Library { return new(Library) }, actors.KindConfig{})
	actors.OnLater(k, "find", (*Library).Find)

	library := play(k)
	library.emit("find", `"Emma"`)
	library.emit("find", `"Ulysses"`)
	// Output:
	// answered: ["Jane Austen"]
	// changed: found Emma "Jane Austen"
	// refused: not_found: no book is called "Ulysses"
}
