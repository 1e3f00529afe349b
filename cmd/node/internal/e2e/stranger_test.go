package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	// What is imported for nothing makes the results of these tests stale when
	// the library changes.
	_ "github.com/parlor-rooms/parlor/actors/actorstest"
	_ "github.com/parlor-rooms/parlor/actors/node"
	_ "github.com/parlor-rooms/parlor/transport"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// goCommand runs the go command in a folder, without a network, and fails the
// test with what it printed.
func goCommand(t *testing.T, folder string, flags []string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = folder
	flags = append(strings.Fields(os.Getenv("GOFLAGS")), flags...)
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOWORK=off", "GOFLAGS="+strings.Join(flags, " "))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// writeModule writes go.mod and go.sum of a module that uses Parlor. Its
// requirements are all of Parlor's: the go command then asks for no module that
// building Parlor does not need, so that a machine which has built it once can
// do this without a network.
func writeModule(t *testing.T, folder, path string) {
	t.Helper()
	root := testenv.Root(t)
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	_, requirements, ok := strings.Cut(string(text), "module github.com/parlor-rooms/parlor\n")
	if !ok {
		t.Fatal("go.mod does not begin with the module's path")
	}
	write(t, filepath.Join(folder, "go.mod"), fmt.Sprintf(
		"module %s\n%s\nrequire github.com/parlor-rooms/parlor v0.0.0\n\nreplace github.com/parlor-rooms/parlor => %s\n", path, requirements, root))
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "go.sum"), string(sums))
}

// TestAStrangersModuleUsesTheLibrary vets and tests testdata/stranger, which
// imports Parlor as another module does.
func TestAStrangersModuleUsesTheLibrary(t *testing.T) {
	module := t.TempDir()
	if err := os.CopyFS(module, os.DirFS(filepath.Join("testdata", "stranger"))); err != nil {
		t.Fatal(err)
	}
	writeModule(t, module, "example.com/stranger")
	flags := []string{"-mod=mod"}
	goCommand(t, module, flags, "vet", "./...")
	goCommand(t, module, flags, "test", "./...")
}

// goBlock is a block of Go in a document.
var goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")

// documents are checked as one program each. A document that shows parts only
// names here what a reader has by then.
var documents = []struct {
	name   string // path in the repository
	blocks int    // the least there are
}{
	{name: "README.md", blocks: 1},
	{name: "docs/rooms.md", blocks: 2},
}

// TestGoInTheDocumentsCompiles puts the blocks of each document into a package
// in a module of its own, vets them, and runs the tests among them.
func TestGoInTheDocumentsCompiles(t *testing.T) {
	module := t.TempDir()
	writeModule(t, module, "example.com/documents")
	for i, d := range documents {
		text, err := os.ReadFile(filepath.Join(testenv.Root(t), filepath.FromSlash(d.name)))
		if err != nil {
			t.Fatal(err)
		}
		blocks := goBlock.FindAllSubmatch(text, -1)
		if len(blocks) < d.blocks {
			t.Errorf("%s has %d blocks of Go, want %d or more", d.name, len(blocks), d.blocks)
		}
		folder := filepath.Join(module, fmt.Sprintf("document%d", i))
		for n, block := range blocks {
			code := program(string(block[1]))
			name := fmt.Sprintf("block%d.go", n)
			if strings.Contains(code, "*testing.T)") {
				name = fmt.Sprintf("block%d_test.go", n)
			}
			write(t, filepath.Join(folder, name), code)
		}
	}
	flags := []string{"-mod=mod"}
	goCommand(t, module, flags, "vet", "./...")
	goCommand(t, module, flags, "test", "./...")
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// packages are what documents use without importing it, by name.
var packages = map[string]string{
	"actors":     "github.com/parlor-rooms/parlor/actors",
	"actorstest": "github.com/parlor-rooms/parlor/actors/actorstest",
	"node":       "github.com/parlor-rooms/parlor/actors/node",
	"transport":  "github.com/parlor-rooms/parlor/transport",
	"context":    "context",
	"http":       "net/http",
	"log":        "log",
	"testing":    "testing",
	"time":       "time",
}

// program makes a file of package main of declarations. A text that begins
// with its package is one already.
func program(code string) string {
	if strings.HasPrefix(code, "package ") {
		return code
	}
	var file bytes.Buffer
	fmt.Fprintln(&file, "package main")
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		if regexp.MustCompile(`\b` + name + `\.[A-Z]`).MatchString(code) {
			fmt.Fprintf(&file, "import %q\n", packages[name])
		}
	}
	return file.String() + code
}
