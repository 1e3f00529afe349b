package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// part is one piece of the server that is started and stopped.
type part struct {
	name string

	// start returns once the part works. What fails afterwards is reported
	// through failed, which may be called from any goroutine and does not block.
	start func(failed func(error)) error

	// stop returns once nothing is left of the part, at the latest soon after ctx
	// has ended. It is not called if start returned an error.
	stop func(ctx context.Context) error
}

// runParts starts parts in order, calls ready, blocks until ctx ends or a part
// fails, and stops what was started in reverse order, each part within the
// given time. The error is all that went wrong.
func runParts(ctx context.Context, parts []part, within time.Duration, log *slog.Logger, ready func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var errs []error
	started := 0
	for _, p := range parts {
		if ctx.Err() != nil {
			break
		}
		if err := p.start(func(err error) { cancel(fmt.Errorf("%s: %w", p.name, err)) }); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.name, err))
			break
		}
		started++
	}
	if started == len(parts) {
		ready()
		<-ctx.Done()
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, ctx.Err()) {
		errs = append(errs, cause)
	}
	for _, p := range slices.Backward(parts[:started]) {
		log.Debug("stopping", "part", p.name)
		if err := stopPart(p, within); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", p.name, err))
		}
	}
	return errors.Join(errs...)
}

func stopPart(p part, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within) // the one of Run has ended
	defer cancel()
	return p.stop(ctx)
}
