// Package otlptest is a collector for tests: it takes spans as OTLP over HTTP
// and shows them as trees.
package otlptest

import (
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// patience is how long Await waits for spans that are on their way.
const patience = 20 * time.Second

// Span is one span as it was exported.
type Span struct {
	Service   string // service.name
	Instance  string // service.instance.id
	Name      string
	TraceID   string
	ID        string
	Parent    string // the parent's ID; empty for a root
	Links     []string
	Attribute map[string]string // values as text
	Start     time.Time
	End       time.Time
}

// Collector listens on the loopback until its test ends. Its methods may be
// called from any goroutine, those that fail the test from its own only.
type Collector struct {
	URL string // for OTEL_EXPORTER_OTLP_ENDPOINT

	t     testing.TB
	mu    sync.Mutex // guards the following
	spans []Span
	more  chan struct{} // closed when spans have come
}

// New starts a collector.
func New(t testing.TB) *Collector {
	t.Helper()
	c := &Collector{t: t, more: make(chan struct{})}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.URL = server.URL
	return c
}

// ServeHTTP takes what an exporter sends; metrics and logs are let go.
func (c *Collector) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v1/traces" {
		return
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		plain, err := gzip.NewReader(r.Body)
		if err != nil {
			c.t.Errorf("collector: %v", err)
			return
		}
		body = plain
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		return // the exporter has gone
	}
	req := new(collector.ExportTraceServiceRequest)
	if err := proto.Unmarshal(raw, req); err != nil {
		c.t.Errorf("collector: %v", err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range req.ResourceSpans {
		about := make(map[string]string)
		for _, a := range resource.Resource.Attributes {
			about[a.Key] = a.Value.GetStringValue()
		}
		for _, scope := range resource.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans = append(c.spans, read(about, s))
			}
		}
	}
	close(c.more)
	c.more = make(chan struct{})
}

func read(about map[string]string, s *otlp.Span) Span {
	span := Span{
		Service: about["service.name"], Instance: about["service.instance.id"], Name: s.Name, TraceID: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId),
		Parent: hex.EncodeToString(s.ParentSpanId), Attribute: make(map[string]string),
		Start: time.Unix(0, int64(s.StartTimeUnixNano)), End: time.Unix(0, int64(s.EndTimeUnixNano)),
	}
	for _, l := range s.Links {
		span.Links = append(span.Links, hex.EncodeToString(l.SpanId))
	}
	for _, a := range s.Attributes {
		text := a.Value.GetStringValue()
		if text == "" {
			text = fmt.Sprint(a.Value.GetIntValue())
		}
		span.Attribute[a.Key] = text
	}
	return span
}

// Spans returns what has come so far.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Await waits until found says that what has come is enough, and fails the
// test if that takes too long.
func (c *Collector) Await(what string, found func([]Span) bool) []Span {
	c.t.Helper()
	late := time.After(patience)
	for {
		c.mu.Lock()
		spans, more := slices.Clone(c.spans), c.more
		c.mu.Unlock()
		if found(spans) {
			return spans
		}
		select {
		case <-more:
		case <-late:
			c.t.Fatalf("never exported: %s; what was:\n%s", what, Trees(spans))
		}
	}
}

// Exported has programs that the test starts, and the test itself, export
// every packet's trace to the collector: by the two environment variables that
// people use.
func (c *Collector) Exported(t *testing.T) {
	t.Helper()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	t.Setenv("OTEL_TRACES_SAMPLER_ARG", "1")
}

// Followed waits until a trace that began in a namespace has a span of that
// path.
func (c *Collector) Followed(namespace, path string) {
	c.t.Helper()
	c.Await(path+" in "+namespace, func(spans []Span) bool {
		for _, s := range spans {
			if s.Name == path[strings.LastIndex(path, "/")+1:] && Path(spans, s) == path {
				for _, root := range spans {
					if root.TraceID == s.TraceID && root.Attribute["parlor.namespace"] == namespace {
						return true
					}
				}
			}
		}
		return false
	})
}

// Path is the names from the root of its trace to a span, with slashes between.
// It begins with "?" if a parent is not among the spans.
func Path(spans []Span, s Span) string {
	path := s.Name
	for s.Parent != "" {
		i := slices.IndexFunc(spans, func(o Span) bool { return o.ID == s.Parent && o.TraceID == s.TraceID })
		if i < 0 {
			return "?/" + path
		}
		s = spans[i]
		path = s.Name + "/" + path
	}
	return path
}

// Trees shows spans as trees, one line each, indented below its parent, those
// of one parent in the order of their names. A span whose parent is not among
// them begins a tree and has a "?" before it.
func Trees(spans []Span) string {
	known := make(map[string]bool)
	below := make(map[string][]Span)
	for _, s := range spans {
		known[s.ID] = true
		below[s.Parent] = append(below[s.Parent], s)
	}
	var b strings.Builder
	var show func(s Span, depth int)
	show = func(s Span, depth int) {
		fmt.Fprintf(&b, "%s%s\n", strings.Repeat("  ", depth), s.Name)
		children := below[s.ID]
		slices.SortFunc(children, func(x, y Span) int { return strings.Compare(x.Name, y.Name) })
		for _, child := range children {
			show(child, depth+1)
		}
	}
	for _, s := range spans {
		switch {
		case s.Parent == "":
			show(s, 0)
		case !known[s.Parent]:
			b.WriteString("?")
			show(s, 0)
		}
	}
	return b.String()
}
