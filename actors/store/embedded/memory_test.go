package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/store/embedded"
)

// blockedFS keeps tables from being written: making their files waits for free.
type blockedFS struct {
	vfs.FS
	free chan struct{}
}

func (f *blockedFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if filepath.Ext(name) == ".sst" {
		<-f.free
	}
	return f.FS.Create(name, c)
}

// lot is a room of many values that do not compress.
type lot struct {
	store *embedded.Store
	owned actors.Owned
	count int
}

var lotRef = actors.RoomRef{Kind: "load", ID: "lot"}

const lotValue = 32 << 10

func newLot(t *testing.T, s *embedded.Store) *lot {
	t.Helper()
	o, err := s.Claim(t.Context(), lotRef, actors.Claim{Owner: actors.Owner{Node: "n", Nonce: fmt.Sprint("v", rand.Uint64())}})
	if err != nil {
		t.Fatal(err)
	}
	return &lot{store: s, owned: o}
}

// put appends one value more.
func (l *lot) put(ctx context.Context) error {
	v := make([]byte, lotValue)
	rnd := rand.New(rand.NewPCG(uint64(l.count), 1))
	for i := range v {
		v[i] = byte(rnd.Uint32())
	}
	b := &actors.Batch{Owned: l.owned, ID: fmt.Sprint(l.count), NewGeneration: fmt.Sprint("g", l.count), Entries: []actors.Entry{{Key: fmt.Sprintf("k%06d", l.count), Value: v}}}
	if err := l.store.Append(ctx, lotRef, b); err != nil {
		return err
	}
	l.owned = b.After()
	l.count++
	return nil
}

// TestWhatIsNotInFilesIsBounded has a disk that takes the log and no tables.
func TestWhatIsNotInFilesIsBounded(t *testing.T) {
	for _, table := range []int64{1 << 20, 4 << 20} {
		t.Run(fmt.Sprint(table), func(t *testing.T) {
			fs := &blockedFS{vfs.NewMem(), make(chan struct{})}
			s, err := embedded.Open(embedded.OnFS(embedded.Config{Directory: "data", MemTableBytes: table}, fs))
			if err != nil {
				t.Fatal(err)
			}
			l := newLot(t, s)
			put := func() error {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				return l.put(ctx)
			}
			for err == nil && int64(l.count)*lotValue < 10*table {
				err = put()
			}
			written := int64(l.count) * lotValue
			_, held := s.Held()
			if !errors.Is(err, context.DeadlineExceeded) || written < table || held > 3*table {
				t.Errorf("after %d bytes, of which %d are in memory: %v", written, held, err)
			}
			close(fs.free)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestWhatIsKeptOfFilesIsBounded reads twice what is larger than the cache, and
// what is not.
func TestWhatIsKeptOfFilesIsBounded(t *testing.T) {
	const values = 128 // 4 MiB
	fs := vfs.NewMem()
	open := func(cache int64) *embedded.Store {
		s, err := embedded.Open(embedded.OnFS(embedded.Config{Directory: "data", CacheBytes: cache, MemTableBytes: 1 << 20}, fs))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open(0)
	l := newLot(t, s)
	for range values {
		if err := l.put(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		cache int64
		fits  bool
	}{{2 << 20, false}, {16 << 20, true}} {
		s := open(c.cache)
		l := newLot(t, s)
		read := func() (reads int64) {
			before, n := s.Reads(), 0
			if err := s.Load(t.Context(), lotRef, l.owned, func(string, []byte) error { n++; return nil }); err != nil || n != values {
				t.Fatalf("read %d values, %v", n, err)
			}
			held, _ := s.Held()
			if held > c.cache || held == 0 {
				t.Errorf("of files, %d bytes are held in a cache of %d", held, c.cache)
			}
			return s.Reads() - before
		}
		if first := read(); first < values {
			t.Errorf("%d blocks were read for %d values: nothing is shown", first, values)
		}
		if again := read(); c.fits && again > 0 || !c.fits && again < values/2 {
			t.Errorf("with a cache of %d, %d blocks were read again", c.cache, again)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
