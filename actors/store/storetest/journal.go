package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

func (s *suite) whatIsAppendedIsLoaded() {
	room := s.room()
	o := s.claim(room, actors.Owner{})
	s.wantEntries(room, o, map[string]string{})
	value := []byte("one")
	b := s.batch(o, actors.Entry{Key: "a", Value: value}, set("b", "two"), set("empty", ""), set("twice", "1"), set("twice", "2"))
	s.ok("append", s.Append(s.Context(), room, b))
	copy(value, "XXX") // the store keeps nothing of a batch
	o = b.After()
	if o.Generation != b.NewGeneration || o.Sequence != 1 {
		s.Fatalf("after the first batch: %+v", o)
	}
	s.wantEntries(room, o, map[string]string{"a": "one", "b": "two", "empty": "", "twice": "2"})
	o = s.append(room, o, set("a", "three"), remove("b"), remove("never"), set("c", "four"), remove("c"))
	s.wantEntries(room, o, map[string]string{"a": "three", "empty": "", "twice": "2"})
	o = s.append(room, o) // a batch without entries counts
	s.ok("release", s.Release(s.Context(), room, o))
	next := s.claim(room, actors.Owner{})
	if next.Generation != o.Generation || next.Sequence != 3 {
		s.Fatalf("the next owner finds %+v, want what %+v left", next, o)
	}
	s.wantEntries(room, next, map[string]string{"a": "three", "empty": "", "twice": "2"})
}

func (s *suite) aBatchIsAppliedOnce() {
	room := s.room()
	first := s.batch(s.claim(room, actors.Owner{}), set("k", "1"))
	for range 3 {
		s.ok("the first batch", s.Append(s.Context(), room, first))
	}
	second := s.batch(first.After(), set("k", "2"))
	for range 3 {
		s.ok("the second batch", s.Append(s.Context(), room, second))
	}
	s.want("the first batch after the second", s.Append(s.Context(), room, first), actors.ErrFenced)
	third := s.batch(second.After(), set("k", "3"))
	third.Replace = true
	for range 3 {
		s.ok("a batch that replaces", s.Append(s.Context(), room, third))
	}
	fourth := s.append(room, third.After(), set("l", "4"))
	s.wantEntries(room, fourth, map[string]string{"k": "3", "l": "4"})

	// The next owner does not apply it either.
	lost := s.batch(fourth, set("k", "5"))
	s.ok("append", s.Append(s.Context(), room, lost))
	next := s.claim(room, fourth.Owner)
	s.want("a batch of the owner before", s.Append(s.Context(), room, lost), actors.ErrFenced)
	if next.Sequence != lost.After().Sequence {
		s.Fatalf("the next owner finds %+v", next)
	}
}

func (s *suite) aBatchOutOfTurnIsFenced() {
	room := s.room()
	o := s.append(room, s.claim(room, actors.Owner{}), set("k", "1"))
	o = s.append(room, o, set("k", "2"))
	for what, change := range map[string]func(*actors.Batch){
		"a sequence that was":      func(b *actors.Batch) { b.Sequence-- },
		"a sequence that will be":  func(b *actors.Batch) { b.Sequence++ },
		"another generation":       func(b *actors.Batch) { b.Generation = "other" },
		"no generation":            func(b *actors.Batch) { b.Generation, b.Sequence = "", 0 },
		"a replace out of turn":    func(b *actors.Batch) { b.Sequence--; b.Replace = true },
		"a replace of another one": func(b *actors.Batch) { b.Generation = "other"; b.Replace = true },
	} {
		b := s.batch(o, set("k", "x"))
		change(b)
		s.want(what, s.Append(s.Context(), room, b), actors.ErrFenced)
	}
	s.wantEntries(room, o, map[string]string{"k": "2"})
	s.append(room, o, set("k", "3"))

	empty := s.claim(s.room(), actors.Owner{})
	empty.Generation, empty.Sequence = "gen", 0
	s.want("a generation where there is none", s.Append(s.Context(), room, s.batch(empty)), actors.ErrFenced)
}

func (s *suite) replaceBeginsAnew() {
	room := s.room()
	o := s.append(room, s.claim(room, actors.Owner{}), set("a", "1"), set("b", "1"))
	o = s.append(room, o, set("c", "1"))
	b := s.batch(o, set("a", "2"), set("d", "2"))
	b.Replace = true
	s.ok("replace", s.Append(s.Context(), room, b))
	o = b.After()
	if o.Generation != b.NewGeneration || o.Sequence != 1 {
		s.Fatalf("after a replace: %+v", o)
	}
	s.wantEntries(room, o, map[string]string{"a": "2", "d": "2"})
	s.ok("release", s.Release(s.Context(), room, o))
	next := s.claim(room, actors.Owner{})
	if next.Generation != o.Generation || next.Sequence != 1 {
		s.Fatalf("the next owner finds %+v, want what %+v left", next, o)
	}
	b = s.batch(next, set("e", "3"))
	b.Replace, b.NewGeneration = true, next.Generation
	s.ok("replace in the same generation", s.Append(s.Context(), room, b))
	if o = b.After(); o.Generation != next.Generation || o.Sequence != 2 {
		s.Fatalf("after a replace in the same generation: %+v", o)
	}
	s.wantEntries(room, o, map[string]string{"e": "3"})
	s.append(room, o, set("f", "4"))
}

func (s *suite) destroyLeavesNothing() {
	room := s.room()
	o := s.append(room, s.claim(room, actors.Owner{}), set("a", "1"))
	s.ok("destroy", s.Destroy(s.Context(), room, o))
	s.want("a second destroy", s.Destroy(s.Context(), room, o), actors.ErrFenced)
	s.want("append to a destroyed room", s.Append(s.Context(), room, s.batch(o, set("a", "2"))), actors.ErrFenced)
	next := s.claim(room, actors.Owner{})
	if next.Generation != "" || next.Sequence != 0 || next.Epoch <= o.Epoch {
		s.Fatalf("a destroyed room = %+v, after %+v", next, o)
	}
	s.wantEntries(room, next, map[string]string{})
	next = s.append(room, next, set("b", "1"))
	if next.Generation == o.Generation {
		s.Fatalf("generation %q came twice", o.Generation)
	}
	s.wantEntries(room, next, map[string]string{"b": "1"})
}

func (s *suite) anyBytesAreKeys() {
	room := s.room()
	want := make(map[string]string)
	var entries []actors.Entry
	for b := range 256 {
		key := string([]byte{byte(b)})
		want[key] = key
		entries = append(entries, set(key, key))
	}
	for _, key := range []string{
		"\x00\x00", "\xff\xff", "a b\r\nc", "{x}:y", "*", strings.Repeat("k", actors.MaxEntryKey), "n", "g", "field\x00key",
	} {
		want[key] = "v:" + key
		entries = append(entries, set(key, want[key]))
	}
	o := s.append(room, s.claim(room, actors.Owner{}), entries...)
	s.wantEntries(room, o, want)
	entries = entries[:0]
	for key := range want {
		entries = append(entries, remove(key))
	}
	o = s.append(room, o, entries...)
	s.wantEntries(room, o, map[string]string{})
}

func (s *suite) roomsDoNotTouchEachOther() {
	rooms := []actors.RoomRef{
		{Kind: "a", ID: "b"}, {Kind: "a", ID: "bc"}, {Kind: "a", ID: "B"}, {Kind: "ab", ID: "c"}, {Kind: "a-b", ID: "c"},
		{Kind: "a", ID: "b:own"}, {Kind: "a", ID: "b:data"}, {Kind: "a", ID: ".."}, {Kind: "a", ID: "~"}, {Kind: "a", ID: "@:@"},
		{Kind: "a", ID: strings.Repeat("x", actors.MaxRoomID)}, {Kind: strings.Repeat("k", actors.MaxKindName), ID: "b"},
	}
	owned := make([]actors.Owned, len(rooms))
	for i, room := range rooms {
		owned[i] = s.append(room, s.claim(room, actors.Owner{}), set("room", room.String()), set(room.ID, "x"))
	}
	for i, room := range rooms {
		s.wantEntries(room, owned[i], map[string]string{"room": room.String(), room.ID: "x"})
		s.want("an owner of another room", s.Release(s.Context(), room, owned[(i+1)%len(rooms)]), actors.ErrFenced)
	}
	for i := 0; i < len(rooms); i += 2 {
		s.ok("destroy", s.Destroy(s.Context(), rooms[i], owned[i]))
	}
	for i := 1; i < len(rooms); i += 2 {
		s.wantEntries(rooms[i], owned[i], map[string]string{"room": rooms[i].String(), rooms[i].ID: "x"})
	}
}

func (s *suite) limitsHold() {
	room := s.room()
	o := s.claim(room, actors.Owner{})
	many := make([]actors.Entry, actors.MaxBatchEntries)
	want := make(map[string]string)
	for i := range many {
		many[i] = set(fmt.Sprintf("key %d", i), strings.Repeat("v", actors.MaxBatchBytes/actors.MaxBatchEntries-len("key 1023")))
		want[many[i].Key] = string(many[i].Value)
	}
	o = s.append(room, o, many...)
	s.wantEntries(room, o, want)
	s.want("an entry more", s.Append(s.Context(), room, s.batch(o, append(many, set("k", "v"))...)), actors.ErrMalformed)
	big := actors.Entry{Key: "key 7", Value: filled(actors.MaxEntryBytes, 'b')}
	o = s.append(room, o, big)
	want[big.Key] = string(big.Value)
	s.wantEntries(room, o, want)
	s.want("a byte more", s.Append(s.Context(), room, s.batch(o, actors.Entry{Key: "k", Value: filled(actors.MaxEntryBytes+1, 'b')})), actors.ErrMalformed)
	s.want("two large entries", s.Append(s.Context(), room, s.batch(o, set("k", "v"), actors.Entry{Key: "l", Value: filled(actors.MaxBatchBytes, 'b')})), actors.ErrMalformed)
	s.append(room, o, set("k", "v"))
}

func (s *suite) aManySidedRoomIsLoadedWhole() {
	room := s.room()
	o := s.claim(room, actors.Owner{})
	want := make(map[string]string)
	for i := range 12 {
		var entries []actors.Entry
		for j := range 700 {
			key := fmt.Sprintf("%d/%d", i, j)
			want[key] = fmt.Sprintf("%d %s", j, strings.Repeat("x", j%50*(1+i)))
			entries = append(entries, set(key, want[key]))
		}
		o = s.append(room, o, entries...)
	}
	for i := range 3 { // and with what a removal leaves
		var entries []actors.Entry
		for j := range 1000 {
			key := fmt.Sprintf("%d/%d", 4*i+j%4, j/4*2)
			delete(want, key)
			entries = append(entries, remove(key))
		}
		o = s.append(room, o, entries...)
	}
	s.wantEntries(room, o, want)
}

// aLargeRoomIsLoadedInPages loads 10 MiB and looks at the heap meanwhile.
func (s *suite) aLargeRoomIsLoadedInPages() {
	room := s.room()
	const size, most = 10 << 20, 4 << 20
	o, err := fill(s.Context(), s.Store, room, size)
	s.ok("fill", err)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	base, peak, n := heap(), uint64(0), 0
	s.ok("load", s.Load(s.Context(), room, o, func(string, []byte) error {
		if n++; n%1000 == 0 {
			peak = max(peak, heap())
		}
		return nil
	}))
	if n < size>>10 {
		s.Fatalf("%d entries", n)
	}
	if peak > base+most {
		s.Fatalf("loading 10 MiB took %d KiB of heap", (peak-base)>>10)
	}
}

func (s *suite) loadStopsWithAnError() {
	room := s.room()
	o := s.append(room, s.claim(room, actors.Owner{}), set("a", "1"), set("b", "1"), set("c", "1"))
	enough := errors.New("enough")
	calls := 0
	err := s.Load(s.Context(), room, o, func(string, []byte) error { calls++; return enough })
	if !errors.Is(err, enough) || calls != 1 {
		s.Fatalf("load = %v after %d calls", err, calls)
	}
}

func (s *suite) malformedCallsDoNothing() {
	ctx, room := s.Context(), s.room()
	o := s.append(room, s.claim(room, actors.Owner{}), set("k", "v"))
	bad := actors.RoomRef{Kind: "Board", ID: "x"}
	late := time.Now()
	for what, call := range map[string]func() error{
		"claim of a bad room":    func() error { _, err := s.Claim(ctx, bad, actors.Claim{Owner: s.owner()}); return err },
		"claim without an owner": func() error { _, err := s.Claim(ctx, room, actors.Claim{}); return err },
		"claim with a long nonce": func() error {
			_, err := s.Claim(ctx, room, actors.Claim{Owner: actors.Owner{Node: "n", Nonce: strings.Repeat("x", 65)}})
			return err
		},
		"claim with half an expected": func() error {
			_, err := s.Claim(ctx, room, actors.Claim{Owner: s.owner(), Expect: actors.Owner{Node: "n"}})
			return err
		},
		"claim above every epoch": func() error {
			_, err := s.Claim(ctx, room, actors.Claim{Owner: s.owner(), Back: true, Floor: actors.MaxEpoch})
			return err
		},
		"owner of a bad room":        func() error { _, err := s.Owner(ctx, bad); return err },
		"release of a bad room":      func() error { return s.Release(ctx, bad, o) },
		"destroy by nobody":          func() error { return s.Destroy(ctx, room, actors.Owned{}) },
		"load by nobody":             func() error { _, err := load(ctx, s.Store, room, actors.Owned{}); return err },
		"batch without an id":        func() error { b := s.batch(o); b.ID = ""; return s.Append(ctx, room, b) },
		"batch with a bad id":        func() error { b := s.batch(o); b.ID = "a b"; return s.Append(ctx, room, b) },
		"replace without generation": func() error { b := s.batch(o); b.Replace, b.NewGeneration = true, ""; return s.Append(ctx, room, b) },
		"claim back without an epoch": func() error {
			_, err := s.Claim(ctx, room, actors.Claim{Owner: o.Owner, Back: true})
			return err
		},
		"unknown durability": func() error { b := s.batch(o); b.Durability = "gold"; return s.Append(ctx, room, b) },
		"an empty key":       func() error { return s.Append(ctx, room, s.batch(o, set("", "v"))) },
		"a long key": func() error {
			return s.Append(ctx, room, s.batch(o, set(strings.Repeat("k", actors.MaxEntryKey+1), "v")))
		},
		"schedule of a bad room": func() error { return s.Schedule(ctx, bad, late) },
		"read without a key":     func() error { _, _, err := s.Read(ctx, ""); return err },
		"a long record key":      func() error { _, _, err := s.Read(ctx, strings.Repeat("k", actors.MaxRecordKey+1)); return err },
		"a long record":          func() error { _, err := s.Write(ctx, "k", filled(actors.MaxRecordBytes+1, 'x'), 0, 0); return err },
		"a time that overflows":  func() error { _, err := s.Write(ctx, "k", []byte("v"), 0, 1<<63-1); return err },
		"a negative time":        func() error { _, err := s.Write(ctx, "k", []byte("v"), 0, -1); return err },
	} {
		s.want(what, call(), actors.ErrMalformed)
	}
	s.wantEntries(room, o, map[string]string{"k": "v"})
	s.append(room, o, set("k", "w"))
}

func (s *suite) aClosedStoreIsUnavailable() {
	room := s.room()
	o := s.append(room, s.claim(room, actors.Owner{}), set("k", "v"))
	ended, cancel := context.WithCancel(s.Context())
	cancel()
	s.want("append after its context", s.Append(ended, room, s.batch(o, set("k", "w"))), actors.ErrUnavailable)
	o = s.append(room, o, set("k", "w"))
	s.ok("close", s.Close())
	_, err := s.Claim(s.Context(), room, actors.Claim{Owner: s.owner()})
	s.want("claim", err, actors.ErrUnavailable)
	s.want("append", s.Append(s.Context(), room, s.batch(o, set("k", "x"))), actors.ErrUnavailable)
	_, err = load(s.Context(), s.Store, room, o)
	s.want("load", err, actors.ErrUnavailable)
	_, _, err = s.Read(s.Context(), "k")
	s.want("read", err, actors.ErrUnavailable)
	_, err = s.Due(s.Context(), time.Now(), time.Time{}, 1)
	s.want("due", err, actors.ErrUnavailable)
	s.ok("a second close", s.Close())
}

func (s *suite) levelsThatAreRefused() {
	s.ok("the default", s.Provides(s.Context(), actors.DurabilityDefault))
	s.ok("memory", s.Provides(s.Context(), actors.DurabilityMemory))
	room := s.room()
	o := s.claim(room, actors.Owner{})
	for _, d := range []actors.Durability{
		actors.DurabilityMemory, actors.DurabilityDisk, actors.DurabilityRedis, actors.DurabilityRedisFsync, actors.DurabilityRedisSync,
	} {
		b := s.batch(o, set("level", string(d)))
		b.Durability = d
		given := s.Provides(s.Context(), d)
		err := s.Append(s.Context(), room, b)
		switch {
		case given == nil && err != nil:
			s.Fatalf("append at level %q: %v", d, err)
		case given == nil:
			o = b.After()
		default:
			s.want("asking for "+string(d), given, actors.ErrNoDurability)
			s.want("append at level "+string(d), err, actors.ErrNoDurability)
		}
	}
}
