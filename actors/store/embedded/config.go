package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Config of a store. Directory is required; zero means the default elsewhere.
type Config struct {
	// Directory is where the store keeps its files. It is made if it is not
	// there. One process at a time can have it.
	Directory string

	// CacheBytes is how much of what was read from disk is kept in memory.
	// Zero means 32 MiB.
	CacheBytes int64

	// MemTableBytes is how much may be written before it is sorted into a
	// file. Up to three times as much is held in memory, and up to twice as
	// much is read again when a process that was killed is started anew. Zero
	// means 16 MiB; the least is 1 MiB, the most 1 GiB.
	MemTableBytes int64

	// Logger is told about trouble with files. Nil means slog.Default.
	Logger *slog.Logger

	// Now is the clock by which records end. Nil means time.Now.
	Now func() time.Time

	fs vfs.FS // nil means the disk; tests bring one that fails
}

func (c Config) withDefaults() (Config, error) {
	if c.Directory == "" {
		return c, errors.New("embedded store: no directory is set")
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = 32 << 20
	}
	if c.MemTableBytes == 0 {
		c.MemTableBytes = 16 << 20
	}
	if c.CacheBytes < 0 {
		return c, fmt.Errorf("embedded store: a cache of %d bytes", c.CacheBytes)
	}
	if c.MemTableBytes < 1<<20 || c.MemTableBytes > 1<<30 {
		return c, fmt.Errorf("embedded store: a memory table of %d bytes, want 1 MiB to 1 GiB", c.MemTableBytes)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.fs == nil {
		c.fs = vfs.Default
	}
	return c, nil
}
