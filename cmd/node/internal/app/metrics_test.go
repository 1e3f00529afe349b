package app

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/cmd/node/internal/loopback"
	"github.com/parlor-rooms/parlor/cmd/node/telemetry"
	"github.com/parlor-rooms/parlor/transport/transporttest"
	"github.com/parlor-rooms/parlor/transport/transporttest/otlptest"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

var metricName = regexp.MustCompile(`\bparlor_[a-z_]+`)

// TestMetricsAreThoseOfThePages holds the documentation, the dashboard and the
// alerts to what a server in use exports.
func TestMetricsAreThoseOfThePages(t *testing.T) {
	page := metricsInUse(t)
	kept := metricsOfKeptRooms(t)
	exported := make(map[string]bool)
	for line := range strings.SplitSeq(page+kept, "\n") {
		if name, is := strings.CutPrefix(line, "# TYPE parlor_"); is {
			exported["parlor_"+strings.Fields(name)[0]] = true
		}
	}
	docs := filepath.Join(testenv.Root(t), "docs")
	told := named(t, filepath.Join(docs, "operations.md"), exported)
	for name := range exported {
		if !told[name] {
			t.Errorf("docs/operations.md does not tell of %s", name)
		}
	}
	for _, file := range []string{"deploy/grafana/parlor.json", "deploy/prometheus/alerts.yaml"} {
		if used := named(t, filepath.Join(docs, file), exported); len(used) < 4 {
			t.Errorf("%s uses %v only", file, slices.Sorted(maps.Keys(used)))
		}
	}
	promtool(t, page, "check", "metrics")
	promtool(t, kept, "check", "metrics")
	promtool(t, "", "check", "rules", filepath.Join(docs, "deploy/prometheus/alerts.yaml"))
}

// named returns the metrics that a file names, and fails for those that nobody
// exports.
func named(t *testing.T, file string, exported map[string]bool) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	for _, name := range metricName.FindAllString(string(text), -1) {
		base := name
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			if cut, is := strings.CutSuffix(name, suffix); is && exported[cut] {
				base = cut
			}
		}
		if !exported[base] {
			t.Errorf("%s names %s, which nobody exports", filepath.Base(file), name)
		}
		found[base] = true
	}
	return found
}

// metricsInUse is what a server exports on which something has happened.
func metricsInUse(t *testing.T) string {
	t.Helper()
	r := start(t, "--admin-listen=127.0.0.1:0")
	c, err := transporttest.Dial(t.Context(), r.url, transporttest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	room, err := c.Connect(t.Context(), "/playground/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 64 {
		if _, err := room.EmitAck(t.Context(), "chat", "hello"); err != nil {
			t.Fatal(err)
		}
	}
	_, page := get(t, "http://"+r.Admin.String()+"/metrics")
	return page
}

// TestATurnsHistogramLeadsToATrace finds an exemplar with the trace of the event.
func TestATurnsHistogramLeadsToATrace(t *testing.T) {
	collector := otlptest.New(t)
	collector.Exported(t)
	r := start(t, "--admin-listen=127.0.0.1:0")
	room := enter(t, dial(t, r, transporttest.Options{}), "/playground/exemplar", nil)
	if _, err := room.EmitAck(t.Context(), "chat", "hello"); err != nil {
		t.Fatal(err)
	}
	exemplar := regexp.MustCompile(`(?m)^parlor_turn_duration_seconds_bucket\{.*# \{.*trace_id="([0-9a-f]{32})"`)
	var found [][]byte
	for end := time.Now().Add(20 * time.Second); found == nil; <-time.After(time.Millisecond) { // it is answered before it is measured
		page := openMetrics(t, r)
		if found = exemplar.FindSubmatch(page); found == nil && time.Now().After(end) {
			t.Fatalf("no bucket has an exemplar:\n%s", page)
		}
	}
	collector.Await("a turn of trace "+string(found[1]), func(spans []otlptest.Span) bool {
		return slices.ContainsFunc(spans, func(s otlptest.Span) bool { return s.Name == "turn" && s.TraceID == string(found[1]) })
	})
}

// openMetrics reads the metrics as a scraper does that takes exemplars.
func openMetrics(t *testing.T, r *running) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.Admin.String()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// TestRequestsOfTheTransportAreTraced finds the span of each sort of request.
func TestRequestsOfTheTransportAreTraced(t *testing.T) {
	collector := otlptest.New(t)
	collector.Exported(t)
	r := start(t)
	for _, by := range []transporttest.Transport{transporttest.Polling, transporttest.Upgrade} {
		room := enter(t, dial(t, r, transporttest.Options{Transport: by}), "/playground/requests", nil)
		if _, err := room.EmitAck(t.Context(), "chat", "hello"); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"handshake", "poll", "post", "upgrade"} {
		collector.Await("a "+name, func(spans []otlptest.Span) bool {
			return slices.ContainsFunc(spans, func(s otlptest.Span) bool { return s.Name == name && s.Parent == "" })
		})
	}
}

// tally is a room that is kept, and ticks.
type tally struct {
	Total  actors.Value[int] `room:"total,durable"`
	ticked chan<- struct{}
}

func (c *tally) Tick(*actors.Turn, actors.Tick) {
	select {
	case c.ticked <- struct{}{}:
	default:
	}
}

func (c *tally) Add(_ *actors.Turn, n int) (int, error) {
	c.Total.Set(c.Total.Get() + n)
	return c.Total.Get(), nil
}

// metricsOfKeptRooms is what a node exports whose rooms last: the ready-made
// server has none of these.
func metricsOfKeptRooms(t *testing.T) string {
	t.Helper()
	tel, err := telemetry.Start(t.Context(), telemetry.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ticked := make(chan struct{}, 1)
	kind := actors.NewKind("tally", func() *tally { return &tally{ticked: ticked} }, actors.KindConfig{TickEvery: 10 * time.Millisecond})
	actors.OnAck(kind, "add", (*tally).Add)
	server := loopback.Serve(t, loopback.Config{Node: node.Config{Kinds: []actors.Behavior{kind}, Meter: tel.Meter()}})
	if err := server.Node.Call(t.Context(), actors.RoomRef{Kind: "tally", ID: "a"}, "add", 1, nil); err != nil {
		t.Error(err)
	}
	c, err := transporttest.Dial(t.Context(), server.URL, transporttest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Connect(t.Context(), "/tally/a", nil); err != nil {
		t.Fatal(err)
	}
	<-ticked
	page := httptest.NewRecorder()
	tel.Metrics().ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	c.Close()
	server.Stop()
	if err := tel.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	return page.Body.String()
}

func promtool(t *testing.T, input string, args ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), testenv.Promtool(t), args...)
	c.Stdin = strings.NewReader(input)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Run(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args[:2], " "), err, &out)
	}
}
