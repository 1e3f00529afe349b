package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

func TestTopLevelDirectoriesAreTheFixedOnes(t *testing.T) {
	entries, err := os.ReadDir(testenv.Root(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strayDirs(entries) {
		t.Errorf("%s stands at the top; the directories there are %v and dot directories", name, topLevel)
	}
}

// strayDirs returns the directories that may not stand at the top.
func strayDirs(entries []fs.DirEntry) []string {
	var stray []string
	for _, entry := range entries {
		if entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") && !slices.Contains(topLevel, entry.Name()) {
			stray = append(stray, entry.Name())
		}
	}
	return stray
}

func TestPinnedModulesStayPinned(t *testing.T) {
	cmd := exec.Command("go", "mod", "edit", "-json")
	cmd.Dir = testenv.Root(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go mod edit: %v", err)
	}
	var mod goMod
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatalf("go mod edit: %v", err)
	}
	for _, pin := range pinned {
		if got := mod.version(pin.module); got != pin.version {
			t.Errorf("go.mod has %s at %q, want %s: %s", pin.module, got, pin.version, pin.because)
		}
	}
}

type goMod struct {
	Require []struct{ Path, Version string }
	Replace []struct {
		Old, New struct{ Path, Version string }
	}
}

// version is what go.mod requires of a module, or what replaces it.
func (m goMod) version(module string) string {
	for _, r := range m.Replace {
		if r.Old.Path == module {
			return "replaced by " + r.New.Path + " " + r.New.Version
		}
	}
	for _, r := range m.Require {
		if r.Path == module {
			return r.Version
		}
	}
	return ""
}

// This test reads every file, which also lets go test see that a cached result
// of this package is out of date.
func TestNoFileNamesAMachineOrARegistry(t *testing.T) {
	files := 0
	root := testenv.Root(t)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // another test's scratch file, gone since it was listed
		}
		if err != nil {
			return err
		}
		if entry.IsDir() && slices.Contains([]string{".git", ".cache", "node_modules", "bin"}, entry.Name()) {
			return fs.SkipDir
		}
		// Not in the repository: see .gitignore. In a worktree .git is a file.
		if !entry.Type().IsRegular() || slices.Contains([]string{".test", ".out", ".prof", ".git"}, filepath.Ext(path)) {
			return nil
		}
		body, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		files++
		for _, violation := range unwantedIn(body) {
			t.Errorf("%s contains %s", strings.TrimPrefix(path, root+"/"), violation)
		}
		return nil
	})
	if err != nil || files < 20 {
		t.Errorf("read %d files: %v", files, err)
	}
}

func unwantedIn(body []byte) []string {
	var found []string
	for _, u := range unwanted {
		if bytes.Contains(body, []byte(u.text)) {
			found = append(found, u.text+": "+u.because)
		}
	}
	return found
}

func TestTheTreeChecksFindViolations(t *testing.T) {
	top := t.TempDir()
	for _, name := range []string{"actors", ".ci", "pkg", "bin", "docs"} {
		if err := os.Mkdir(filepath.Join(top, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(top, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(top)
	if err != nil {
		t.Fatal(err)
	}
	if got := strayDirs(entries); !slices.Equal(got, []string{"pkg"}) {
		t.Errorf("strayDirs = %q", got)
	}

	for _, u := range unwanted {
		if got := unwantedIn([]byte("see " + u.text + "x")); len(got) != 1 || u.because == "" {
			t.Errorf("unwantedIn finds %q for %q", got, u.text)
		}
	}
	if got := unwantedIn([]byte("a workbench, a registry")); got != nil {
		t.Errorf("unwantedIn finds %q in an innocent text", got)
	}

	var mod goMod
	if err := json.Unmarshal([]byte(`{
		"Require": [{"Path": "a", "Version": "v1"}, {"Path": "b", "Version": "v2"}],
		"Replace": [{"Old": {"Path": "b"}, "New": {"Path": "../b"}}]
	}`), &mod); err != nil {
		t.Fatal(err)
	}
	for module, want := range map[string]string{"a": "v1", "b": "replaced by ../b ", "c": ""} {
		if got := mod.version(module); got != want {
			t.Errorf("version(%s) = %q, want %q", module, got, want)
		}
	}
}
