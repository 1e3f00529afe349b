// Package testenv finds the programs that Parlor's tests run against: Redis,
// a browser, node with its npm packages, and Python's Socket.IO client. `make
// deps` installs all of them. A test that needs one that is missing fails and
// says so; it never skips itself.
//
// Every function may be called from the test's own goroutine only, because it
// ends the test with Fatal when what it looks for is not there.
package testenv

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const modulePath = "github.com/parlor-rooms/parlor"

// Root returns the absolute path of the repository: the nearest directory at
// or above the working directory whose go.mod is Parlor's own. The go.mod of
// another module, as under testdata, is passed by.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	root, err := rootAbove(dir)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func rootAbove(dir string) (string, error) {
	for at := dir; ; at = filepath.Dir(at) {
		mod, err := os.ReadFile(filepath.Join(at, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module "+modulePath+"\n") {
			return at, nil
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("find the repository above %s: %w", dir, err)
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("no go.mod of %s at or above %s", modulePath, dir)
		}
	}
}

// NodeModules returns the absolute path of the node_modules directory that
// holds the packages of .ci/npm/package.json.
func NodeModules(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(Root(t), ".cache", "npm")
	// The stamp is written last, so it also says that the directory is whole.
	// Reading it lets go test see that a cached result is out of date.
	if _, err := os.ReadFile(filepath.Join(dir, ".stamp")); err != nil {
		t.Fatalf("the npm packages are not installed: run make deps (%v)", err)
	}
	return filepath.Join(dir, "node_modules")
}

// Chromium returns the absolute path of a Chromium or Chrome that runs
// headless. It refuses to start as root without --no-sandbox.
func Chromium(t testing.TB) string {
	t.Helper()
	return program(t, "chromium", "chromium-browser", "google-chrome")
}

// RedisServer returns the absolute path of redis-server.
func RedisServer(t testing.TB) string {
	t.Helper()
	return program(t, "redis-server")
}

// Promtool returns the absolute path of promtool, which comes with Prometheus.
func Promtool(t testing.TB) string {
	t.Helper()
	return program(t, "promtool")
}

// Python returns the absolute path of a Python that can import socketio with
// its threaded and its asyncio client (websocket, requests, aiohttp). The
// system's interpreter is tried first: the first python3 in PATH is often
// another one, without the system's packages.
func Python(t testing.TB) string {
	t.Helper()
	var tried []string
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		path, err := exec.LookPath(name)
		if err != nil {
			tried = append(tried, err.Error())
			continue
		}
		out, err := exec.Command(path, "-c", "import socketio, aiohttp, requests, websocket").CombinedOutput()
		if err == nil {
			return path
		}
		tried = append(tried, fmt.Sprintf("%s: %s", path, lastLine(out)))
	}
	t.Fatalf("no Python with the Socket.IO client: run make deps (%s)", strings.Join(tried, "; "))
	return ""
}

// program returns the absolute path of the first of names that is in PATH.
func program(t testing.TB, names ...string) string {
	t.Helper()
	path, err := find(names...)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func find(names ...string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return filepath.Abs(path)
		}
	}
	return "", fmt.Errorf("%s is not installed: run make deps", strings.Join(names, " or "))
}

func lastLine(out []byte) string {
	out = bytes.TrimSpace(out)
	return string(out[bytes.LastIndexByte(out, '\n')+1:])
}
