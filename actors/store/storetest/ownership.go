package storetest

import (
	"errors"
	"sync"

	"github.com/parlor-rooms/parlor/actors"
)

func (s *suite) oneClaimerWins() {
	room := s.room()
	if o, err := s.Owner(s.Context(), room); err != nil || o != (actors.Owner{}) {
		s.Fatalf("owner of a room nobody claimed = %v, %v", o, err)
	}
	const claimers = 8
	won := make(chan actors.Owned, claimers)
	var wg sync.WaitGroup
	for range claimers {
		c := actors.Claim{Owner: s.owner()}
		wg.Go(func() {
			o, err := s.Claim(s.Context(), room, c)
			if err == nil {
				won <- o
				return
			}
			if !errors.Is(err, actors.ErrHeld) {
				s.Errorf("claim: %v", err)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		s.Fatalf("%d of %d claimers won", len(won), claimers)
	}
	o := <-won
	if got, err := s.Owner(s.Context(), room); err != nil || got != o.Owner {
		s.Fatalf("owner = %v, %v, want the winner %v", got, err, o.Owner)
	}
	_, err := s.Claim(s.Context(), room, actors.Claim{Owner: s.owner(), Expect: s.owner()})
	var held *actors.HeldError
	if !errors.As(err, &held) || held.Owner != o.Owner || held.Epoch != o.Epoch {
		s.Fatalf("a claim that expects another owner: %v, want that %+v has it", err, o)
	}
	if next := s.claim(room, o.Owner); next.Epoch <= o.Epoch {
		s.Fatalf("epoch %d after %d", next.Epoch, o.Epoch)
	}
	s.claim(s.room(), s.owner()) // nobody has it: whom one expects does not matter
}

func (s *suite) aRepeatedClaimReturnsWhatItHas() {
	room := s.room()
	c := actors.Claim{Owner: s.owner()}
	first, err := s.Claim(s.Context(), room, c)
	s.ok("claim", err)
	again, err := s.Claim(s.Context(), room, c)
	if err != nil || again != first {
		s.Fatalf("the same claim again = %+v, %v, want %+v", again, err, first)
	}
	after := s.append(room, first, set("k", "v"))
	again, err = s.Claim(s.Context(), room, c)
	if err != nil || again != after {
		s.Fatalf("the same claim after an append = %+v, %v, want %+v", again, err, after)
	}
	s.append(room, after, set("k", "w"))
}

func (s *suite) epochsGrow() {
	room := s.room()
	last := uint64(0)
	for i := range 12 {
		o := s.claim(room, actors.Owner{})
		if o.Epoch <= last || o.Epoch > actors.MaxEpoch {
			s.Fatalf("epoch %d after %d", o.Epoch, last)
		}
		last = o.Epoch
		switch i % 3 {
		case 0:
			s.ok("release", s.Release(s.Context(), room, o))
		case 1:
			o = s.append(room, o, set("k", "v"))
			s.ok("release", s.Release(s.Context(), room, o))
		case 2:
			s.ok("destroy", s.Destroy(s.Context(), room, o))
		}
	}
}

func (s *suite) theFloorIsExceeded() {
	room := s.room()
	const floor = actors.MaxEpoch - 1_000
	owner := s.owner()
	o, err := s.Claim(s.Context(), room, actors.Claim{Owner: owner})
	s.ok("claim", err)
	raised, err := s.Claim(s.Context(), room, actors.Claim{Owner: owner, Floor: floor})
	if err != nil || raised.Epoch <= floor {
		s.Fatalf("claim with floor %d = %+v, %v", uint64(floor), raised, err)
	}
	s.want("append with the epoch before", s.Append(s.Context(), room, s.batch(o, set("k", "v"))), actors.ErrFenced)
	o = s.append(room, raised, set("k", "v"))
	if next := s.claim(room, o.Owner); next.Epoch <= o.Epoch {
		s.Fatalf("epoch %d after %d", next.Epoch, o.Epoch)
	}
}

func (s *suite) aRoomIsTakenBack() {
	room := s.room()
	back := func(o actors.Owned) (actors.Owned, error) {
		return s.Claim(s.Context(), room, actors.Claim{Owner: o.Owner, Back: true, Floor: o.Epoch})
	}
	_, rolls := s.Store.(Rewinder)
	o := s.claim(room, actors.Owner{})
	if rolls {
		s.ok("release", s.Release(s.Context(), room, o)) // so that nothing is known of it
		var err error
		if o, err = back(o); err != nil || o.Generation != "" {
			s.Fatalf("taken back from nobody: %+v, %v", o, err)
		}
	}
	o = s.append(room, o, set("k", "v"))
	mine, err := back(o) // the claim is known
	if want := o; err != nil || mine.Epoch <= o.Epoch || mine.Generation != want.Generation || mine.Sequence != want.Sequence {
		s.Fatalf("taken back from itself: %+v, %v, of %+v", mine, err, o)
	}
	if again, err := back(o); err != nil || again != mine {
		s.Fatalf("the same again: %+v, %v, want %+v", again, err, mine)
	}
	s.want("append in the epoch before", s.Append(s.Context(), room, s.batch(o, set("k", "w"))), actors.ErrFenced)

	later := actors.Owned{Owner: s.owner(), Epoch: mine.Epoch + 7} // of which the store knows nothing
	taken, err := back(later)
	if !rolls {
		s.want("taken back by whom it never was", err, actors.ErrHeld)
		return
	}
	if err != nil || taken.Epoch <= later.Epoch || taken.Generation != mine.Generation || taken.Sequence != mine.Sequence {
		s.Fatalf("taken back from an earlier owner: %+v, %v", taken, err)
	}
	s.want("append of who had it", s.Append(s.Context(), room, s.batch(mine, set("k", "w"))), actors.ErrFenced)
	s.wantEntries(room, taken, map[string]string{"k": "v"})
}

func (s *suite) aRoomIsNotTakenBackFromALaterOwner() {
	room := s.room()
	first := s.append(room, s.claim(room, actors.Owner{}), set("k", "v"))
	next := s.claim(room, first.Owner)
	for what, c := range map[string]actors.Claim{
		"of an epoch before":      {Owner: first.Owner, Floor: first.Epoch},
		"of the same epoch":       {Owner: first.Owner, Floor: next.Epoch},
		"although it is expected": {Owner: first.Owner, Floor: first.Epoch, Expect: next.Owner},
	} {
		c.Back = true
		_, err := s.Claim(s.Context(), room, c)
		var held *actors.HeldError
		if !errors.As(err, &held) || held.Owner != next.Owner || held.Epoch != next.Epoch {
			s.Fatalf("a room is taken back %s: %v, want that %+v has it", what, err, next)
		}
	}
	next = s.append(room, next, set("k", "w"))
	s.ok("release", s.Release(s.Context(), room, next))
	_, err := s.Claim(s.Context(), room, actors.Claim{Owner: first.Owner, Back: true, Floor: first.Epoch})
	var held *actors.HeldError
	if !errors.As(err, &held) || held.Owner != (actors.Owner{}) {
		s.Fatalf("a room that a later owner has given up is taken back: %v", err)
	}
	s.wantEntries(room, s.claim(room, actors.Owner{}), map[string]string{"k": "w"})
}

func (s *suite) aFencedOwnerChangesNothing() {
	room := s.room()
	old := s.append(room, s.claim(room, actors.Owner{}), set("k", "v"))
	o := s.claim(room, old.Owner)
	for what, call := range map[string]func() error{
		"append":  func() error { return s.Append(s.Context(), room, s.batch(old, set("k", "w"))) },
		"release": func() error { return s.Release(s.Context(), room, old) },
		"destroy": func() error { return s.Destroy(s.Context(), room, old) },
		"load":    func() error { _, err := load(s.Context(), s.Store, room, old); return err },
		"append of the owner with another epoch": func() error {
			b := s.batch(o, set("k", "w"))
			b.Epoch--
			return s.Append(s.Context(), room, b)
		},
		"append of the epoch with another owner": func() error {
			b := s.batch(o, set("k", "w"))
			b.Owner = old.Owner
			return s.Append(s.Context(), room, b)
		},
		"append to a room nobody has": func() error {
			b := s.batch(o, set("k", "w"))
			b.Generation, b.Sequence = "", 0
			return s.Append(s.Context(), s.room(), b)
		},
	} {
		s.want(what, call(), actors.ErrFenced)
	}
	s.wantEntries(room, o, map[string]string{"k": "v"})
	s.append(room, o, set("k", "x"))
}

func (s *suite) whoNeverAppendedLeavesNothing() {
	room := s.room()
	o := s.claim(room, actors.Owner{})
	s.ok("release", s.Release(s.Context(), room, o))
	s.want("a second release", s.Release(s.Context(), room, o), actors.ErrFenced)
	if got, err := s.Owner(s.Context(), room); err != nil || got != (actors.Owner{}) {
		s.Fatalf("owner of a released room = %v, %v", got, err)
	}
	next := s.claim(room, actors.Owner{})
	if next.Generation != "" || next.Sequence != 0 {
		s.Fatalf("a room without entries = %+v", next)
	}
	s.wantEntries(room, next, map[string]string{})
}

func (s *suite) racingClaimersNeverBothAppend() {
	room := s.room()
	const rounds, claimers = 20, 4
	type commit struct{ epoch, sequence uint64 }
	var mu sync.Mutex // guards commits
	var commits []commit
	var wg sync.WaitGroup
	for range claimers {
		wg.Go(func() {
			for range rounds {
				c := actors.Claim{Owner: s.owner()}
				o, err := s.Claim(s.Context(), room, c)
				for held := new(actors.HeldError); errors.As(err, &held); {
					c.Expect = held.Owner
					o, err = s.Claim(s.Context(), room, c)
				}
				if err != nil {
					s.Errorf("claim: %v", err)
					return
				}
				for range 3 {
					b := s.batch(o, set(s.id("k"), "v"))
					err := s.Append(s.Context(), room, b)
					if errors.Is(err, actors.ErrFenced) {
						break
					}
					if err != nil {
						s.Errorf("append: %v", err)
						return
					}
					o = b.After()
					mu.Lock()
					commits = append(commits, commit{o.Epoch, o.Sequence})
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	epochs := make(map[uint64]uint64, len(commits))
	for _, c := range commits {
		if was, twice := epochs[c.sequence]; twice {
			s.Fatalf("batch %d was applied in epoch %d and in epoch %d", c.sequence, was, c.epoch)
		}
		epochs[c.sequence] = c.epoch
	}
	for n := uint64(1); n <= uint64(len(commits)); n++ {
		if epochs[n] == 0 || epochs[n] < epochs[max(n-1, 1)] {
			s.Fatalf("batch %d has epoch %d, the one before %d", n, epochs[n], epochs[n-1])
		}
	}
	o := s.claim(room, s.mustOwner(room))
	if got, err := load(s.Context(), s.Store, room, o); err != nil || len(got) != len(commits) {
		s.Fatalf("the room holds %d entries, %v, want %d", len(got), err, len(commits))
	}
}

func (s *suite) mustOwner(room actors.RoomRef) actors.Owner {
	s.Helper()
	o, err := s.Owner(s.Context(), room)
	s.ok("owner", err)
	return o
}
