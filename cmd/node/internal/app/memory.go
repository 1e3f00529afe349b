package app

import (
	"context"

	"go.opentelemetry.io/otel/metric"

	"github.com/parlor-rooms/parlor/cmd/node/internal/governor"
)

// memoryPart has the server do less before its memory runs out.
func (s *server) memoryPart() part {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}) // closed when Run has ended
	var told metric.Registration
	return part{
		name: "memory",
		start: func(func(error)) error {
			memory := governor.NewProcess()
			if !memory.Limited() {
				s.log.Info("no memory limit is set: nothing is refused before memory runs out", "variable", "GOMEMLIMIT")
			}
			s.governor = &governor.Governor{Memory: memory, Clients: s.transport, Trim: s.node.TrimHistory, Log: s.logger("memory")}
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
			return told.Unregister()
		},
	}
}
