package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// script makes parts that write down what happens to them.
type script struct{ lines []string }

func (s *script) note(format string, args ...any) {
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

func (s *script) part(name string) part {
	return part{
		name:  name,
		start: func(func(error)) error { s.note("start %s", name); return nil },
		stop: func(ctx context.Context) error {
			left := "none"
			if d, ok := ctx.Deadline(); ok {
				left = time.Until(d).String()
			}
			s.note("stop %s within %s", name, left)
			return nil
		},
	}
}

func TestPartsStopInReverseOrderEachWithItsOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s script
		slow := s.part("b")
		stop := slow.stop
		slow.stop = func(ctx context.Context) error {
			time.Sleep(2 * time.Second) //nolint:forbidigo // the clock of synctest
			return stop(ctx)
		}
		ctx, cancel := context.WithCancel(t.Context())
		err := runParts(ctx, []part{s.part("a"), slow, s.part("c")}, 3*time.Second, slog.New(slog.DiscardHandler), func() {
			s.note("ready")
			cancel()
		})
		if err != nil {
			t.Error(err)
		}
		want := []string{"start a", "start b", "start c", "ready", "stop c within 3s", "stop b within 1s", "stop a within 3s"}
		if !slices.Equal(s.lines, want) {
			t.Errorf("it went %q, want %q", s.lines, want)
		}
	})
}

func TestWhatStartedIsStoppedWhenAPartFailsToStart(t *testing.T) {
	var s script
	broken := s.part("c")
	broken.start = func(func(error)) error { return errors.New("no such port") }
	err := runParts(t.Context(), []part{s.part("a"), s.part("b"), broken, s.part("d")}, time.Second, slog.New(slog.DiscardHandler), func() {
		s.note("ready")
	})
	if err == nil || err.Error() != "c: no such port" {
		t.Errorf("the error is %v", err)
	}
	if got := strings.ReplaceAll(strings.Join(s.lines, ", "), " within 1s", ""); !strings.HasPrefix(got, "start a, start b, stop b") || !strings.Contains(got, "stop a") || strings.Contains(got, "ready") {
		t.Errorf("it went %s", got)
	}
}

func TestAPartThatFailsStopsTheServer(t *testing.T) {
	var s script
	failing := s.part("b")
	fail := make(chan func(error), 1)
	failing.start = func(failed func(error)) error { fail <- failed; return nil }
	err := runParts(t.Context(), []part{s.part("a"), failing, s.part("c")}, time.Second, slog.New(slog.DiscardHandler), func() {
		(<-fail)(errors.New("broken pipe"))
	})
	if err == nil || err.Error() != "b: broken pipe" {
		t.Errorf("the error is %v", err)
	}
	if len(s.lines) != 5 {
		t.Errorf("it went %q", s.lines)
	}
}

func TestWhatDoesNotStopIsReportedAndTheRestIsStopped(t *testing.T) {
	var s script
	stuck := s.part("b")
	stuck.stop = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	ctx, cancel := context.WithCancel(t.Context())
	err := runParts(ctx, []part{s.part("a"), stuck}, time.Millisecond, slog.New(slog.DiscardHandler), cancel)
	if !errors.Is(err, context.DeadlineExceeded) || err.Error() != "stop b: context deadline exceeded" {
		t.Errorf("the error is %v", err)
	}
	if last := s.lines[len(s.lines)-1]; !strings.HasPrefix(last, "stop a") {
		t.Errorf("the last thing was %s", last)
	}
}

func TestNothingStartsAfterTheEnd(t *testing.T) {
	var s script
	ctx, cancel := context.WithCancel(t.Context())
	first := s.part("a")
	first.start = func(func(error)) error { cancel(); return nil }
	if err := runParts(ctx, []part{first, s.part("b")}, time.Second, slog.New(slog.DiscardHandler), func() { s.note("ready") }); err != nil {
		t.Error(err)
	}
	if len(s.lines) != 1 || !strings.HasPrefix(s.lines[0], "stop a") {
		t.Errorf("it went %q", s.lines)
	}
}
