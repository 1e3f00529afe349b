// Package copies copies what must not be copied. Vet finds every line that
// ends in the comment "copied", and no other.
package copies

import "github.com/parlor-rooms/parlor/actors"

type board struct {
	Notes actors.Map[string, int]  `room:"notes"`
	Title actors.Value[string]     `room:"title"`
	Kept  actors.Maps[string, int] `room:"*"`
}

func assign(b *board) {
	m := b.Notes // copied
	v := b.Title // copied
	g := b.Kept  // copied
	c := *b      // copied
	use(&m, &v, &g, &c)
}

func take(actors.Map[string, int]) {} // copied

func (b board) method() {} // copied

func give(b *board) actors.Value[string] {
	return b.Title // copied
}

func loop(rooms []board) {
	for _, b := range rooms { // copied
		use(&b)
	}
}

func keep(t *actors.Turn) func() {
	mine := *t // copied
	return func() { mine.Broadcast("late") }
}

func fine(b *board, t *actors.Turn) {
	notes := &b.Notes
	notes.Set("a", 1)
	for k, v := range b.Notes.All() {
		use(k, v)
	}
	all := t.All()
	all.Emit("moved")
	use(assign, take, board.method, give, loop, keep, fine)
}

func use(...any) {}
