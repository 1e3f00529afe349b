package storetest

import (
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

func (s *suite) due(now time.Time, limit int) []actors.RoomRef {
	s.Helper()
	due, err := s.Due(s.Context(), now, time.Time{}, limit)
	s.ok("due", err)
	return due
}

func (s *suite) wantDue(now time.Time, limit int, want ...actors.RoomRef) {
	s.Helper()
	if got := s.due(now, limit); !slices.Equal(got, want) {
		s.Fatalf("due: %v, want %v", got, want)
	}
}

func (s *suite) whatIsDueComesInOrder() {
	base := time.UnixMilli(1_700_000_000_000)
	var rooms []actors.RoomRef
	for i := range 40 {
		rooms = append(rooms, s.room())
		s.ok("schedule", s.Schedule(s.Context(), rooms[i], base.Add(time.Duration(i)*time.Second)))
	}
	s.wantDue(base.Add(-time.Millisecond), 100)
	s.wantDue(base.Add(10*time.Second), 100, rooms[:11]...)
	s.wantDue(base.Add(time.Hour), 3, rooms[:3]...)
	s.wantDue(base.Add(time.Hour), 0)
	s.wantDue(base.Add(time.Hour), 100, rooms...) // they stay
	s.ok("schedule later", s.Schedule(s.Context(), rooms[0], base.Add(90*time.Minute)))
	s.ok("schedule earlier", s.Schedule(s.Context(), rooms[39], base.Add(-time.Hour)))
	s.ok("take off", s.Schedule(s.Context(), rooms[1], time.Time{}))
	s.ok("take off what is not there", s.Schedule(s.Context(), s.room(), time.Time{}))
	s.wantDue(base.Add(3*time.Second), 100, rooms[39], rooms[2], rooms[3])
	for _, room := range rooms {
		s.ok("take off", s.Schedule(s.Context(), room, time.Time{}))
	}
	s.wantDue(base.Add(100*time.Hour), 100)
}

// Nodes that look at the agenda at once share what is due.
func (s *suite) whatIsDueIsTakenOnce() {
	now := time.UnixMilli(1_700_000_000_000)
	again := now.Add(time.Minute)
	rooms := make(map[actors.RoomRef]bool)
	for range 60 {
		room := s.room()
		rooms[room] = true
		s.ok("schedule", s.Schedule(s.Context(), room, now))
	}
	later := s.room()
	s.ok("schedule", s.Schedule(s.Context(), later, again.Add(time.Millisecond)))
	var mu sync.Mutex
	taken := make(map[actors.RoomRef]int)
	var nodes sync.WaitGroup
	for range 4 {
		nodes.Go(func() {
			for range 40 { // more than it takes alone: others may have what is seen first
				due, err := s.Due(s.Context(), now, again, 7)
				if err != nil || len(due) > 7 {
					s.Errorf("%d rooms were taken, %v", len(due), err)
				}
				mu.Lock()
				for _, room := range due {
					taken[room]++
				}
				mu.Unlock()
			}
		})
	}
	nodes.Wait()
	for room := range rooms {
		if taken[room] != 1 {
			s.Errorf("%v was taken %d times", room, taken[room])
		}
	}
	s.wantDue(again.Add(-time.Millisecond), 100)
	if n := len(s.due(again, 100)); n != len(rooms) {
		s.Errorf("%d rooms are due again, want %d", n, len(rooms))
	}
}

func (s *suite) theAgendaRoundsUp() {
	base, room := time.UnixMilli(1_700_000_000_000), s.room()
	s.ok("schedule", s.Schedule(s.Context(), room, base.Add(time.Nanosecond)))
	s.wantDue(base, 1)
	s.wantDue(base.Add(time.Millisecond), 1, room)
}

func (s *suite) read(key string) (string, uint64) {
	s.Helper()
	value, version, err := s.Read(s.Context(), key)
	s.ok("read", err)
	if (value == nil) != (version == 0) {
		s.Fatalf("read = %q at version %d", value, version)
	}
	return string(value), version
}

func (s *suite) write(key, value string, ifVersion uint64, ttl time.Duration) uint64 {
	s.Helper()
	version, err := s.Write(s.Context(), key, append([]byte{}, value...), ifVersion, ttl)
	s.ok("write", err)
	if version == 0 {
		s.Fatal("a record was written at version zero")
	}
	return version
}

func (s *suite) recordsCompareAndSet() {
	ctx := s.Context()
	for _, key := range []string{"plain", "with space", "{a}:b\x00\xff", string(filled(actors.MaxRecordKey, 'k'))} {
		if value, version := s.read(key); value != "" || version != 0 {
			s.Fatalf("a record nobody wrote = %q, %d", value, version)
		}
		_, err := s.Write(ctx, key, []byte("x"), 7, 0)
		s.want("write where nothing is", err, actors.ErrVersion)
		first := s.write(key, "one", 0, 0)
		_, err = s.Write(ctx, key, []byte("x"), 0, 0)
		s.want("write where something is", err, actors.ErrVersion)
		second := s.write(key, "", first, time.Hour)
		_, err = s.Write(ctx, key, nil, first, 0)
		s.want("delete of a version that was", err, actors.ErrVersion)
		if value, version := s.read(key); value != "" || version != second || second == first {
			s.Fatalf("read = %q, %d, want an empty value at %d", value, version, second)
		}
		if version, err := s.Write(ctx, key, nil, second, 0); err != nil || version != 0 {
			s.Fatalf("delete = %d, %v", version, err)
		}
		if _, err := s.Write(ctx, key, nil, 0, 0); err != nil {
			s.Fatalf("delete of nothing: %v", err)
		}
		if third := s.write(key, "again", 0, 0); third == first || third == second {
			s.Fatalf("version %d came twice", third)
		}
	}
}

func (s *suite) recordsEnd() {
	long := s.write("long", "v", 0, time.Hour)
	forever := s.write("for ever", "v", 0, 0)
	const soon = time.Second // and more than a busy machine takes between two writes
	renewed := s.write("renewed", "w", s.write("renewed", "v", 0, soon), time.Hour)
	unlimited := s.write("unlimited", "w", s.write("unlimited", "v", 0, soon), 0)
	short := s.write("short", "v", 0, soon) // ends after the others would have
	s.eventually("the record is over", func() bool { _, version := s.read("short"); return version == 0 })
	_, err := s.Write(s.Context(), "short", []byte("w"), short, 0)
	s.want("write at the version that is over", err, actors.ErrVersion)
	if again := s.write("short", "w", 0, 0); again == short {
		s.Fatalf("version %d came twice", again)
	}
	for key, want := range map[string]uint64{"long": long, "for ever": forever, "renewed": renewed, "unlimited": unlimited} {
		if _, version := s.read(key); version != want {
			s.Fatalf("%q is at version %d, want %d", key, version, want)
		}
	}
}

func (s *suite) racingWritersOfARecord() {
	const writers, increments = 4, 25
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for done := 0; done < increments; {
				value, version, err := s.Read(s.Context(), "counter")
				if err != nil {
					s.Errorf("read: %v", err)
					return
				}
				n, _ := strconv.Atoi(string(value)) // 0 for nothing
				_, err = s.Write(s.Context(), "counter", strconv.AppendInt(nil, int64(n+1), 10), version, time.Hour)
				switch {
				case err == nil:
					done++
				case !errors.Is(err, actors.ErrVersion):
					s.Errorf("write: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	if value, _ := s.read("counter"); value != strconv.Itoa(writers*increments) {
		s.Fatalf("the counter is at %s, want %d", value, writers*increments)
	}
}
