package app

import (
	"context"

	"go.opentelemetry.io/otel/metric"

	"github.com/parlor-rooms/parlor/cmd/node/internal/governor"
)

// memoryPart has the server do less before its memory runs out, if the process
// has a limit.
func (s *server) memoryPart() part {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}) // closed when Run has ended, or there is nothing to run
	var told metric.Registration
	return part{
		name: "memory",
		start: func(func(error)) error {
			memory, limited := governor.NewProcess()
			if !limited {
				s.log.Info("no memory limit is set: nothing is refused before memory runs out", "variable", "GOMEMLIMIT")
				close(done)
				return nil
			}
			s.governor = &governor.Governor{Memory: memory, Clients: s.transport, Log: s.logger("memory")}
			var err error
			if told, err = s.governor.Observe(s.telemetry.Meter()); err != nil {
				return err
			}
			go func() { // stop waits for it
				defer close(done)
				s.governor.Run(ctx)
			}()
			return nil
		},
		stop: func(context.Context) error {
			cancel()
			<-done
			if told == nil {
				return nil
			}
			return told.Unregister()
		},
	}
}
