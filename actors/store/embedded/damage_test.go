package embedded_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/store/embedded"
)

// image is a directory in memory with a room of so many batches in it.
type image struct {
	fs      *vfs.MemFS
	batches uint64
}

var damaged = actors.RoomRef{Kind: "load", ID: "r"}

func openOn(fs vfs.FS) (*embedded.Store, error) {
	return embedded.Open(embedded.OnFS(embedded.Config{
		Directory: "data", MemTableBytes: 1 << 20, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}, fs))
}

// newImage writes a store. With closed set it is closed in order; otherwise it
// is as a killed process leaves it, with several files and a log.
func newImage(t *testing.T, closed bool) image {
	t.Helper()
	fs := vfs.NewCrashableMem()
	s, err := openOn(fs)
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWriter(t.Context(), s, damaged.ID, rand.New(rand.NewPCG(3, 3)))
	if err != nil {
		t.Fatal(err)
	}
	steps := func(n int) {
		for range n {
			if err := w.step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 3 { // several lives make several files
		steps(60)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = openOn(fs); err != nil {
			t.Fatal(err)
		}
		if w, err = newWriter(t.Context(), s, damaged.ID, rand.New(rand.NewPCG(w.count, 3))); err != nil {
			t.Fatal(err)
		}
	}
	steps(60)
	if closed {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	i := image{fs: fs.CrashClone(vfs.CrashCloneCfg{}), batches: w.count}
	if !closed {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return i
}

// edit returns a copy of an image in which a file was changed.
func (i image) edit(t *testing.T, name string, change func([]byte) []byte) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewMem()
	if ok, err := vfs.Clone(i.fs, fs, "data", "data"); !ok || err != nil {
		t.Fatal(ok, err)
	}
	path := fs.PathJoin("data", name)
	data := i.read(t, name)
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(change(data)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return fs
}

func (i image) read(t *testing.T, name string) []byte {
	t.Helper()
	f, err := i.fs.Open(i.fs.PathJoin("data", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (i image) files(t *testing.T) (names []string) {
	t.Helper()
	all, err := i.fs.List("data")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range all {
		if len(i.read(t, n)) > 0 {
			names = append(names, n)
		}
	}
	return names
}

// look opens a store and returns how many batches its room holds. The error
// says that the store or the room was refused, or that it was served damaged.
func look(t *testing.T, fs vfs.FS) (n uint64, err error) {
	t.Helper()
	s, err := openOn(fs)
	if err != nil {
		return 0, err
	}
	defer func() { _ = s.Close() }() // a damaged store may say so again
	o, err := s.Claim(t.Context(), damaged, actors.Claim{Owner: actors.Owner{Node: "n", Nonce: "look"}})
	if err != nil {
		return 0, err
	}
	return verify(t.Context(), s, damaged, o)
}

// TestTornFilesOpenToAPrefix cuts the log of a killed process at many lengths:
// it opens to some first batches, whole, and to more of them the longer it is.
func TestTornFilesOpenToAPrefix(t *testing.T) {
	i := newImage(t, false)
	log := ""
	for _, n := range i.files(t) {
		if strings.HasSuffix(n, ".log") {
			log = max(log, n)
		}
	}
	data := i.read(t, log)
	last := uint64(0)
	for size := 0; size <= len(data); size += 1 + len(data)/(8*flips) {
		n, err := look(t, i.edit(t, log, func(b []byte) []byte { return b[:size] }))
		if err != nil {
			t.Fatalf("%s cut to %d of %d bytes: %v", log, size, len(data), err)
		}
		if n < last || n > i.batches {
			t.Fatalf("%s cut to %d of %d bytes holds %d batches, and %d when it was shorter", log, size, len(data), n, last)
		}
		last = n
	}
	if n, err := look(t, i.edit(t, log, func(b []byte) []byte { return b })); err != nil || n != i.batches {
		t.Fatalf("uncut it holds %d batches of %d, %v", n, i.batches, err)
	}
}

// TestFlippedBytesAreNeverServed flips bits all over the files of a store, one
// at a time. Each is refused with ErrDamaged, or makes no difference, as where
// a file is padded. The one exception is the last write of the log of a killed
// process, which looks the same as if it had been cut short: it is dropped
// whole.
func TestFlippedBytesAreNeverServed(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for name, closed := range map[string]bool{"closed in order": true, "killed": false} {
		t.Run(name, func(t *testing.T) {
			i := newImage(t, closed)
			count := make(map[string]int)
			for _, file := range i.files(t) {
				size := len(i.read(t, file))
				for range min(size, flips) {
					at, bit := rnd.IntN(size), byte(1)<<rnd.IntN(8)
					n, err := look(t, i.edit(t, file, func(b []byte) []byte { b[at] ^= bit; return b }))
					kind := strings.Trim(filepath.Ext(file)+" "+strings.Split(file, "-")[0], " 0123456789")
					what := fmt.Sprintf("bit %08b of byte %d of %d in %s", bit, at, size, file)
					switch {
					case errors.Is(err, embedded.ErrDamaged):
						count[kind+" refused"]++
					case err != nil:
						t.Errorf("%s: %v", what, err)
					case n == i.batches:
						count[kind+" harmless"]++
					case strings.HasSuffix(file, ".log") && n+1 == i.batches:
						count[kind+" last write dropped"]++
					default:
						t.Errorf("%s: %d batches of %d are served", what, n, i.batches)
					}
				}
			}
			t.Log(count)
		})
	}
}

// TestAPowerCutKeepsWhatWasAcknowledged takes the disk as it is at random
// moments of a workload: of what was not synced each block is there or not.
func TestAPowerCutKeepsWhatWasAcknowledged(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	fs := vfs.NewCrashableMem()
	for cut := range cuts {
		s, err := openOn(fs)
		if err != nil {
			t.Fatalf("cut %d: %v", cut, err)
		}
		w, err := newWriter(t.Context(), s, damaged.ID, rand.New(rand.NewPCG(seed, uint64(cut)+1)))
		if err != nil {
			t.Fatalf("cut %d: %v", cut, err)
		}
		for range rnd.IntN(60) {
			if err := w.step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		floor := w.count
		ended := make(chan error, 1)
		go func() { // waited for below
			var err error
			for i := 0; err == nil && i < 20; i++ { // what is under way when the power goes
				err = w.step(t.Context())
			}
			ended <- err
		}()
		next := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rnd.IntN(101), RNG: rand.New(rand.NewPCG(seed, uint64(cut)))})
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		n, err := look(t, next)
		if err != nil || n < floor {
			t.Fatalf("cut %d: %d batches, %v, where %d were acknowledged", cut, n, err, floor)
		}
		fs = next
	}
}
