// Package embedded is the store of one process: one directory, written by
// Pebble, a log-structured engine that checksums its log and every block it
// reads. What all rooms append at one moment goes to disk with one fsync.
//
// Who owns a room is known in memory only: owners end with the process, and
// the directory's lock keeps a second process out.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/parlor-rooms/parlor/actors"
)

// Errors of Open and of reading.
var (
	// ErrInUse: another process has the directory open.
	ErrInUse = errors.New("the directory is in use by another process")
	// ErrDamaged: what is on disk is not what was written.
	ErrDamaged = errors.New("the files are damaged")
)

// Store is an actors.Store in one directory. When the disk refuses a write or
// an fsync, the store stops: the outcome of what was under way is unknown,
// every later call returns ErrUnavailable, and only a new process finds out
// what was kept.
type Store struct {
	// Set before Open returns, read-only afterwards.
	dir    string
	now    func() time.Time
	log    *slog.Logger
	db     *pebble.DB
	lock   *pebble.Lock
	cache  *pebble.Cache
	guard  *guard
	broken *breaker

	counter counter
	records stripes    // held while a record changes
	agenda  sync.Mutex // held while a room's place on the agenda changes

	mu     sync.Mutex // guards the following
	closed bool
	rooms  map[actors.RoomRef]*room
	calls  sync.WaitGroup // grows only while closed is false
}

var _ actors.Store = (*Store)(nil)

// Open opens the store in c.Directory, or begins one there. It blocks until
// what an earlier process left is read. It returns an error that wraps ErrInUse
// if another process has it, and one that wraps ErrDamaged if files are not
// what was written; both leave the directory as it is. A last write that is cut
// short was never acknowledged and is dropped.
func Open(c Config) (*Store, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Store{dir: c.Directory, now: c.Now, log: c.Logger, rooms: make(map[actors.RoomRef]*room), records: newStripes()}
	if err := s.open(c); err != nil {
		return nil, fmt.Errorf("open the store in %s: %w", c.Directory, err)
	}
	return s, nil
}

func (s *Store) open(c Config) (err error) {
	if err := c.fs.MkdirAll(c.Directory, 0o700); err != nil {
		return err
	}
	if s.lock, err = pebble.LockDirectory(c.Directory, c.fs); err != nil {
		return fmt.Errorf("%w (%w)", ErrInUse, err)
	}
	defer func() {
		if err != nil {
			_ = s.lock.Close()
		}
	}()
	s.broken = newBreaker(c.Logger)
	if s.guard, err = checkGuard(c.fs, c.Directory); err != nil {
		return err
	}
	if err := checkLogs(c.fs, c.Directory); err != nil {
		return err
	}
	s.cache = pebble.NewCache(c.CacheBytes)
	if s.db, err = openPebble(c, s.options(c)); err != nil {
		s.cache.Unref()
		return err
	}
	s.guard.start(c.Logger)
	s.counter.store = s
	if err := s.counter.load(); err != nil {
		return errors.Join(err, s.close())
	}
	return nil
}

// openPebble opens the files. Pebble panics at some damages and calls Fatalf
// at others, which ends the goroutine that it runs in.
func openPebble(c Config, o *pebble.Options) (db *pebble.DB, err error) {
	ended := make(chan struct{})
	err = fmt.Errorf("%w: Pebble gave up", ErrDamaged)
	go func() { // waited for below
		defer close(ended)
		defer func() {
			if p := recover(); p != nil {
				db, err = nil, fmt.Errorf("%w: %v", ErrDamaged, p)
			}
		}()
		db, err = pebble.Open(c.Directory, o)
	}()
	<-ended
	// What is not the operating system's word on a file is about what is in it.
	if path := (*os.PathError)(nil); db == nil && !errors.As(err, &path) && !errors.Is(err, ErrDamaged) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return db, err
}

func (s *Store) options(c Config) *pebble.Options {
	return &pebble.Options{
		FS:    c.fs,
		Lock:  s.lock,
		Cache: s.cache,
		// The log says in each chunk up to where it was synced before, so
		// that a damaged byte in the middle is not taken for the end.
		FormatMajorVersion:  pebble.FormatWALSyncChunks,
		MemTableSize:        uint64(c.MemTableBytes),
		MaxManifestFileSize: manifestBytes,
		ErrorIfNotExists:    s.guard.began(),
		Logger:              s.broken,
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) { c.Logger.Error("store: background work failed", "err", err) },
			// What is read returns the error as well: it concerns who asked.
			DataCorruption: func(i pebble.DataCorruptionInfo) {
				c.Logger.Error("store: a file is damaged", "path", i.Path, "err", i.Details)
			},
			FlushEnd:        func(pebble.FlushInfo) { s.guard.changed() },
			CompactionEnd:   func(pebble.CompactionInfo) { s.guard.changed() },
			ManifestCreated: func(pebble.ManifestCreateInfo) { s.guard.changed() },
		},
	}
}

// begin admits a call, which s.calls.Done ends.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", actors.ErrUnavailable, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("%w: it is closed", actors.ErrUnavailable)
	}
	if err := s.broken.err(); err != nil {
		return fmt.Errorf("%w: it stopped: %w", actors.ErrUnavailable, err)
	}
	s.calls.Add(1)
	return nil
}

// Provides implements actors.Store.
func (s *Store) Provides(_ context.Context, d actors.Durability) error {
	switch d {
	case actors.DurabilityDefault, actors.DurabilityMemory, actors.DurabilityDisk:
		return nil
	}
	return fmt.Errorf("%w: %q, where one process writes one directory", actors.ErrNoDurability, d)
}

// Stopped returns a channel that is closed when the store has stopped, because
// the disk refused a write: the process should end, and a new one look what is
// there.
func (s *Store) Stopped() <-chan struct{} { return s.broken.stopped }

// flushTime is how long Close waits for what is in memory to be in files.
const flushTime = 10 * time.Second

// Close implements actors.Store. It waits for calls under way and, for at most
// ten seconds, until what is in memory is in files, so that the next Open has
// no log to read. Of a store that has stopped it frees nothing: that is the
// end of the process's affair.
func (s *Store) Close() error {
	s.mu.Lock()
	was := s.closed
	s.closed = true
	s.mu.Unlock()
	if was {
		return nil
	}
	if err := s.broken.err(); err != nil {
		return fmt.Errorf("close the store in %s: it stopped: %w", s.dir, err)
	}
	s.calls.Wait()
	err := s.flush()
	if s.broken.err() == nil {
		err = errors.Join(err, s.close(), s.lock.Close())
	}
	if err != nil {
		return fmt.Errorf("close the store in %s: %w", s.dir, err)
	}
	return nil
}

// flush writes what is in memory into files. A disk that is full does not keep
// it: everything is in the log as well.
func (s *Store) flush() error {
	done, err := s.db.AsyncFlush()
	if err != nil {
		return err
	}
	limit := time.NewTimer(flushTime)
	defer limit.Stop()
	select {
	case <-done:
		return nil
	case <-s.broken.stopped:
		return s.broken.err()
	case <-limit.C:
		s.log.Warn("store: closed without writing its memory into files; the next start reads the log", "dir", s.dir)
		return nil
	}
}

// close undoes openPebble and what was started after it.
func (s *Store) close() error {
	err := s.db.Close()
	s.cache.Unref()
	return errors.Join(err, s.guard.stop())
}

// commit writes a batch, to disk if sync is set, and then calls then, whether
// somebody still waits or not; then hears whether it was written. commit
// returns when it is done, or with the outcome unknown when ctx ends or the
// store stops.
func (s *Store) commit(ctx context.Context, b *pebble.Batch, sync bool, then func(written bool)) error {
	done := make(chan error, 1)
	go func() { // counted in s.calls by begin; a store that stopped leaves it behind
		err := s.broken.catch(func() error { return b.Commit(&pebble.WriteOptions{Sync: sync}) })
		then(err == nil)
		s.calls.Done()
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-s.broken.stopped:
		return s.broken.err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
