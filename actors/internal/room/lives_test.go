package room

import (
	"fmt"
	"testing"
)

func TestAnOffsetIsWorthWhatLaterActivationsFound(t *testing.T) {
	for _, c := range []struct {
		name  string
		lives []life
		seen  position
		want  bool
	}{
		{"everything was found", []life{{"a", 0}, {"b", 4}}, position{tag: "a", seq: 4}, true},
		{"more was found", []life{{"a", 0}, {"b", 4}, {"c", 9}}, position{tag: "a", seq: 3}, true},
		{"it was lost", []life{{"a", 0}, {"b", 2}}, position{tag: "a", seq: 3}, false},
		{"it was seen before what was lost", []life{{"a", 0}, {"b", 2}}, position{tag: "a", seq: 2}, true},
		{"others have taken its place", []life{{"a", 0}, {"b", 2}, {"c", 9}}, position{tag: "a", seq: 3}, false},
		{"others took the place of what was not seen", []life{{"a", 0}, {"b", 2}, {"c", 9}}, position{tag: "b", seq: 9}, true},
		{"the activation was lost", []life{{"a", 0}, {"c", 5}}, position{tag: "b", seq: 5}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &history{tag: "now"}
			h.begin(c.lives, 20)
			if got := h.follows(c.seen); got != c.want {
				t.Errorf("it is %v, want %v", got, c.want)
			}
		})
	}
}

func TestTheLatestActivationsAreRemembered(t *testing.T) {
	var lives []life
	for i := range uint64(rememberLives + 10) {
		h := &history{tag: fmt.Sprint(i)}
		h.begin(lives, i)
		h.begin(h.lives, i+1) // it has hibernated
		lives = h.lives
	}
	if first := (life{"10", 10}); len(lives) != rememberLives || lives[0] != first {
		t.Errorf("%d are remembered, the first is %v, want %d and %v", len(lives), lives[0], rememberLives, first)
	}
}
