package embedded

import "github.com/cockroachdb/pebble/v2/vfs"

// OnFS is c on other files than the disk's.
func OnFS(c Config, fs vfs.FS) Config {
	c.fs = fs
	return c
}

// Keys counts what is in Pebble.
func (s *Store) Keys() (n int, err error) {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return 0, err
	}
	for ok := it.First(); ok; ok = it.Next() {
		n++
	}
	return n, it.Close()
}

// Rooms counts what is in memory.
func (s *Store) Rooms() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rooms)
}

// Held is what the store has in memory: of files that were read, and of writes
// that are not in files.
func (s *Store) Held() (cache, tables int64) {
	m := s.db.Metrics()
	return m.BlockCache.Size, int64(m.MemTable.Size)
}

// Reads is how often a block had to be read from a file.
func (s *Store) Reads() int64 { return s.db.Metrics().BlockCache.Misses }
