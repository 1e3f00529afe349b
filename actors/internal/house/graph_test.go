package house

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

func TestEveryPackageKeepsTheImportRules(t *testing.T) {
	graph := load(t)
	// Without these two the loading went wrong, and the rules would hold for nothing.
	for _, path := range []string{"actors", "transport/transporttest/testenv"} {
		if !slices.ContainsFunc(graph, func(p pkg) bool { return p.path() == path }) {
			t.Errorf("go list did not find %s", path)
		}
	}
	for _, violation := range (rules{layers, homes}).check(graph) {
		t.Error(violation)
	}
}

// load returns every package of the module, those behind the tag long
// included. A package that does not compile is taken as far as it parses.
func load(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-tags", "long",
		"-json=ImportPath,Doc,GoFiles,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = testenv.Root(t)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v: %s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	var graph []pkg
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return graph
		}
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		graph = append(graph, p)
	}
}

// fake is a package with a comment.
func fake(path string) pkg {
	return pkg{ImportPath: modulePath + "/" + path, Doc: "Package x.", GoFiles: []string{"x.go"}}
}

func (p pkg) imports(paths ...string) pkg      { p.Imports = paths; return p }
func (p pkg) testImports(paths ...string) pkg  { p.TestImports = paths; return p }
func (p pkg) xtestImports(paths ...string) pkg { p.XTestImports = paths; return p }

func TestTheCheckerFindsViolations(t *testing.T) {
	const (
		protoactor = "github.com/asynkron/protoactor-go/actor"
		chromedp   = "github.com/chromedp/chromedp"
		otel       = "go.opentelemetry.io/otel/trace"
		sdk        = "go.opentelemetry.io/otel/sdk/metric"
	)
	us := func(path string) string { return modulePath + "/" + path }
	bare := fake("actors")
	bare.Doc = ""
	onlyTests := pkg{ImportPath: us("actors/internal/x")}
	for _, tt := range []struct {
		name  string
		graph []pkg
		want  []string // how each violation begins
	}{
		{"nothing", nil, nil},
		{"the standard library", []pkg{fake("actors").imports("context", "encoding/json")}, nil},
		{"no package comment", []pkg{bare}, []string{"actors has no package comment"}},
		{"a package of tests needs no comment", []pkg{onlyTests}, nil},
		{
			"the vocabulary knows the runtime",
			[]pkg{fake("actors").imports(us("actors/node"))},
			[]string{"actors imports actors/node: a user's room"},
		},
		{
			"the vocabulary uses a module",
			[]pkg{fake("actors").imports("go.uber.org/goleak")},
			[]string{
				"actors imports go.uber.org/goleak, which does not live there",
				"actors, which actors needs, imports go.uber.org/goleak",
			},
		},
		{
			"the vocabulary uses a module through its internals",
			[]pkg{
				fake("actors").imports(us("actors/internal/a")),
				fake("actors/internal/a").imports(us("actors/internal/b"), us("actors/internal/a")),
				fake("actors/internal/b").imports(otel),
			},
			[]string{"actors/internal/b, which actors needs, imports " + otel},
		},
		{
			"other internals may use theirs",
			[]pkg{fake("actors").imports(us("actors/internal/a")), fake("actors/internal/a"), fake("actors/internal/b").imports(otel)},
			nil,
		},
		{
			"the runtime knows the transport",
			[]pkg{fake("actors/node").imports(us("transport"))},
			[]string{"actors/node imports transport: "},
		},
		{
			"so does a test of it",
			[]pkg{fake("actors/node").xtestImports(us("transport"))},
			[]string{"a test of actors/node imports transport: "},
		},
		{
			"the transport knows the runtime",
			[]pkg{fake("transport").imports(us("actors"), us("actors/node"))},
			[]string{"transport imports actors/node: "},
		},
		{
			"a store knows another",
			[]pkg{fake("actors/store/redis").imports(us("actors"), us("actors/store/memory"))},
			[]string{"actors/store/redis imports actors/store/memory: "},
		},
		{
			"a test of a store runs the contract",
			[]pkg{fake("actors/store/redis").testImports(us("actors/store/redis"), us("actors/store/storetest"), us("transport/transporttest/testenv"))},
			nil,
		},
		{
			"a codec knows the vocabulary",
			[]pkg{fake("transport/internal/engineio").imports(us("actors"))},
			[]string{"transport/internal/engineio imports actors: "},
		},
		{
			"main knows everybody",
			[]pkg{fake("cmd/node").imports(us("actors/node"), us("transport"), us("actors/store/redis"), sdk)},
			nil,
		},
		{
			"a module without a home",
			[]pkg{fake("cmd/node").imports("example.com/left/pad")},
			[]string{"cmd/node imports example.com/left/pad, which has no home"},
		},
		{
			"a module whose name begins like another's",
			[]pkg{fake("actors/node").imports("github.com/asynkron/protoactor-gone")},
			[]string{"actors/node imports github.com/asynkron/protoactor-gone, which has no home"},
		},
		{
			"a module away from home",
			[]pkg{fake("actors/internal/room").imports(protoactor), fake("actors/node").imports(protoactor)},
			[]string{"actors/internal/room imports " + protoactor + ", which does not live there"},
		},
		{
			"a module of tests only",
			[]pkg{fake("examples/cursors").testImports(chromedp), fake("examples/game").imports(chromedp)},
			[]string{"examples/game imports " + chromedp + ", which does not live there"},
		},
		{
			"the longest row counts",
			[]pkg{fake("transport").imports(otel, sdk).xtestImports(sdk)},
			[]string{"transport imports " + sdk + ", which does not live there"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := rules{layers, homes}.check(tt.graph)
			if len(got) != len(tt.want) {
				t.Fatalf("found %q, want %q", got, tt.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], tt.want[i]) {
					t.Errorf("found %q, want %q", got[i], tt.want[i])
				}
			}
		})
	}
}

// A row that nothing could violate is not a rule.
func TestEveryRowCanBeViolatedAndHasAReason(t *testing.T) {
	base := func(pattern string) string { return strings.TrimSuffix(pattern, "/...") }
	for _, l := range layers {
		t.Run(l.who, func(t *testing.T) {
			graph := []pkg{fake(base(l.who)).imports(modulePath + "/examples/chat")}
			if got := (rules{layers: []layer{l}}).check(graph); len(got) != 1 || l.because == "" {
				t.Errorf("found %q", got)
			}
		})
	}
	for i, h := range homes {
		t.Run(h.module, func(t *testing.T) {
			graph := []pkg{fake("docs/x").imports(h.module + "/sub")}
			if got := (rules{homes: homes}).check(graph); len(got) != 1 || h.because == "" {
				t.Errorf("found %q", got)
			}
			if slices.ContainsFunc(homes[:i], func(other home) bool { return other.module == h.module }) {
				t.Error("the module has two rows")
			}
		})
	}
}
