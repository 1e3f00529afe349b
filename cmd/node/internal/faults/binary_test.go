package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// binary is the program that nodes run: this test binary without the race
// detector, which makes three nodes on two cores so slow that leases and pings
// of seconds say nothing about the program. What runs within one node, and
// several nodes in one process, is tested with it elsewhere.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "parlor-faults-")
	if err != nil {
		return "", err
	}
	builtIn = dir
	path := filepath.Join(dir, "node")
	if out, err := exec.Command("go", "test", "-c", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build a node: %w\n%s", err, out)
	}
	return path, nil
})

// builtIn is where binary built it; empty before.
var builtIn string

// program returns the path of binary.
func program(t *testing.T) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// removeProgram undoes what binary did, if anything.
func removeProgram() {
	if builtIn != "" {
		_ = os.RemoveAll(builtIn)
	}
}
