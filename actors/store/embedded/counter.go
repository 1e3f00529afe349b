package embedded

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// reserve is how many numbers are taken from the disk at a time. A process
// that is killed wastes as many: 2^53 of them last for 2^33 starts.
const reserve = 1 << 20

// counter gives out numbers that were never given out before, by this process
// or an earlier one: epochs of rooms and versions of records.
type counter struct {
	store *Store

	mu   sync.Mutex // guards the following
	last uint64     // given out
	top  uint64     // on disk; what is given out is no higher
}

func (c *counter) load() error {
	value, err := c.store.get([]byte{sortCounter})
	if err != nil || value == nil {
		return err
	}
	c.last, _, err = parseNumber(value)
	c.top = c.last
	return err
}

// next returns a number above floor. Once in reserve calls it waits for the
// disk.
func (c *counter) next(floor uint64) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := max(c.last, floor) + 1
	if n > c.top {
		top := n + reserve
		write := func() error { return c.store.db.Set([]byte{sortCounter}, number(nil, top), pebble.Sync) }
		if err := c.store.wait(write); err != nil {
			return 0, err
		}
		c.top = top
	}
	c.last = n
	return n, nil
}

// wait runs f, in which Pebble may panic or call Fatalf, and returns its error
// or why the store stopped.
func (s *Store) wait(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- s.broken.catch(f) }() // a store that stopped leaves it behind
	select {
	case err := <-done:
		return err
	case <-s.broken.stopped:
		return s.broken.err()
	}
}
