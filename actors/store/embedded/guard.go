package embedded

import (
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pebble's manifest lists the files that make up the store. It is a log: when
// its reader meets a damaged record it takes it for the end and opens an older
// store, from before files were merged or the log was emptied, in which
// acknowledged changes are missing. So guard notes beside it how much of the
// manifest was written, and Open refuses a manifest that is shorter.
//
// The note is a file GUARD with one line: name, bytes and checksum.
const (
	guardName     = "GUARD"
	manifestBytes = 4 << 20 // Pebble begins another manifest after as many
)

type guard struct {
	fs  vfs.FS
	dir string

	dirty chan struct{} // holds one value while there is something to note
	end   chan struct{} // closed by stop
	done  chan struct{} // closed when the goroutine of start has ended

	// Owned by who opens and closes the store, and by the goroutine of start
	// between.
	noted note

	once sync.Once // of stop
}

// note says that the manifest called name has at least size intact bytes.
type note struct {
	name string
	size int64
}

func (n note) String() string {
	line := fmt.Sprintf("%s %d", n.name, n.size)
	return fmt.Sprintf("%s %08x\n", line, crc32.Checksum([]byte(line), castagnoli))
}

func parseNote(text string) (n note, ok bool) {
	if _, err := fmt.Sscanf(text, "%s %d", &n.name, &n.size); err != nil {
		return note{}, false
	}
	return n, n.String() == text
}

// checkGuard holds a directory to what was noted there.
func checkGuard(fs vfs.FS, dir string) (*guard, error) {
	g := &guard{fs: fs, dir: dir, dirty: make(chan struct{}, 1), end: make(chan struct{}), done: make(chan struct{})}
	text, err := g.read(guardName)
	if errors.Is(err, os.ErrNotExist) {
		return g, nil
	}
	if err != nil {
		return nil, err
	}
	noted, ok := parseNote(string(text))
	if !ok {
		return nil, fmt.Errorf("%w: %s is not as it was written", ErrDamaged, guardName)
	}
	names, err := g.manifests()
	if err != nil {
		return nil, err
	}
	// A manifest that follows holds all that the one before did; Pebble
	// deletes that one some time later.
	if i := slices.Index(names, noted.name); i < 0 && (len(names) == 0 || byNumber(names[len(names)-1], noted.name) < 0) {
		return nil, fmt.Errorf("%w: %s is missing", ErrDamaged, noted.name)
	} else if i >= 0 {
		data, err := g.read(noted.name)
		if err != nil {
			return nil, err
		}
		if intact := intactManifest(data); intact < noted.size {
			return nil, fmt.Errorf("%w: of %s %d bytes are intact, and %d were written", ErrDamaged, noted.name, intact, noted.size)
		}
	}
	g.noted = noted
	return g, nil
}

// began reports whether there was a store before.
func (g *guard) began() bool { return g.noted != note{} }

// manifests returns the names of the manifests, the latest last.
func (g *guard) manifests() ([]string, error) {
	names, err := g.fs.List(g.dir)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, "MANIFEST-") })
	slices.SortFunc(names, byNumber)
	return names, nil
}

// byNumber orders names of files, whose numbers have at least six digits.
func byNumber(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }

func (g *guard) read(name string) ([]byte, error) { return readFile(g.fs, g.dir, name) }

func readFile(fs vfs.FS, dir, name string) ([]byte, error) {
	f, err := fs.Open(fs.PathJoin(dir, name))
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(f)
	return data, errors.Join(err, f.Close())
}

// start begins to note changes.
func (g *guard) start(log *slog.Logger) {
	g.changed()
	go func() { // stop waits for it
		defer close(g.done)
		for {
			select {
			case <-g.end:
				return
			case <-g.dirty:
				if err := g.note(); err != nil {
					log.Error("store: the guard of the manifest could not be written", "err", err)
				}
			}
		}
	}()
}

// changed has the manifest noted soon. It never blocks.
func (g *guard) changed() {
	select {
	case g.dirty <- struct{}{}:
	default:
	}
}

// stop notes the manifest a last time. Nobody writes it any more.
func (g *guard) stop() error {
	var err error
	g.once.Do(func() {
		close(g.end)
		<-g.done
		err = g.note()
	})
	return err
}

// note writes down how much of the manifest is on disk. What it counts it has
// synced itself: Pebble may be about to.
func (g *guard) note() error {
	names, err := g.manifests()
	if err != nil || len(names) == 0 {
		return err
	}
	name := names[len(names)-1]
	f, err := g.fs.OpenReadWrite(g.fs.PathJoin(g.dir, name), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(f)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	n := note{name: name, size: intactManifest(data)}
	if n == g.noted || n.size == 0 {
		return nil
	}
	if err := g.replace(n.String()); err != nil {
		return err
	}
	g.noted = n
	return nil
}

// replace writes the guard's file beside it and then in its place.
func (g *guard) replace(text string) error {
	path := g.fs.PathJoin(g.dir, guardName)
	f, err := g.fs.Create(path+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := g.fs.Rename(path+".new", path); err != nil {
		return err
	}
	d, err := g.fs.OpenDir(g.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
