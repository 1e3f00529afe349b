package redis

import "time"

// SetClock has the store go by another clock. It is called before anything else.
func (s *Store) SetClock(now func() time.Time) { s.now = now }
