package main

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/parlor-rooms/parlor/actors"
)

// The board, in the units clients send, and what a room keeps of it. The page
// knows the same numbers.
const (
	boardWidth  = 2000
	boardHeight = 1250

	colours   = 12               // a person has one of so many
	nameLimit = 24               // characters
	sayLimit  = 90               // characters
	sayFor    = 8 * time.Second  // how long words stay at a cursor
	inkFor    = 30 * time.Second // how long ink stays on the board
	inkLimit  = 3000             // pieces of ink on the board; the oldest give way
	inkPoints = 64               // points in one piece

	sweepEvery = 250 * time.Millisecond
)

// Room is one board: who is here, where everybody points, what they say and
// draw. All of it is mirrored to every member, at most 30 times per second
// however often it changes, and none of it outlives the room.
type Room struct {
	People  actors.Map[actors.MemberID, Person] `room:"people,synced"`
	Cursors actors.Map[actors.MemberID, Point]  `room:"cursors,synced"`
	Says    actors.Map[actors.MemberID, string] `room:"says,synced"`
	Ink     actors.Map[int, Ink]                `room:"ink,synced"`

	entering map[actors.MemberID]Person // admitted, not yet joined
	visits   map[actors.MemberID]*visit // one for each of People
	drying   []dryingInk                // pieces of Ink, oldest first
	nextInk  int
}

// visit is what the room remembers of a member and nobody sees.
type visit struct {
	quietAt time.Time // when to take the words from its cursor; zero if it has none
	pace    pace
}

type dryingInk struct {
	id   int
	gone time.Time
}

// Kind is the kind of room this example serves.
func Kind() *actors.Kind[Room] {
	k := actors.NewKind("cursors", newRoom, actors.KindConfig{
		SyncEvery:  33 * time.Millisecond,
		TickEvery:  sweepEvery,
		MaxMembers: 500,
	})
	actors.On(k, "cursor", (*Room).Cursor)
	actors.On(k, "hide", (*Room).Hide)
	actors.On(k, "say", (*Room).Say)
	actors.On(k, "ink", (*Room).Draw)
	actors.On(k, "burst", (*Room).Burst)
	actors.OnAck(k, "rename", (*Room).Rename)
	actors.OnAck(k, "ping", (*Room).Ping)
	return k
}

func newRoom() *Room {
	return &Room{
		entering: make(map[actors.MemberID]Person),
		visits:   make(map[actors.MemberID]*visit),
	}
}

// Admit reads who somebody wants to be. Everybody may enter.
func (r *Room) Admit(t *actors.Turn, in *actors.JoinRequest) error {
	var wish Person
	if err := in.Bind(&wish); err != nil {
		return err
	}
	if err := wish.Validate(); err != nil {
		return err
	}
	r.entering[in.Member.ID] = r.person(t, wish)
	return nil
}

// Joined gives the newcomer its place among the people.
func (r *Room) Joined(t *actors.Turn, m actors.Member) {
	r.People.Set(m.ID, r.entering[m.ID])
	delete(r.entering, m.ID)
	r.visits[m.ID] = &visit{pace: pace{at: t.Now(), left: paceBurst}}
}

// Left takes everything of a member from the board except its ink.
func (r *Room) Left(_ *actors.Turn, m actors.Member, _ actors.LeaveReason) {
	r.People.Delete(m.ID)
	r.Cursors.Delete(m.ID)
	r.Says.Delete(m.ID)
	delete(r.visits, m.ID)
}

// Cursor moves a member's cursor. The latest position of each is what the
// others get with the next patch.
func (r *Room) Cursor(t *actors.Turn, at Point) { r.Cursors.Set(t.Member().ID, at) }

// Hide takes the cursor from the board: its pointer is elsewhere.
func (r *Room) Hide(t *actors.Turn, _ struct{}) { r.Cursors.Delete(t.Member().ID) }

// Say puts words at a member's cursor, or takes them away if there are none.
func (r *Room) Say(t *actors.Turn, text string) {
	id, v := t.Member().ID, r.visits[t.Member().ID]
	if text = tidy(text, sayLimit); text == "" {
		r.Says.Delete(id)
		v.quietAt = time.Time{}
		return
	}
	if v.pace.take(t.Now()) {
		r.Says.Set(id, text)
		v.quietAt = t.Now().Add(sayFor)
	}
}

// Draw puts one piece of a line on the board, in its author's colour. It
// dries for a while and is gone.
func (r *Room) Draw(t *actors.Turn, line Line) {
	id := t.Member().ID
	if !r.visits[id].pace.take(t.Now()) {
		return
	}
	who, _ := r.People.Get(id)
	if len(r.drying) == inkLimit {
		r.wipeOldest()
	}
	r.Ink.Set(r.nextInk, Ink{Colour: who.Colour, Line: line})
	r.drying = append(r.drying, dryingInk{r.nextInk, t.Now().Add(inkFor)})
	r.nextInk++
}

// Burst shows the others a short effect. It is volatile: who lags misses it
// and nothing of value is lost.
func (r *Room) Burst(t *actors.Turn, in Burst) {
	in.By = t.Member().ID
	if r.visits[in.By].pace.take(t.Now()) {
		t.All().Except(in.By).Volatile().Emit("burst", in)
	}
}

// Rename changes name and colour, and answers with what became of them.
func (r *Room) Rename(t *actors.Turn, wish Person) (Person, error) {
	id := t.Member().ID
	if !r.visits[id].pace.take(t.Now()) {
		return Person{}, actors.Errorf(actors.CodeRateLimited, "not so fast")
	}
	p := r.person(t, wish)
	r.People.Set(id, p)
	return p, nil
}

// Ping answers with the room's time in milliseconds; pages measure the way
// there and back with it.
func (r *Room) Ping(t *actors.Turn, _ struct{}) (int64, error) { return t.Now().UnixMilli(), nil }

// Tick removes dried ink and old words.
func (r *Room) Tick(t *actors.Turn, _ actors.Tick) {
	for len(r.drying) > 0 && !t.Now().Before(r.drying[0].gone) {
		r.wipeOldest()
	}
	for id, v := range r.visits {
		if !v.quietAt.IsZero() && !t.Now().Before(v.quietAt) {
			r.Says.Delete(id)
			v.quietAt = time.Time{}
		}
	}
}

func (r *Room) wipeOldest() {
	r.Ink.Delete(r.drying[0].id)
	r.drying = r.drying[1:]
}

// person is the wish made acceptable: a tidy name, and a colour that few
// others have if it names none.
func (r *Room) person(t *actors.Turn, wish Person) Person {
	p := Person{Name: tidy(wish.Name, nameLimit), Colour: wish.Colour}
	if p.Name == "" {
		p.Name = "Guest"
	}
	if p.Colour == 0 {
		p.Colour = r.freeColour(t.Rand().IntN(colours))
	}
	return p
}

// freeColour is the colour that fewest people have, the first one from start
// on if there are several.
func (r *Room) freeColour(start int) int {
	var taken [colours]int
	for _, p := range r.People.All() {
		taken[p.Colour-1]++
	}
	best := start
	for i := range colours {
		if c := (start + i) % colours; taken[c] < taken[best] {
			best = c
		}
	}
	return best + 1
}

// tidy returns s as one line of printable text, at most limit characters.
func tidy(s string, limit int) string {
	s = strings.Map(func(c rune) rune {
		switch {
		case unicode.IsSpace(c):
			return ' '
		case !unicode.IsPrint(c):
			return -1
		}
		return c
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) > limit {
		s = strings.TrimSpace(string([]rune(s)[:limit]))
	}
	return s
}
