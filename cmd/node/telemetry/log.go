package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"
)

// PartKey is the attribute by which a logger says which part of the program it
// speaks for: log.With(telemetry.PartKey, "transport").
const PartKey = "component"

// Log is where a process logs: one line per record, as text or JSON, with the
// trace and span in which it was written. Its levels may be changed at any
// time, by part. Of records of one text, above debug, it writes 100 in ten
// seconds; the next one says how many it left out. Its methods may be called
// from any goroutine.
type Log struct {
	out     slog.Handler
	level   slog.LevelVar // of parts without one of their own
	sparing sparing

	mu    sync.Mutex // guards the following
	parts map[string]*atomic.Pointer[slog.Level]
}

// NewLog returns a log that writes to w from a level on.
func NewLog(w io.Writer, format string, level slog.Level) (*Log, error) {
	l := &Log{parts: make(map[string]*atomic.Pointer[slog.Level])}
	options := &slog.HandlerOptions{Level: slog.Level(-1 << 10)} // each handler judges by its part
	switch format {
	case "json":
		l.out = slog.NewJSONHandler(w, options)
	case "text":
		l.out = slog.NewTextHandler(w, options)
	default:
		return nil, fmt.Errorf("log format %q: want text or json", format)
	}
	l.level.Set(level)
	return l, nil
}

// Logger is where everything begins.
func (l *Log) Logger() *slog.Logger {
	return slog.New(&handler{log: l, next: l.out, own: new(atomic.Pointer[slog.Level])})
}

// SetLevel changes the least level that a part writes; the empty part is all
// those that have none of their own.
func (l *Log) SetLevel(part string, level slog.Level) {
	if part == "" {
		l.level.Set(level)
		return
	}
	l.part(part).Store(&level)
}

// ResetLevel lets a part follow the others again.
func (l *Log) ResetLevel(part string) { l.part(part).Store(nil) }

// Levels lists the levels as they are: the common one under the empty name,
// and that of each part that has logged or was given one.
func (l *Log) Levels() map[string]slog.Level {
	l.mu.Lock()
	defer l.mu.Unlock()
	levels := map[string]slog.Level{"": l.level.Level()}
	for name, own := range l.parts {
		levels[name] = l.effective(own)
	}
	return levels
}

// Parts lists the parts that Levels knows, sorted.
func (l *Log) Parts() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.parts))
}

func (l *Log) part(name string) *atomic.Pointer[slog.Level] {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.parts[name]
	if own == nil {
		own = new(atomic.Pointer[slog.Level])
		l.parts[strings.Clone(name)] = own
	}
	return own
}

func (l *Log) effective(own *atomic.Pointer[slog.Level]) slog.Level {
	if level := own.Load(); level != nil {
		return *level
	}
	return l.level.Level()
}

// handler is a slog.Handler for one part.
type handler struct {
	log  *Log
	next slog.Handler
	own  *atomic.Pointer[slog.Level]
}

func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.log.effective(h.own)
}

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	leftOut, ok := h.log.sparing.admit(&r)
	if !ok {
		return nil
	}
	if leftOut > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int(leftOutKey, leftOut))
	}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.next.Handle(ctx, r)
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	own := h.own
	for _, a := range attrs {
		if a.Key == PartKey {
			own = h.log.part(a.Value.String())
		}
	}
	return &handler{h.log, h.next.WithAttrs(attrs), own}
}

func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.log, h.next.WithGroup(name), h.own}
}
