package storetest

import (
	"fmt"

	"github.com/parlor-rooms/parlor/actors"
)

// repair gives a room that was rolled back what its owner knows of it, and
// returns the room as it is then.
func (s *suite) repair(room actors.RoomRef, o actors.Owned, entries ...actors.Entry) (actors.Owned, *actors.Batch) {
	s.Helper()
	mine, err := s.Claim(s.Context(), room, actors.Claim{Owner: o.Owner, Back: true, Floor: o.Epoch})
	s.ok("claim back", err)
	b := s.batch(mine, entries...)
	b.Replace, b.NewGeneration = true, o.Generation
	s.ok("replace", s.Append(s.Context(), room, b))
	return b.After(), b
}

// aStoreThatWasRolledBackIsRepaired is for stores that can lose what they have
// acknowledged.
func (s *suite) aStoreThatWasRolledBackIsRepaired() {
	store, can := s.Store.(Rewinder)
	if !can {
		s.Skip("it cannot be rolled back")
	}
	for name, mark := range map[string]int{"before the claim": 0, "before the first batch": 1, "before the last batch": 2} {
		room := s.room()
		marks := []func(){store.Mark()}
		o := s.claim(room, actors.Owner{})
		marks = append(marks, store.Mark())
		first := s.batch(o, set("a", "1"), set("b", "1"))
		s.ok("append", s.Append(s.Context(), room, first))
		o = first.After()
		marks = append(marks, store.Mark())
		lost := s.batch(o, set("a", "2"), remove("b"), set("c", "2"))
		s.ok("append", s.Append(s.Context(), room, lost))
		o = lost.After()
		marks[mark]()
		next := s.batch(o, set("d", "3"))
		s.want(name+": append behind what was lost", s.Append(s.Context(), room, next), actors.ErrFenced)

		all := []actors.Entry{set("a", "2"), set("c", "2"), set("d", "3")}
		repaired, by := s.repair(room, o, all...)
		if repaired.Epoch <= o.Epoch || repaired.Generation != o.Generation {
			s.Fatalf("%s: repaired as %+v, was %+v", name, repaired, o)
		}
		for _, b := range []*actors.Batch{first, lost, next} { // that come late
			s.want(name+": a batch of before", s.Append(s.Context(), room, b), actors.ErrFenced)
		}
		s.ok("the repair again", s.Append(s.Context(), room, by))
		want := map[string]string{"a": "2", "c": "2", "d": "3"}
		s.wantEntries(room, repaired, want)
		repaired = s.append(room, repaired, set("e", "4"))
		s.want(name+": the repair later", s.Append(s.Context(), room, by), actors.ErrFenced)
		want["e"] = "4"
		s.wantEntries(room, s.claim(room, repaired.Owner), want)
	}
}

// aWholeRoomIsReplacedAtOnce: more than any other batch may hold.
func (s *suite) aWholeRoomIsReplacedAtOnce() {
	room := s.room()
	o := s.append(room, s.claim(room, actors.Owner{}), set("gone", "v"))
	const n = 3*actors.MaxBatchEntries + 1
	b, want := s.batch(o), make(map[string]string, n)
	for i := range n {
		key := fmt.Sprint(i)
		b.Entries, want[key] = append(b.Entries, set(key, key)), key
	}
	s.want("so much beside what is there", s.Append(s.Context(), room, b), actors.ErrMalformed)
	b.Replace = true
	s.ok("replace", s.Append(s.Context(), room, b))
	s.wantEntries(room, b.After(), want)
	b = s.batch(b.After())
	b.Replace = true
	for i := range 9 {
		b.Entries = append(b.Entries, actors.Entry{Key: fmt.Sprint(i), Value: filled(actors.MaxReplaceBytes/8, 'x')})
	}
	s.want("a room that is too large", s.Append(s.Context(), room, b), actors.ErrMalformed)
}
