package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// TestMakeInstallInstallsParlor installs into a folder of the test. A bare
// "go install" would call the program node.
func TestMakeInstallInstallsParlor(t *testing.T) {
	bin := t.TempDir()
	if _, err := os.ReadFile(filepath.Join(testenv.Root(t), "Makefile")); err != nil { // so that go test sees when it changes
		t.Fatal(err)
	}
	install := exec.CommandContext(t.Context(), "make", "install", "VERSION=v9.8.7")
	install.Dir = testenv.Root(t)
	// What an outer make tells its own children does not concern this one.
	install.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS") })
	install.Env = append(install.Env, "GOBIN="+bin)
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("make install: %v\n%s", err, out)
	}
	files, err := os.ReadDir(bin)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 1 || files[0].Name() != "parlor" {
		t.Fatalf("make install installed %v, want parlor", files)
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "parlor"), "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "parlor v9.8.7 (go") {
		t.Errorf("parlor version: %s, %v", out, err)
	}
}
