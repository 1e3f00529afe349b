package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/parlor-rooms/parlor/cmd/node/telemetry"
)

func newLog(t *testing.T, format string) (*telemetry.Log, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	l, err := telemetry.NewLog(&out, format, slog.LevelInfo)
	if err != nil {
		t.Fatal(err)
	}
	return l, &out
}

func TestLevelsChangeByPartWhileLoggersAreHeld(t *testing.T) {
	l, out := newLog(t, "text")
	node := l.Logger().With(telemetry.PartKey, "node")
	room := node.With("room", "board/q3")
	edge := l.Logger().With(telemetry.PartKey, "transport")

	said := func(want ...string) {
		t.Helper()
		for _, text := range want {
			if !strings.Contains(out.String(), text) {
				t.Errorf("%q is missing in %q", text, out)
			}
		}
		if n := strings.Count(out.String(), "\n"); n != len(want) {
			t.Errorf("%d lines, want %d: %q", n, len(want), out)
		}
		out.Reset()
	}
	speak := func() {
		node.Debug("node speaks")
		room.Debug("room speaks")
		edge.Debug("edge speaks")
	}

	speak()
	said()
	l.SetLevel("node", slog.LevelDebug)
	speak()
	said("node speaks", "room speaks")
	l.SetLevel("", slog.LevelDebug)
	l.SetLevel("node", slog.LevelError)
	speak()
	node.Warn("not this either")
	said("edge speaks")
	l.ResetLevel("node")
	speak()
	said("node speaks", "room speaks", "edge speaks")
	if levels := l.Levels(); levels[""] != slog.LevelDebug || levels["node"] != slog.LevelDebug || len(levels) != 3 {
		t.Errorf("levels are %v", levels)
	}
}

func TestALineNamesTheSpanItWasWrittenIn(t *testing.T) {
	l, out := newLog(t, "json")
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	log := l.Logger().With(telemetry.PartKey, "node")
	log.InfoContext(trace.ContextWithSpanContext(context.Background(), span), "inside\nforged=1")
	log.Info("outside")

	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines for two records: %q", len(lines), out)
	}
	var inside, outside map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &inside); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(lines[1]), &outside); err != nil {
		t.Fatal(err)
	}
	if inside["trace_id"] != span.TraceID().String() || inside["span_id"] != span.SpanID().String() || inside["component"] != "node" {
		t.Errorf("inside a span: %v", inside)
	}
	if _, has := outside["trace_id"]; has {
		t.Errorf("outside of any span: %v", outside)
	}
}

func TestALogIsNotFloodedByOneText(t *testing.T) {
	l, out := newLog(t, "json")
	at := time.Unix(1_700_000_000, 0)
	say := func(level slog.Level, text string) {
		if err := l.Logger().Handler().Handle(t.Context(), slog.NewRecord(at, level, text, 0)); err != nil {
			t.Error(err)
		}
	}
	for range 1_000 {
		say(slog.LevelInfo, "refused")
		say(slog.LevelError, "failed")
		say(slog.LevelDebug, "asked for")
	}
	say(slog.LevelInfo, "something else")
	for text, want := range map[string]int{"refused": 100, "failed": 100, "asked for": 1_000, "something else": 1} {
		if n := strings.Count(out.String(), `"`+text+`"`); n != want {
			t.Errorf("%s: %d lines, want %d", text, n, want)
		}
	}
	out.Reset()
	at = at.Add(10 * time.Second)
	say(slog.LevelInfo, "refused")
	say(slog.LevelInfo, "refused")
	if text := out.String(); strings.Count(text, "\n") != 2 || strings.Count(text, `"left_out":900`) != 1 {
		t.Errorf("afterwards it says %s", text)
	}
}
