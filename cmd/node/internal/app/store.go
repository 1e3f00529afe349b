package app

import (
	"context"
	"errors"

	"github.com/parlor-rooms/parlor/actors/store/embedded"
	"github.com/parlor-rooms/parlor/actors/store/redis"
)

// storePart opens the directory of rooms that last, for as long as rooms may
// want it. The server ends when the disk fails: only another process finds out
// what is there.
func (s *server) storePart() part {
	end, ended := make(chan struct{}), make(chan struct{})
	return part{
		name: "store",
		start: func(failed func(error)) error {
			store, err := embedded.Open(embedded.Config{Directory: s.cfg.Store, Logger: s.logger("store")})
			if err != nil {
				return err
			}
			s.store = store
			go func() { // stop waits for it
				defer close(ended)
				select {
				case <-store.Stopped():
					failed(errors.New("the disk refused a write"))
				case <-end:
				}
			}()
			return nil
		},
		stop: func(limit context.Context) error {
			close(end)
			<-ended
			done := make(chan error, 1)
			go func() { done <- s.store.Close() }() // a disk that hangs leaves it behind
			select {
			case err := <-done:
				return err
			case <-limit.Done():
				return limit.Err()
			}
		},
	}
}

// redisPart opens the store of a server that is one of several.
func (s *server) redisPart() part {
	return part{
		name: "store",
		start: func(func(error)) error {
			c, err := s.cfg.Redis.Config(s.cfg.RedisPassword.Reveal())
			if err != nil {
				return err
			}
			c.Logger = s.logger("store")
			ctx, cancel := context.WithTimeout(context.Background(), s.cfg.StopWithin)
			defer cancel()
			store, err := redis.Open(ctx, c)
			if err == nil {
				s.store = store
			}
			return err
		},
		stop: func(context.Context) error { return s.store.Close() },
	}
}
