package telemetry

import (
	"log/slog"
	"sync"
	"time"
)

const (
	// A message of the same text is written so often in so much time; of the
	// others the next one says how many there were. Clients can cause some
	// messages, refusals and failures, as often as they like.
	sparingLines  = 100
	sparingWithin = 10 * time.Second

	// sparingTexts is of how many texts that is known. Texts are constants of
	// the program but for those of net/http, so it is seldom met.
	sparingTexts = 1_000

	leftOutKey = "left_out"
)

// sparing decides which records are written. Debug records all are: somebody
// asked for them.
type sparing struct {
	mu    sync.Mutex // guards the following
	texts map[string]*repeated
}

type repeated struct {
	since          time.Time
	lines, leftOut int
}

// admit reports whether a record is written, and how many of its text were not
// since the one before.
func (s *sparing) admit(r *slog.Record) (leftOut int, ok bool) {
	if r.Level < slog.LevelInfo {
		return 0, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.texts[r.Message]
	if t == nil {
		if s.texts == nil || len(s.texts) == sparingTexts {
			s.texts = make(map[string]*repeated)
		}
		t = &repeated{since: r.Time}
		s.texts[r.Message] = t
	}
	if r.Time.Sub(t.since) >= sparingWithin {
		t.since, t.lines = r.Time, 0
	}
	if t.lines == sparingLines {
		t.leftOut++
		return 0, false
	}
	t.lines++
	leftOut, t.leftOut = t.leftOut, 0
	return leftOut, true
}
